//! Signing and checking directories, and what an attacker may do to one.

use super::*;
use crate::verify::key::PrivateKey;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

struct Model {
    home: tempfile::TempDir,
    key: PrivateKey,
}

impl Model {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let model = home.path().join("model");
        fs::create_dir_all(model.join("sub")).unwrap();
        fs::write(model.join("weights.bin"), vec![7u8; 3 << 20]).unwrap();
        fs::write(model.join("sub/config.json"), b"{}").unwrap();
        fs::write(model.join("empty"), b"").unwrap();
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let key = PrivateKey::read(pair.to_pkcs8v1().unwrap().as_ref()).unwrap();
        Self { home, key }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("model").join(name)
    }

    fn options<'a>(&'a self, output: &'a Path) -> SignOptions<'a> {
        SignOptions {
            key: &self.key,
            certificates: &[],
            algorithm: Algorithm::Sha256,
            ignore: &[],
            ignore_git: true,
            allow_symlinks: false,
            output,
        }
    }

    fn sign(&self) {
        let output = self.path(DEFAULT_NAME);
        let signed = sign(&self.path(""), &self.options(&output)).unwrap();
        fs::write(output, signed.bundle).unwrap();
    }

    fn trust(&self) -> Trust {
        Trust {
            key: Some(self.key.public().clone()),
            ..Trust::default()
        }
    }

    fn verify(&self) -> Outcome {
        verify(
            &self.path(""),
            &self.path(DEFAULT_NAME),
            &self.trust(),
            Some(Severity::Medium),
        )
        .unwrap()
    }

    /// Signs a statement of our own making with the model's key.
    fn write(&self, statement: &str) {
        let payload = statement.as_bytes();
        let signature = self.key.sign(&bundle::pae(payload)).unwrap();
        let encode = |bytes: &[u8]| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(bytes)
        };
        let bundle = serde_json::json!({
            "mediaType": bundle::MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": self.key.public().hint()}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": encode(payload),
                "payloadType": bundle::IN_TOTO,
                "signatures": [{"sig": encode(&signature), "keyid": ""}],
            },
        });
        fs::write(self.path(DEFAULT_NAME), bundle.to_string()).unwrap();
    }

    fn payload(&self) -> String {
        let bytes = fs::read(self.path(DEFAULT_NAME)).unwrap();
        String::from_utf8(bundle::read(&bytes).unwrap().payload).unwrap()
    }
}

/// Code and case of each finding, with the region.
fn told(outcome: &Outcome) -> Vec<(&'static str, &'static str, String)> {
    let findings = outcome.findings.iter().map(|j| &j.finding);
    findings
        .map(|f| (f.code, f.case.unwrap_or_default(), f.region.clone()))
        .collect()
}

fn one(code: &'static str, case: &'static str, name: &str) -> Vec<(&'static str, &'static str, String)> {
    vec![(code, case, name.to_owned())]
}

#[test]
fn what_was_signed_is_intact_with_every_digest() {
    for algorithm in [Algorithm::Sha256, Algorithm::Blake2b, Algorithm::Blake3] {
        let model = Model::new();
        let output = model.path(DEFAULT_NAME);
        let options = SignOptions {
            algorithm,
            ..model.options(&output)
        };
        let signed = sign(&model.path(""), &options).unwrap();
        assert_eq!((signed.files, signed.bytes), (3, (3 << 20) + 2));
        fs::write(&output, signed.bundle).unwrap();
        let outcome = model.verify();
        assert_eq!(told(&outcome), []);
        assert_eq!(
            (outcome.intact, outcome.chain, outcome.verdict),
            (Answer::Yes, ChainAnswer::Anchored, Verdict::Clean)
        );
        assert_eq!((outcome.files, outcome.bytes), (3, (3 << 20) + 2));
        assert_eq!(
            outcome.signer,
            Some(format!("key:sha256:{}", model.key.public().hint()))
        );
    }
}

#[test]
fn changed_added_and_removed_files_are_named() {
    let model = Model::new();
    model.sign();
    let mut bytes = fs::read(model.path("weights.bin")).unwrap();
    bytes[2 << 20] ^= 1;
    fs::write(model.path("weights.bin"), bytes).unwrap();
    fs::write(model.path("sub/modeling.py"), b"x").unwrap();
    fs::create_dir(model.path(".git")).unwrap();
    fs::write(model.path(".git/HEAD"), b"x").unwrap();
    fs::remove_file(model.path("empty")).unwrap();
    let outcome = model.verify();
    assert_eq!(
        told(&outcome),
        [
            ("signed-file-changed", "", "weights.bin".to_owned()),
            ("unsigned-file", "", "sub/modeling.py".to_owned()),
            ("signed-file-missing", "", "empty".to_owned()),
            ("unsigned-file", "ignored", ".git".to_owned()),
        ]
    );
    assert_eq!((outcome.intact, outcome.verdict), (Answer::No, Verdict::Findings));
    assert_eq!(outcome.chain, ChainAnswer::Anchored);
    assert_eq!(outcome.ignored[0].files, 1);
}

