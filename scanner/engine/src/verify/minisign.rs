//! minisign: Ed25519 over a file, or over its BLAKE2b digest, in a text of four lines beside it (`FILE.minisig`).
//!
//! A signature without its public key proves nothing: then only the key's number is told.

use super::checked::Draft;
use super::document::base64;
use super::{Answer, ChainAnswer, Checked};
use crate::finding::{ErrorCode, code};
use crate::policy::shown;
use crate::source::{ReadAt, read_full_at};
pub use minisign_verify::PublicKey;
use minisign_verify::{Error, Signature};

/// The longest file whose bytes themselves are signed (the former kind): they are held in memory.
const LONGEST_WHOLE: u64 = 1 << 30;
/// The longest signature that is read.
pub const LONGEST: u64 = 64 << 10;

/// A public key: the text of its file, or its second line.
///
/// # Errors
/// When it is none.
pub fn key(text: &str) -> Result<PublicKey, String> {
    let line = text.trim();
    let decoded = if line.contains('\n') {
        PublicKey::decode(line)
    } else {
        PublicKey::from_base64(line)
    };
    decoded.map_err(|error| format!("it is no minisign public key: {error}"))
}

/// Checks `signature` over `source`.
pub fn check(source: &dyn ReadAt, signature: &[u8], key: Option<&PublicKey>) -> Checked {
    let mut draft = Draft::new("minisign");
    let text = String::from_utf8_lossy(signature);
    let Ok(decoded) = Signature::decode(&text) else {
        draft.refuse(
            code::SIGNATURE_INVALID,
            Some("malformed"),
            "it is no minisign signature",
        );
        return draft.close();
    };
    let (number, prehashed) = head(&text);
    draft.checked.signer = number.map(|number| format!("minisign:{number}"));
    let comment = text
        .lines()
        .nth(2)
        .and_then(|line| line.strip_prefix("trusted comment: "));
    let Some(key) = key else {
        draft.error(
            ErrorCode::Unsupported,
            "it is signed by a minisign key that is not in the signature: give the public key (--minisign-key)",
        );
        return draft.close();
    };
    match verify(source, &decoded, key, prehashed) {
        Ok(()) => {
            draft.checked.intact = Answer::Yes;
            draft.checked.chain = ChainAnswer::Anchored;
            draft.checked.covered = source.len();
            // Signed too, but by whoever signs: the time in it is the signer's own word.
            if let Some(comment) = comment {
                draft.note(format!("the signer says: {}", shown(comment.as_bytes())));
            }
        }
        Err(Failure::Key) => {
            draft.checked.chain = ChainAnswer::Unanchored;
            draft.refuse(
                code::SIGNATURE_INVALID,
                Some("key"),
                "it is signed by another minisign key than the one given",
            );
        }
        Err(Failure::Broken) => {
            draft.checked.chain = ChainAnswer::Unanchored;
            let message = "the signature is not one of these bytes by the key given";
            draft.refuse(code::SIGNATURE_INVALID, Some("broken"), message);
        }
        Err(Failure::Read(error)) => draft.error(ErrorCode::Unreadable, error.to_string()),
        Err(Failure::TooLong) => {
            let message = format!("it signs the bytes themselves, of which {LONGEST_WHOLE} are taken at most");
            draft.error(ErrorCode::LimitExceeded, message);
        }
    }
    draft.close()
}

enum Failure {
    Key,
    Broken,
    TooLong,
    Read(std::io::Error),
}

fn verify(source: &dyn ReadAt, signature: &Signature, key: &PublicKey, prehashed: bool) -> Result<(), Failure> {
    let judge = |error| match error {
        Error::UnexpectedKeyId => Failure::Key,
        _ => Failure::Broken,
    };
    if !prehashed {
        if source.len() > LONGEST_WHOLE {
            return Err(Failure::TooLong);
        }
        let mut bytes = vec![0u8; usize::try_from(source.len()).unwrap_or_default()];
        let n = read_full_at(source, &mut bytes, 0).map_err(Failure::Read)?;
        bytes.truncate(n);
        return key.verify(&bytes, signature, true).map_err(judge);
    }
    let mut stream = key.verify_stream(signature).map_err(judge)?;
    super::npm::tiles(source, |tile| stream.update(tile)).map_err(Failure::Read)?;
    stream.finalize().map_err(judge)
}

/// The key's number as minisign prints it, and whether the digest is signed rather than the bytes.
fn head(text: &str) -> (Option<String>, bool) {
    let bytes = text.lines().nth(1).and_then(|line| base64(line.trim()));
    let Some(bytes) = bytes else { return (None, false) };
    let number = bytes.get(2..10).map(|id| {
        let digits = id.iter().rev().map(|b| format!("{b:02X}"));
        digits.collect::<String>()
    });
    (number, bytes.starts_with(b"ED"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use blake2::{Blake2b512, Digest};

    const COMMENT: &str = "timestamp:1633700835";

    fn signed(pair: &Ed25519KeyPair, content: &[u8], prehashed: bool) -> (String, String) {
        let number = [1u8, 2, 3, 4, 5, 6, 7, 8];
        let public = [b"Ed", &number[..], pair.public_key().as_ref()].concat();
        let (kind, message) = if prehashed {
            (&b"ED"[..], Blake2b512::digest(content).to_vec())
        } else {
            (&b"Ed"[..], content.to_vec())
        };
        let signature = pair.sign(&message).as_ref().to_vec();
        let global = pair
            .sign(&[&signature[..], COMMENT.as_bytes()].concat())
            .as_ref()
            .to_vec();
        let text = format!(
            "untrusted comment: x\n{}\ntrusted comment: {COMMENT}\n{}\n",
            STANDARD.encode([kind, &number, &signature].concat()),
            STANDARD.encode(global)
        );
        (STANDARD.encode(public), text)
    }

    #[test]
    fn both_kinds_hold_over_their_bytes_and_no_others() {
        let pair = Ed25519KeyPair::generate().unwrap();
        for prehashed in [true, false] {
            let (public, text) = signed(&pair, b"content", prehashed);
            let key = key(&format!("untrusted comment: k\n{public}\n")).unwrap();
            let checked = check(&MemorySource::new(b"content".to_vec()), text.as_bytes(), Some(&key));
            assert_eq!(
                (checked.intact, checked.chain),
                (Answer::Yes, ChainAnswer::Anchored),
                "{checked:?}"
            );
            assert_eq!(checked.signer.as_deref(), Some("minisign:0807060504030201"));
            assert_eq!(checked.notes, [format!("the signer says: {COMMENT}")]);
            let other = check(&MemorySource::new(b"c0ntent".to_vec()), text.as_bytes(), Some(&key));
            assert_eq!(
                (other.intact, other.findings[0].finding.case),
                (Answer::No, Some("broken"))
            );
            let comment = text.replace("1633700835", "1633700836");
            let other = check(&MemorySource::new(b"content".to_vec()), comment.as_bytes(), Some(&key));
            assert_eq!(other.intact, Answer::No);
        }
    }

    #[test]
    fn without_a_key_only_its_number_is_known() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let (_, text) = signed(&pair, b"content", true);
        let checked = check(&MemorySource::new(b"content".to_vec()), text.as_bytes(), None);
        assert_eq!((checked.intact, checked.errors.len()), (Answer::Unknown, 1));
        let broken = check(&MemorySource::new(b"content".to_vec()), b"untrusted comment: x\n", None);
        assert_eq!(broken.findings[0].finding.case, Some("malformed"));
        assert!(key("nonsense").is_err());
    }
}
