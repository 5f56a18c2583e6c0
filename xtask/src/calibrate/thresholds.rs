//! Thresholds as the page quotes them, `` `tensor-text.long` = 512 ``, and whether they are those of the rules.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use probity_signatures::Rules;

/// A threshold of the embedded rules.
pub(super) fn value(rules: &Rules, code: &str, name: &str) -> f64 {
    let rule = rules.get(code);
    let known = rule.and_then(|rule| rule.thresholds.get(name));
    known.map_or(f64::NAN, |known| known.value)
}

/// How the page quotes a threshold.
pub(super) fn quoted(rules: &Rules, code: &str, name: &str) -> String {
    format!("`{code}.{name}` = {}", value(rules, code, name))
}

/// All thresholds of tensors, as a table.
pub(super) fn table(rules: &Rules) -> String {
    let mut out = String::from("| threshold | meaning |\n| --- | --- |\n");
    for rule in rules.iter().filter(|rule| rule.code.starts_with("tensor-")) {
        for (name, threshold) in &rule.thresholds {
            out.push_str(&format!(
                "| {} | {} |\n",
                quoted(rules, &rule.code, name),
                threshold.meaning
            ));
        }
    }
    out
}

/// Holds every threshold that `page` quotes against `rules`; how many there are.
///
/// # Errors
///
/// When one differs, does not exist, or is not quoted at all.
pub(super) fn check(page: &str, rules: &Rules) -> Result<usize> {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for (front, back) in page
        .match_indices("` = ")
        .map(|(at, found)| page.split_at(at + found.len()))
    {
        let Some((_, quote)) = front.strip_suffix("` = ").and_then(|front| front.rsplit_once('`')) else {
            continue;
        };
        let Some((code, name)) = quote.split_once('.').filter(|(code, _)| code.starts_with("tensor-")) else {
            continue;
        };
        let digits: String = back
            .chars()
            .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | '-'))
            .collect();
        let digits = digits.trim_end_matches(['.', '-']);
        let known = value(rules, code, name);
        if digits.parse::<f64>().ok() != Some(known) {
            wrong.push(format!("{quote} is {known}, not {digits}"));
        }
        seen.insert(quote.to_owned());
    }
    for rule in rules.iter().filter(|rule| rule.code.starts_with("tensor-")) {
        for name in rule.thresholds.keys() {
            let quote = format!("{}.{name}", rule.code);
            if !seen.contains(&quote) {
                wrong.push(format!("{quote} is not quoted"));
            }
        }
    }
    if wrong.is_empty() {
        Ok(seen.len())
    } else {
        bail!("docs/calibration.md: {}; run `cargo xtask calibrate`", wrong.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use probity_signatures::rules;

    #[test]
    fn a_page_with_every_threshold_of_the_rules_passes() {
        assert!(check(&table(rules()), rules()).unwrap() > 10);
    }

    #[test]
    fn a_threshold_that_changed_or_went_is_named() {
        let page = table(rules()).replace("`tensor-text.long` = 512", "`tensor-text.long` = 513");
        let error = check(&page, rules()).unwrap_err().to_string();
        assert!(error.contains("tensor-text.long is 512, not 513"), "{error}");
        let page = table(rules()).replace("`tensor-text.short` = 96", "");
        let error = check(&page, rules()).unwrap_err().to_string();
        assert!(error.contains("tensor-text.short is not quoted"), "{error}");
        let page = format!("{}`tensor-text.longer` = 5\n", table(rules()));
        assert!(check(&page, rules()).is_err());
    }
}
