//! `diff --format markdown`: a comment for a pull request, in GitHub's dialect. Text of an artifact stands in code spans.

use super::{changed, kind_of, percent, place, rank, tally};
use crate::report::markdown::{code_span, prose};
use crate::report::text::size;
use probity_engine::Severity;
use probity_engine::artifact::Verdict;
use probity_engine::diff::{Change, Comparison, Model};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Rows of one table.
const ROWS: usize = 100;

/// Writes the comment.
pub(crate) fn render(diff: &Comparison, fail_on: Option<Severity>, out: &mut dyn Write) -> io::Result<()> {
    if diff.identical {
        return writeln!(out, "## Probity diff: identical");
    }
    let verdict = match (diff.verdict, diff.complete) {
        (Verdict::Clean, _) => "nothing of note",
        (Verdict::Findings, true) => "needs a look",
        (Verdict::Findings, false) => "needs a look, and incomplete",
        (Verdict::Incomplete, _) => "incomplete",
    };
    writeln!(out, "## Probity diff: {verdict}\n")?;
    writeln!(out, "Fails on: {}.\n", fail_on.map_or("never", Severity::as_str))?;
    writeln!(out, "| | path | format | size |\n| --- | --- | --- | ---: |")?;
    for (which, side) in [("old", &diff.old), ("new", &diff.new)] {
        writeln!(
            out,
            "| {which} | {} | {} | {} |",
            code_span(&side.path),
            side.format,
            size(side.size)
        )?;
    }
    if let Some(model) = &diff.model {
        self::model(model, out)?;
    }
    let grave: Vec<&Change> = diff
        .changes
        .iter()
        .filter(|c| c.judged.severity > Severity::Info)
        .collect();
    if !grave.is_empty() {
        writeln!(out, "\n### Changes\n")?;
        table(&grave, out)?;
        actions(&grave, diff, out)?;
    }
    let quiet: Vec<&Change> = diff
        .changes
        .iter()
        .filter(|c| c.judged.severity == Severity::Info)
        .collect();
    if !quiet.is_empty() {
        let counts: Vec<String> = tally(quiet.iter().copied())
            .into_iter()
            .map(|(what, n)| format!("{n} {what}"))
            .collect();
        writeln!(out, "\n<details><summary>{}</summary>\n", counts.join(", "))?;
        table(&quiet, out)?;
        writeln!(out, "\n</details>")?;
    }
    let errors: Vec<_> = diff.old.errors.iter().chain(&diff.new.errors).collect();
    if !errors.is_empty() {
        writeln!(
            out,
            "\n### Not examined\n\n| reason | where | what |\n| --- | --- | --- |"
        )?;
        for (at, error) in errors.iter().take(ROWS) {
            let place = code_span(&super::at(at));
            writeln!(
                out,
                "| {} | {place} | {} |",
                error.code.as_str(),
                code_span(&error.message)
            )?;
        }
        more(errors.len(), out)?;
    }
    Ok(())
}

fn model(model: &Model, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n### Model: {}\n\n{}\n", model.looks, code_span(&model.summary))?;
    writeln!(out, "| | tensors |\n| --- | ---: |")?;
    writeln!(
        out,
        "| compared | {} |\n| identical | {} |",
        model.compared, model.identical
    )?;
    for (kind, n) in &model.kinds {
        writeln!(out, "| {kind} | {n} |")?;
    }
    for (list, what) in [(&model.added, "added"), (&model.removed, "removed")] {
        if !list.is_empty() {
            writeln!(out, "| {what} | {} |", list.len())?;
        }
    }
    if !model.changes.is_empty() {
        writeln!(
            out,
            "\n| change | tensor | type | size | elements | rank |\n| --- | --- | --- | ---: | ---: | ---: |"
        )?;
    }
    for tensor in model.changes.iter().take(ROWS) {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            tensor.kind.as_str(),
            code_span(&tensor.name),
            code_span(&kind_of(tensor)),
            percent(tensor.relative),
            changed(tensor),
            rank(tensor.rank.as_ref()).replace('>', "over")
        )?;
    }
    more(model.changes.len(), out)
}

fn table(changes: &[&Change], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| severity | code | where | what |\n| --- | --- | --- | --- |")?;
    for change in changes.iter().take(ROWS) {
        let f = &change.judged.finding;
        let case = f.case.map_or_else(String::new, |c| format!(" ({c})"));
        let severity = match change.judged.severity {
            Severity::Critical | Severity::High => format!("**{}**", change.judged.severity),
            other => other.to_string(),
        };
        let (place, what) = (code_span(&place(change)), code_span(&f.message));
        writeln!(out, "| {severity} | {}{case} | {place} | {what} |", f.code)?;
    }
    more(changes.len(), out)
}

/// What to do about each code at medium or above, once.
fn actions(changes: &[&Change], diff: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let mut seen = BTreeSet::new();
    let codes = changes
        .iter()
        .filter(|c| c.judged.severity >= Severity::Medium)
        .map(|c| c.judged.finding.code);
    for (n, code) in codes.filter(|code| seen.insert(*code)).enumerate() {
        if n == 0 {
            writeln!(out, "\n### What to do\n")?;
        }
        if let Some(rule) = diff.rules.get(code) {
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
