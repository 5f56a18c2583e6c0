//! `probity declare check FILE...`: everything that is wrong with a set, at once.

use super::Files;
use super::args::{CheckArgs, DeclareFormat};
use crate::output;
use anyhow::Result;
use probity_signatures::declared::{Declared, Diagnostic, Level};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Checks; returns the exit code.
pub(crate) fn run(args: &CheckArgs) -> Result<u8> {
    let files = Files::read(&args.files)?;
    let (set, diagnostics) = match files.load(&args.vars.values()) {
        Ok(mut set) => {
            let warnings = std::mem::take(&mut set.warnings);
            (Some(set), warnings)
        }
        Err(diagnostics) => (None, diagnostics),
    };
    match args.format {
        DeclareFormat::Json => {
            let text = serde_json::to_string_pretty(&document(set.as_ref(), &diagnostics))?;
            output::print(format!("{text}\n").as_bytes())?;
        }
        DeclareFormat::Text => {
            let mut text: String = diagnostics.iter().map(|d| files.render(d)).collect();
            text.push_str(&summary(set.as_ref(), &diagnostics));
            print(&text)?;
        }
    }
    Ok(match set {
        None => crate::USAGE,
        Some(_) if diagnostics.is_empty() => 0,
        Some(_) => 1,
    })
}

fn print(text: &str) -> Result<()> {
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

fn summary(set: Option<&Declared>, diagnostics: &[Diagnostic]) -> String {
    let count = |level| diagnostics.iter().filter(|d| d.level == level).count();
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    match set {
        None => format!("does not load: {}\n", plural(count(Level::Error), "error")),
        Some(set) => {
            let rules = [
                (set.files.len(), "file"),
                (set.execs.len(), "exec"),
                (set.nets.len(), "net"),
                (set.unixes.len(), "unix"),
            ];
            let rules: Vec<String> = rules.iter().map(|(n, section)| format!("{n} {section}")).collect();
            let warnings = plural(count(Level::Warning), "warning");
            let name = probity_engine::name::printable(set.name.as_bytes());
            format!("{name}: loads; rules: {}; {warnings}\n", rules.join(", "))
        }
    }
}

fn document(set: Option<&Declared>, diagnostics: &[Diagnostic]) -> Value {
    let diagnostics: Vec<Value> = diagnostics
        .iter()
        .map(|d| {
            let level = match d.level {
                Level::Error => "error",
                Level::Warning => "warning",
            };
            json!({ "level": level, "file": d.file, "line": d.line, "column": d.column, "message": d.title,
                    "help": d.help, "quoted": d.quoted })
        })
        .collect();
    let rules = set.map(|set| {
        json!({ "file": set.files.len(), "exec": set.execs.len(), "net": set.nets.len(), "unix": set.unixes.len() })
    });
    json!({ "schema": "probity.declare/1", "loads": set.is_some(), "name": set.map(|s| &s.name), "rules": rules,
            "diagnostics": diagnostics })
}
