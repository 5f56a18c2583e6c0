//! R's serialised objects in XDR form: a vector with attributes, and promises in harmless and harmful places.

use super::bytes::Out;

/// A writer of items.
pub struct Rds {
    out: Out,
}

const ATTRIBUTES: u32 = 1 << 9;
const TAG: u32 = 1 << 10;

impl Rds {
    /// One object (`.rds`), or a workspace (`.rda`).
    pub fn new(workspace: bool) -> Self {
        let mut out = Out::be();
        if workspace {
            out.bytes(b"RDX3\n");
        }
        out.bytes(b"X\n").u32(3).u32(0x0004_0301).u32(0x0003_0500);
        out.u32(5).bytes(b"UTF-8");
        Self { out }
    }

    /// The flags of an item.
    pub fn flags(mut self, kind: u32, attributes: bool, tag: bool) -> Self {
        let a = if attributes { ATTRIBUTES } else { 0 };
        let t = if tag { TAG } else { 0 };
        self.out.mark().u32(kind | a | t);
        self
    }

    /// A word.
    pub fn word(mut self, word: u32) -> Self {
        self.out.u32(word);
        self
    }

    /// A string.
    pub fn chars(mut self, text: &str) -> Self {
        self.out
            .u32(9 | 0x0004_0000)
            .u32(text.len() as u32)
            .bytes(text.as_bytes());
        self
    }

    /// A new symbol.
    pub fn symbol(self, name: &str) -> Self {
        self.flags(1, false, false).chars(name)
    }

    /// A vector of doubles.
    pub fn reals(mut self, values: &[f64], attributes: bool) -> Self {
        self = self.flags(14, attributes, false).word(values.len() as u32);
        for value in values {
            self.out.u64(value.to_bits());
        }
        self
    }

    /// NULL, which also ends a pair list.
    pub fn null(self) -> Self {
        self.word(254)
    }

    /// A call of `name` with the string `argument`.
    pub fn call(self, name: &str, argument: &str) -> Self {
        let named = self.flags(6, false, false).symbol(name).flags(2, false, false);
        named.flags(16, false, false).word(1).chars(argument).null()
    }

    /// A promise in the global environment whose value is unbound, for `name(argument)`.
    pub fn promise(self, name: &str, argument: &str) -> Self {
        self.flags(5, false, true).word(253).word(252).call(name, argument)
    }

    /// The file.
    pub fn build(self) -> Vec<u8> {
        self.out.into_bytes()
    }
}

/// Named numbers: a vector with the attribute `names`.
pub fn sample() -> Vec<u8> {
    let vector = Rds::new(false).reals(&[1.0, 2.5], true);
    let names = vector
        .flags(2, false, true)
        .symbol("names")
        .flags(16, false, false)
        .word(2);
    names.chars("a").chars("b").null().build()
}

/// A workspace whose only variable is an unevaluated promise.
pub fn promised() -> Vec<u8> {
    Rds::new(true)
        .flags(2, false, true)
        .symbol("x")
        .promise("system", "true")
        .null()
        .build()
}

/// A closure whose environment holds an unevaluated argument, as a function factory leaves it.
pub fn captured() -> Vec<u8> {
    let closure = Rds::new(false).flags(3, false, true);
    let environment = closure.flags(4, false, false).word(0).word(253);
    let frame = environment
        .flags(2, false, true)
        .symbol("f")
        .promise("identity", "x")
        .null();
    // No hash table, no attributes; then no formals, and NULL for a body.
    frame.null().null().null().null().build()
}

/// A promise that was evaluated: its value is there.
pub fn evaluated() -> Vec<u8> {
    let promise = Rds::new(false).flags(5, false, true).word(253).reals(&[1.0], false);
    promise.call("identity", "x").build()
}
