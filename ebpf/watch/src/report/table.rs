//! The closing table, for people: what went wrong first, or, without a declared set, an inventory of what was touched.
//!
//! Gives text and prints nothing. Everything that comes from the run (paths, names of programs, CMD) has its control
//! characters escaped before it is put on a line.

mod inventory;
mod rows;

use super::document::Report;
use super::text::{count, number, printable};
use super::verdict::Verdict;
use crate::act;
use anstyle::{AnsiColor, Style};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How the table may look.
#[derive(Clone, Copy, Default, Debug)]
pub struct View {
    /// The terminal's width; without one nothing is shortened.
    pub columns: Option<usize>,
    /// Whether colours may be used.
    pub colour: bool,
}

impl View {
    fn paint(self, style: Style, text: &str) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

/// The table, each line ended by a line feed.
#[must_use]
pub fn render(report: &Report, view: View) -> String {
    let mut out = String::new();
    header(report, view, &mut out);
    if report.declared_set {
        rows::render(report, view, &mut out);
    } else {
        inventory::render(report, view, &mut out);
    }
    for line in trouble(report) {
        _ = writeln!(out, "{line}");
    }
    if let Some(advice) = advice(report) {
        _ = writeln!(out, "{} {advice}", view.paint(Style::new().bold(), "what to do:"));
    }
    out
}

fn header(report: &Report, view: View, out: &mut String) {
    let (word, colour) = match (&report.failed, report.verdict, report.declared_set) {
        (Some(_), ..) => ("the watcher failed", AnsiColor::Red),
        (_, Verdict::Violation, _) => ("violation", AnsiColor::Red),
        (_, Verdict::Incomplete, _) => ("incomplete", AnsiColor::Magenta),
        (_, Verdict::Clean, true) => ("clean", AnsiColor::Green),
        (_, Verdict::Clean, false) => ("inventory", AnsiColor::Green),
    };
    let mut parts = Vec::new();
    if let Some(reason) = &report.failed {
        parts.push(printable(reason.as_bytes()));
    }
    if report.declared_set {
        for verdict in [
            act::Verdict::Blocked,
            act::Verdict::Denied,
            act::Verdict::Undeclared,
            act::Verdict::Ambiguous,
        ] {
            match total(report, verdict) {
                0 => {}
                n => parts.push(format!("{} {}", number(n), verdict.word())),
            }
        }
        parts.push(format!(
            "{} declared",
            count(report.declared.acts.max(report.declared.sent), "act")
        ));
    } else {
        parts.push("no declared set, so that nothing is a violation".to_owned());
    }
    let word = view.paint(colour.on_default().bold(), word);
    let end = match &report.attached {
        Some(attached) => format!(
            "watched {} for {:.1} s",
            printable(attached.to_string().as_bytes()),
            report.seconds
        ),
        None => format!("{} {} after {:.1} s", program(report), ended(report), report.seconds),
    };
    _ = writeln!(out, "probity watch: {word}: {}; {end}", parts.join(", "));
}

fn total(report: &Report, verdict: act::Verdict) -> u64 {
    report.counts.values().filter_map(|by| by.get(verdict.word())).sum()
}

fn program(report: &Report) -> String {
    let first = report
        .cmd
        .first()
        .map_or("the tree", |cmd| cmd.rsplit('/').next().unwrap_or(cmd));
    printable(first.as_bytes())
}

fn ended(report: &Report) -> String {
    match (report.cmd_exit, report.signal) {
        (Some(code), _) => format!("exited {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "did not end".to_owned(),
    }
}

/// One line on what was lost or could not be seen, one on each thing about the run that a reader must know.
fn trouble(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if !report.reasons.is_empty() {
        lines.push(format!(
            "not everything was seen: {}",
            printable(report.reasons.join("; ").as_bytes())
        ));
    }
    let blind: Vec<&str> = report
        .blind
        .iter()
        .filter(|b| !b.matters)
        .map(|b| b.act.as_str())
        .collect();
    if !blind.is_empty() {
        lines.push(format!(
            "not observable here: {} (probity doctor says why)",
            printable(blind.join(", ").as_bytes())
        ));
    }
    if !report.contained {
        let who = if report.attached.is_some() {
            "root runs in what was watched"
        } else {
            "CMD ran with the watcher's own rights"
        };
        lines.push(format!("not contained: {who} and could have ended it"));
    }
    let mut about = Vec::new();
    if !report.inherited.is_empty() {
        about.push(format!(
            "{} inherited",
            count(report.inherited.len() as u64, "descriptor")
        ));
    }
    if !report.uncovered.is_empty() {
        about.push(format!(
            "{} already open and not covered",
            count(report.uncovered.len() as u64, "object")
        ));
    }
    let mut lingering: BTreeMap<&str, u64> = BTreeMap::new();
    for process in &report.lingering {
        *lingering.entry(&process.done).or_default() += 1;
    }
    for (done, n) in lingering {
        let es = if n == 1 { "" } else { "es" };
        about.push(format!(
            "{} process{es} lived on: {}",
            number(n),
            printable(done.as_bytes())
        ));
    }
    if !about.is_empty() {
        lines.push(about.join("; "));
    }
    lines.extend(report.notes.iter().map(|note| printable(note.as_bytes())));
    lines
}

/// One line: the nearest step out.
fn advice(report: &Report) -> Option<String> {
    let cmd: Vec<String> = report.cmd.iter().map(|word| quote(word)).collect();
    let learn = format!("probity learn -o FILE -- {}", cmd.join(" "));
    if report.failed.is_some() {
        return Some("probity doctor shows what this host can observe".to_owned());
    }
    match report.verdict {
        Verdict::Violation => {
            let wrong = |v| report.objects.iter().filter(move |entry| entry.judged == v);
            if let Some(entry) = wrong(act::Verdict::Blocked)
                .chain(wrong(act::Verdict::Denied))
                .find(|entry| entry.rule.is_some())
            {
                let rule = printable(entry.rule.as_deref().unwrap_or_default().as_bytes());
                return Some(format!(
                    "if an act above was meant, change the rule that denies it ({rule})"
                ));
            }
            match rows::suggestion(report) {
                Some(rule) => Some(format!("if that was meant, declare it: {rule}")),
                None if report.attached.is_some() => Some("if that was meant, declare it".to_owned()),
                None => Some(format!(
                    "{learn} writes the declared set that would have allowed all of it"
                )),
            }
        }
        Verdict::Incomplete => Some("run it again; probity doctor shows what this host can observe".to_owned()),
        Verdict::Clean if !report.declared_set && report.attached.is_some() => None,
        Verdict::Clean if !report.declared_set => Some(format!("{learn} writes a declared set of this")),
        Verdict::Clean => {
            let unused = report.unused_rules.as_ref().filter(|rules| !rules.is_empty())?;
            let listed: Vec<String> = unused.iter().take(3).map(|rule| printable(rule.as_bytes())).collect();
            let more = if unused.len() > 3 { ", ..." } else { "" };
            let them = count(unused.len() as u64, "rule");
            Some(format!(
                "{them} allowed nothing and could go: {}{more}",
                listed.join(", ")
            ))
        }
    }
}

/// A word as a shell reads it.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!(
        "'{}'",
        printable(word.replace('\'', "'\\''").as_bytes()).replace("\\\\", "\\")
    )
}