#[test]
fn a_file_that_ignored_paths_cover_and_the_list_names_is_compared() {
    let model = Model::new();
    model.sign();
    let wider = model
        .payload()
        .replace("\".gitignore\"", "\".gitignore\",\n        \"sub\"");
    model.write(&wider);
    assert_eq!(told(&model.verify()), []);
    fs::write(model.path("sub/config.json"), b"[]").unwrap();
    fs::write(model.path("sub/other"), b"x").unwrap();
    let found = told(&model.verify());
    assert_eq!(found[0], ("signed-file-changed", "", "sub/config.json".to_owned()));
    assert_eq!(found[1], ("unsigned-file", "ignored", "sub".to_owned()));
}

#[test]
fn names_that_lead_out_are_refused_and_not_read() {
    let model = Model::new();
    fs::write(model.home.path().join("outside"), b"{}").unwrap();
    model.sign();
    let good = model.payload();
    for name in ["../outside", "/etc/hostname", "sub/../../outside"] {
        model.write(&good.replace("sub/config.json", name));
        let outcome = model.verify();
        let found = told(&outcome);
        assert!(
            found.contains(&("path-traversal", "", DEFAULT_NAME.to_owned())),
            "{found:?}"
        );
        assert!(found.contains(&("unsigned-file", "", "sub/config.json".to_owned())));
        assert_eq!(outcome.intact, Answer::No);
    }
}

#[test]
fn links_count_only_where_the_manifest_allows_them_and_never_outside() {
    let model = Model::new();
    fs::write(model.home.path().join("outside"), b"secret").unwrap();
    model.sign();
    fs::rename(model.path("sub/config.json"), model.path("sub/real")).unwrap();
    symlink("real", model.path("sub/config.json")).unwrap();
    let found = told(&model.verify());
    assert!(
        found.contains(&("signed-file-changed", "link", "sub/config.json".to_owned())),
        "{found:?}"
    );

    fs::remove_file(model.path("sub/config.json")).unwrap();
    symlink("../../outside", model.path("sub/config.json")).unwrap();
    symlink("sub", model.path("folder")).unwrap();
    let found = told(&model.verify());
    assert!(
        found.contains(&("symlink-escape", "", "sub/config.json".to_owned())),
        "{found:?}"
    );
    assert!(found.contains(&("unsigned-file", "link", "folder".to_owned())));

    // The same with the manifest's leave: a link inside is its file, one that leads out is not.
    model.write(
        &model
            .payload()
            .replace("\"allow_symlinks\": false", "\"allow_symlinks\": true"),
    );
    fs::remove_file(model.path("folder")).unwrap();
    let found = told(&model.verify());
    assert!(
        found.contains(&("symlink-escape", "", "sub/config.json".to_owned())),
        "{found:?}"
    );
    fs::remove_file(model.path("sub/config.json")).unwrap();
    symlink("real", model.path("sub/config.json")).unwrap();
    assert_eq!(told(&model.verify()), one("unsigned-file", "", "sub/real"));
}

#[test]
fn another_key_and_another_payload_do_not_hold() {
    let model = Model::new();
    model.sign();
    let other = Model::new();
    let outcome = verify(
        &model.path(""),
        &model.path(DEFAULT_NAME),
        &other.trust(),
        Some(Severity::Medium),
    )
    .unwrap();
    assert_eq!(told(&outcome), one("signature-invalid", "key", DEFAULT_NAME));
    assert_eq!((outcome.intact, outcome.chain), (Answer::No, ChainAnswer::Unanchored));

    // Another payload under the signature of the first.
    let text = fs::read_to_string(model.path(DEFAULT_NAME)).unwrap();
    let mut bundle: Value = serde_json::from_str(&text).unwrap();
    let mut digest = model.payload();
    digest = digest.replacen("\"allow_symlinks\": false", "\"allow_symlinks\": true ", 1);
    model.write(&digest);
    let forged: Value = serde_json::from_str(&fs::read_to_string(model.path(DEFAULT_NAME)).unwrap()).unwrap();
    bundle["dsseEnvelope"]["payload"] = forged["dsseEnvelope"]["payload"].clone();
    fs::write(model.path(DEFAULT_NAME), bundle.to_string()).unwrap();
    let outcome = model.verify();
    assert_eq!(told(&outcome), one("signature-invalid", "broken", DEFAULT_NAME));
    assert_eq!(outcome.intact, Answer::No);
}

#[test]
fn without_a_key_the_files_are_compared_and_the_rest_is_unknown() {
    let model = Model::new();
    model.sign();
    let outcome = verify(
        &model.path(""),
        &model.path(DEFAULT_NAME),
        &Trust::default(),
        Some(Severity::Medium),
    )
    .unwrap();
    assert_eq!(
        (outcome.intact, outcome.chain, outcome.verdict),
        (Answer::Unknown, ChainAnswer::Unknown, Verdict::Incomplete)
    );
    assert_eq!(outcome.files, 3);
    fs::write(model.path("empty"), b"x").unwrap();
    let outcome = verify(
        &model.path(""),
        &model.path(DEFAULT_NAME),
        &Trust::default(),
        Some(Severity::Medium),
    )
    .unwrap();
    assert_eq!((outcome.intact, outcome.verdict), (Answer::No, Verdict::Findings));
}

