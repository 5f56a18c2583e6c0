//! What is known about the objects that a Keras configuration names, and about names in compiled Python code.
//!
//! The list is `known/keras.toml`. Standard library modules and dangerous callables come from the callables' lists. An
//! answer depends on these alone.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::callables::{Classification, callables};
use crate::embedded::known_file;
use crate::toml_error::{line_of, message_of};

const FILE: &str = "keras.toml";
/// Keys of configurations whose values are always kept.
const KEYS: &[&str] = &[
    "code",
    "config",
    "function",
    "function_type",
    "mask",
    "method_name",
    "name",
    "output_shape",
    "symbol",
    "value",
];

/// Modules that those of Keras import for themselves.
const REACHED: &[&str] = &[
    "builtins",
    "ctypes",
    "importlib",
    "marshal",
    "numpy",
    "os",
    "pickle",
    "shutil",
    "subprocess",
    "sys",
    "tarfile",
    "zipfile",
    "urllib",
    "dill",
    "inspect",
    "types",
];

/// The list compiled into this build.
///
/// # Panics
///
/// When the embedded list is invalid, which a test of this crate rules out.
pub fn keras() -> &'static Keras {
    static KERAS: LazyLock<Keras> = LazyLock::new(|| match Keras::parse(known_file(FILE).unwrap_or_default()) {
        Ok(keras) => keras,
        Err(error) => panic!("embedded list: {error}"),
    });
    &KERAS
}

/// What an object of a configuration is known as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigClass<'a> {
    /// Of Keras, or of a module that only holds values.
    Inert,
    /// Of Keras, and reaches out of the model.
    Gadget {
        /// The case of the finding.
        case: &'a str,
        /// What it does, as a clause.
        reason: &'a str,
        /// Advisories.
        references: &'a [String],
    },
    /// Known to run code, by the lists of callables.
    Dangerous {
        /// What it does, as a clause.
        reason: &'a str,
    },
    /// Of the standard library, which no configuration has a reason to name.
    Stdlib,
    /// Of Keras, in a part that is not listed.
    Unlisted,
    /// Of anybody's module.
    Foreign,
    /// No module is said: it is looked up among Keras' own and registered classes.
    Unsaid,
}

/// The loaded list.
#[derive(Debug)]
pub struct Keras {
    roots: Vec<String>,
    inert: HashSet<String>,
    builtins: HashSet<String>,
    modules: HashSet<String>,
    gadgets: Vec<Gadget>,
    resources: HashMap<(String, String), String>,
    keys: HashSet<String>,
    executes: HashSet<String>,
    reaches: HashSet<String>,
}

