//! Configurations in every container, each finding with its near miss.

use super::KerasConfig;
use crate::format::{Parse, fuzz};
use crate::identify::{Probe, identify};
use crate::pipeline::{Options, Scanner};
use crate::{Severity, artifact::Report};
use probity_tests::build::keras::{
    archive, base64, dense, hdf5, lambda, legacy, legacy_lambda, legacy_model, model, object,
};
use probity_tests::build::marshal::{Code, Const, Layout};
use proptest::prelude::*;

fn scan(bytes: Vec<u8>) -> Report {
    let options = Options {
        jobs: 1,
        ..Options::default()
    };
    Scanner::new(options).unwrap().scan_bytes("model", bytes)
}

/// Codes, cases and severities of all artifacts, `info` left out.
fn found(bytes: impl Into<Vec<u8>>) -> Vec<String> {
    let report = scan(bytes.into());
    let findings = report.artifacts.iter().flat_map(|a| &a.findings);
    findings
        .filter(|f| f.severity > Severity::Info)
        .map(|f| format!("{} {} {}", f.finding.code, f.finding.case.unwrap_or("-"), f.severity))
        .collect()
}

fn code(names: &[&str]) -> Vec<u8> {
    Code::naming(Layout::Eleven, names).build()
}

const LAMBDA: &str = "config-lambda code medium";
const EXECUTES: &str = "marshalled-code executes critical";

