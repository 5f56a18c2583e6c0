//! `diff --format text`: for people. Nothing at all where nothing differs; else the two sides, what the model looks like,
//! the changes, worst first, and one line of totals.

use super::{View, at, changed, kind_of, percent, place, rank, tally};
use crate::report::text::{count, size, style, verdict_style};
use crate::report::wrap::wrap;
use anstyle::{AnsiColor, Style};
use probity_engine::Severity;
use probity_engine::artifact::Verdict;
use probity_engine::diff::{Change, Comparison, Model, Side, TensorChange};
use probity_engine::finding::Value;
use probity_engine::name::printable;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Where the text of a change begins.
const INDENT: usize = 12;
/// Changes and tensors shown without `-v`.
const SHOWN: usize = 40;
const TENSORS: usize = 24;

/// Writes the comparison.
pub(crate) fn render(diff: &Comparison, view: View, out: &mut dyn Write) -> io::Result<()> {
    if diff.identical {
        return Ok(());
    }
    side("old", &diff.old, view, out)?;
    side("new", &diff.new, view, out)?;
    if let Some(model) = &diff.model {
        self::model(model, view, out)?;
    }
    let lowest = if view.verbose { Severity::Info } else { Severity::Low };
    let shown: Vec<&Change> = diff.changes.iter().filter(|c| c.judged.severity >= lowest).collect();
    if !shown.is_empty() {
        writeln!(out)?;
    }
    let most = if view.verbose { usize::MAX } else { SHOWN };
    let mut advised = BTreeSet::new();
    for one in shown.iter().take(most) {
        change(one, diff, view, &mut advised, out)?;
    }
    if shown.len() > most {
        writeln!(
            out,
            "  and {} (-v shows all)",
            count((shown.len() - most) as u64, "more change")
        )?;
    }
    for (which, side) in [("old", &diff.old), ("new", &diff.new)] {
        for (place, error) in side.errors.iter().take(SHOWN) {
            let style = AnsiColor::Magenta.on_default().bold();
            let text = format!(
                "{which}, {}: {}: {}",
                at(place),
                error.code.as_str(),
                printable(error.message.as_bytes())
            );
            writeln!(
                out,
                "  {style}not examined{style:#}  {}",
                wrap(&text, 16, 16, view.columns)
            )?;
        }
    }
    writeln!(out)?;
    totals(diff, view, out)
}

fn side(which: &str, side: &Side, view: View, out: &mut dyn Write) -> io::Result<()> {
    let text = format!("{}  {}, {}", side.path, side.format, size(side.size));
    writeln!(out, "{which}  {}", wrap(&text, 5, 5, view.columns))
}

fn model(model: &Model, view: View, out: &mut dyn Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let text = format!("{}: {}", model.looks, model.summary);
    writeln!(out, "\n{bold}model{bold:#}  {}", wrap(&text, 7, 7, view.columns))?;
    let kinds: Vec<String> = model.kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    let mut text = format!(
        "{} of {} tensors compared: {} identical",
        model.compared,
        model.old.max(model.new),
        model.identical
    );
    for kind in kinds {
        text.push_str(", ");
        text.push_str(&kind);
    }
    writeln!(out, "       {}", wrap(&text, 7, 7, view.columns))?;
    let most = if view.verbose { usize::MAX } else { TENSORS };
    if !model.changes.is_empty() {
        writeln!(
            out,
            "\n  {:<12} {:>9} {:>12} {:>12}  tensor",
            "change", "size", "elements", "rank"
        )?;
    }
    for tensor in model.changes.iter().take(most) {
        row(tensor, view, out)?;
    }
    for (list, what) in [(&model.added, "added"), (&model.removed, "removed")] {
        for tensor in list.iter().take(most) {
            let text = format!("{}  {} {:?}", tensor.name, tensor.dtype, tensor.shape);
            writeln!(
                out,
                "  {what:<12} {:>9} {:>12} {:>12}  {}",
                "",
                "",
                "",
                wrap(&text, 51, 15, view.columns)
            )?;
        }
    }
    let hidden = |all: usize| all.saturating_sub(most) as u64;
    let more = hidden(model.changes.len()) + hidden(model.added.len()) + hidden(model.removed.len()) + model.unlisted;
    if more > 0 {
        let hint = if view.verbose { "" } else { " (-v shows more)" };
        writeln!(out, "  and {}{hint}", count(more, "more tensor"))?;
    }
    Ok(())
}