#[test]
fn parts_of_files_are_held_against_the_file() {
    let model = Model::new();
    fs::remove_file(model.path("empty")).unwrap();
    let bytes = fs::read(model.path("weights.bin")).unwrap();
    let mut root = Vec::new();
    let mut resources = Vec::new();
    let size = 1usize << 20;
    for (name, content) in [("sub/config.json", &b"{}"[..]), ("weights.bin", &bytes)] {
        for (number, part) in content.chunks(size).enumerate() {
            use sha2::Digest as _;
            let digest = sha2::Sha256::digest(part);
            root.extend_from_slice(&digest);
            let start = number.saturating_mul(size);
            resources.push(serde_json::json!({
                "name": format!("{name}:{start}:{}", start.saturating_add(part.len())),
                "algorithm": format!("sha256-sharded-{size}"),
                "digest": crate::verify::document::hex(&digest),
            }));
        }
    }
    let root = crate::verify::document::hex(&<sha2::Sha256 as sha2::Digest>::digest(&root));
    let statement = serde_json::json!({
        "_type": manifest::STATEMENT,
        "subject": [{"name": "model", "digest": {"sha256": root}}],
        "predicateType": manifest::PREDICATE,
        "predicate": {
            "serialization": {"method": "shards", "hash_type": "sha256", "shard_size": size, "allow_symlinks": false},
            "resources": resources,
        },
    });
    model.write(&statement.to_string());
    let outcome = model.verify();
    assert_eq!((told(&outcome), outcome.intact), (vec![], Answer::Yes));

    fs::write(model.path("__init__.py"), b"").unwrap();
    assert_eq!(told(&model.verify()), one("unsigned-file", "empty", "__init__.py"));
    fs::remove_file(model.path("__init__.py")).unwrap();

    let mut longer = bytes.clone();
    longer.push(0);
    fs::write(model.path("weights.bin"), longer).unwrap();
    assert_eq!(told(&model.verify()), one("signed-file-changed", "", "weights.bin"));
    let mut changed = bytes;
    changed[(2 << 20) + 5] = 0;
    fs::write(model.path("weights.bin"), changed).unwrap();
    let outcome = model.verify();
    assert!(
        outcome.findings[0]
            .finding
            .message
            .ends_with("(bytes 2097152 to 3145728)")
    );
}

#[test]
fn what_is_no_signature_is_told_with_its_offset() {
    let model = Model::new();
    model.sign();
    let text = fs::read_to_string(model.path(DEFAULT_NAME)).unwrap();
    for (cut, expected) in [(0, "unexpected end at 0x0"), (40, "unexpected end at 0x28")] {
        fs::write(model.path(DEFAULT_NAME), &text[..cut]).unwrap();
        let outcome = model.verify();
        assert_eq!(told(&outcome), one("signature-invalid", "malformed", DEFAULT_NAME));
        assert!(
            outcome.findings[0].finding.message.contains(expected),
            "{:?}",
            outcome.findings[0]
        );
        assert_eq!(outcome.intact, Answer::No);
    }
}

#[test]
fn signing_leaves_nothing_out_in_silence() {
    let model = Model::new();
    let output = model.path(DEFAULT_NAME);
    symlink("sub/config.json", model.path("link")).unwrap();
    let refused = sign(&model.path(""), &model.options(&output)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "link is a link (--allow-symlinks signs what it leads to)"
    );
    let allowed = SignOptions {
        allow_symlinks: true,
        ..model.options(&output)
    };
    assert_eq!(sign(&model.path(""), &allowed).unwrap().files, 4);
    fs::remove_file(model.path("link")).unwrap();
    symlink("/", model.path("link")).unwrap();
    let refused = sign(&model.path(""), &allowed).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "link is a link that leads outside of the directory"
    );
    fs::remove_file(model.path("link")).unwrap();
    let ignore = ["sub".to_owned(), "empty".to_owned()];
    let fewer = SignOptions {
        ignore: &ignore,
        ..model.options(&output)
    };
    let signed = sign(&model.path(""), &fewer).unwrap();
    assert_eq!(signed.files, 1);
    assert_eq!(
        signed.ignored,
        [
            ".git",
            ".gitattributes",
            ".github",
            ".gitignore",
            "empty",
            "model.sig",
            "sub"
        ]
    );
    fs::write(&output, signed.bundle).unwrap();
    let outcome = model.verify();
    assert_eq!(outcome.verdict, Verdict::Clean);
    assert_eq!(outcome.ignored.len(), 2);
}

proptest::proptest! {
    #[test]
    fn random_documents_are_refused_or_read(text in r#"[\{\}\[\]":,a-z0-9\.\\/ ]{0,200}"#) {
        fuzz(text.as_bytes());
    }
}