#[test]
fn a_plain_model_is_quiet_in_every_container() {
    let config = model(&[dense()]);
    let old = legacy_model(&[legacy("Dense", r#"{"name": "dense", "units": 4}"#)]);
    for bytes in [
        config.clone().into_bytes(),
        old.clone().into_bytes(),
        archive(&config),
        hdf5(&old).build(),
    ] {
        let report = scan(bytes);
        assert!(report.complete);
        let said: Vec<_> = report.artifacts.iter().flat_map(|a| &a.findings).collect();
        assert!(said.is_empty(), "{said:?}");
        assert!(report.artifacts.iter().all(|a| a.bytes.unclaimed == 0));
        assert!(report.artifacts.iter().any(|a| a.format == "keras-config"));
    }
    let report = scan(archive(&config));
    assert!(
        report
            .artifacts
            .iter()
            .any(|a| a.tensors.as_ref().is_some_and(|t| t.count == 1))
    );
}

#[test]
fn lambda_code_is_judged_by_its_names_in_every_container() {
    for (names, expected) in [
        (&["os", "system"][..], vec![LAMBDA, EXECUTES]),
        (&["open", "read"], vec![LAMBDA, "marshalled-code reaches high"]),
        (&["reshape", "shape"], vec![LAMBDA]),
        (&[], vec![LAMBDA]),
    ] {
        let code = code(names);
        let new = model(&[dense(), lambda(&code)]);
        let old = legacy_model(&[legacy_lambda(&code)]);
        for bytes in [
            new.clone().into_bytes(),
            old.clone().into_bytes(),
            archive(&new),
            hdf5(&old).build(),
        ] {
            assert_eq!(found(bytes), expected, "{names:?}");
        }
    }
}

#[test]
fn what_stands_for_code_and_is_none_is_not_clean() {
    for code in [&b"no code at all, but long enough to be some"[..], &[0xe3; 64]] {
        let config = model(&[lambda(code)]);
        assert!(found(config).contains(&"marshalled-code unreadable high".to_owned()));
    }
    let mut cut = code(&["reshape"]);
    cut.truncate(cut.len() - 3);
    assert!(found(model(&[lambda(&cut)])).contains(&"marshalled-code unreadable high".to_owned()));
}

#[test]
fn code_inside_code_is_found_through_its_wrappings() {
    let inner = code(&["subprocess", "Popen"]);
    let deflated = probity_tests::build::compressed::zlib(&inner);
    for constant in [
        Const::Bytes(inner.clone()),
        Const::Bytes(deflated.clone()),
        Const::Text(base64(&inner)),
        Const::Text(base64(&deflated)),
        Const::Tuple(vec![Const::Bytes(inner.clone())]),
        Const::Code(Box::new(Code::naming(Layout::Eleven, &["eval"]))),
    ] {
        let outer = Code {
            consts: vec![Const::None, constant.clone()],
            ..Code::new(Layout::Eleven)
        };
        let said = found(model(&[lambda(&outer.build())]));
        assert!(said.contains(&EXECUTES.to_owned()), "{constant:?}: {said:?}");
    }
}

#[test]
fn objects_outside_keras_are_told_by_what_they_are() {
    let function = |module: &str, name: &str| {
        format!(
            r#"{{"module": "{module}", "class_name": "function", "config": "{name}", "registered_name": "function"}}"#
        )
    };
    for (layer, expected) in [
        (object("os", "system", "{}"), "config-object dangerous critical"),
        (function("os", "system"), "config-object dangerous critical"),
        (function("builtins", "eval"), "config-object dangerous critical"),
        (object("builtins", "exec", "{}"), "config-object dangerous critical"),
        (object("subprocess", "Popen", "{}"), "config-object dangerous critical"),
        (
            object("collections", "OrderedDict", "{}"),
            "config-object stdlib critical",
        ),
        (function("keras.utils", "get_file"), "config-object loader critical"),
        (
            function("keras.config", "enable_unsafe_deserialization"),
            "config-object loader critical",
        ),
        (
            object("keras.layers", "TorchModuleWrapper", "{}"),
            "config-object nested medium",
        ),
        (
            object("my_package.layers", "Attention", "{}"),
            "config-object unknown medium",
        ),
        (object("kapre.layers", "Attention", "{}"), "config-object foreign low"),
        (
            legacy("TFOpLambda", r#"{"name": "op", "function": "io.write_file"}"#),
            "config-object loader critical",
        ),
        (legacy("TFOpLambda", r#"{"name": "op", "function": "math.add"}"#), "-"),
        (object("keras.layers", "Dense", "{}"), "-"),
        (function("builtins", "relu"), "-"),
        (legacy("MyLayer", "{}"), "-"),
        (r#"{"class_name": "os", "module": "os"}"#.to_owned(), "-"),
    ] {
        let said = found(model(std::slice::from_ref(&layer)));
        let expected: Vec<_> = [expected].into_iter().filter(|e| *e != "-").collect();
        assert_eq!(said, expected, "{layer}");
    }
}

#[test]
fn a_typespec_and_an_order_of_keys_hide_no_module() {
    for layer in [
        r#"{"class_name": "__typespec__", "spec_name": "Popen", "module": "subprocess", "config": []}"#,
        r#"{"config": {"a": 1}, "registered_name": null, "class_name": "system", "module": "os"}"#,
        r#"{"class_name": "Dense", "config": {}, "class_name": "system", "module": "os"}"#,
        r#"{"class_name": "Dense", "config": {}, "module": "keras.layers", "module": "os"}"#,
        r#"{"cl\u0061ss_name": "system", "config": {}, "module": "\u006fs"}"#,
    ] {
        let said = found(model(&[layer.to_owned()]));
        assert!(
            said.contains(&"config-object dangerous critical".to_owned()),
            "{layer}: {said:?}"
        );
    }
}

#[test]
fn what_python_reads_and_json_refuses_is_walked_all_the_same() {
    let hostile = object("os", "system", r#"{"rate": NaN, "most": -Infinity, "text": "\ud800"}"#);
    let config = model(&[hostile]);
    for text in [
        config.clone(),
        format!("{}{config}", " ".repeat(20_000)),
        format!("{}{config}", "\n".repeat(200_000)),
        format!("\u{feff}{config}"),
        format!("{config}\n{config}"),
        config.replace("NaN", "1"),
    ] {
        let said = found(text);
        assert!(
            said.contains(&"config-object dangerous critical".to_owned()),
            "{said:?}"
        );
    }
}

#[test]
fn wide_encodings_are_walked_too() {
    let config = model(&[object("os", "system", "{}"), lambda(&code(&["os"]))]);
    let little: Vec<u8> = config.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = config.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let four: Vec<u8> = config.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    for bytes in [[&[0xff, 0xfe][..], &little].concat(), little, big, four] {
        let report = scan(bytes.clone());
        assert!(!report.complete, "the code in it was not decoded");
        assert!(found(bytes).contains(&"config-object dangerous critical".to_owned()));
    }
}

#[test]
fn files_that_a_configuration_names_are_told_by_where_they_are() {
    let lookup = |vocabulary: &str| {
        object(
            "keras.layers",
            "StringLookup",
            &format!(r#"{{"name": "words", "vocabulary": {vocabulary}}}"#),
        )
    };
    for (layer, expected) in [
        (lookup(r#""/etc/passwd""#), vec!["config-resource escape high"]),
        (
            lookup(r#""https://host.example/words""#),
            vec!["config-resource escape high"],
        ),
        (lookup(r#""words.txt""#), vec!["config-resource vocabulary medium"]),
        (lookup(r#"["a", "b"]"#), vec![]),
        (lookup(r#"["/usr/bin", "b"]"#), vec![]),
        (lookup("null"), vec![]),
        (
            object("keras.layers", "TFSMLayer", r#"{"filepath": "/data/saved"}"#),
            vec!["config-resource escape high", "config-object nested medium"],
        ),
        (
            object("keras.layers", "Dense", r#"{"vocabulary": "/etc/passwd"}"#),
            vec!["planted-text place medium"],
        ),
    ] {
        assert_eq!(found(model(std::slice::from_ref(&layer))), expected, "{layer}");
    }
}

#[test]
fn a_named_function_is_less_than_code() {
    let named = legacy(
        "Lambda",
        r#"{"name": "own", "function": "resize", "function_type": "function", "module": "my_package.layers"}"#,
    );
    assert_eq!(
        found(legacy_model(&[named])),
        ["config-lambda named low", "config-object foreign low"]
    );
    let hostile = legacy(
        "Lambda",
        r#"{"name": "own", "function": "system", "function_type": "function", "module": "os"}"#,
    );
    assert!(found(legacy_model(&[hostile])).contains(&"config-object dangerous critical".to_owned()));
}

#[test]
fn advisories_are_named() {
    let report = scan(hdf5(&legacy_model(&[legacy_lambda(&code(&[]))])).build());
    let all = report.artifacts.iter().flat_map(|a| &a.findings);
    let lambda = all.into_iter().find(|f| f.finding.code == "config-lambda").unwrap();
    let advisory = lambda.finding.evidence.iter().find(|(key, _)| *key == "advisory");
    assert_eq!(advisory.map(|(_, v)| v.clone()), Some("CVE-2025-9905".into()));
}

#[test]
fn yaml_is_looked_at_for_classes_and_tags() {
    let yaml = |layer: &str| {
        format!("backend: tensorflow\nclass_name: Sequential\nconfig:\n  layers:\n{layer}keras_version: 2.4.0\n")
    };
    for (text, expected) in [
        (yaml("  - class_name: Dense\n    config: {units: 4}\n"), vec![]),
        (yaml("  - class_name: Lambda\n    config: {name: own}\n"), vec!["config-lambda named low"]),
        (
            yaml("  - !!python/object/apply:os.system [\"true\"]\n"),
            vec!["unsafe-callable called critical"],
        ),
        (
            yaml("  - class_name: system\n    module: os\n"),
            vec!["config-object dangerous critical"],
        ),
        ("# notes\n\nUse class_name: Dense in the file, and\nnever !!python/object/apply:os.system.\nIt is dangerous.\n".to_owned(), vec![]),
    ] {
        assert_eq!(found(text.clone()), expected, "{text}");
    }
}

#[test]
fn a_document_that_is_no_configuration_is_plain_json() {
    for text in [
        r#"{"name": "package", "module": "os", "config": {}}"#,
        r#"{"class_name": "x"}"#,
    ] {
        let bytes = text.as_bytes();
        let candidates = identify(&Probe::new(bytes, bytes, u64::try_from(bytes.len()).unwrap()));
        assert_eq!(candidates[0].format.id(), "json");
        assert!(found(text).is_empty());
    }
}

#[test]
fn deep_and_wide_configurations_are_bounded() {
    let deep = format!(
        "{}{}",
        r#"{"class_name": "A", "config": "#.repeat(3000),
        "}".repeat(3000)
    );
    assert!(!scan(deep.into_bytes()).complete);
    let wide = model(&vec![dense(); 70_000]);
    let report = scan(wide.into_bytes());
    assert!(!report.complete);
}

#[test]
fn a_cut_configuration_is_never_clean() {
    let config = model(&[dense(), lambda(&code(&["os"]))]);
    for end in 1..config.len() {
        let out = Parse::of_bytes(&KerasConfig, &config.as_bytes()[..end]);
        let told = !out.findings().is_empty() || !out.errors().is_empty();
        assert!(told || end < 3, "cut at {end}");
    }
}

proptest! {
    #[test]
    fn random_documents_are_read(text in r#"(\{|\}|\[|\]|,|:|"class_name"|"config"|"module"|"function"|"4wEA"|"os"|NaN|1| |\\){0,60}"#) {
        fuzz("keras-config", text.as_bytes());
        fuzz("text", text.as_bytes());
    }
}
