//! Ensembles of trees that are written as text: XGBoost's JSON and LightGBM's model files (their documentation, "Model IO").
//!
//! Both readers index arrays with what the file says and follow children without counting, so a child that is not there is
//! read past the end, and one that leads back is followed for ever. The trees' numbers are not judged.

use super::{Closing, Inspector};
use crate::finding::{Finding, Findings, code};
use crate::span::Span;
use serde_json::Value;
use std::collections::BTreeSet;

/// `malformed`, case `crash`.
pub(super) struct Trees;

/// A longer model is not read: published ones of this size are binary.
const LONGEST: u64 = 64 << 20;

impl Inspector for Trees {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        if artifact.ledger.length() > LONGEST {
            return;
        }
        let broken = match artifact.format {
            "json" => {
                let head = artifact.bytes(0, 4096);
                let words: [&[u8]; 2] = [b"\"learner\"", b"\"gradient_booster\""];
                if !words.iter().any(|word| memchr::memmem::find(&head, word).is_some()) {
                    return;
                }
                let Ok(document) = serde_json::from_slice(&artifact.beginning(LONGEST)) else {
                    return;
                };
                xgboost(&document)
            }
            "text" if artifact.bytes(0, 64).starts_with(b"tree\nversion=") => {
                lightgbm(&String::from_utf8_lossy(&artifact.beginning(LONGEST)))
            }
            _ => return,
        };
        if let Some((tree, rule)) = broken {
            let message = format!("tree {tree}: {rule}");
            let finding = Finding::new(
                code::MALFORMED,
                Span::saturating_at(0, artifact.ledger.length()),
                message,
            );
            out.push(finding.case("crash").key(format!("tree {rule}")));
        }
    }
}

/// The first tree that breaks a rule, and the rule.
type Broken = Option<(usize, &'static str)>;

fn xgboost(document: &Value) -> Broken {
    let learner = document.get("learner")?;
    let booster = learner.get("gradient_booster")?;
    let model = booster.get("model").or_else(|| booster.get("gbtree")?.get("model"))?;
    let trees = model.get("trees")?.as_array()?;
    let number = |value: Option<&Value>| value?.as_str()?.parse::<i64>().ok();
    let features = number(learner.get("learner_model_param").and_then(|p| p.get("num_feature")));
    let stated = number(model.get("gbtree_model_param").and_then(|p| p.get("num_trees")));
    if stated.is_some_and(|n| i64::try_from(trees.len()) != Ok(n)) {
        return Some((trees.len(), "xgboost: another number of trees than is stated"));
    }
    for (index, tree) in trees.iter().enumerate() {
        let list = |key: &str| -> Option<Vec<i64>> { tree.get(key)?.as_array()?.iter().map(Value::as_i64).collect() };
        let (Some(left), Some(right)) = (list("left_children"), list("right_children")) else {
            return Some((index, "xgboost: a tree without children"));
        };
        let nodes = left.len();
        let lists = ["split_indices", "split_conditions", "parents", "default_left"];
        let length = |key: &str| tree.get(key)?.as_array().map(Vec::len);
        if right.len() != nodes || lists.iter().any(|key| length(key).is_some_and(|n| n != nodes)) {
            return Some((index, "xgboost: lists about one tree differ in length"));
        }
        let told = number(tree.get("tree_param").and_then(|p| p.get("num_nodes")));
        if told.is_some_and(|n| i64::try_from(nodes) != Ok(n)) {
            return Some((index, "xgboost: another number of nodes than is stated"));
        }
        if let Some(rule) = children(&left, &right) {
            return Some((index, rule));
        }
        let splits = list("split_indices").unwrap_or_default();
        let mut inner = splits.iter().zip(&left).filter(|(_, left)| **left >= 0);
        if inner.any(|(split, _)| *split < 0 || features.is_some_and(|n| n > 0 && *split >= n)) {
            return Some((index, "xgboost: a split of a feature that is not there"));
        }
    }
    None
}

/// Whether children lie in the tree, each below one node and none above the root.
fn children(left: &[i64], right: &[i64]) -> Option<&'static str> {
    let mut seen = BTreeSet::new();
    for child in left.iter().chain(right).filter(|child| **child != -1) {
        match usize::try_from(*child) {
            Ok(at) if at < left.len() => {}
            _ => return Some("xgboost: a child that is not in the tree"),
        }
        if *child == 0 || !seen.insert(*child) {
            return Some("xgboost: a child of two nodes, or one that leads back to the root");
        }
    }
    None
}

