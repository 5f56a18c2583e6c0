//! Floods and nesting: bounded in time, and the same whatever the number of threads.

use crate::common::{check, found};
use probity_engine::pipeline::{Options, Scanner, Silent};
use probity_tests::build::files::{Files, Image, model, wheel};
use std::time::Instant;

fn mixed() -> Files {
    let mut files = model()
        .with("config.json", r#"{"auto_map": {"AutoModel": "x/y--m.M"}}"#)
        .below("model");
    files
        .0
        .extend(wheel(&[("a.pth", b"import os; os.system('true')\n")]).below("wheel").0);
    files.0.extend(Image::default().files().below("image").0);
    files.with(
        "p/node_modules/a/package.json",
        r#"{"scripts": {"install": "node gone.js"}}"#,
    )
}

#[test]
fn the_report_does_not_depend_on_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    mixed().write(folder.path()).unwrap();
    let report = |jobs| {
        let scanner = Scanner::new(Options {
            jobs,
            ..Options::default()
        })
        .unwrap();
        let root = scanner.resolve(folder.path()).unwrap();
        let report = scanner.scan(&[root], None, &Silent);
        let rows = report.artifacts.iter().flat_map(|a| {
            a.findings
                .iter()
                .map(move |f| (a.path.clone(), f.fingerprint.clone(), f.finding.message.clone()))
        });
        rows.collect::<Vec<_>>()
    };
    let one = report(1);
    assert!(one.len() >= 4, "{one:?}");
    assert_eq!(one, report(4));
}

#[test]
fn kinds_of_containers_do_not_disturb_each_other() {
    check(
        &mixed(),
        &[
            "high startup-code pth",
            "info image-inventory history",
            "medium install-script missing",
            "medium remote-code foreign",
        ],
    );
}

#[test]
fn deep_folders_cost_no_more_than_flat_ones() {
    let mut files = Files::default();
    for level in 1..300 {
        let folder = vec!["d"; level].join("/");
        for name in [
            "config.json",
            "modules.json",
            "model.safetensors.index.json",
            "x-1.dist-info/METADATA",
        ] {
            files = files.with(&format!("{folder}/{name}"), "{}");
        }
    }
    let started = Instant::now();
    let report = crate::common::scan("a.tar", files.tar());
    assert!(found(&report).is_empty(), "{:?}", found(&report));
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}
