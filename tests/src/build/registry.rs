//! What npm's registry says of a version: its signature, and its keys, by a key that is made for it.

use super::signed::Hash;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// A registry with one key.
pub struct Registry {
    pair: EcdsaKeyPair,
}

impl Registry {
    /// One with a new key.
    ///
    /// # Panics
    /// When the system has no random numbers.
    pub fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key pair");
        Self { pair }
    }

    /// The file that its keys endpoint gives.
    pub fn keys(&self) -> String {
        // SubjectPublicKeyInfo of P-256 up to the point.
        const PREFIX: &[u8] = &[
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
            0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        let key = base64(&[PREFIX, self.pair.public_key().as_ref()].concat());
        format!(
            r#"{{"keys":[{{"expires":null,"keyid":"SHA256:fixture","keytype":"ecdsa-sha2-nistp256","key":"{key}"}}]}}"#
        )
    }

    /// The metadata of `package` (`name@version`), whose tarball is `bytes`.
    ///
    /// # Panics
    /// When the system has no random numbers.
    pub fn version(&self, package: &str, bytes: &[u8]) -> String {
        let integrity = format!("sha512-{}", base64(&Hash::Sha512.of(bytes)));
        let message = format!("{package}:{integrity}");
        let signed = self
            .pair
            .sign(&SystemRandom::new(), message.as_bytes())
            .expect("a signature");
        let sig = base64(signed.as_ref());
        format!(r#"{{"dist":{{"integrity":"{integrity}","signatures":[{{"keyid":"SHA256:fixture","sig":"{sig}"}}]}}}}"#)
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let mut word = [0; 4];
        word[1..=three.len()].copy_from_slice(three);
        let word = u32::from_be_bytes(word);
        for digit in 0..4 {
            let shown = digit <= three.len();
            let value = (word >> (18 - 6 * digit)) & 63;
            out.push(if shown { DIGITS[value as usize] as char } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_its_specification() {
        let known = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, text) in known {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }
}
