//! `probity rules list`: every finding code, one line each.

use crate::args::{RulesArgs, RulesCommand};
use crate::output;
use anyhow::Result;
use probity_signatures::rules;
use std::fmt::Write;

/// Prints the list.
pub(crate) fn run(args: &RulesArgs) -> Result<u8> {
    let RulesCommand::List = args.command;
    let mut text = String::new();
    for rule in rules().iter() {
        writeln!(text, "{:<24} {:<9} {}", rule.code, rule.severity.as_str(), rule.summary)?;
    }
    writeln!(
        text,
        "\n{} codes, rules {}; probity explain CODE tells more",
        rules().iter().len(),
        rules().digest()
    )?;
    output::print(text.as_bytes())?;
    Ok(0)
}
