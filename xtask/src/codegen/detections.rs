//! `docs/detections.md`: which way of attacking a model is told in which format, and what proves it.
//!
//! All of it comes from `probity_tests`, whose tables the engine's tests scan too; nothing is known here that they do not
//! hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};
use probity_tests::build::pickle::{QUIET, TECHNIQUES};
use probity_tests::build::template;
use probity_tests::matrix::{Row, SECTIONS, UNSEEN};
use probity_tests::samples::{self, HEAVY};

const OPENING: &str = "\
# What is detected

Written by `cargo xtask codegen`; do not edit.

Which class of attack is told in which format, by which [finding](findings.md), and the two files that prove it: one that gives
the finding, and a near miss that gives nothing of medium or above. `scanner/engine/tests/matrix.rs` scans both for every row.
Fixtures are built by code in `tests/src/matrix`; a technique, sample or template in quotes is a row of a table there.
";

/// The page.
pub(super) fn page() -> Result<String> {
    let rows = SECTIONS.iter().map(|s| s.rows.len()).sum::<usize>();
    let mut out = format!("{OPENING}\n");
    writeln!(
        out,
        "{rows} rows, {} pickle techniques, {} chat templates, {} files with one thing wrong, {} that ask for much.",
        TECHNIQUES.len(),
        template::HOSTILE.len() + template::CONDITIONAL.len(),
        samples::hostile().len(),
        HEAVY.len()
    )?;
    for section in SECTIONS {
        writeln!(out, "\n## {}\n", section.title)?;
        writeln!(out, "| class | format | finding | severity | fires on | quiet on |")?;
        writeln!(out, "|{}", " --- |".repeat(6))?;
        let mut last = "";
        for row in section.rows {
            // A class that stands in several formats is named once.
            let class = if row.class == last { "" } else { row.class };
            last = row.class;
            line(&mut out, class, row)?;
        }
    }
    out.push_str(
        "\n## Not seen\n\nNo finding names these, and no scan of one file can claim to:\n\n| class | format | why |\n| --- | --- | --- |\n",
    );
    for unseen in UNSEEN {
        writeln!(
            out,
            "| {} | {} | {} |",
            cell(unseen.class),
            cell(unseen.format),
            cell(unseen.why)
        )?;
    }
    tables(&mut out)?;
    Ok(out)
}

fn line(out: &mut String, class: &str, row: &Row) -> Result<()> {
    let severity = severity(row.code, row.case)
        .with_context(|| format!("{} in {}: no rule for {} {}", row.class, row.format, row.code, row.case))?;
    writeln!(
        out,
        "| {} | {} | {} | {severity} | {} | {} |",
        cell(class),
        cell(row.format),
        finding(row.code, row.case),
        cell(&row.fires.name()),
        cell(&row.quiet.name())
    )?;
    Ok(())
}

/// The severity of a finding; errors have none, and make the verdict `incomplete`.
fn severity(code: &str, case: &str) -> Option<String> {
    if matches!(code, "limit-exceeded" | "unsupported" | "encrypted" | "unreadable") {
        return Some("incomplete".to_owned());
    }
    let severity = probity_signatures::rules().severity(code, Some(case).filter(|c| !c.is_empty()))?;
    Some(severity.to_string())
}

fn finding(code: &str, case: &str) -> String {
    if case.is_empty() {
        format!("`{code}`")
    } else {
        format!("`{code}` {case}")
    }
}

/// Every row of the tables that the matrix draws on, by what it gives.
fn tables(out: &mut String) -> Result<()> {
    let techniques = TECHNIQUES.iter().map(|t| (finding(t.code, t.case), t.name));
    table(out, "Every pickle technique", techniques)?;
    let quiet: Vec<&str> = QUIET.iter().map(|q| q.name).collect();
    writeln!(out, "\nPickles that give nothing: {}.", cell(&quiet.join(", ")))?;
    let hostile = template::HOSTILE
        .iter()
        .map(|t| (finding("template-injection", t.2), t.0));
    let conditional = template::CONDITIONAL
        .iter()
        .map(|t| (finding("conditional-prompt", t.2), t.0));
    table(out, "Every hostile chat template", hostile.chain(conditional))?;
    let published: Vec<&str> = template::PUBLISHED.iter().map(|t| t.0).collect();
    writeln!(
        out,
        "\nTemplates in the manner of published ones, which give nothing: {}.",
        cell(&published.join(", "))
    )?;
    let samples = samples::hostile()
        .into_iter()
        .map(|h| (finding(h.expect_code, ""), h.name));
    table(out, "Every file with one thing wrong", samples)?;
    let heavy = HEAVY.iter().map(|h| {
        let said: Vec<String> = h.said.iter().map(|code| finding(code, "")).collect();
        let said = if said.is_empty() {
            "read to its end".to_owned()
        } else {
            said.join(" or ")
        };
        (said, h.name)
    });
    table(out, "Every small file that asks for much", heavy)
}

fn table<'n>(out: &mut String, title: &str, rows: impl Iterator<Item = (String, &'n str)>) -> Result<()> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (given, name) in rows {
        groups.entry(given).or_default().push(name);
    }
    writeln!(out, "\n## {title}\n\n| gives | number | which |\n| --- | --- | --- |")?;
    for (given, names) in groups {
        writeln!(out, "| {given} | {} | {} |", names.len(), cell(&names.join(", ")))?;
    }
    Ok(())
}

/// Text that stays in its cell and is no markup.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace("__", "\\_\\_")
        .replace('<', "&lt;")
        .replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_on_the_page() {
        let page = page().expect("every finding has a rule");
        let rows = SECTIONS.iter().map(|s| s.rows.len()).sum::<usize>();
        let matrix = page.split("\n## Not seen").next().unwrap_or_default();
        assert_eq!(
            matrix.lines().filter(|l| l.starts_with("| ")).count(),
            rows + 2 * SECTIONS.len()
        );
    }

    #[test]
    fn a_cell_holds_no_markup() {
        assert_eq!(cell("a|b __x__ <y>"), "a\\|b \\_\\_x\\_\\_ &lt;y>");
    }
}
