//! What an artifact should be, as data with a typed loader.
//!
//! `rules/` holds one file per finding code: its severity, its cases, the numbers it is told by and its documentation.
//! `known/` holds what is known about the callables a pickle may name, the operators of a computation graph, the objects
//! of a Keras configuration and the names of tensors.
//! [`declared`] loads the sets that users write: what an artifact is and may touch; [`custom`] loads the rules that they
//! write: what to look for; [`trust`] holds the roots and publishers that signatures are judged by. This crate loads and matches what those files declare and does nothing else:
//! it reads no artifact and decides no verdict.

mod callables;
pub mod custom;
pub mod declared;
mod embedded;
mod keras;
mod operators;
mod render;
mod rules;
mod tensors;
mod toml_error;
pub mod trust;

pub use callables::{Callables, CallablesError, Classification, InertCallable, Word, callables};
pub use keras::{ConfigClass, Keras, keras};
pub use operators::{OperatorClass, Operators, OperatorsError, operators};
pub use render::{explain, render_findings_markdown};
pub use rules::{
    Confidence, Rule, RuleCase, RuleError, RuleErrorKind, Rules, Severity, Threshold, UnknownLevel, rules,
};
pub use tensors::{Role as TensorRole, Tensors, tensors};
