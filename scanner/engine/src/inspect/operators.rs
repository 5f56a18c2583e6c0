//! Operators of computation graphs: those that reach outside of the graph, and those from outside the framework.

use super::{Closing, Inspector};
use crate::fact::Fact;
use crate::finding::{Finding, Findings, Value, code};
use crate::policy::shown;
use probity_signatures::{OperatorClass, operators};
use std::collections::BTreeSet;

/// `unsafe-operator`, `custom-operator`.
pub(super) struct Operators;

impl Inspector for Operators {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let mut told = BTreeSet::new();
        for fact in artifact.facts {
            let Fact::Operator {
                framework,
                domain,
                name,
                node,
                span,
            } = fact
            else {
                continue;
            };
            let operator = if domain.is_empty() {
                shown(name.as_bytes())
            } else {
                format!("{}::{}", shown(domain.as_bytes()), shown(name.as_bytes()))
            };
            let at = if node.is_empty() {
                String::new()
            } else {
                format!(" (node {})", shown(node.as_bytes()))
            };
            let found = match operators().classify(framework, domain, name) {
                OperatorClass::Known => continue,
                OperatorClass::Unsafe {
                    case,
                    reason,
                    references,
                } => {
                    let message = format!("operator {operator}{at}: {reason}");
                    let mut found = Finding::new(code::UNSAFE_OPERATOR, *span, message);
                    found.case = Some(case);
                    if !references.is_empty() {
                        found = found.evidence("references", Value::List(references.to_vec()));
                    }
                    found.evidence("node", shown(node.as_bytes()))
                }
                // The rest is inventory: each once.
                _ if !told.insert((framework, domain, name)) => continue,
                OperatorClass::Inventory { reason } => {
                    let message = format!("operator {operator}: {reason}");
                    Finding::new(code::CUSTOM_OPERATOR, *span, message).case("inventory")
                }
                OperatorClass::Custom => {
                    let message = format!("operator {operator} is not one of {framework}'s own");
                    Finding::new(code::CUSTOM_OPERATOR, *span, message).case("custom")
                }
            };
            out.push(
                found
                    .evidence("framework", *framework)
                    .evidence("operator", operator.clone())
                    .key(operator),
            );
        }
    }
}
