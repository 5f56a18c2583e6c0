//! Callables that loading would run: dangerous ones, and ones that nobody has reviewed.

use super::{Closing, Inspector};
use crate::fact::{CallableUse, Fact};
use crate::finding::{Finding, Findings, code};
use crate::policy::shown;
use probity_signatures::{Classification, callables};
use std::collections::BTreeSet;

/// `unsafe-callable`, `unknown-callable`.
pub(super) struct Callables;

impl Inspector for Callables {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let mut seen = BTreeSet::new();
        for fact in artifact.facts {
            let Fact::Callable {
                module,
                name,
                usage,
                span,
            } = fact
            else {
                continue;
            };
            if !seen.insert((module, name, *usage)) {
                continue;
            }
            let (code, case, why) = match (callables().classify(module, name), usage) {
                (Classification::Inert, _) => continue,
                (Classification::Dangerous { reason, .. }, CallableUse::Called) => {
                    (code::UNSAFE_CALLABLE, "called", reason)
                }
                (Classification::Dangerous { reason, .. }, CallableUse::Constructed) => {
                    (code::UNSAFE_CALLABLE, "constructed", reason)
                }
                (Classification::Dangerous { reason, .. }, CallableUse::Named) => {
                    (code::UNSAFE_CALLABLE, "named", reason)
                }
                (Classification::UnknownStdlib, CallableUse::Called) => (
                    code::UNKNOWN_CALLABLE,
                    "stdlib-called",
                    "a standard library callable that is not known to be inert",
                ),
                (_, CallableUse::Called) => (code::UNKNOWN_CALLABLE, "called", "nobody has reviewed it"),
                (_, CallableUse::Constructed) => (code::UNKNOWN_CALLABLE, "constructed", "nobody has reviewed it"),
                (_, CallableUse::Named) => (code::UNKNOWN_CALLABLE, "named", "nobody has reviewed it"),
            };
            let verb = match usage {
                CallableUse::Called => "calls",
                CallableUse::Constructed => "constructs",
                CallableUse::Named => "names",
            };
            let callable = format!("{}.{}", shown(module.as_bytes()), shown(name.as_bytes()));
            let finding = Finding::new(code, *span, format!("loading {verb} {callable}: {why}"))
                .case(case)
                .evidence("module", shown(module.as_bytes()))
                .evidence("name", shown(name.as_bytes()))
                .key(callable);
            out.push(finding);
        }
    }
}
