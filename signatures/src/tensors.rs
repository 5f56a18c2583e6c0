//! What tensors are judged by: the thresholds of the rules `tensor-*`, typed, and what the names of tensors say:
//! `known/tensors.toml`.
//!
//! Both are data: what is measured, and by whom, is not known here.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::embedded::known_file;
use crate::rules::{Rules, rules};
use crate::toml_error::{line_of, message_of};

const FILE: &str = "tensors.toml";

/// The thresholds and the list compiled into this build.
///
/// # Panics
///
/// When one of them is missing or invalid, which a test of this crate rules out.
pub fn tensors() -> &'static Tensors {
    static TENSORS: LazyLock<Tensors> = LazyLock::new(|| {
        let loaded = Tensors::load(rules(), known_file(FILE).unwrap_or_default());
        loaded.unwrap_or_else(|error| panic!("embedded list: {error}"))
    });
    &TENSORS
}

/// What tensors are judged by.
#[derive(Debug)]
pub struct Tensors {
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
    roles: Vec<Role>,
}

/// Values of a magnitude that no weight has.
#[derive(Debug, Clone, Copy)]
pub struct Magnitude {
    /// The magnitude from which on an element is told.
    pub large: f64,
    /// Elements of a weight from which it is judged as one.
    pub least_elements: u64,
    /// The share of elements, from the smallest on, that an outlier is held against.
    pub bulk: f64,
    /// The power of two by which an outlier is larger than the middle element.
    pub outlier_exponent: f64,
    /// Or the one by which it is larger than the greatest of the bulk.
    pub outlier_exponent_bulk: f64,
    /// No more than one outlier in so many elements.
    pub outlier_share: u64,
}

/// Runs of text, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// From here on a run is long.
    pub long: u64,
    /// From here on a run is told.
    pub short: u64,
    /// Different characters that it must have.
    pub different: u64,
    /// Different characters that it must have at each position of an element.
    pub different_lane: u64,
    /// Or one in so many of those that stand there, where these are few.
    pub different_part: u64,
    /// The share of letters, digits and common signs that it must have.
    pub letters: f64,
}

/// Tensors of one value.
#[derive(Debug, Clone, Copy)]
pub struct Constant {
    /// Elements from which it is told.
    pub least_elements: u64,
}

/// Tensors that are equal.
#[derive(Debug, Clone, Copy)]
pub struct Duplicate {
    /// Bytes from which it is told.
    pub least_bytes: u64,
}

/// The root mean square among siblings.
#[derive(Debug, Clone, Copy)]
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
#[derive(Debug, Clone, Copy)]
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
#[derive(Debug, Clone, Copy)]
pub struct Quant {
    /// The magnitude from which a scale or minimum is told.
    pub scale: f64,
}

/// Shapes against a model's configuration.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Rows by which a token embedding may exceed the vocabulary.
    pub padding: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    #[expect(dead_code, reason = "the version of the schema, for readers to come")]
    version: u32,
    role: Vec<Role>,
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

/// Thresholds of one rule.
struct Of<'a> {
    rules: &'a Rules,
    code: &'static str,
}

impl Of<'_> {
    fn real(&self, name: &str) -> Result<f64, String> {
        let rule = self.rules.get(self.code);
        let known = rule.and_then(|rule| rule.thresholds.get(name));
        let known = known.ok_or_else(|| format!("{}.toml: no threshold {name:?}", self.code))?;
        Ok(known.value)
    }

    fn whole(&self, name: &str) -> Result<u64, String> {
        let value = self.real(name)?;
        // Below 2^32 every whole number is itself, in both types.
        if value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value) {
            Ok(value as u64)
        } else {
            Err(format!("{}.toml: {name:?} is no whole number below 2^32", self.code))
        }
    }
}

