//! Files with what once raised an alarm over something published, and the same with what should raise it.

use probity_engine::Severity;
use probity_engine::pipeline::{Options, Scanner};
use probity_tests::build::files::Files;
use probity_tests::build::npy::Npy;
use probity_tests::build::tar::{Entry, Tar};
use probity_tests::build::{documents, hidden, keras, rds};
use std::sync::LazyLock;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| {
    let options = Options {
        jobs: 1,
        ..Options::default()
    };
    Scanner::new(options).expect("threads can be started")
});

/// What is told of the bytes, as a file called `name`, from low on: findings as `severity code case`, errors by their
/// message; only those that hold `about`.
fn told(name: &str, bytes: Vec<u8>, about: &str) -> Vec<String> {
    let report = SCANNER.scan_bytes(name, bytes);
    let mut told: Vec<String> = Vec::new();
    for artifact in &report.artifacts {
        let findings = artifact.findings.iter().filter(|f| f.severity >= Severity::Low);
        told.extend(findings.map(|f| {
            let case = f.finding.case.unwrap_or("-");
            format!("{} {} {case}", f.severity, f.finding.code)
        }));
        told.extend(artifact.errors.iter().map(|e| e.message.clone()));
    }
    told.retain(|line| line.contains(about));
    told.sort_unstable();
    told.dedup();
    told
}

#[test]
fn a_member_that_is_packed_twice_is_compared() {
    let twice = |second: &[u8]| {
        let member = |data: &[u8]| Entry::file("package/bin/tool", data);
        Tar::of(vec![member(&[b'x'; 3000]), member(second)]).build()
    };
    assert_eq!(
        told("a.tar", twice(&[b'x'; 3000]), "duplicate-entry"),
        ["low duplicate-entry identical"]
    );
    assert_eq!(
        told("a.tar", twice(&[b'y'; 3000]), "duplicate-entry"),
        ["high duplicate-entry -"]
    );
    assert_eq!(
        told("a.tar", twice(&[b'x'; 2999]), "duplicate-entry"),
        ["high duplicate-entry -"]
    );
    assert_eq!(told("a.tar", twice(b""), "duplicate-entry"), ["high duplicate-entry -"]);
}

#[test]
fn prose_that_begins_like_opcodes_is_text() {
    for text in [
        "Code of Conduct\n===============\n\nThe project has adopted a Code of Conduct that we expect participants to \
         adhere to. Please read the text.\n",
        "VERSION_NAME=0.74.0\nreact.internal.group=com.example\nandroid.useX=true\n",
        "[\n  \"@media\"\n  \"@charset\"\n] @keyword\n\n(class_name) @type\n",
        "{% set section_class_name = section | lower %}\n",
    ] {
        assert_eq!(told("a.txt", text.into(), ""), [""; 0]);
    }
}