fn lightgbm(text: &str) -> Broken {
    let line = |part: &str, key: &str| -> Option<String> {
        let mut lines = part.lines().map(str::trim);
        lines.find_map(|line| Some(line.strip_prefix(key)?.strip_prefix('=')?.to_owned()))
    };
    let features = line(text, "max_feature_idx").and_then(|n| n.parse::<i64>().ok());
    for (index, part) in text.split("\nTree=").skip(1).enumerate() {
        let part = part.split("\nend of trees").next().unwrap_or_default();
        let numbers = |key: &str| -> Vec<i64> {
            let line = line(part, key).unwrap_or_default();
            line.split_ascii_whitespace().filter_map(|n| n.parse().ok()).collect()
        };
        let Some(leaves) = line(part, "num_leaves").and_then(|n| n.parse::<i64>().ok()) else {
            return Some((index, "lightgbm: a tree without a number of leaves"));
        };
        let values = line(part, "leaf_value").map_or(0, |l| l.split_ascii_whitespace().count());
        if i64::try_from(values) != Ok(leaves) {
            return Some((index, "lightgbm: another number of leaves than is stated"));
        }
        let inner = leaves.saturating_sub(1);
        let mut seen = BTreeSet::new();
        for child in [numbers("left_child"), numbers("right_child")].concat() {
            // A leaf is written as its complement.
            if child >= inner || child < leaves.saturating_neg() {
                return Some((index, "lightgbm: a child that is not in the tree"));
            }
            if child == 0 || !seen.insert(child) {
                return Some((
                    index,
                    "lightgbm: a child of two nodes, or one that leads back to the root",
                ));
            }
        }
        let outside = |split: &i64| *split < 0 || features.is_some_and(|most| *split > most);
        if inner > 0 && numbers("split_feature").iter().any(outside) {
            return Some((index, "lightgbm: a split of a feature that is not there"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forest(left: &str, nodes: &str, split: &str) -> Value {
        let text = format!(
            r#"{{"learner": {{"learner_model_param": {{"num_feature": "2"}}, "gradient_booster": {{"model": {{
            "gbtree_model_param": {{"num_trees": "1"}}, "trees": [{{"left_children": {left}, "right_children": [2, -1, -1],
            "split_indices": {split}, "tree_param": {{"num_nodes": "{nodes}"}}}}]}}}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn trees_of_xgboost_hold_together() {
        for (left, nodes, split, sound) in [
            ("[1, -1, -1]", "3", "[1, 0, 0]", true),
            ("[9, -1, -1]", "3", "[1, 0, 0]", false),
            ("[0, -1, -1]", "3", "[1, 0, 0]", false),
            ("[2, -1, -1]", "3", "[1, 0, 0]", false),
            ("[1, -1, -1]", "2147483647", "[1, 0, 0]", false),
            ("[1, -1, -1]", "3", "[1, 0]", false),
            ("[1, -1, -1]", "3", "[2, 0, 0]", false),
            ("[1, -1, -1]", "3", "[1, 7, 0]", true),
        ] {
            assert_eq!(
                xgboost(&forest(left, nodes, split)).is_none(),
                sound,
                "{left} {nodes} {split}"
            );
        }
    }

    #[test]
    fn trees_of_lightgbm_hold_together() {
        let sound = "tree\nversion=v4\nmax_feature_idx=0\n\nTree=0\nnum_leaves=2\nsplit_feature=0\nleft_child=-1\nright_child=-2\nleaf_value=0.1 0.2\n\nend of trees\n";
        assert_eq!(lightgbm(sound), None);
        for (from, to) in [
            ("left_child=-1", "left_child=99"),
            ("left_child=-1", "left_child=0"),
            ("left_child=-1", "left_child=-9"),
            ("num_leaves=2", "num_leaves=2147483647"),
            ("split_feature=0", "split_feature=-5"),
            ("split_feature=0", "split_feature=1"),
        ] {
            assert!(lightgbm(&sound.replace(from, to)).is_some(), "{to}");
        }
    }
}
