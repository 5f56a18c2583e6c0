//! The file that holds a signature: a Sigstore bundle (`bundle.proto` of the protobuf-specs) with a DSSE envelope.
//!
//! | member | what |
//! | --- | --- |
//! | `mediaType` | `application/vnd.dev.sigstore.bundle.v0.3+json`, or an older version's |
//! | `verificationMaterial.publicKey.hint` | SHA-256 of the public key in PEM, hexadecimal |
//! | `verificationMaterial.x509CertificateChain.certificates[].rawBytes` | the signer's certificate, then its issuers |
//! | `verificationMaterial.certificate.rawBytes` | a certificate of Sigstore's own authority |
//! | `verificationMaterial.tlogEntries[]` | entries of the transparency log |
//! | `dsseEnvelope.payload`, `.payloadType`, `.signatures[].sig` | what is signed, of which type, and the signature |

use crate::verify::document::{Document, Fault};
use crate::walk::json::TokenKind;

/// The type of the payload.
pub(super) const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The media type that is written.
pub(super) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Those that are read.
const MEDIA_TYPES: &[&str] = &[
    MEDIA_TYPE,
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
];
/// Certificates of one bundle.
const MOST_CERTIFICATES: usize = 32;

/// What the signature is to be checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Material {
    /// A key that whoever checks must have, named by the digest of its PEM.
    Key(Option<String>),
    /// The signer's certificate, then others, in DER.
    Chain(Vec<Vec<u8>>),
    /// A certificate of Sigstore's authority, or log entries: checked as Sigstore prescribes.
    Sigstore,
}

/// A bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bundle {
    pub(super) material: Material,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

#[derive(Default)]
struct Read {
    media_type: Option<(String, u64)>,
    key: bool,
    hint: Option<String>,
    chain: Vec<Vec<u8>>,
    certificate: bool,
    logged: bool,
    payload: Option<Vec<u8>>,
    payload_type: Option<(String, u64)>,
    signatures: Vec<Vec<u8>>,
    message: bool,
}

/// Reads a bundle.
pub(super) fn read(bytes: &[u8]) -> Result<Bundle, Fault> {
    let mut read = Read::default();
    let mut document = Document::new(bytes);
    document.object("the bundle", |document, key| match key {
        "mediaType" => {
            let (text, span) = document.text("mediaType")?;
            read.media_type = Some((text.into_owned(), span.start()));
            Ok(())
        }
        "verificationMaterial" => material(document, &mut read),
        "dsseEnvelope" => envelope(document, &mut read),
        "messageSignature" => {
            read.message = true;
            document.skip().map(|_| ())
        }
        _ => document.skip().map(|_| ()),
    })?;
    document.end()?;
    read.close()
}

fn material(document: &mut Document<'_>, read: &mut Read) -> Result<(), Fault> {
    document.object("verificationMaterial", |document, key| match key {
        "publicKey" => {
            read.key = true;
            document.object("publicKey", |document, key| match key {
                "hint" => {
                    read.hint = document.optional_text("hint")?.filter(|hint| !hint.is_empty());
                    Ok(())
                }
                _ => document.skip().map(|_| ()),
            })
        }
        "x509CertificateChain" => document.object("x509CertificateChain", |document, key| match key {
            "certificates" => document.array("certificates", |document, token| {
                let offset = token.span.start();
                if read.chain.len() >= MOST_CERTIFICATES {
                    return Err(Fault::new(
                        offset,
                        format!("more than {MOST_CERTIFICATES} certificates"),
                    ));
                }
                let mut der = None;
                document.opened(&token, "a certificate", |document, key| match key {
                    "rawBytes" => {
                        der = Some(document.bytes("rawBytes")?);
                        Ok(())
                    }
                    _ => document.skip().map(|_| ()),
                })?;
                let der = der.ok_or_else(|| Fault::new(offset, "a certificate without rawBytes"))?;
                read.chain.push(der);
                Ok(())
            }),
            _ => document.skip().map(|_| ()),
        }),
        "certificate" => {
            read.certificate = true;
            document.skip().map(|_| ())
        }
        "tlogEntries" => document.array("tlogEntries", |document, token| {
            read.logged = true;
            if token.kind != TokenKind::ObjectStart {
                return Err(Fault::new(
                    token.span.start(),
                    "an entry of tlogEntries is not an object",
                ));
            }
            document.skip().map(|_| ())
        }),
        _ => document.skip().map(|_| ()),
    })
}

