//! `probity rules list`: every finding code, one line each; rules of the user with the line they stand on.

use super::load;
use crate::args::RulesListArgs;
use crate::output;
use anyhow::Result;
use probity_signatures::{Rule, Rules, rules};
use std::fmt::Write;

/// Prints the list.
pub(super) fn run(args: &RulesListArgs) -> Result<u8> {
    let Some(custom) = load(&args.rules)? else {
        return Ok(crate::USAGE);
    };
    let all: &Rules = custom.as_ref().map_or_else(|| rules(), |custom| custom.catalogue());
    let (own, loaded): (Vec<&Rule>, Vec<&Rule>) = all.iter().partition(|rule| rule.origin.is_none());
    let mut text = String::new();
    for rule in &own {
        writeln!(text, "{:<24} {:<9} {}", rule.code, rule.severity.as_str(), rule.summary)?;
    }
    if !loaded.is_empty() {
        writeln!(text)?;
    }
    for rule in &loaded {
        let origin = rule.origin.as_deref().unwrap_or_default();
        let severity = rule.severity.as_str();
        writeln!(text, "{:<24} {severity:<9} {} ({origin})", rule.code, rule.summary)?;
    }
    let yours = match loaded.len() {
        0 => String::new(),
        n => format!(" and {n} of yours"),
    };
    writeln!(
        text,
        "\n{} codes{yours}, rules {}; probity explain CODE tells more",
        own.len(),
        all.digest()
    )?;
    output::print(text.as_bytes())?;
    Ok(0)
}
