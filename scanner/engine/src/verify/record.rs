//! A wheel's RECORD as an answer, and `RECORD.jws`: the signature of a wheel's RECORD (PEP 427, "Signed wheel files"), a JSON Web Signature by Ed25519.
//!
//! The key stands in the signature, so that it says only that whoever holds the key listed these files; the payload is the
//! SHA-256 of RECORD.

use super::checked::Draft;
use super::document::{Document, Fault, base64, hex};
use super::{Answer, Checked};
use crate::artifact::Artifact;
use crate::finding::code;
use crate::walk::json::TokenKind;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What the scan of a wheel says of its RECORD; `None` when it is none.
pub fn of_scan(wheel: &Artifact) -> Option<Checked> {
    let name = wheel.path.rsplit('/').next().unwrap_or_default();
    if !name.ends_with(".whl") || wheel.format != "zip" {
        return None;
    }
    let mut checked = Draft::new("wheel-record").close();
    let told = |code: &str| {
        matches!(
            code,
            code::RECORD_MISMATCH | code::SIGNATURE_INVALID | code::PATH_TRAVERSAL
        )
    };
    let findings = wheel.findings.iter().filter(|judged| told(judged.finding.code));
    checked.findings = findings.cloned().collect();
    checked.errors = wheel.errors.clone();
    let harmless = |case: Option<&str>| {
        matches!(
            case,
            Some("encoding" | "name" | "version" | "signed" | "unlisted-metadata")
        )
    };
    let differs = checked.findings.iter().any(|judged| !harmless(judged.finding.case));
    checked.intact = match (differs, checked.errors.is_empty() && wheel.complete) {
        (true, _) => Answer::No,
        (false, true) => Answer::Yes,
        (false, false) => Answer::Unknown,
    };
    if checked.intact == Answer::Yes {
        checked.covered = wheel.size;
    }
    Some(checked)
}

/// Signatures in one file.
const MOST_SIGNATURES: usize = 16;

/// A signature that does not hold: the case of `signature-invalid`, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsound {
    pub(crate) case: &'static str,
    pub(crate) message: String,
}

/// Checks `text` over `record`; gives the keys that signed, in hexadecimal.
pub(crate) fn jws(text: &[u8], record: &[u8]) -> Result<Vec<String>, Unsound> {
    let malformed = |message: String| Unsound {
        case: "malformed",
        message,
    };
    let (payload, recipients) =
        read(text).map_err(|fault| malformed(format!("it is no signature: {} at {:#x}", fault.rule, fault.offset)))?;
    let stated = base64(&payload).and_then(|json| {
        let value: Value = serde_json::from_slice(&json).ok()?;
        base64(value.get("hash")?.as_str()?.strip_prefix("sha256=")?)
    });
    let stated = stated.ok_or_else(|| malformed("its payload is not the SHA-256 of a RECORD".to_owned()))?;
    if recipients.is_empty() {
        return Err(malformed("nobody signed it".to_owned()));
    }
    let mut signers = Vec::new();
    for (header, signature) in recipients {
        let key = base64(&header).and_then(|json| {
            let value: Value = serde_json::from_slice(&json).ok()?;
            let jwk = value.get("jwk")?;
            // As the wheel package writes it, or as RFC 8037 does.
            let text = jwk.get("vk").or_else(|| jwk.get("x"))?.as_str()?;
            let alg = value.get("alg")?.as_str()?;
            matches!(alg, "Ed25519" | "EdDSA").then(|| base64(text)).flatten()
        });
        let key = key.ok_or_else(|| malformed("a header holds no Ed25519 key".to_owned()))?;
        let signature = base64(&signature).ok_or_else(|| malformed("a signature is not base64".to_owned()))?;
        let message = format!("{header}.{payload}");
        if UnparsedPublicKey::new(&ED25519, &key)
            .verify(message.as_bytes(), &signature)
            .is_err()
        {
            return Err(Unsound {
                case: "broken",
                message: format!("it is not by the key that it names, {}", hex(&key)),
            });
        }
        signers.push(hex(&key));
    }
    if Sha256::digest(record)[..] != stated[..] {
        return Err(Unsound {
            case: "broken",
            message: "RECORD is not the one that was signed".to_owned(),
        });
    }
    Ok(signers)
}

type Recipients = Vec<(String, String)>;

fn read(text: &[u8]) -> Result<(String, Recipients), Fault> {
    let mut document = Document::new(text);
    let (mut payload, mut recipients) = (None, Vec::new());
    document.object("the signature", |document, key| match key {
        "payload" => {
            payload = Some(document.text("payload")?.0.into_owned());
            Ok(())
        }
        "recipients" | "signatures" => document.array(key, |document, token| {
            let offset = token.span.start();
            if token.kind != TokenKind::ObjectStart || recipients.len() >= MOST_SIGNATURES {
                return Err(Fault::new(offset, "no recipient, or too many"));
            }
            let (mut header, mut signature) = (None, None);
            document.opened(&token, "a recipient", |document, key| {
                match key {
                    "header" | "protected" => header = Some(document.text("header")?.0.into_owned()),
                    "signature" => signature = Some(document.text("signature")?.0.into_owned()),
                    _ => {
                        document.skip()?;
                    }
                }
                Ok(())
            })?;
            match (header, signature) {
                (Some(header), Some(signature)) => recipients.push((header, signature)),
                _ => return Err(Fault::new(offset, "a recipient without header or signature")),
            }
            Ok(())
        }),
        _ => document.skip().map(|_| ()),
    })?;
    document.end()?;
    let payload = payload.ok_or_else(|| Fault::new(0, "it has no payload"))?;
    Ok((payload, recipients))
}

/// Reads a RECORD and a signature of one. For the fuzz target.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    crate::inspect::container::fuzz_record(data);
    let _ = jws(data, data);
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn signed(record: &[u8]) -> String {
        let pair = Ed25519KeyPair::generate().unwrap();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let header =
            serde_json::json!({"alg": "Ed25519", "jwk": {"kty": "Ed25519", "vk": encode(pair.public_key().as_ref())}});
        let header = encode(header.to_string().as_bytes());
        let hash = format!("sha256={}", encode(&Sha256::digest(record)));
        let payload = encode(serde_json::json!({"hash": hash}).to_string().as_bytes());
        let signature = encode(pair.sign(format!("{header}.{payload}").as_bytes()).as_ref());
        serde_json::json!({"payload": payload, "recipients": [{"header": header, "signature": signature}]}).to_string()
    }

    #[test]
    fn a_record_is_the_one_that_was_signed_or_not() {
        let text = signed(b"a.py,sha256=x,1\n");
        assert_eq!(jws(text.as_bytes(), b"a.py,sha256=x,1\n").unwrap()[0].len(), 64);
        assert_eq!(jws(text.as_bytes(), b"a.py,sha256=y,1\n").unwrap_err().case, "broken");
        let other = signed(b"a.py,sha256=x,1\n");
        let (mine, theirs): (Value, Value) = (
            serde_json::from_str(&text).unwrap(),
            serde_json::from_str(&other).unwrap(),
        );
        let mut mixed = mine;
        mixed["recipients"][0]["signature"] = theirs["recipients"][0]["signature"].clone();
        assert_eq!(
            jws(mixed.to_string().as_bytes(), b"a.py,sha256=x,1\n")
                .unwrap_err()
                .case,
            "broken"
        );
        for text in ["", "{}", "[]", r#"{"payload": "e30", "recipients": []}"#] {
            assert_eq!(jws(text.as_bytes(), b"").unwrap_err().case, "malformed", "{text}");
        }
    }
}
