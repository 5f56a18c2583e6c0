//! Classes of attack that are not told by a finding of their own, and why.

/// A class that no finding names.
#[derive(Clone, Copy, Debug)]
pub struct Unseen {
    /// The class.
    pub class: &'static str,
    /// Where it stands.
    pub format: &'static str,
    /// Why, and what is said instead.
    pub why: &'static str,
}

const fn unseen(class: &'static str, format: &'static str, why: &'static str) -> Unseen {
    Unseen { class, format, why }
}

/// The classes.
pub static UNSEEN: &[Unseen] = &[
    unseen(
        "tensor values made to carry an encrypted payload in their low bits",
        "all weights",
        "it cannot be told from training noise without the model it was made from; a manifest of that (`--manifest`) tells which tensor changed in its low bits only",
    ),
    unseen(
        "behaviour trained into the weights",
        "all weights",
        "nothing in the bytes shows it: it is a property of the function, not of the file",
    ),
    unseen(
        "inputs that make a control-flow branch do something else",
        "ONNX",
        "a comparison with a constant is what published graphs are made of; what the branches *do* is read, and operators in them are told",
    ),
    unseen(
        "compiled plans",
        "TensorRT, RKNN",
        "their layout is not published: the file is data, its texts and nested artifacts are looked into, its program is not",
    ),
    unseen(
        "delegates of a program",
        "ExecuTorch",
        "the backends are inventory; what a delegate's blob does, only its backend knows",
    ),
    unseen(
        "passwords and tokens without a structure",
        "all",
        "they cannot be told from other words; keys that parse and tokens with a checksum or a form are told everywhere",
    ),
    unseen(
        "texts under a layer without a mark of its own: raw deflate, Base64 backwards, a key",
        "pickles, metadata",
        "any bytes are such a layer; what undoes it is a call, and calls are told",
    ),
    unseen(
        "hosts under longer keys, or encoded twice",
        "all",
        "one byte of exclusive or and one encoding are undone; what a program computes, only running it would show",
    ),
];
