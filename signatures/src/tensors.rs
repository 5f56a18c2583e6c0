//! From which numbers on a tensor is told of, and what the names of tensors say: `known/tensors.toml`.
//!
//! The list is data with a typed loader: what is measured, and by whom, is not known here.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::embedded::known_file;
use crate::toml_error::{line_of, message_of};

const FILE: &str = "tensors.toml";

/// The list compiled into this build.
///
/// # Panics
///
/// When the embedded list is invalid, which a test of this crate rules out.
pub fn tensors() -> &'static Tensors {
    static TENSORS: LazyLock<Tensors> = LazyLock::new(|| match Tensors::parse(known_file(FILE).unwrap_or_default()) {
        Ok(tensors) => tensors,
        Err(error) => panic!("embedded list: {error}"),
    });
    &TENSORS
}

/// The loaded list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensors {
    /// The version of the schema.
    pub version: u32,
    /// Values of a magnitude that no weight has.
    pub magnitude: Magnitude,
    /// Runs of text.
    pub text: Text,
    /// Tensors of one value.
    pub constant: Constant,
    /// Tensors that are equal.
    pub duplicate: Duplicate,
    /// The root mean square among siblings.
    pub sibling: Sibling,
    /// The lowest byte among siblings.
    pub low_bits: LowBits,
    /// Scales of quantised blocks.
    pub quant: Quant,
    /// Shapes against a model's configuration.
    pub shape: Shape,
    role: Vec<Role>,
}

/// Values of a magnitude that no weight has.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Magnitude {
    /// Elements of a weight from which it is judged as one.
    pub least_elements: u64,
    /// The power of two by which an outlier is larger than the middle element.
    pub outlier_exponent: u32,
    /// No more than one outlier in so many elements.
    pub outlier_share: u64,
}

/// Runs of text, in bytes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// From here on a run is long.
    pub long: u64,
    /// From here on a run is told.
    pub short: u64,
}

/// Tensors of one value.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Elements from which it is told.
    pub least_elements: u64,
}

/// Tensors that are equal.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicate {
    /// Bytes from which it is told.
    pub least_bytes: u64,
}

/// The root mean square among siblings.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sibling {
    /// Siblings that there must be.
    pub least: usize,
    /// Robust standard deviations from the middle.
    pub deviations: f64,
    /// The factor from the middle.
    pub factor: f64,
    /// The least that is taken for a robust standard deviation, of the logarithm.
    pub floor: f64,
}

/// The lowest byte among siblings.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowBits {
    /// Siblings that there must be.
    pub least: usize,
    /// Samples that each must have.
    pub least_samples: u64,
    /// Robust standard deviations from the middle.
    pub deviations: f64,
    /// The factor from the middle.
    pub factor: f64,
    /// The least that is taken for a robust standard deviation, of the logarithm.
    pub floor: f64,
}

/// Scales of quantised blocks.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quant {
    /// The magnitude from which a scale or minimum is told.
    pub scale: f64,
}

/// Shapes against a model's configuration.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Rows by which a token embedding may exceed the vocabulary.
    pub padding: u64,
}

/// What the name of a tensor says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// What it is called.
    pub name: String,
    /// Whether it is no weight: its values may be of any size.
    #[serde(default)]
    pub buffer: bool,
    endings: Vec<String>,
}

impl Tensors {
    /// Parses the list.
    ///
    /// # Errors
    ///
    /// The line and the reason, when it is not of its schema.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| format!("{FILE}:{}: {}", line_of(text, error.span()), message_of(&error)))
    }

    /// What the name of a tensor says of it, when it is one of those that are known.
    pub fn role(&self, name: &str) -> Option<&Role> {
        let name = name.split(':').next().unwrap_or(name);
        let name = [".weight", ".bias", "/kernel", "/bias", "/embeddings", ".default"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .unwrap_or(name);
        // A copy of a layer, and an element of a list: `to_out.0`.
        let name = match name.rsplit_once(['.', '/']) {
            Some((before, number)) if number.bytes().all(|b| b.is_ascii_digit()) => before,
            _ => name,
        };
        let ends = |ending: &String| {
            let rest = name.strip_suffix(ending.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(['.', '/', '_']))
        };
        self.role.iter().find(|role| role.endings.iter().any(ends))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_list_is_valid_and_names_the_roles_of_common_architectures() {
        let role = |name: &str| tensors().role(name).map(|role| role.name.as_str());
        for (name, expected) in [
            ("model.layers.11.self_attn.q_proj.weight", Some("attention query")),
            ("model.layers.0.mlp.down_proj.weight", Some("MLP down")),
            ("blk.3.attn_k.weight", Some("attention key")),
            ("blk.3.ffn_gate.weight", Some("MLP gate")),
            ("token_embd.weight", Some("token embedding")),
            (
                "transformer.h.4.attn.c_attn.weight",
                Some("attention query, key and value"),
            ),
            (
                "bert.encoder.layer.7.attention.self.value.bias",
                Some("attention value"),
            ),
            ("bert.encoder.layer.7.output.dense.weight", Some("MLP down")),
            (
                "bert.encoder.layer.7.attention.output.dense.weight",
                Some("attention output"),
            ),
            ("model.norm.weight", Some("norm")),
            ("layer1.0.bn1.running_var", Some("buffer")),
            ("model.layers.0.self_attn.rotary_emb.inv_freq", Some("buffer")),
            ("lm_head.weight", Some("output head")),
            ("something.else", None),
        ] {
            assert_eq!(role(name), expected, "{name}");
        }
        assert!(tensors().role("bn.running_mean").is_some_and(|role| role.buffer));
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = Tensors::parse("version = 1\nspeed = 3\n").unwrap_err();
        assert!(error.contains("tensors.toml:2"), "{error}");
    }
}
