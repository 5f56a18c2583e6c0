//! Operators of computation graphs: those that reach outside of the graph, and those from outside the framework.

use super::{Closing, Inspector};
use crate::fact::Fact;
use crate::finding::{Finding, Findings, Value, code};
use crate::policy::shown;
use probity_signatures::{OperatorClass, operators};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// `unsafe-operator`, `custom-operator`.
pub(super) struct Operators;

impl Inspector for Operators {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        written(artifact, out);
        let mut told = BTreeSet::new();
        for fact in artifact.facts {
            let Fact::Operator {
                framework,
                domain,
                name,
                node,
                span,
            } = fact
            else {
                continue;
            };
            let operator = if domain.is_empty() {
                shown(name.as_bytes())
            } else {
                format!("{}::{}", shown(domain.as_bytes()), shown(name.as_bytes()))
            };
            let at = if node.is_empty() {
                String::new()
            } else {
                format!(" (node {})", shown(node.as_bytes()))
            };
            let found = match operators().classify(framework, domain, name) {
                OperatorClass::Known | OperatorClass::Custom
                    if !is_flex(framework, name) && (tells(domain) || tells(name)) =>
                {
                    if !told.insert((framework, domain, name)) {
                        continue;
                    }
                    let message =
                        format!("operator {operator}{at} is called like something that runs commands or code");
                    Finding::new(code::UNSAFE_OPERATOR, *span, message).case("named")
                }
                OperatorClass::Known => continue,
                OperatorClass::Unsafe {
                    case,
                    reason,
                    references,
                } => {
                    let message = format!("operator {operator}{at}: {reason}");
                    let mut found = Finding::new(code::UNSAFE_OPERATOR, *span, message);
                    found.case = Some(case);
                    if !references.is_empty() {
                        found = found.evidence("references", Value::List(references.to_vec()));
                    }
                    found.evidence("node", shown(node.as_bytes()))
                }
                // The rest is inventory: each once.
                _ if !told.insert((framework, domain, name)) => continue,
                OperatorClass::Inventory { reason } => {
                    let message = format!("operator {operator}: {reason}");
                    let application = *framework == "coreml" && &**domain == "custom";
                    let case = if application { "application" } else { "inventory" };
                    Finding::new(code::CUSTOM_OPERATOR, *span, message).case(case)
                }
                OperatorClass::Custom => {
                    let message = format!("operator {operator} is not one of {framework}'s own");
                    let case = if is_foreign(framework, domain, name) {
                        "foreign"
                    } else {
                        "custom"
                    };
                    Finding::new(code::CUSTOM_OPERATOR, *span, message).case(case)
                }
            };
            out.push(
                found
                    .evidence("framework", *framework)
                    .evidence("operator", operator.clone())
                    .key(operator),
            );
        }
    }
}

/// Whether a name says that its operator runs commands or code, or fetches something.
pub(super) fn tells(name: &str) -> bool {
    const PARTS: [&str; 17] = [
        "shell",
        "subprocess",
        "popen",
        "backdoor",
        "malicious",
        "exploit",
        "payload",
        "evil",
        "dlopen",
        "exfil",
        "pyfunc",
        "runcommand",
        "execcommand",
        "executecommand",
        "ossystem",
        "systemcall",
        "httpget",
    ];
    const WORDS: [&str; 6] = ["exec", "command", "cmd", "rce", "http", "https"];
    let lower = name.to_ascii_lowercase();
    let words = || lower.split(|c: char| !c.is_ascii_alphanumeric());
    // `RunCommand`, `ExecuteHttp`: words of which each begins with a capital.
    let mut capitals = Vec::new();
    let mut word = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !word.is_empty() {
            capitals.push(std::mem::take(&mut word));
        }
        word.push(c.to_ascii_lowercase());
    }
    capitals.push(word);
    PARTS.iter().any(|part| lower.contains(part))
        || words().any(|w| WORDS.contains(&w))
        || capitals.iter().any(|w| WORDS.contains(&w.as_str()))
}

/// Operators of TensorFlow in TensorFlow Lite are judged as what they stand for.
fn is_flex(framework: &str, name: &str) -> bool {
    framework == "tflite" && name.starts_with("Flex")
}