impl Keras {
    /// Parses the list.
    ///
    /// # Errors
    ///
    /// The line and the reason, when it is not of its schema.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text)
            .map_err(|error| format!("{FILE}:{}: {}", line_of(text, error.span()), message_of(&error)))?;
        let mut resources = HashMap::new();
        let mut keys: HashSet<String> = KEYS.iter().map(|key| (*key).to_owned()).collect();
        for group in file.resource {
            for class in &group.classes {
                for key in &group.keys {
                    resources.insert((class.clone(), key.clone()), group.case.clone());
                }
            }
            keys.extend(group.keys);
        }
        Ok(Self {
            roots: file.roots,
            inert: file.inert.into_iter().collect(),
            builtins: file.builtins.into_iter().collect(),
            modules: file.modules.into_iter().collect(),
            gadgets: file.gadget,
            resources,
            keys,
            executes: file.python.executes.into_iter().collect(),
            reaches: file.python.reaches.into_iter().collect(),
        })
    }

    /// What is known about `name` of `module`, both as the configuration spells them.
    pub fn classify(&self, module: Option<&str>, name: &str, is_function: bool) -> ConfigClass<'_> {
        let Some(module) = module else {
            return self.gadget(name, is_function, false).unwrap_or(ConfigClass::Unsaid);
        };
        if module == "tensorflow" && is_function {
            return self.gadget(name, true, true).unwrap_or(ConfigClass::Inert);
        }
        if let Some(part) = self.part_of_keras(module) {
            // A module that one of Keras imported for itself is reached through it: `keras.src.utils.file_utils.os`.
            let inner = module
                .split('.')
                .skip(1)
                .map(|part| if part == "np" { "numpy" } else { part });
            for inner in inner.filter(|part| REACHED.contains(part)) {
                if let Classification::Dangerous { reason, .. } = callables().classify(inner, name) {
                    return ConfigClass::Dangerous { reason };
                }
            }
            if let Some(gadget) = self.gadget(name, is_function, false) {
                return gadget;
            }
            return if self.inert.contains(part) {
                ConfigClass::Inert
            } else {
                ConfigClass::Unlisted
            };
        }
        if self.modules.contains(module) || (module == "builtins" && (is_function || self.builtins.contains(name))) {
            // A function of Keras is looked up there as well, so only what runs code is told.
            if let Classification::Dangerous { reason, .. } = callables().classify(module, name) {
                return ConfigClass::Dangerous { reason };
            }
            return self.gadget(name, is_function, false).unwrap_or(ConfigClass::Inert);
        }
        match callables().classify(module, name) {
            Classification::Dangerous { reason, .. } => ConfigClass::Dangerous { reason },
            // Inert for an unpickler: still nothing that a configuration names.
            Classification::Inert | Classification::UnknownStdlib if callables().is_stdlib(module) => {
                ConfigClass::Stdlib
            }
            _ => ConfigClass::Foreign,
        }
    }

    /// What `class` does with the file or address at `key`, as the case of a finding.
    pub fn resource(&self, class: &str, key: &str) -> Option<&str> {
        self.resources
            .get(&(class.to_owned(), key.to_owned()))
            .map(String::as_str)
    }

    /// Whether the value at `key` of a configuration may matter.
    pub fn is_key_of_interest(&self, key: &str) -> bool {
        self.keys.contains(key) || key.ends_with("module")
    }

    /// Whether compiled code that uses this name, or a part of it between dots, can run programs or load code.
    pub fn executes(&self, name: &str) -> bool {
        name.split('.').any(|part| self.executes.contains(part))
    }

    /// Whether compiled code that uses this name reaches files, the environment or made-up attributes.
    pub fn reaches(&self, name: &str) -> bool {
        name.split('.').any(|part| self.reaches.contains(part))
    }

    /// The first part below a root that is not a matter of packaging: `layers` of `keras.src.layers.core.dense`.
    fn part_of_keras<'m>(&self, module: &'m str) -> Option<&'m str> {
        let below = self.roots.iter().find_map(|root| {
            let rest = module.strip_prefix(root.as_str())?;
            (rest.is_empty() || rest.starts_with('.')).then_some(rest)
        })?;
        let mut parts = below.split('.').filter(|part| !part.is_empty());
        let part = parts.find(|part| {
            !matches!(
                *part,
                "src" | "api" | "_tf_keras" | "keras" | "v1" | "v2" | "_v1" | "_v2"
            )
        });
        Some(part.unwrap_or(""))
    }

    fn gadget(&self, name: &str, is_function: bool, tensorflow: bool) -> Option<ConfigClass<'_>> {
        let fits = |gadget: &&Gadget| {
            let named = gadget.names.iter().any(|listed| {
                name == listed
                    || (tensorflow
                        && (name
                            .strip_prefix(listed.as_str())
                            .is_some_and(|rest| rest.starts_with('.'))
                            || name
                                .strip_suffix(listed.as_str())
                                .is_some_and(|rest| rest.ends_with('.'))))
            });
            named && gadget.tensorflow == tensorflow && (is_function || gadget.classes || !tensorflow)
        };
        self.gadgets.iter().find(fits).map(|gadget| ConfigClass::Gadget {
            case: &gadget.case,
            reason: &gadget.reason,
            references: &gadget.references,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: u32,
    roots: Vec<String>,
    inert: Vec<String>,
    builtins: Vec<String>,
    modules: Vec<String>,
    gadget: Vec<Gadget>,
    resource: Vec<ResourceGroup>,
    python: Python,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gadget {
    case: String,
    names: Vec<String>,
    #[serde(default)]
    classes: bool,
    #[serde(default)]
    tensorflow: bool,
    reason: String,
    references: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceGroup {
    case: String,
    classes: Vec<String>,
    keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Python {
    executes: Vec<String>,
    reaches: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_told_by_module_and_name() {
        let case = |module: Option<&str>, name: &str, function: bool| match keras().classify(module, name, function) {
            ConfigClass::Inert => "inert",
            ConfigClass::Gadget { case, .. } => case,
            ConfigClass::Dangerous { .. } => "dangerous",
            ConfigClass::Stdlib => "stdlib",
            ConfigClass::Unlisted => "unlisted",
            ConfigClass::Foreign => "foreign",
            ConfigClass::Unsaid => "unsaid",
        };
        for (module, name, function, expected) in [
            (Some("keras.layers"), "Dense", false, "inert"),
            (Some("keras.src.models.functional"), "Functional", false, "inert"),
            (Some("keras"), "DTypePolicy", false, "inert"),
            (Some("keras"), "load_model", true, "loader"),
            (Some("builtins"), "relu", true, "inert"),
            (Some("builtins"), "function", false, "inert"),
            (Some("builtins"), "get_file", true, "loader"),
            (Some("builtins"), "eval", false, "dangerous"),
            (Some("builtins"), "exec", true, "dangerous"),
            (Some("numpy"), "load", false, "dangerous"),
            (Some("numpy"), "float32", false, "inert"),
            (
                Some("keras.src.legacy.saving.legacy_h5_format"),
                "load_model_from_hdf5",
                true,
                "loader",
            ),
            (Some("os"), "system", true, "dangerous"),
            (Some("subprocess"), "Popen", false, "dangerous"),
            (Some("collections"), "OrderedDict", false, "stdlib"),
            (Some("json"), "loads", true, "stdlib"),
            (Some("keras.config"), "enable_unsafe_deserialization", true, "loader"),
            (Some("keras.src.utils.file_utils"), "get_file", true, "loader"),
            (Some("keras.utils"), "pad_sequences", true, "unlisted"),
            (Some("kerasevil.layers"), "Dense", false, "foreign"),
            (Some("keras.src.utils.file_utils.os"), "system", false, "dangerous"),
            (Some("keras.src.backend.numpy.np"), "load", false, "dangerous"),
            (Some("keras.src.backend.numpy.core"), "convert_to_tensor", true, "inert"),
            (Some("my_package.layers"), "Attention", false, "foreign"),
            (Some("keras.layers"), "TFSMLayer", false, "nested"),
            (None, "TorchModuleWrapper", false, "nested"),
            (None, "Dense", false, "unsaid"),
            (Some("tensorflow"), "math.add", true, "inert"),
            (Some("tensorflow"), "io.write_file", true, "loader"),
            (Some("tensorflow"), "compat.v1.io.write_file", true, "loader"),
        ] {
            assert_eq!(case(module, name, function), expected, "{module:?} {name}");
        }
    }

    #[test]
    fn names_in_code_are_told_by_their_parts() {
        assert!(keras().executes("os") && keras().executes("urllib.request") && !keras().executes("relu"));
        assert!(keras().reaches("open") && !keras().reaches("reshape"));
        assert_eq!(keras().resource("StringLookup", "vocabulary"), Some("vocabulary"));
        assert_eq!(keras().resource("Dense", "vocabulary"), None);
    }

    #[test]
    fn a_broken_list_names_its_line() {
        let error = Keras::parse("version = 1\nroot = []\n").unwrap_err();
        assert!(error.starts_with("keras.toml:2: "), "{error}");
    }
}
