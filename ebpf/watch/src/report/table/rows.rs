//! The table of a run that was held against a declared set: one row for each verdict, act, object, program and rule.

use super::super::document::{Entry, Report};
use super::super::merge::{self, Merged};
use super::super::text::{is_invisible, number, printable};
use super::{View, columns};
use crate::act::Verdict;
use anstyle::{AnsiColor, Style};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Rows of one verdict before files are merged by directory.
const UNMERGED: usize = 12;
/// Rows of one verdict that are shown.
const SHOWN: usize = 20;

/// One row before it is laid out.
struct Row {
    verdict: Verdict,
    what: String,
    object: String,
    who: String,
    count: u64,
    rule: String,
}

pub(super) fn render(report: &Report, view: View, out: &mut String) {
    let mut shown = Vec::new();
    let mut hidden = 0;
    for verdict in [
        Verdict::Blocked,
        Verdict::Denied,
        Verdict::Undeclared,
        Verdict::Ambiguous,
    ] {
        let rows = of(report, verdict);
        hidden += rows.len().saturating_sub(SHOWN);
        shown.extend(rows.into_iter().take(SHOWN));
    }
    if shown.is_empty() {
        return;
    }
    let head = ["verdict", "what", "object", "who", "count", "rule"]
        .map(str::to_owned)
        .to_vec();
    let cells = shown.iter().map(|row| {
        vec![
            row.verdict.word().to_owned(),
            row.what.clone(),
            row.object.clone(),
            row.who.clone(),
            number(row.count),
            row.rule.clone(),
        ]
    });
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(cells).collect();
    let styles = std::iter::once(Style::new().dimmed()).chain(shown.iter().map(|row| style(row.verdict)));
    out.push('\n');
    for (line, style) in columns(&lines, 2, 4, view.columns).into_iter().zip(styles) {
        let first = line.first().map(|cell| view.paint(style, cell)).unwrap_or_default();
        let rest = line.get(1..).unwrap_or_default().join("  ");
        _ = writeln!(out, "  {}", format!("{first}  {rest}").trim_end());
    }
    if hidden > 0 {
        _ = writeln!(
            out,
            "  and {} more (--report FILE holds them all)",
            number(hidden as u64)
        );
    }
    out.push('\n');
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Blocked | Verdict::Denied => AnsiColor::Red.on_default().bold(),
        Verdict::Undeclared => AnsiColor::Yellow.on_default(),
        Verdict::Ambiguous => AnsiColor::Magenta.on_default(),
        Verdict::Declared => Style::new(),
    }
}

/// The rows of a verdict, the most frequent first; files merged by directory when they are many.
fn of(report: &Report, verdict: Verdict) -> Vec<Row> {
    let mut files: BTreeMap<(String, String, String), Vec<Merged>> = BTreeMap::new();
    let mut other: BTreeMap<(String, String, String, String), u64> = BTreeMap::new();
    let entries: Vec<&Entry> = report.objects.iter().filter(|entry| entry.judged == verdict).collect();
    let merged = entries.len() > UNMERGED;
    for entry in entries {
        let (what, who) = (what(entry), who(entry, merged));
        let rule = entry
            .rule
            .as_deref()
            .map_or_else(|| "none".to_owned(), |rule| printable(rule.as_bytes()));
        match &entry.path {
            Some(path) if merged && entry.object.path2.is_none() && !path.is_empty() => {
                files
                    .entry((what, who, rule))
                    .or_default()
                    .push(merge::row(path, false, entry.count));
            }
            _ => *other.entry((what, who, rule, entry.name.clone())).or_default() += entry.count,
        }
    }
    let share = UNMERGED.checked_div(files.len()).unwrap_or(UNMERGED).max(1);
    let mut rows: Vec<Row> = other
        .into_iter()
        .map(|((what, who, rule, object), count)| Row {
            verdict,
            what,
            object,
            who,
            count,
            rule,
        })
        .collect();
    for ((what, who, rule), paths) in files {
        for merged in merge::merge(paths, share) {
            let (what, who, rule) = (what.clone(), who.clone(), rule.clone());
            rows.push(Row {
                verdict,
                what,
                object: merged.to_string(),
                who,
                count: merged.count,
                rule,
            });
        }
    }
    rows.sort_by(|a, b| {
        b.count
            .cmp(&a.count)
            .then_with(|| a.object.cmp(&b.object))
            .then_with(|| a.what.cmp(&b.what))
    });
    rows
}

/// `read+write`, `connect`, `ptrace`.
fn what(entry: &Entry) -> String {
    let words = if entry.missing.is_empty() {
        &entry.object.access
    } else {
        &entry.missing
    };
    match entry.kind.strip_prefix("net.") {
        Some(word) => word.to_owned(),
        None if words.is_empty() || entry.kind == "exec" => entry.kind.to_owned(),
        None if entry.kind == "unix.connect" => entry.kind.to_owned(),
        None => words.join("+"),
    }
}

/// The program, and how many processes ran it when it was more than one.
fn who(entry: &Entry, merged: bool) -> String {
    match entry.processes {
        n if n > 1 && !merged => format!("{} ({n} processes)", entry.who()),
        _ => entry.who(),
    }
}

/// The rule that would allow everything that went wrong, when one would.
pub(super) fn suggestion(report: &Report) -> Option<String> {
    let mut wrong = report
        .objects
        .iter()
        .filter(|entry| entry.judged == Verdict::Undeclared);
    let (entry, None) = (wrong.next()?, wrong.next()) else {
        return None;
    };
    let object = &entry.object;
    match (entry.kind, &object.path, &object.addr) {
        ("exec", Some(path), _) => Some(format!("[[exec]] paths = [{}]", string(path))),
        ("unix.connect", Some(path), _) => Some(format!("[[unix]] paths = [{}]", string(path))),
        ("net.connect" | "net.send", _, Some(addr)) => {
            let place = match &object.host {
                Some(host) => format!("hosts = [{}]", string(host)),
                None => format!(
                    "cidr = [{}]",
                    string(&format!("{addr}/{}", if addr.contains(':') { 128 } else { 32 }))
                ),
            };
            let (port, proto) = (object.port?, object.proto.as_deref()?);
            let proto = if proto == "tcp" {
                String::new()
            } else {
                format!(" proto = [{}]", string(proto))
            };
            Some(format!("[[net]] {place} ports = [{port}]{proto}"))
        }
        ("net.bind" | "net.listen", _, Some(addr)) => {
            let place = object.port.map(|port| {
                if addr.contains(':') {
                    format!("[{addr}]:{port}")
                } else {
                    format!("{addr}:{port}")
                }
            })?;
            Some(format!("[net.policy] listen = [{}]", string(&place)))
        }
        (kind, Some(path), _) if kind.starts_with("file.") && object.path2.is_none() => {
            let words = if entry.missing.is_empty() {
                &object.access
            } else {
                &entry.missing
            };
            let access: Vec<String> = words.iter().map(|word| string(word)).collect();
            Some(format!(
                "[[file]] access = [{}] paths = [{}]",
                access.join(", "),
                string(path)
            ))
        }
        _ => None,
    }
}

/// A TOML string on one line: JSON's escapes, and those of what JSON leaves as it is and a terminal does not.
fn string(text: &str) -> String {
    let mut out = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        if c.is_control() || is_invisible(c) {
            _ = write!(out, "\\U{:08x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}
