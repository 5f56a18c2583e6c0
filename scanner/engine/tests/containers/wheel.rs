//! Wheels and installed packages.

use crate::common::{check, errors, found, holder, scan, scan_files};
use probity_tests::build::elf::Elf;
use probity_tests::build::files::{Files, hex, record, wheel};

const RECORD: &str = "fixture-1.0.dist-info/RECORD";

#[test]
fn a_sound_wheel_is_quiet() {
    check(&wheel(&[]), &[]);
    check(
        &wheel(&[("a, \"b\".txt", b"x")]).with(RECORD, {
            let row = "\"a, \"\"b\"\".txt\",sha256=LXEWQrcmsEQBYnyp-6wy9ced9yfNWjRnJ1p2GvN_9wo,1\n";
            record(&wheel(&[]).without(RECORD))
                .replace(
                    "fixture-1.0.dist-info/RECORD",
                    &format!("{row}fixture-1.0.dist-info/RECORD"),
                )
                .replacen(&format!("{row}{row}"), row, 1)
        }),
        &["high record-mismatch digest"],
    );
}

#[test]
fn record_is_held_against_the_files() {
    let sound = wheel(&[("fixture/data.txt", b"data")]);
    let changed = sound.clone().with("fixture/data.txt", b"other");
    check(&changed, &["high record-mismatch digest"]);
    check(
        &sound.clone().with("fixture/more.py", b""),
        &["high record-mismatch unlisted"],
    );
    check(
        &sound.clone().with("fixture-1.0.dist-info/LICENSE", b"text"),
        &["low record-mismatch unlisted-metadata"],
    );
    check(
        &sound.clone().with("fixture-1.0.dist-info/RECORD.jws", b"{}"),
        &["high signature-invalid malformed"],
    );
    check(
        &sound.clone().with("fixture-1.0.dist-info/RECORD.p7s", b"0"),
        &["info package-inventory record-signed"],
    );
    check(
        &sound.clone().without("fixture/data.txt"),
        &["low record-mismatch missing"],
    );
    let text = String::from_utf8(sound.get(RECORD)).unwrap();
    let digest = text.split("data.txt,").nth(1).unwrap().split(',').next().unwrap();
    check(
        &sound.clone().with(RECORD, text.replace(digest, "")),
        &["medium record-mismatch no-digest"],
    );
    let hexadecimal = text.replace(digest, &format!("sha256={}", hex(b"data")));
    check(
        &sound.clone().with(RECORD, hexadecimal),
        &["info record-mismatch encoding"],
    );
    let longer = text.replace(&format!("{digest},4"), &format!("{digest},5"));
    check(&sound.clone().with(RECORD, longer), &["low record-mismatch size"]);
    check(
        &sound.clone().with(RECORD, text.replace(digest, "sha512=AAAA")),
        &["info record-mismatch not-compared"],
    );
    check(
        &sound.clone().with(RECORD, format!("{text}../../evil.py,,\n")),
        &["high path-traversal -"],
    );
    let report = scan("fixture-1.0-py3-none-any.whl", sound.without(RECORD).zip());
    assert_eq!(
        found(&report).into_iter().collect::<Vec<_>>(),
        ["medium record-mismatch absent"]
    );
}

#[test]
fn what_is_installed_may_have_changed() {
    let sound = wheel(&[("fixture/data.txt", b"data")]).with("fixture-1.0.dist-info/INSTALLER", b"pip\n");
    check(&sound, &[]);
    check(&sound.clone().with("fixture/new.txt", b""), &[]);
    check(
        &sound.clone().with("fixture/data.txt", b"x"),
        &["medium record-mismatch digest-installed"],
    );
    check(
        &sound.clone().without("fixture/data.txt"),
        &["info record-mismatch missing-installed"],
    );
    let text = String::from_utf8(sound.get(RECORD)).unwrap();
    check(&sound.with(RECORD, format!("{text}../../../bin/fixture,,\n")), &[]);
}

#[test]
fn names_and_versions_agree() {
    let metadata = "fixture-1.0.dist-info/METADATA";
    let named = |text: &str| {
        let files = wheel(&[]).with(metadata, text).without(RECORD);
        let record = record(&files);
        files.with(RECORD, record)
    };
    check(&named("Name: fixture\nVersion: 1.0.0\n\nName: x\n"), &[]);
    check(&named("Name: other\nVersion: 1.0\n"), &["medium record-mismatch name"]);
    check(
        &named("Name: Fixture\nVersion: 1.1\n"),
        &["low record-mismatch version"],
    );
    let packed = wheel(&[]).zip();
    assert!(found(&scan("fixture-1.0-py3-none-any.whl", packed.clone())).is_empty());
    let report = scan("requests-1.0-py3-none-any.whl", packed);
    assert!(found(&report).contains("medium record-mismatch name"));
}

