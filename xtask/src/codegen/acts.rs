//! `docs/acts.md`: every act of the scenario suite, and which backend sees it.
//!
//! Both come from `probity_acts`, which the watcher's tests read too; nothing is known here that they do not hold.

use std::fmt::Write as _;

use anyhow::Result;
use probity_acts::blind::{self, BACKENDS};
use probity_acts::table::{self, Act};

const OPENING: &str = "\
# Every act

Written by `cargo xtask codegen`; do not edit.

These are the acts of the scenario suite (`tests/acts`), each one system call or one way round a watcher, and which
[backend](watch.md) sees it. Each is done under `probity watch` twice: outside of the declared set it must be reported (where it
is blind, it must really not be seen), inside of it nothing may be. The `cgroup` programs run beside each backend. What a host
really shows is what `probity doctor` finds out there.
";

/// What the columns mean that do not say it themselves.
const COLUMNS: &str = "\
| column | means |
| --- | --- |
| event | the `kind` of the event that must be seen; others may come with it |
| access | what a `[[file]]` rule must allow; empty where another section decides |
| core | one of the first acts that every backend must hold |
| needs | without it the act cannot be done, and is not asked for |
";

const LEGEND: &str = "\
*or incomplete*: the act races or floods the watcher; where that leaves something lost or ambiguous, the verdict is
`incomplete`. *not judged*: the declared set has no word for the act. *no verdict*: the act ends the watcher, and its end does
not look like a verdict.
";

/// The page.
pub(super) fn page() -> Result<String> {
    let reasons = reasons();
    let acts = table::all().count();
    let mut out = format!("{OPENING}\n");
    let counts: Vec<String> = BACKENDS
        .iter()
        .map(|backend| {
            let blind = table::all()
                .filter(|act| blind::reason(act.name, backend).is_some())
                .count();
            format!("`{backend}` does not see {blind}")
        })
        .collect();
    writeln!(out, "Of {acts} acts {}.\n\n{COLUMNS}", counts.join(", "))?;
    writeln!(out, "A number in parentheses is the reason:\n")?;
    for (number, why) in (1..).zip(&reasons) {
        writeln!(out, "{number}. {why}")?;
    }
    write!(out, "\n{LEGEND}")?;
    for (group, _) in table::groups() {
        writeln!(out, "\n## {group}\n")?;
        writeln!(
            out,
            "| act | what it does | event | access | core | needs | {} |",
            BACKENDS.join(" | ")
        )?;
        writeln!(out, "|{}", " --- |".repeat(6 + BACKENDS.len()))?;
        for act in table::all().filter(|act| act.group == group) {
            row(&mut out, act, &reasons)?;
        }
    }
    Ok(out)
}

fn row(out: &mut String, act: &Act, reasons: &[&str]) -> Result<()> {
    write!(
        out,
        "| `{}` | {} | `{}` | {} | {} | {} |",
        act.name,
        cell(act.does),
        act.kind,
        act.access.join(", "),
        if act.core { "core" } else { "" },
        act.needs.join(", "),
    )?;
    for backend in BACKENDS {
        write!(out, " {} |", standing(act, backend, reasons))?;
    }
    writeln!(out)?;
    Ok(())
}

/// What a backend makes of an act.
fn standing(act: &Act, backend: &str, reasons: &[&str]) -> String {
    match blind::reason(act.name, backend) {
        Some(why) => {
            let number = reasons.iter().zip(1..).find(|(reason, _)| **reason == why);
            number.map_or_else(|| "**blind**".to_owned(), |(_, number)| format!("**blind** ({number})"))
        }
        None if act.name == blind::ENDS_THE_WATCHER => "no verdict".to_owned(),
        None if blind::may_end_incomplete(act) => "seen, or incomplete".to_owned(),
        None if !act.judged => "seen, not judged".to_owned(),
        None => "seen".to_owned(),
    }
}

/// Each reason once, in the order of the acts.
fn reasons() -> Vec<&'static str> {
    let mut reasons = Vec::new();
    for act in table::all() {
        for why in BACKENDS.iter().filter_map(|backend| blind::reason(act.name, backend)) {
            if !reasons.contains(&why) {
                reasons.push(why);
            }
        }
    }
    reasons
}

/// A text as a cell of a table: a bar would end it, a star or an angle bracket be taken for markup.
fn cell(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if matches!(c, '|' | '*' | '<') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_has_one_row_with_a_word_for_each_backend() {
        let page = page().expect("the page");
        for act in table::all() {
            let name = format!("| `{}` |", act.name);
            let rows: Vec<&str> = page.lines().filter(|line| line.starts_with(&name)).collect();
            let [row] = rows.as_slice() else {
                panic!("{}: {} rows", act.name, rows.len());
            };
            let cells = row.replace("\\|", "").matches('|').count();
            assert_eq!(cells, 7 + BACKENDS.len(), "{row}");
        }
    }

    #[test]
    fn a_blind_backend_is_told_with_the_number_of_its_reason() {
        let act = table::find("uring-openat").expect("the act");
        assert_eq!(standing(act, "lsm", &reasons()), "seen");
        let trace = standing(act, "trace", &reasons());
        let number = trace
            .strip_prefix("**blind** (")
            .and_then(|rest| rest.strip_suffix(')'));
        let number: usize = number.and_then(|number| number.parse().ok()).expect("a number");
        assert_eq!(
            reasons().get(number - 1).copied(),
            blind::reason("uring-openat", "trace")
        );
    }

    #[test]
    fn a_cell_keeps_what_markdown_would_take() {
        assert_eq!(cell("O_WRONLY|O_TRUNC"), "O_WRONLY\\|O_TRUNC");
    }
}