/// Whether a custom operator belongs to none of the libraries that published models use.
fn is_foreign(framework: &str, domain: &str, name: &str) -> bool {
    const ONNX: [&str; 21] = [
        "ai.onnx",
        "com.microsoft",
        "com.ms.",
        "org.pytorch",
        "org.openvino",
        "pkg.",
        "mmdeploy",
        "mmcv",
        "com.nvidia",
        "trt",
        "nvidia",
        "com.amd",
        "com.xilinx",
        "com.qti",
        "qti_",
        "qonnx",
        "finn",
        "onnx.brevitas",
        "ai.graphcore",
        "torch",
        "onnxscript",
    ];
    const TFLITE: [&str; 26] = [
        "TFLite_",
        "TfLite",
        "Flex",
        "MaxPoolingWithArgmax",
        "MaxUnpooling",
        "Convolution2DTransposeBias",
        "Transform",
        "Landmarks",
        "AudioSpectrogram",
        "Mfcc",
        "NumericVerify",
        "RFFT2D",
        "IRFFT2D",
        "edgetpu",
        "DELEGATE",
        "Delegate",
        "ethos",
        "TFS",
        "TFText",
        "Text",
        "Ragged",
        "tftext",
        "odml",
        "aeq.",
        "sgnl",
        "Atan2",
    ];
    const OPENVINO: [&str; 20] = [
        "StringTensor",
        "Ragged",
        "CaseFold",
        "CharsMap",
        "Regex",
        "NormalizeUnicode",
        "Wordpiece",
        "BPETokenizer",
        "BytesToChars",
        "CharsToBytes",
        "CombineSegments",
        "Vocab",
        "TrieTokenizer",
        "FuzeRagged",
        "ByteFallback",
        "Sentencepiece",
        "UTF8Validate",
        "SpecialTokens",
        "Unigram",
        "Truncate",
    ];
    let begins = |list: &[&str], text: &str| list.iter().any(|start| text.starts_with(start));
    match framework {
        "onnx" => !begins(&ONNX, domain),
        "tflite" => !begins(&TFLITE, name),
        "openvino" => !begins(&OPENVINO, name) && !matches!(name, "EqualStr" | "NumericTokens"),
        _ => false,
    }
}

/// Operators of graphs that are written as text: protobuf's text format, and the symbols of MXNet.
fn written(artifact: &Closing<'_>, out: &mut Findings) {
    const LONGEST: u64 = 16 << 20;
    let ends = |ends: &[&[u8]]| ends.iter().any(|end| artifact.name.ends_with(end));
    if ends(&[b".pbtxt", b".onnxtxt", b".textproto", b".prototxt"]) {
        let text = artifact.beginning(LONGEST);
        let text = String::from_utf8_lossy(&text);
        let framework = if text.contains("op_type") { "onnx" } else { "tensorflow" };
        let key = if framework == "onnx" { "op_type:" } else { "op:" };
        let domain = if text.contains("ai.onnx.contrib") {
            "ai.onnx.contrib"
        } else {
            ""
        };
        for (at, _) in text.match_indices(key) {
            let value = text.get(at..).and_then(|t| t.split('"').nth(1)).unwrap_or_default();
            if let OperatorClass::Unsafe { case, reason, .. } = operators().classify(framework, domain, value) {
                told(artifact, case, value, reason, out);
            }
        }
    } else if artifact.format == "json" && ends(&[b"symbol.json"]) {
        let Ok(document) = serde_json::from_slice::<Json>(&artifact.beginning(LONGEST)) else {
            return;
        };
        let nodes = document.get("nodes").and_then(Json::as_array);
        for name in nodes.into_iter().flatten().filter_map(|node| node.get("op")?.as_str()) {
            let (case, reason) = match name {
                "Custom" | "_Native" | "_NDArray" => (
                    "code",
                    "calls Python code that the host has registered, or at an address",
                ),
                "TorchModule" | "TorchCriterion" => ("code", "runs a text as Lua"),
                "_subgraph_op" | "_contrib_subgraph" => ("code", "runs a library that the host has loaded"),
                "_cvimread" | "_npi_cvimread" => ("read", "reads files that the graph names"),
                other if tells(other) || other.contains("pyfunc") => {
                    ("named", "is called like something that runs code")
                }
                _ => continue,
            };
            told(artifact, case, name, reason, out);
        }
    }
}

fn told(artifact: &Closing<'_>, case: &str, name: &str, reason: &str, out: &mut Findings) {
    const CASES: [&str; 5] = ["code", "network", "read", "write", "named"];
    let name = shown(name.as_bytes());
    let message = format!("operator {name}: {reason}");
    let mut finding = Finding::new(code::UNSAFE_OPERATOR, artifact.ledger.whole(), message);
    finding.case = CASES.into_iter().find(|known| *known == case);
    out.push(finding.evidence("operator", name.clone()).key(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_tell_and_libraries_that_are_known() {
        for (name, expected) in [
            ("RunShell", true),
            ("ExecCommand", true),
            ("custom_exec", true),
            ("evil.ops", true),
            ("Conv", false),
            ("XlaLaunch", false),
            ("TPUExecute", false),
            ("ExecutorOp", false),
            ("QLinearConv", false),
        ] {
            assert_eq!(tells(name), expected, "{name}");
        }
        for (framework, domain, name, expected) in [
            ("onnx", "acme.ops", "Run", true),
            ("onnx", "mmdeploy", "MultiLevelRotatedRoiAlign", false),
            ("tflite", "", "Acme", true),
            ("tflite", "", "TFLite_Detection_PostProcess", false),
            ("openvino", "extension", "Acme", true),
            ("openvino", "extension", "RegexSplit", false),
            ("executorch", "acme", "x", false),
        ] {
            assert_eq!(
                is_foreign(framework, domain, name),
                expected,
                "{framework} {domain} {name}"
            );
        }
    }
}
