//! Compiled Python code in places where a model calls it.

use super::container::python;
use super::{Closing, Inspector};
use crate::fact::{Fact, PythonCode};
use crate::finding::{Finding, Findings, Value, code};
use crate::format::language::is_text;
use crate::policy::shown;
use crate::span::Span;
use probity_signatures::keras;

/// `marshalled-code`.
pub(super) struct Python;

/// What the configuration's reader calls the code it decodes.
const LAMBDA: &[u8] = b"lambda code";
/// Texts shown in evidence.
const SHOWN: usize = 16;

impl Inspector for Python {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let in_config = artifact.name == LAMBDA;
        let code = artifact.facts.iter().find_map(|fact| match fact {
            Fact::PythonCode(code) => Some(&**code),
            _ => None,
        });
        let broken = artifact.cut_short || out.iter().any(|f| matches!(f.code, code::MALFORMED | code::TRUNCATED));
        match code {
            None if in_config => {
                let message = "bytes in the place of a function's code are no code object that is known";
                let whole = artifact.ledger.whole();
                out.push(
                    Finding::new(code::MARSHALLED_CODE, whole, message)
                        .case("unreadable")
                        .key("unreadable"),
                );
            }
            None => source(artifact, out),
            // A module is judged as a file, and so is that of a frozen program.
            Some(_) if artifact.format == "pyc" => {}
            Some(_) if matches!(artifact.within.last(), Some(&("pyz" | "pyinstaller"))) => {}
            Some(code) => {
                let within = |formats: &[&str]| artifact.within.iter().any(|f| formats.contains(f));
                let held = within(&["marshal"]) && within(&["keras-config", "json", "text"]);
                let place = if in_config || held {
                    Place::Model
                } else if within(&["pickle"]) {
                    Place::Pickle
                } else {
                    Place::Alone
                };
                judge(code, place, out);
                if broken && in_config {
                    let message = "the code object is broken: another version of Python may read on";
                    let finding = Finding::new(code::MARSHALLED_CODE, code.span, message);
                    out.push(finding.case("unreadable").key("unreadable"));
                }
            }
        }
    }
}

/// Source that a pickle's text spells in an encoding: something has to run it, and nobody packs source to read it.
fn source(artifact: &Closing<'_>, out: &mut Findings) {
    const ENCODED: [&[u8]; 6] = [
        b"base64@",
        b"base32@",
        b"base85@",
        b"ascii85@",
        b"hexadecimal@",
        b"decoded ",
    ];
    const LONGEST: u64 = 1 << 20;
    let packed = artifact
        .within
        .last()
        .is_some_and(|f| matches!(*f, "zlib" | "gzip" | "bzip2" | "xz" | "lzma" | "zstd"));
    let spelt = packed || ENCODED.iter().any(|name| artifact.name.starts_with(name));
    if !spelt || !artifact.within.contains(&"pickle") || !is_text(artifact.format) {
        return;
    }
    let acts = python::acts(&artifact.beginning(LONGEST));
    let calls: Vec<String> = acts
        .iter()
        .map(|act| format!("{} (line {})", shown(act.call.as_bytes()), act.line))
        .collect();
    if calls.is_empty() {
        return;
    }
    let message = format!("a pickle carries encoded Python source that calls {}", calls.join(", "));
    let finding = Finding::new(code::EMBEDDED_CODE, artifact.ledger.whole(), message).case("source");
    out.push(finding.key(calls.join(" ")).evidence("calls", Value::List(calls)));
}

/// Where compiled code stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a model's configuration, which calls it.
    Model,
    /// In the texts and bytes of a pickle, however they are packed: something has to run it.
    Pickle,
    Alone,
}

fn judge(code: &PythonCode, place: Place, out: &mut Findings) {
    let list = keras();
    let words = |names: &[Box<str>], fits: &dyn Fn(&str) -> bool| -> Vec<String> {
        names
            .iter()
            .filter(|n| fits(n))
            .take(SHOWN)
            .map(|n| shown(n.as_bytes()))
            .collect()
    };
    let mut executes = words(&code.names, &|n| list.executes(n));
    let reaches = words(&code.names, &|n| list.reaches(n));
    // A name made up of texts needs something that takes it.
    if !reaches.is_empty() {
        executes.extend(words(&code.texts, &|n| list.executes(n)));
        executes.sort();
        executes.dedup();
    }
    let (case, names, what) = if place == Place::Alone {
        ("bare", executes, "stands by itself")
    } else if place == Place::Pickle && !executes.is_empty() {
        (
            "carried",
            executes,
            "is carried by a pickle and uses names that run or load code",
        )
    } else if place == Place::Pickle {
        ("kept", reaches, "is carried by a pickle")
    } else if !executes.is_empty() {
        ("executes", executes, "uses names that run or load code")
    } else if !reaches.is_empty() {
        ("reaches", reaches, "uses names that reach out of the model")
    } else {
        ("inert", Vec::new(), "uses no name that reaches out of the model")
    };
    let mut message = format!("compiled code for Python {} {what}", code.python);
    if !names.is_empty() {
        message = format!("{message}: {}", names.join(", "));
    }
    let all: Vec<String> = code.names.iter().take(SHOWN * 4).map(|n| shown(n.as_bytes())).collect();
    let finding = Finding::new(
        code::MARSHALLED_CODE,
        Span::saturating_at(code.span.start(), code.span.len()),
        message,
    )
    .case(case)
    .evidence("python", code.python)
    .evidence("objects", code.objects)
    .evidence("matched", Value::List(names.clone()))
    .evidence("names", Value::List(all))
    .key(names.join(" "));
    out.push(finding);
}
