//! What single-file programs carry: an inventory.

use crate::fact::{Bundle, Fact};
use crate::finding::{Finding, Findings, Value, code};
use crate::inspect::{Closing, Inspector};

/// `bundle-inventory`.
pub(in crate::inspect) struct Bundles;

impl Inspector for Bundles {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        for fact in artifact.facts {
            if let Fact::Bundle(bundle) = fact {
                out.push(inventory(bundle));
            }
        }
    }
}

fn inventory(bundle: &Bundle) -> Finding {
    let list = |texts: &[Box<str>]| Value::List(texts.iter().map(ToString::to_string).collect());
    let what = match bundle.kind {
        "node-sea" => "a Node single executable",
        "deno" => "a compiled Deno program",
        "eszip" => "the modules of a Deno program",
        "pyinstaller" => "a Python program frozen by PyInstaller",
        "dotnet" => "a .NET single-file program",
        "pkg" => "a Node program packed by pkg",
        "nexe" => "a Node program packed by nexe",
        "asar" => "the source of an Electron application",
        "bun" => "a compiled Bun program",
        other => other,
    };
    let entry = match bundle.entry.last() {
        Some(entry) if !entry.is_empty() => format!(", entered at {entry}"),
        _ => String::new(),
    };
    let message = format!("{what} of {} members{entry}", bundle.members);
    let mut finding = Finding::new(code::BUNDLE_INVENTORY, bundle.span, message)
        .case(bundle.kind)
        .evidence("kind", bundle.kind)
        .evidence("members", bundle.members)
        .key(bundle.kind);
    if !bundle.entry.is_empty() {
        finding = finding.evidence("entry", list(&bundle.entry));
    }
    if !bundle.flags.is_empty() {
        finding = finding.evidence("flags", list(&bundle.flags));
    }
    finding
}