fn row(tensor: &TensorChange, view: View, out: &mut dyn Write) -> io::Result<()> {
    let mut text = format!("{}  {}", tensor.name, kind_of(tensor));
    if let Some(old) = &tensor.old_name {
        text.push_str(&format!(", was {old}"));
    }
    if tensor.by_order {
        text.push_str(", paired by order");
    }
    if let Some(bits) = tensor.low_bits {
        text.push_str(&format!(", in the lowest {}", count(u64::from(bits), "bit")));
    }
    if tensor.nonfinite > 0 {
        text.push_str(&format!(", {} not finite", tensor.nonfinite));
    }
    if let Some(note) = &tensor.note {
        text.push_str(&format!(": {}", printable(note.as_bytes())));
    }
    writeln!(
        out,
        "  {:<12} {:>9} {:>12} {:>12}  {}",
        tensor.kind.as_str(),
        percent(tensor.relative),
        changed(tensor),
        rank(tensor.rank.as_ref()),
        wrap(&text, 51, 15, view.columns)
    )
}

fn change<'d>(
    change: &'d Change,
    diff: &Comparison,
    view: View,
    advised: &mut BTreeSet<&'d str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let f = &change.judged.finding;
    let severity = change.judged.severity;
    let style = style(severity);
    let case = f.case.map_or_else(String::new, |c| format!(" ({c})"));
    let text = format!("{}{case}: {}", f.code, printable(f.message.as_bytes()));
    writeln!(
        out,
        "  {style}{:<8}{style:#}  {}",
        severity.as_str(),
        wrap(&text, INDENT, INDENT, view.columns)
    )?;
    let mut line = |text: &str| writeln!(out, "{:INDENT$}{}", "", wrap(text, INDENT, INDENT, view.columns));
    line(&format!("in {}", place(change)))?;
    if view.verbose {
        for (key, value) in &f.evidence {
            if let (&"regions", Value::List(list)) = (key, value) {
                for region in list {
                    line(&format!("region {}", printable(region.as_bytes())))?;
                }
            }
        }
    }
    // Once for each code: a version brings many changes of one kind.
    if severity >= Severity::Medium
        && advised.insert(f.code)
        && let Some(rule) = diff.rules.get(f.code)
    {
        line(&format!("what to do: {}", rule.action))?;
    }
    Ok(())
}

fn totals(diff: &Comparison, view: View, out: &mut dyn Write) -> io::Result<()> {
    let counts: Vec<String> = Severity::ALL
        .iter()
        .rev()
        .map(|s| (diff.count(*s), s.as_str()))
        .filter(|(n, _)| *n > 0)
        .map(|(n, name)| format!("{n} {name}"))
        .collect();
    let changes = if counts.is_empty() {
        "no changes of note".to_owned()
    } else {
        counts.join(", ")
    };
    let quiet: Vec<String> = tally(diff.changes.iter().filter(|c| c.judged.severity == Severity::Info))
        .into_iter()
        .map(|(what, n)| format!("{n} {what}"))
        .collect();
    let quiet = match (view.verbose, quiet.is_empty()) {
        (false, false) => format!(" (info: {}; -v lists them)", quiet.join(", ")),
        _ => String::new(),
    };
    let verdict = match diff.verdict {
        Verdict::Clean => "changed",
        other => other.as_str(),
    };
    let unfinished = if diff.complete || diff.verdict == Verdict::Incomplete {
        ""
    } else {
        ", and incomplete"
    };
    let style = verdict_style(diff.verdict);
    let text = format!(
        "{unfinished}: {changes}{quiet}; {} unchanged",
        count(diff.unchanged, "artifact")
    );
    writeln!(
        out,
        "{style}{verdict}{style:#}{}",
        wrap(&text, verdict.len(), 2, view.columns)
    )
}