#[test]
fn what_a_distribution_installs_may_have_been_stripped() {
    let program = Elf::new(true, false).build();
    let sound = wheel(&[("fixture/lib.so", &program), ("fixture/data.txt", b"data")]);
    let text = String::from_utf8(sound.get(RECORD)).unwrap();
    let sound = sound.with(RECORD, format!("{text}../scripts/fixture,,\n"));
    let changed = |path: &str, data: &[u8]| sound.clone().with(path, data).below("usr/lib/python3/dist-packages");
    let mut stripped = program.clone();
    stripped.truncate(program.len() - 1);
    check(&changed("fixture/data.txt", b"data"), &[]);
    check(
        &changed("fixture/lib.so", &stripped),
        &["low record-mismatch distribution"],
    );
    check(
        &changed("fixture/data.txt", b"x"),
        &["medium record-mismatch digest-installed"],
    );
}

#[test]
fn path_files_are_told_by_what_they_run() {
    for (line, expected) in [
        ("./lib\n# import os\n", None),
        ("import os; os.system('true')\n", Some("high startup-code pth")),
        ("x\rimport os\r", Some("high startup-code pth")),
        ("import\tos\n", Some("high startup-code pth")),
        ("import fixture\n", Some("low startup-code own-module")),
        ("import fixture; fixture.start()\n", Some("low startup-code own-module")),
        ("import fixture; exec('pass')\n", Some("high startup-code pth")),
        ("import _virtualenv\n", Some("info startup-code known")),
    ] {
        let files = wheel(&[("fixture.pth", line.as_bytes())]);
        check(&files, expected.as_slice());
    }
    let inner: &[(&str, &[u8])] = &[("fixture/lib/inner.py", b"")];
    for (line, expected) in [
        ("fixture\nfixture\\lib\nimport inner\n", "low startup-code own-module"),
        ("fixture\nimport inner\n", "high startup-code pth"),
        ("x/../fixture/lib\nimport inner\n", "high startup-code pth"),
        ("fixture/lib\nimport inner; exec('pass')\n", "high startup-code pth"),
    ] {
        let files = wheel(&[inner, &[("fixture.pth", line.as_bytes())]].concat());
        check(&files, &[expected]);
    }
    check(
        &Files::of(&[("src/a.pth", b"import os; os.system('true')\n")]),
        &["medium startup-code acts"],
    );
    check(
        &Files::of(&[("src/a.pth", b"import os; os.getcwd()\n")]),
        &["low startup-code elsewhere"],
    );
}

#[test]
fn modules_that_start_or_shadow_are_told() {
    check(&wheel(&[("sitecustomize.py", b"")]), &["high startup-code customize"]);
    check(&wheel(&[("fixture/sitecustomize.py", b"")]), &[]);
    check(&wheel(&[("random.py", b"")]), &["medium startup-code standard-module"]);
    check(
        &wheel(&[("json/__init__.py", b"")]),
        &["medium startup-code standard-module"],
    );
    check(
        &wheel(&[("os.cpython-311-x86_64-linux-gnu.so", b"")]),
        &["medium startup-code standard-module"],
    );
    check(&wheel(&[("typing.py", b"")]), &["info startup-code backport"]);
    check(&wheel(&[("fixture/random.py", b"")]), &[]);
}

#[test]
fn entry_points_are_inventory() {
    let points = b"[console_scripts]\nfixture = fixture:main\n# x = y\n\n[pytest11]\nfixture = fixture\n";
    check(
        &wheel(&[("fixture-1.0.dist-info/entry_points.txt", points)]),
        &["info package-inventory entry-points"],
    );
}

#[test]
fn a_finding_points_at_the_member() {
    let files = wheel(&[("fixture/data.txt", b"data")])
        .with("fixture/data.txt", b"other")
        .below("site-packages");
    let report = scan_files(&files);
    let directory = holder(&report, "record-mismatch");
    assert_eq!(directory.format, "directory");
    let finding = &directory.findings[0].finding;
    assert_eq!(finding.region, "site-packages/fixture/data.txt");
    let elsewhere = finding.related[0].elsewhere.as_ref().unwrap();
    assert!(
        elsewhere.path.ends_with("site-packages/fixture/data.txt"),
        "{elsewhere:?}"
    );
    assert_eq!(elsewhere.nested, None);
    let packed = scan("a.zip", files.zip());
    let finding = &holder(&packed, "record-mismatch").findings[0].finding;
    let elsewhere = finding.related[0].elsewhere.as_ref().unwrap();
    assert_eq!(elsewhere.nested.as_deref(), Some("site-packages/fixture/data.txt"));
}

#[test]
fn a_record_that_is_too_long_is_said() {
    let rows: String = (0..300_000).map(|n| format!("f{n},,\n")).collect();
    let report = scan_files(&wheel(&[]).with(RECORD, rows));
    assert!(
        errors(&report)[0].contains("more than 262144 rows"),
        "{:?}",
        errors(&report)
    );
    let report = scan("a.whl", wheel(&[]).with(RECORD, vec![b'\n'; 17 << 20]).zip());
    assert!(
        errors(&report).iter().any(|e| e.contains("17825792 bytes long")),
        "{:?}",
        errors(&report)
    );
}