/// `text` in at most `width` columns, its middle left out.
fn shorten(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width || width < 8 {
        return text.to_owned();
    }
    let kept = width - 3;
    let (head, tail) = (kept / 3, kept - kept / 3);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{start}...{end}")
}

/// Lines of cells with aligned columns, two spaces apart; `flexible` is the column that gives way when a line is too wide,
/// `right` the column of numbers.
fn columns(lines: &[Vec<String>], flexible: usize, right: usize, width: Option<usize>) -> Vec<Vec<String>> {
    let size = |text: &String| text.chars().count();
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..count)
        .map(|at| {
            lines
                .iter()
                .filter_map(|line| line.get(at))
                .map(size)
                .max()
                .unwrap_or(0)
        })
        .collect();
    let total: usize = widths.iter().sum::<usize>() + 2 * count;
    if let (Some(width), Some(own)) = (width, widths.get_mut(flexible))
        && total > width
    {
        *own = own.saturating_sub(total - width).max(16);
    }
    let fit = |(at, cell): (usize, &String)| {
        let width = widths.get(at).copied().unwrap_or(0);
        let cell = if at == flexible {
            shorten(cell, width)
        } else {
            cell.clone()
        };
        let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
        match at {
            at if at == right => format!("{fill}{cell}"),
            at if at + 1 == count => cell,
            _ => format!("{cell}{fill}"),
        }
    };
    lines
        .iter()
        .map(|line| line.iter().enumerate().map(fit).collect())
        .collect()
}

#[cfg(test)]
mod tests;