fn envelope(document: &mut Document<'_>, read: &mut Read) -> Result<(), Fault> {
    document.object("dsseEnvelope", |document, key| match key {
        "payload" => {
            read.payload = Some(document.bytes("payload")?);
            Ok(())
        }
        "payloadType" => {
            let (text, span) = document.text("payloadType")?;
            read.payload_type = Some((text.into_owned(), span.start()));
            Ok(())
        }
        "signatures" => document.array("signatures", |document, token| {
            let offset = token.span.start();
            let mut signature = None;
            document.opened(&token, "a signature", |document, key| match key {
                "sig" => {
                    signature = Some(document.bytes("sig")?);
                    Ok(())
                }
                _ => document.skip().map(|_| ()),
            })?;
            // One that nobody checks must not stand beside one that is checked.
            if !read.signatures.is_empty() {
                return Err(Fault::new(offset, "the envelope has more than one signature"));
            }
            let signature = signature.ok_or_else(|| Fault::new(offset, "a signature without sig"))?;
            read.signatures.push(signature);
            Ok(())
        }),
        _ => document.skip().map(|_| ()),
    })
}

impl Read {
    fn close(mut self) -> Result<Bundle, Fault> {
        let missing = |what: &str| Fault::new(0, format!("the bundle has no {what}"));
        let (media_type, offset) = self.media_type.ok_or_else(|| missing("mediaType"))?;
        if !MEDIA_TYPES.contains(&media_type.as_str()) {
            let rule = format!("{media_type} is not the media type of a bundle that is read");
            return Err(Fault::new(offset, rule));
        }
        if self.message && self.payload.is_none() {
            return Err(missing("DSSE envelope: it signs one file, not a directory"));
        }
        let payload = self.payload.ok_or_else(|| missing("payload"))?;
        let (payload_type, offset) = self.payload_type.ok_or_else(|| missing("payloadType"))?;
        if payload_type != IN_TOTO {
            return Err(Fault::new(
                offset,
                format!("the payload's type is {payload_type}, not {IN_TOTO}"),
            ));
        }
        let signature = self.signatures.pop().ok_or_else(|| missing("signature"))?;
        let kinds = [self.key, !self.chain.is_empty(), self.certificate];
        if kinds.iter().filter(|kind| **kind).count() > 1 {
            return Err(Fault::new(0, "the bundle has verification material of two kinds"));
        }
        let material = if self.key {
            Material::Key(self.hint)
        } else if self.certificate || self.logged {
            Material::Sigstore
        } else if !self.chain.is_empty() {
            Material::Chain(self.chain)
        } else {
            return Err(missing("verification material"));
        };
        Ok(Bundle {
            material,
            payload,
            signature,
        })
    }
}

