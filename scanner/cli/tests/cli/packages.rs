//! `verify` of packages: what the registry says of a version, and its keys, both given as files.

use crate::common::{Run, put, run_in, temp};
use probity_tests::build::registry::Registry;
use probity_tests::build::{gzip::gzip, tar};
use serde_json::Value;
use std::path::Path;

fn tarball(version: &str) -> Vec<u8> {
    let manifest = format!(r#"{{"name": "@a/b", "version": "{version}"}}"#);
    let entry = tar::Entry::file("package/package.json", manifest.as_bytes());
    gzip(&tar::Tar::of(vec![entry]).build())
}

fn verify(dir: &Path, more: &[&str]) -> Run {
    let args = ["verify", "--format", "json", "--no-progress", "b.tgz"];
    run_in(dir, &[&args[..], more].concat())
}

/// Intact and chain of the first signature.
fn answers(report: &Value) -> (&str, &str) {
    let first = &report["artifacts"][0]["signatures"][0];
    assert_eq!(first["scheme"], "npm-registry");
    (first["intact"].as_str().unwrap(), first["chain"].as_str().unwrap())
}

const GIVEN: [&str; 4] = ["--registry-signature", "version.json", "--keys", "keys.json"];

#[test]
fn the_registrys_signature_holds_by_a_key_from_a_file_and_by_no_other() {
    let dir = temp();
    let (registry, package) = (Registry::new(), tarball("1.2.3"));
    put(dir.path(), "b.tgz", &package);
    put(
        dir.path(),
        "version.json",
        registry.version("@a/b@1.2.3", &package).as_bytes(),
    );
    put(dir.path(), "keys.json", registry.keys().as_bytes());
    let report = verify(dir.path(), &GIVEN).expect(0, "clean", true);
    assert_eq!(answers(&report), ("yes", "anchored"));
    // Without the keys nobody can say.
    let report = verify(dir.path(), &GIVEN[..2]).expect(3, "incomplete", false);
    assert_eq!(answers(&report), ("unknown", "unknown"));
    // The keys of another registry, under the same number.
    put(dir.path(), "keys.json", Registry::new().keys().as_bytes());
    let report = verify(dir.path(), &GIVEN).expect(1, "findings", true);
    assert_eq!(answers(&report), ("no", "unanchored"));
}

#[test]
fn what_the_registry_said_of_another_version_is_nothing_of_this_one() {
    let dir = temp();
    let (registry, package) = (Registry::new(), tarball("1.2.3"));
    put(dir.path(), "keys.json", registry.keys().as_bytes());
    put(dir.path(), "b.tgz", &package);
    for said in [
        registry.version("@a/b@1.2.4", &package),
        registry.version("@a/b@1.2.3", &tarball("1.2.4")),
    ] {
        put(dir.path(), "version.json", said.as_bytes());
        let report = verify(dir.path(), &GIVEN).expect(1, "findings", true);
        assert_eq!(answers(&report), ("no", "unanchored"));
    }
}
