//! Floods and nesting: bounded in time, and the same whatever the number of threads.

use crate::common::{check, found};
use probity_engine::pipeline::{Options, Scanner, Silent};
use probity_tests::build::files::{Files, Image, model, wheel};
use proptest::prelude::*;
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

/// Names that inspections read, each in a place where they do.
const NAMES: &[&str] = &[
    "config.json",
    "tokenizer_config.json",
    "modules.json",
    "model_index.json",
    "adapter_config.json",
    "model.safetensors.index.json",
    "chat_template.jinja",
    "modeling.py",
    "package.json",
    "binding.gyp",
    "x-1.dist-info/RECORD",
    "x-1.dist-info/METADATA",
    "x-1.dist-info/WHEEL",
    "x-1.dist-info/entry_points.txt",
    "a.pth",
    "oci-layout",
    "index.json",
    "manifest.json",
    "info/link.json",
    "etc/.wh.x",
];

/// What is close to what they expect there.
const TEXTS: &[&str] = &[
    r#"{"auto_map": {"a": ["b.c", "../d.e", "x--f.g"]}, "trust_remote_code": true}"#,
    r#"{"weight_map": {"a": "b.safetensors", "c": "../d"}, "metadata": {"total_size": 99999999999999999999}}"#,
    r#"{"manifests": [{"digest": "sha256:../x", "size": -1}], "layers": [{"digest": 1}]}"#,
    r#"[{"Config": "../x", "Layers": ["/a", "b"]}]"#,
    r#"{"name": 1, "scripts": {"install": "node -e"}, "bin": {"": ""}, "bundledDependencies": [".."]}"#,
    "a,sha256=,\n\",\n../x,md5=1,\n,,,\n",
    "import os\nimport a;b()\n",
    "if __name__ == '__main__': exec(f'{eval(1)",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_files_hold_no_inspection_fails(
        files in prop::collection::vec((0..NAMES.len(), 0..TEXTS.len(), any::<u16>(), any::<u8>(), any::<bool>()), 1..12),
    ) {
        let mut all = Files::default();
        for (name, text, at, byte, whole) in files {
            let mut data = TEXTS[text].as_bytes().to_vec();
            let at = usize::from(at) % data.len();
            data[at] = byte;
            if !whole {
                data.truncate(at);
            }
            all = all.with(NAMES[name], data);
        }
        let report = crate::common::scan("a.tar", all.tar());
        prop_assert!(!crate::common::errors(&report).iter().any(|e| e.starts_with("internal")));
        prop_assert!(report.artifacts[0].findings.iter().all(|f| !f.finding.region.is_empty() || f.finding.key == "more"));
    }
}