/// What is signed of a payload: its pre-authentication encoding (DSSE, protocol.md).
pub(super) fn pae(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {IN_TOTO} {} ", IN_TOTO.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// What model-signing 0.2 signed instead: another version word, and the payload as Python prints bytes.
pub(super) fn pae_of_0_2(payload: &[u8]) -> Vec<u8> {
    use std::fmt::Write;
    let quote = if payload.contains(&b'\'') && !payload.contains(&b'"') {
        '"'
    } else {
        '\''
    };
    let mut out = format!("DSSEV1 {} {IN_TOTO} {} b{quote}", IN_TOTO.len(), payload.len());
    for byte in payload {
        let _ = match byte {
            b'\t' => out.write_str("\\t"),
            b'\n' => out.write_str("\\n"),
            b'\r' => out.write_str("\\r"),
            b'\\' => out.write_str("\\\\"),
            0x20..=0x7e if char::from(*byte) == quote => write!(out, "\\{quote}"),
            0x20..=0x7e => out.write_char(char::from(*byte)),
            _ => write!(out, "\\x{byte:02x}"),
        };
    }
    out.push(quote);
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(material: &str, envelope: &str) -> String {
        format!(r#"{{"mediaType": "{MEDIA_TYPE}", "verificationMaterial": {material}, "dsseEnvelope": {envelope}}}"#)
    }

    const KEY: &str = r#"{"publicKey": {"hint": "ab"}, "tlogEntries": []}"#;
    const ENVELOPE: &str = r#"{"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": [{"sig": "AQI=", "keyid": ""}]}"#;

    #[test]
    fn a_bundle_is_read() {
        let bundle = read(sample(KEY, ENVELOPE).as_bytes()).unwrap();
        assert_eq!(bundle.material, Material::Key(Some("ab".to_owned())));
        assert_eq!(
            (bundle.payload.as_slice(), bundle.signature.as_slice()),
            (&b"{}"[..], &[1, 2][..])
        );
        let chain = r#"{"x509CertificateChain": {"certificates": [{"rawBytes": "AQ=="}]}}"#;
        let bundle = read(sample(chain, ENVELOPE).as_bytes()).unwrap();
        assert_eq!(bundle.material, Material::Chain(vec![vec![1]]));
        let logged = r#"{"certificate": {"rawBytes": "AQ=="}, "tlogEntries": [{}]}"#;
        assert_eq!(
            read(sample(logged, ENVELOPE).as_bytes()).unwrap().material,
            Material::Sigstore
        );
    }

    #[test]
    fn what_is_no_such_bundle_is_refused_with_its_place() {
        let two = ENVELOPE.replace("[{", r#"[{"sig": "AQI="}, {"#);
        for (text, expected) in [
            (String::new(), "unexpected end"),
            ("[]".to_owned(), "the bundle is not an object"),
            ("{}".to_owned(), "the bundle has no mediaType"),
            (
                sample(KEY, ENVELOPE).replace("v0.3", "v9"),
                "application/vnd.dev.sigstore.bundle.v9+json is not",
            ),
            (sample(KEY, &two), "the envelope has more than one signature"),
            (sample("{}", ENVELOPE), "the bundle has no verification material"),
            (
                sample(KEY, &ENVELOPE.replace("in-toto", "other")),
                "the payload's type is",
            ),
            (sample(KEY, &ENVELOPE.replace("e30=", "?")), "payload is not base64"),
            (
                sample(KEY, ENVELOPE).replace("\"hint\"", "\"hint\": \"x\", \"hint\""),
                "a key of publicKey stands twice",
            ),
            (format!("{} x", sample(KEY, ENVELOPE)), "content after the value"),
        ] {
            let fault = read(text.as_bytes()).unwrap_err();
            assert!(fault.rule.starts_with(expected), "{text}: {fault:?}");
        }
        let text = sample(KEY, &two);
        let fault = read(text.as_bytes()).unwrap_err();
        let place = u64::try_from(text.find("}, {").unwrap()).unwrap();
        assert_eq!(fault.offset, place.saturating_add(3));
    }

    #[test]
    fn the_encodings_are_those_of_both_versions() {
        assert_eq!(pae(b"{}"), b"DSSEv1 28 application/vnd.in-toto+json 2 {}");
        assert_eq!(
            pae_of_0_2(b"{\"a\":\n'\\\xff}"),
            br#"DSSEV1 28 application/vnd.in-toto+json 10 b'{"a":\n\'\\\xff}'"#
        );
    }
}