impl Tensors {
    /// The thresholds of `rules`, and the list in `text`.
    ///
    /// # Errors
    ///
    /// The file, the line where there is one, and the reason, when a threshold is missing or the text is not of its schema.
    pub fn load(rules: &Rules, text: &str) -> Result<Self, String> {
        let names: Names = toml::from_str(text)
            .map_err(|error| format!("{FILE}:{}: {}", line_of(text, error.span()), message_of(&error)))?;
        let of = |code: &'static str| Of { rules, code };
        let least = |of: &Of<'_>| usize::try_from(of.whole("least")?).map_err(|error| error.to_string());
        let magnitude = of("tensor-magnitude");
        let text = of("tensor-text");
        let sibling = of("tensor-sibling");
        let low_bits = of("tensor-low-bits");
        Ok(Self {
            magnitude: Magnitude {
                large: magnitude.real("large")?,
                least_elements: magnitude.whole("least-elements")?,
                bulk: magnitude.real("bulk")?,
                outlier_exponent: magnitude.real("outlier-exponent")?,
                outlier_exponent_bulk: magnitude.real("outlier-exponent-bulk")?,
                outlier_share: magnitude.whole("outlier-share")?,
            },
            text: Text {
                long: text.whole("long")?,
                short: text.whole("short")?,
                different: text.whole("different")?,
                different_lane: text.whole("different-lane")?,
                different_part: text.whole("different-part")?,
                letters: text.real("letters")?,
            },
            constant: Constant {
                least_elements: of("tensor-constant").whole("least-elements")?,
            },
            duplicate: Duplicate {
                least_bytes: of("tensor-duplicate").whole("least-bytes")?,
            },
            sibling: Sibling {
                least: least(&sibling)?,
                deviations: sibling.real("deviations")?,
                factor: sibling.real("factor")?,
                floor: sibling.real("floor")?,
            },
            low_bits: LowBits {
                least: least(&low_bits)?,
                least_samples: low_bits.whole("least-samples")?,
                deviations: low_bits.real("deviations")?,
                factor: low_bits.real("factor")?,
                floor: low_bits.real("floor")?,
            },
            quant: Quant {
                scale: of("tensor-quant-scale").real("scale")?,
            },
            shape: Shape {
                padding: of("tensor-shape").whole("padding")?,
            },
            roles: names.role,
        })
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
        self.roles.iter().find(|role| role.endings.iter().any(ends))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::RULE_FILES;

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
        let error = Tensors::load(rules(), "version = 1\nspeed = 3\n").unwrap_err();
        assert!(error.contains("tensors.toml:2"), "{error}");
    }

    #[test]
    fn a_threshold_that_a_rule_has_lost_is_named() {
        let error = |find: &str, put: &str| {
            let files = RULE_FILES.iter().map(|(name, text)| (*name, text.replace(find, put)));
            Tensors::load(&Rules::from_files(files).unwrap(), "version = 1\nrole = []\n").unwrap_err()
        };
        let lost = error("thresholds.outlier-share", "thresholds.outliers");
        assert_eq!(lost, "tensor-magnitude.toml: no threshold \"outlier-share\"");
        let broken = error("value = 4096\nmeaning = \"rows", "value = 0.5\nmeaning = \"rows");
        assert_eq!(broken, "tensor-shape.toml: \"padding\" is no whole number below 2^32");
    }

    /// What no loader reads would be changed by somebody, to no effect.
    #[test]
    fn every_threshold_of_a_tensor_rule_is_read() {
        for rule in rules().iter().filter(|rule| rule.code.starts_with("tensor-")) {
            for name in rule.thresholds.keys() {
                let heading = format!("[thresholds.{name}]");
                let files = RULE_FILES.iter().map(|(file, text)| {
                    let mine = *file == format!("{}.toml", rule.code);
                    let text = if mine {
                        text.replace(&heading, "[thresholds.lost]")
                    } else {
                        (*text).to_owned()
                    };
                    (*file, text)
                });
                let loaded = Tensors::load(&Rules::from_files(files).unwrap(), "version = 1\nrole = []\n");
                assert!(loaded.is_err(), "{} {name}", rule.code);
            }
        }
    }
}
