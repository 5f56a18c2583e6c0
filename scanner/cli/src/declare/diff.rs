//! `probity declare diff OLD NEW`: what the subject may do more, and less.

use super::args::{DeclareFormat, DiffArgs};
use crate::output;
use anyhow::Result;
use probity_engine::name::printable;
use probity_signatures::declared::diff;
use serde_json::json;

/// Compares; returns the exit code.
pub(crate) fn run(args: &DiffArgs) -> Result<u8> {
    let vars = args.vars.values();
    let old = super::load(std::slice::from_ref(&args.old), &vars)?;
    let new = super::load(std::slice::from_ref(&args.new), &vars)?;
    let (Some((_, old)), Some((_, new))) = (old, new) else {
        return Ok(crate::USAGE);
    };
    let changes = diff(&old, &new);
    let text = match args.format {
        DeclareFormat::Json => {
            let changes: Vec<_> = changes
                .iter()
                .map(|c| {
                    let place =
                        |at: &Option<probity_signatures::declared::RuleRef>| at.as_ref().map(ToString::to_string);
                    json!({ "kind": c.kind, "what": c.what, "old": place(&c.old), "new": place(&c.new) })
                })
                .collect();
            serde_json::to_string_pretty(&json!({ "schema": "probity.declare/1", "changes": changes }))? + "\n"
        }
        DeclareFormat::Text if changes.is_empty() => "no change\n".to_owned(),
        DeclareFormat::Text => {
            let lines = changes
                .iter()
                .map(|change| printable(change.to_string().as_bytes()) + "\n");
            lines.collect()
        }
    };
    output::print(text.as_bytes())?;
    Ok(u8::from(!changes.is_empty()))
}
