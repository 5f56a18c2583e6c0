//! `--format markdown`: a summary for the page of a CI job, in GitHub's dialect.
//!
//! Everything that an artifact can choose stands in a code span, where no renderer looks for links, mentions, HTML or
//! mathematics; backticks, pipes and line breaks, which end a code span or a cell, are written `%XX` there.

use super::cut::cut;
use super::text::size;
use probity_engine::Severity;
use probity_engine::artifact::{Artifact, Judged, Kind, Report, Verdict};
use probity_engine::finding::ScanError;
use probity_signatures::Rules;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Rows of one table.
const ROWS: usize = 100;
/// Characters of one cell.
const CELL: usize = 240;

/// Writes the summary.
pub(crate) fn render(report: &Report, fail_on: Option<Severity>, quick: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## Probity: {}\n", verdict(report))?;
    let threshold = fail_on.map_or("never", Severity::as_str);
    write!(out, "Fails on: {threshold}.")?;
    if quick {
        write!(out, " Structure only: content was not read.")?;
    }
    writeln!(out, "\n")?;
    totals(report, out)?;
    let mut findings: Vec<(&Artifact, &Judged)> = report
        .artifacts
        .iter()
        .flat_map(|a| a.findings.iter().map(move |f| (a, f)))
        .collect();
    findings.sort_by_key(|(_, f)| Reverse(f.severity));
    if !findings.is_empty() {
        writeln!(
            out,
            "\n### Findings\n\n| severity | code | where | what |\n| --- | --- | --- | --- |"
        )?;
        for (a, judged) in findings.iter().take(ROWS) {
            row(a, judged, out)?;
        }
        more(findings.len(), out)?;
        actions(&findings, &report.rules, out)?;
    }
    let errors: Vec<(&Artifact, &ScanError)> = report
        .artifacts
        .iter()
        .flat_map(|a| a.errors.iter().map(move |e| (a, e)))
        .collect();
    if !errors.is_empty() {
        writeln!(
            out,
            "\n### Not examined\n\n| reason | where | what |\n| --- | --- | --- |"
        )?;
        for (a, error) in errors.iter().take(ROWS) {
            let (place, what) = (code_span(&place(a)), code_span(&error.message));
            writeln!(out, "| {} | {place} | {what} |", error.code.as_str())?;
        }
        more(errors.len(), out)?;
    }
    Ok(())
}

fn verdict(report: &Report) -> &'static str {
    match (report.verdict, report.complete) {
        (Verdict::Clean, _) => "clean",
        (Verdict::Findings, true) => "findings",
        (Verdict::Findings, false) => "findings, and incomplete",
        (Verdict::Incomplete, _) => "incomplete",
    }
}

fn totals(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let roots = || report.artifacts.iter().filter(|a| a.kind == Kind::Root);
    let hosts: BTreeSet<&String> = roots().flat_map(|a| a.hosts.keys()).collect();
    let errors: usize = report.artifacts.iter().map(|a| a.errors.len()).sum();
    writeln!(out, "| | count |\n| --- | ---: |")?;
    for severity in Severity::ALL.iter().rev() {
        writeln!(out, "| {severity} | {} |", report.count(*severity))?;
    }
    writeln!(out, "| not examined | {errors} |")?;
    writeln!(out, "| files | {} |", roots().count())?;
    writeln!(out, "| nested artifacts | {} |", report.nested)?;
    writeln!(out, "| excluded | {} |", report.excluded)?;
    writeln!(out, "| hosts named | {} |", hosts.len())?;
    writeln!(out, "| size | {} |", size(report.bytes))
}

fn row(a: &Artifact, judged: &Judged, out: &mut dyn Write) -> io::Result<()> {
    let f = &judged.finding;
    let case = f.case.map_or_else(String::new, |c| format!(" ({c})"));
    let severity = match judged.severity {
        Severity::Critical | Severity::High => format!("**{}**", judged.severity),
        _ => judged.severity.to_string(),
    };
    let place = code_span(&place(a));
    let what = code_span(&f.message);
    writeln!(
        out,
        "| {severity} | {}{case} | {place} at {:#x} | {what} |",
        f.code,
        f.span.start()
    )
}

/// What to do about each code at medium or above, once.
fn actions(findings: &[(&Artifact, &Judged)], rules: &Rules, out: &mut dyn Write) -> io::Result<()> {
    let mut seen = BTreeSet::new();
    let grave = findings
        .iter()
        .map(|(_, f)| f)
        .filter(|f| f.severity >= Severity::Medium);
    for (n, judged) in grave.filter(|f| seen.insert(f.finding.code)).enumerate() {
        if n == 0 {
            writeln!(out, "\n### What to do\n")?;
        }
        if let Some(rule) = rules.get(judged.finding.code) {
            writeln!(out, "- **{}**: {}", rule.code, prose(&rule.action))?;
        }
    }
    Ok(())
}

fn more(all: usize, out: &mut dyn Write) -> io::Result<()> {
    match all.saturating_sub(ROWS) {
        0 => Ok(()),
        n => writeln!(out, "\nand {n} more"),
    }
}

fn place(a: &Artifact) -> String {
    match &a.nested {
        Some(nested) => format!("{}!{nested}", a.path),
        None => a.path.clone(),
    }
}

/// Text of an artifact as a code span that fits a cell.
pub(super) fn code_span(text: &str) -> String {
    let text = cut(text, CELL).replace('`', "%60").replace('|', "%7C");
    match text.trim().is_empty() {
        true => "(none)".to_owned(),
        false => format!("`{text}`"),
    }
}

/// Prose of a rule: its code spans stay, everything else that means something to Markdown or HTML is escaped.
pub(super) fn prose(text: &str) -> String {
    let spans = text.matches('`').count().is_multiple_of(2);
    let mut out = String::with_capacity(text.len());
    let mut code = false;
    for c in text.chars() {
        if c == '`' && spans {
            code = !code;
        } else if !code && "\\`*_[]<>|~&#$".contains(c) {
            out.push('\\');
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{code_span, prose};

    #[test]
    fn text_of_an_artifact_stays_in_its_code_span() {
        for (text, expected) in [
            ("plain", "`plain`"),
            ("a`b``c", "`a%60b%60%60c`"),
            ("a|b\\|c", "`a%7Cb\\%7Cc`"),
            ("a\r\nb", "`a%0D%0Ab`"),
            ("<img src=x>[x](y)", "`<img src=x>[x](y)`"),
            (" ", "(none)"),
            ("", "(none)"),
        ] {
            assert_eq!(code_span(text), expected);
        }
    }

    #[test]
    fn prose_keeps_its_code_spans_and_no_other_markup() {
        for (text, expected) in [
            ("a_b <c> | [d](e)", "a\\_b \\<c\\> \\| \\[d\\](e)"),
            ("run `map <x>` *now*", "run `map <x>` \\*now\\*"),
            ("an open ` one", "an open \\` one"),
        ] {
            assert_eq!(prose(text), expected);
        }
    }
}
