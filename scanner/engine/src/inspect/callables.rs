//! Callables that loading would run: dangerous ones, ones that nobody has reviewed, and what has no name to review.

use super::{Closing, Inspector};
use crate::fact::{CallableUse, Fact, LoadAct};
use crate::finding::{Finding, Findings, code};
use crate::policy::shown;
use crate::span::Span;
use probity_signatures::{Classification, callables};
use std::collections::{BTreeMap, BTreeSet};

/// `unsafe-callable`, `unknown-callable`.
pub(super) struct Callables;

impl Inspector for Callables {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let mut terms = BTreeMap::new();
        for fact in artifact.facts {
            if let Fact::Act {
                act: LoadAct::Uses,
                subject,
                term,
                span,
            } = fact
            {
                terms.insert(&**subject, (&**term, *span));
            }
        }
        let mut seen = BTreeSet::new();
        for fact in artifact.facts {
            match fact {
                Fact::Callable {
                    module,
                    name,
                    usage,
                    span,
                } if seen.insert((module, name, *usage)) => {
                    let term = terms.get(format!("{module}.{name}").as_str());
                    out_of(module, name, *usage, *span, term.copied(), out);
                }
                Fact::Act {
                    act,
                    subject,
                    term,
                    span,
                } => act_finding(*act, subject, term, *span, out),
                _ => {}
            }
        }
    }
}

fn out_of(module: &str, name: &str, usage: CallableUse, span: Span, term: Option<(&str, Span)>, out: &mut Findings) {
    let (code, case, why) = match (callables().classify(module, name), usage) {
        (Classification::Inert, _) => return,
        (Classification::Dangerous { reason, .. }, CallableUse::Called) => (code::UNSAFE_CALLABLE, "called", reason),
        (Classification::Dangerous { reason, .. }, CallableUse::Constructed) => {
            (code::UNSAFE_CALLABLE, "constructed", reason)
        }
        (Classification::Dangerous { reason, .. }, CallableUse::Named) => (code::UNSAFE_CALLABLE, "named", reason),
        (Classification::UnknownStdlib, CallableUse::Called) => (
            code::UNKNOWN_CALLABLE,
            "stdlib-called",
            "a standard library callable that is not known to be inert",
        ),
        (Classification::UnknownStdlib, CallableUse::Constructed) => (
            code::UNKNOWN_CALLABLE,
            "stdlib-constructed",
            "a standard library class that is not known to be inert",
        ),
        (_, CallableUse::Called) => (code::UNKNOWN_CALLABLE, "called", UNREVIEWED),
        (_, CallableUse::Constructed) => (code::UNKNOWN_CALLABLE, "constructed", UNREVIEWED),
        (_, CallableUse::Named) => (code::UNKNOWN_CALLABLE, "named", UNREVIEWED),
    };
    let verb = match usage {
        CallableUse::Called => "calls",
        CallableUse::Constructed => "constructs",
        CallableUse::Named => "names",
    };
    let spelled = match name {
        "" => shown(module.as_bytes()),
        name => format!("{}.{}", shown(module.as_bytes()), shown(name.as_bytes())),
    };
    let mut finding = Finding::new(code, span, format!("loading {verb} {spelled}: {why}"))
        .case(case)
        .evidence("module", shown(module.as_bytes()))
        .evidence("name", shown(name.as_bytes()))
        .key(format!("{}.{}", shown(module.as_bytes()), shown(name.as_bytes())));
    if let Some((term, at)) = term {
        finding = finding
            .evidence("term", shown(term.as_bytes()))
            .evidence("opcode", at.start());
    }
    out.push(finding);
}

const UNREVIEWED: &str = "nobody has reviewed it";

fn act_finding(act: LoadAct, subject: &str, term: &str, span: Span, out: &mut Findings) {
    let subject = shown(subject.as_bytes());
    let (code, case, message) = match act {
        LoadAct::CallsResult => (
            code::UNKNOWN_CALLABLE,
            "result-called",
            format!("loading calls the {subject}, whatever that is"),
        ),
        LoadAct::ComputesName => (
            code::UNKNOWN_CALLABLE,
            "computed-name",
            format!("loading looks up {subject} by a name that it makes up while it runs"),
        ),
        LoadAct::Overwrites => (
            code::UNSAFE_CALLABLE,
            "overwrites",
            format!("loading changes {subject} in place, for everything that uses it afterwards"),
        ),
        LoadAct::Extension => (
            code::UNKNOWN_CALLABLE,
            "extension",
            format!("loading looks up copyreg {subject}, which only the loader's registry knows"),
        ),
        LoadAct::CallsUnknown => (
            code::UNKNOWN_CALLABLE,
            "untracked",
            format!("loading calls something that could not be followed: {subject}"),
        ),
        LoadAct::HiddenProgram => (
            code::UNKNOWN_CALLABLE,
            "hidden-program",
            "bytes that joblib reads as an array are opcodes with calls to any other unpickler".to_owned(),
        ),
        LoadAct::HoldsCode => (
            code::UNSAFE_CALLABLE,
            "code",
            "a text or bytes object holds compiled Python code".to_owned(),
        ),
        _ => return,
    };
    let finding = Finding::new(code, span, message)
        .case(case)
        .evidence("term", shown(term.as_bytes()))
        .key(subject);
    out.push(finding);
}
