//! What is known about the operators of computation graphs: `known/graph-operators.toml`, typed.
//!
//! An operator is looked up by framework, domain and name. One that is not listed is the framework's own when its domain
//! is, and a custom one otherwise.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;
use thiserror::Error;

use crate::embedded::known_file;
use crate::toml_error::{line_of, message_of};

const FILE: &str = "graph-operators.toml";
/// In a group's `names`: every operator of its domains.
const WHOLE_DOMAIN: &str = "*";

/// The list compiled into this build.
///
/// # Panics
///
/// When the embedded list is invalid, which a test of this crate rules out.
pub fn operators() -> &'static Operators {
    static OPERATORS: LazyLock<Operators> =
        LazyLock::new(|| match Operators::parse(known_file(FILE).unwrap_or_default()) {
            Ok(operators) => operators,
            Err(error) => panic!("embedded operators: {error}"),
        });
    &OPERATORS
}

/// What an operator is known as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorClass<'a> {
    /// It reaches outside of the graph.
    Unsafe {
        /// The case of `unsafe-operator`: `code`, `network`, `read` or `write`.
        case: &'a str,
        /// What it does, as a clause: "reads files that the graph names".
        reason: &'a str,
        /// Specifications and advisories.
        references: &'a [String],
    },
    /// It is worth an entry in the inventory.
    Inventory {
        /// What it does, as a clause.
        reason: &'a str,
    },
    /// The framework's own.
    Known,
    /// Somebody else's.
    Custom,
}

/// The loaded list.
#[derive(Debug)]
pub struct Operators {
    groups: Vec<Group>,
    /// (framework, name) -> indices into `groups`.
    names: HashMap<(String, String), Vec<usize>>,
    domains: HashSet<(String, String)>,
}

impl Operators {
    /// Parses the list.
    ///
    /// # Errors
    ///
    /// The line and the reason, when the list is not of its schema.
    pub fn parse(text: &str) -> Result<Self, OperatorsError> {
        let file: File = toml::from_str(text).map_err(|error| OperatorsError {
            line: line_of(text, error.span()),
            message: message_of(&error),
        })?;
        let mut names: HashMap<(String, String), Vec<usize>> = HashMap::new();
        for (index, group) in file.operator.iter().enumerate() {
            for name in &group.names {
                names
                    .entry((group.framework.clone(), name.clone()))
                    .or_default()
                    .push(index);
            }
        }
        let domains = file.domain.into_iter().flat_map(|domain| {
            let framework = domain.framework;
            domain.names.into_iter().map(move |name| (framework.clone(), name))
        });
        Ok(Self {
            groups: file.operator,
            names,
            domains: domains.collect(),
        })
    }

    /// What is known about `name` of `domain`, both as the graph spells them.
    pub fn classify(&self, framework: &str, domain: &str, name: &str) -> OperatorClass<'_> {
        let listed = |name: &str| {
            let groups = self.names.get(&(framework.to_owned(), name.to_owned()))?;
            groups.iter().filter_map(|index| self.groups.get(*index)).find(|group| {
                let domains = &group.domains;
                domains.is_empty() || domains.iter().any(|listed| listed == domain)
            })
        };
        match listed(name).or_else(|| listed(WHOLE_DOMAIN)) {
            Some(group) => match &group.case {
                Some(case) => OperatorClass::Unsafe {
                    case,
                    reason: &group.reason,
                    references: &group.references,
                },
                None => OperatorClass::Inventory { reason: &group.reason },
            },
            None if self.domains.contains(&(framework.to_owned(), domain.to_owned())) => OperatorClass::Known,
            None => OperatorClass::Custom,
        }
    }
}

/// A list that is not of its schema.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{FILE}:{line}: {message}")]
pub struct OperatorsError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "it grows with every change, for whoever reads the file")]
    version: u32,
    domain: Vec<Domain>,
    operator: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Domain {
    framework: String,
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    framework: String,
    #[serde(default)]
    domains: Vec<String>,
    case: Option<String>,
    names: Vec<String>,
    reason: String,
    #[serde(default)]
    references: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_known_by_framework_domain_and_name() {
        let case = |framework, domain, name| match operators().classify(framework, domain, name) {
            OperatorClass::Unsafe { case, .. } => case,
            OperatorClass::Inventory { .. } => "inventory",
            OperatorClass::Known => "known",
            OperatorClass::Custom => "custom",
        };
        for (framework, domain, name, expected) in [
            ("tensorflow", "", "ReadFile", "read"),
            ("tensorflow", "", "WriteFile", "write"),
            ("tensorflow", "", "PyFunc", "code"),
            ("tensorflow", "", "SaveV2", "inventory"),
            ("tensorflow", "", "MatMul", "known"),
            ("tensorflow", "Addons", "Resample", "custom"),
            ("onnx", "", "Conv", "known"),
            ("onnx", "", "ReadFile", "known"),
            ("onnx", "example.ops", "Conv", "custom"),
            ("onnx", "example.ops", "PyOp", "code"),
            ("onnx", "example.ops", "PyFunc", "custom"),
            ("coreml", "custom", "Anything", "inventory"),
        ] {
            assert_eq!(case(framework, domain, name), expected, "{framework} {domain} {name}");
        }
    }

    #[test]
    fn every_case_of_the_list_is_one_of_the_rule() {
        let rule = crate::rules()
            .iter()
            .find(|rule| rule.code == "unsafe-operator")
            .unwrap();
        for group in &operators().groups {
            assert!(
                group.case.as_ref().is_none_or(|case| rule.cases.contains_key(case)),
                "{group:?}"
            );
            assert!(!group.reason.is_empty() && !group.names.is_empty(), "{group:?}");
        }
    }

    #[test]
    fn a_list_of_another_shape_is_refused_with_its_line() {
        let error = Operators::parse("version = 1\ndomain = []\noperator = [{ framework = 1 }]\n").unwrap_err();
        assert!(error.to_string().starts_with("graph-operators.toml:3: "), "{error}");
    }
}
