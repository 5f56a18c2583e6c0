//! What is known of a tensor when its findings are made: the numbers that thresholds are held against.
//!
//! For `cargo xtask calibrate`, which measures them over published models. A scan keeps them when
//! [`Options::measure_tensors`](crate::pipeline::Options::measure_tensors) is set.

use crate::sink::tensor::TensorNumbers;
use crate::span::Span;
use crate::tensor::Layout;

/// One tensor.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Its name, escaped.
    pub name: String,
    /// How its elements are read; `None` where the bytes are searched as they stand.
    pub layout: Option<Layout>,
    /// Its shape.
    pub shape: Vec<u64>,
    /// Its bytes, in the artifact.
    pub span: Span,
    /// What its name says of it.
    pub role: Option<&'static str>,
    /// Whether its values are judged as those of a weight.
    pub weight: bool,
    /// The statistics of its elements.
    pub numbers: Option<Box<TensorNumbers>>,
    /// A hash that equal tensors share.
    pub hash: u64,
    /// The longest run of printable bytes, of those that are long enough to be kept.
    pub printable: u64,
    /// The longest of them that reads as text.
    pub text: u64,
    /// Places that begin like a payload, before their headers are validated.
    pub candidates: u64,
    /// Its root mean square among its siblings, where there are enough.
    pub norm: Option<Sibling>,
    /// The distribution of its lowest byte among theirs.
    pub low: Option<Sibling>,
    /// What was told of it.
    pub fired: Vec<Fired>,
}

/// How far a tensor is from the middle of its siblings.
#[derive(Clone, Copy, Debug)]
pub struct Sibling {
    /// Robust standard deviations of the logarithm.
    pub deviations: f64,
    /// The factor, 1 or more.
    pub factor: f64,
}

/// A finding about a tensor.
#[derive(Clone, Copy, Debug)]
pub struct Fired {
    /// Its code.
    pub code: &'static str,
    /// The case of its rule.
    pub case: Option<&'static str>,
}
