//! `probity explain CODE`: the rule's own file, for a terminal.

use crate::args::ExplainArgs;
use crate::output;
use crate::rules::load;
use anyhow::{Result, bail};
use probity_engine::finding::ErrorCode;
use probity_signatures::{explain, rules};

/// Prints the explanation of one code.
pub(crate) fn run(args: &ExplainArgs) -> Result<u8> {
    let Some(custom) = load(&args.rules)? else {
        return Ok(crate::USAGE);
    };
    let rules = custom.as_ref().map_or_else(|| rules(), |custom| custom.catalogue());
    let Some(rule) = rules.get(&args.code) else {
        if ErrorCode::ALL.iter().any(|e| e.as_str() == args.code) {
            bail!(
                "{} is not a finding but an error: something was not examined, and its message says why",
                args.code
            );
        }
        let near = rules
            .iter()
            .map(|r| r.code.as_str())
            .filter(|c| related(c, &args.code))
            .collect::<Vec<_>>();
        let hint = if near.is_empty() {
            "see probity rules list".to_owned()
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        bail!("there is no finding code '{}'; {hint}", args.code);
    };
    output::print(explain(rule).as_bytes())?;
    Ok(0)
}

/// Whether a word of the one begins like a word of the other.
fn related(code: &str, asked: &str) -> bool {
    let asked = asked.to_lowercase();
    code.split('-').any(|word| {
        asked
            .split(['-', '_', ' '])
            .filter_map(|w| w.get(..3))
            .any(|start| word.starts_with(start))
    })
}

#[cfg(test)]
mod tests {
    use super::related;

    #[test]
    fn a_hint_shares_the_beginning_of_a_word_and_any_text_may_be_asked() {
        for (asked, expected) in [
            ("trailing", true),
            ("TRAIL", true),
            ("bytes_after", true),
            ("traling", true),
            ("tr", false),
            ("", false),
            ("a\u{e4}\u{e4}\u{e4}", false),
        ] {
            assert_eq!(related("trailing-bytes", asked), expected, "{asked}");
        }
    }
}