#[test]
fn utf_16_in_the_midst_of_base64_is_no_command() {
    let wide = |text: &str, high_first: bool| -> Vec<u8> {
        let units = text.encode_utf16();
        units
            .flat_map(|unit| {
                if high_first {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    };
    let font: Vec<u8> = (0..600u16)
        .flat_map(|n| (n.wrapping_mul(40503)).to_be_bytes())
        .collect();
    let url = "A font by somebody http://h.example.com/licence and more";
    let literal =
        |bytes: &[u8]| format!("import base64\nFONT = base64.b64decode(\"{}\")\n", keras::base64(bytes)).into_bytes();
    let inside = [&font[..], &wide(url, true), &font].concat();
    assert_eq!(
        told("a.py", literal(&inside), "encoded-host"),
        ["low encoded-host base64"]
    );
    let inside = [&font[..], &wide(url, false), &font].concat();
    assert_eq!(
        told("a.py", literal(&inside), "encoded-host"),
        ["low encoded-host base64"]
    );
    assert_eq!(
        told("a.py", literal(&wide(url, true)), "encoded-host"),
        ["low encoded-host base64"]
    );
    assert_eq!(
        told("a.py", literal(&wide(url, false)), "encoded-host"),
        ["medium encoded-host command"]
    );
    assert_eq!(
        told("a.ps1", hidden::command("iwr http://h.example.com/a"), "encoded-host"),
        ["medium encoded-host command"]
    );
}

#[test]
fn the_dictionary_of_brotli_may_stand_under_a_key() {
    let script = |text: &str| {
        let under = |b: u8| b ^ 3;
        let text: Vec<u8> = text.bytes().map(under).collect();
        [&b"unpack(\""[..], &text, b"\");\n"].concat()
    };
    let dictionary = "rel=\"http://www.w3.org/shortcut icon\" href=\"";
    assert_eq!(told("a.js", script(dictionary), "encoded-host"), [""; 0]);
    assert_eq!(
        told(
            "a.js",
            script(&dictionary.replace("shortcut icon", "some other file")),
            "encoded-host"
        ),
        ["high encoded-host xor"]
    );
}

#[test]
fn an_array_of_measurements_may_have_gaps() {
    let singles = |bad: usize| -> Vec<u8> {
        let value = |n: usize| if n < bad { f32::NAN } else { 0.25 + (n % 7) as f32 };
        (0..1024).flat_map(|n| value(n).to_le_bytes()).collect()
    };
    let doubles: Vec<u8> = (0..1024)
        .map(|n| if n == 3 { f64::INFINITY } else { f64::from(n % 5) })
        .flat_map(f64::to_le_bytes)
        .collect();
    let array = |descr: &str, data: Vec<u8>| {
        let (descr, shape) = (descr.to_owned(), vec![32, 32]);
        Npy {
            descr,
            shape,
            data,
            ..Npy::new(1)
        }
        .build()
    };
    assert_eq!(told("a.npy", array("'<f4'", singles(0)), "tensor-nonfinite"), [""; 0]);
    assert_eq!(
        told("a.npy", array("'<f4'", singles(1)), "tensor-nonfinite"),
        ["medium tensor-nonfinite nan"]
    );
    assert_eq!(
        told("a.npy", array("'<f4'", singles(200)), "tensor-nonfinite"),
        ["low tensor-nonfinite measured"]
    );
    assert_eq!(
        told("a.npy", array("'<f8'", doubles), "tensor-nonfinite"),
        ["low tensor-nonfinite measured"]
    );
}

#[test]
fn objects_of_a_key_value_file_are_read_one_by_one() {
    let both = [rds::sample(), rds::sample(), rds::sample()].concat();
    assert_eq!(
        told("db", both.clone(), "trailing-bytes"),
        ["low trailing-bytes objects"]
    );
    let evil = [rds::sample(), rds::captured()].concat();
    let report = SCANNER.scan_bytes("db", evil);
    assert!(
        report.artifacts[0]
            .findings
            .iter()
            .any(|f| f.finding.code == "embedded-code")
    );
    assert_eq!(
        told(
            "db",
            [both, b"payload, not an object".to_vec()].concat(),
            "trailing-bytes"
        ),
        ["high trailing-bytes -", "low trailing-bytes objects"]
    );
}

#[test]
fn a_folder_called_code_is_not_always_that_of_a_torch_archive() {
    let source: &[u8] = b"import os\nclass Net(Module):\n  pass\n";
    let zip = |path: &str| Files::of(&[(path, source)]).zip();
    for path in ["tools/code/tool.py", "a/b/tools/code/tool.py"] {
        assert_eq!(told("a.whl", zip(path), "bundled-code"), [""; 0], "{path}");
    }
    for path in ["code/__torch__.py", "a/b/m/code/__torch__/net.py"] {
        assert_eq!(
            told("a.zip", zip(path), "bundled-code"),
            ["high bundled-code imports"],
            "{path}"
        );
    }
}

#[test]
fn keys_of_examples_and_documents_that_end_early_are_told_mildly() {
    let key = hidden::private_key(true);
    assert_eq!(
        told("a.zip", Files::of(&[("lib/key.txt", &key)]).zip(), "embedded-secret"),
        ["medium embedded-secret private-key"]
    );
    assert_eq!(
        told("a.zip", Files::of(&[("README.md", &key)]).zip(), "embedded-secret"),
        [""; 0]
    );
    let document = documents::pdf(&["<< /Type /Catalog >>"], 1);
    let cut = document[..document.len() - 8].to_vec();
    assert_eq!(told("a.pdf", document, "truncated"), [""; 0]);
    assert_eq!(told("a.pdf", cut, "truncated"), ["low truncated media"]);
}
