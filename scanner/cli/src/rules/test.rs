//! `probity rules test`: the vectors of each rule, run through the search and the decision that a scan uses.
//!
//! Files in Probity's own form (with a `code`) are checked too: `probity rules test signatures/rules` in this repository.

use super::Files;
use crate::args::{RulesFormat, RulesTestArgs};
use crate::output;
use anyhow::Result;
use probity_engine::custom::{CustomRules, Outcome};
use probity_engine::name::printable;
use probity_signatures::custom::{VectorContent, is_built_in};
use probity_signatures::declared::Diagnostic;
use probity_signatures::{Rules, rules};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The schema of the JSON result.
const SCHEMA: &str = "probity.rules-test/1";
/// Failing rule.
const FAILED: u8 = 1;

/// Runs the vectors; returns the exit code.
pub(super) fn run(args: &RulesTestArgs) -> Result<u8> {
    if args.dirs.is_empty() {
        return report(args.format, rules().iter().len(), None);
    }
    let files = Files::read(&args.dirs)?;
    let built_in: BTreeSet<&str> = files
        .iter()
        .filter(|(_, text)| is_built_in(text))
        .map(|(_, text)| text)
        .collect();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (name, text) in files.iter().filter(|(_, text)| built_in.contains(text)) {
        match Rules::parse(name, text) {
            Ok(_) => checked += 1,
            Err(error) => wrong.push(own(name, text, error.line, error.kind.to_string())),
        }
    }
    let loaded = match files.load_some(|text| !built_in.contains(text)) {
        Ok(loaded) => Some(loaded),
        Err(more) => {
            wrong.extend(more);
            None
        }
    };
    match loaded {
        Some(loaded) if wrong.is_empty() => report(args.format, checked, Some(&loaded)),
        _ => {
            files.show(&wrong);
            Ok(crate::USAGE)
        }
    }
}

/// What is wrong with a rule of Probity's own: its loader knows the line.
fn own(name: &str, text: &str, line: usize, title: String) -> Diagnostic {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let length = text
        .get(start..)
        .and_then(|rest| rest.lines().next())
        .map_or(0, str::len);
    let mut diagnostic = Diagnostic::at_start(name, title);
    diagnostic.span = start..start.saturating_add(length);
    "CONTRIBUTING.md, 'Adding a finding', has the form; the other files show it".clone_into(&mut diagnostic.help);
    diagnostic
}

fn report(format: RulesFormat, checked: usize, loaded: Option<&CustomRules>) -> Result<u8> {
    let outcomes: Vec<Outcome<'_>> = loaded.into_iter().flat_map(CustomRules::test).collect();
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let untested: Vec<&str> = loaded
        .into_iter()
        .flat_map(CustomRules::iter)
        .filter(|custom| custom.tests.is_empty())
        .map(|custom| custom.rule.code.as_str())
        .collect();
    let rules = loaded.map_or(0, |loaded| loaded.iter().len());
    let text = match format {
        RulesFormat::Text => text(checked, rules, &outcomes, failed, &untested)?,
        RulesFormat::Json => {
            let results: Vec<Value> = outcomes.iter().map(result).collect();
            let document = json!({
                "schema": SCHEMA,
                "tool": { "name": "probity", "version": env!("CARGO_PKG_VERSION") },
                "verdict": if failed == 0 { "passed" } else { "failed" },
                "built_in": checked, "rules": rules, "vectors": outcomes.len(), "failed": failed,
                "untested": untested, "results": results,
            });
            format!("{}\n", serde_json::to_string_pretty(&document)?)
        }
    };
    output::print(text.as_bytes())?;
    Ok(if failed == 0 { 0 } else { FAILED })
}

fn text(checked: usize, rules: usize, outcomes: &[Outcome<'_>], failed: usize, untested: &[&str]) -> Result<String> {
    let mut text = String::new();
    for outcome in outcomes.iter().filter(|outcome| !outcome.passed()) {
        let (expected, was) = words(outcome);
        writeln!(
            text,
            "FAILED  {} ({}:{}): vector {} must {expected} and {was}: {}",
            outcome.rule.rule.code,
            outcome.rule.file,
            outcome.vector.line,
            outcome.number,
            input(&outcome.vector.content)
        )?;
    }
    for id in untested {
        writeln!(text, "untested  {id}: no vector says what it must find and what not")?;
    }
    let mut parts = Vec::new();
    if checked > 0 {
        parts.push(format!("{checked} rules of Probity are well formed"));
    }
    if rules > 0 || checked == 0 {
        let passed = outcomes.len().saturating_sub(failed);
        parts.push(format!("{rules} of yours, {passed} vectors pass, {failed} fail"));
    }
    writeln!(text, "{}", parts.join("; "))?;
    Ok(text)
}

fn words(outcome: &Outcome<'_>) -> (&'static str, &'static str) {
    if outcome.vector.fires {
        ("fire", "stays quiet")
    } else {
        ("stay quiet", "fires")
    }
}

/// The beginning of a vector's input, for people.
fn input(content: &VectorContent) -> String {
    const SHOWN: usize = 32;
    match content {
        VectorContent::Bytes(bytes) => {
            let more = if bytes.len() > SHOWN { " ..." } else { "" };
            let head = bytes.get(..SHOWN.min(bytes.len())).unwrap_or_default();
            format!("\"{}\"{more}", printable(head))
        }
        VectorContent::Sha256(digest) => digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn result(outcome: &Outcome<'_>) -> Value {
    let word = |fires: bool| if fires { "fire" } else { "quiet" };
    json!({
        "rule": outcome.rule.rule.code, "file": outcome.rule.file, "line": outcome.vector.line,
        "vector": outcome.number, "expect": word(outcome.vector.fires), "got": word(outcome.fired),
        "passed": outcome.passed(),
    })
}
