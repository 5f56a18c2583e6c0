//! The 68 opcodes of pickle protocols 0 to 5, as CPython's `pickletools` lists them.
//!
//! The stack effect is that of CPython's C unpickler, whose `MARK` is not an item but a fence that items cannot be
//! taken across.

use std::sync::LazyLock;

/// What follows an opcode in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// Nothing.
    None,
    /// A number of so many bytes, little-endian (`BINFLOAT` is big-endian, and not read).
    Fixed(u8),
    /// Bytes up to a newline.
    Line,
    /// Two lines: a module and a name.
    TwoLines,
    /// A little-endian length of so many bytes, and that many bytes.
    Counted(u8),
}

/// What an opcode takes off the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// So many items, above the last mark.
    Items(u8),
    /// Everything above the last mark, at least so many items, and the mark.
    Slice(u8),
    /// As `Slice`, and the item below the mark, which is put back.
    Onto,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opcode {
    pub(super) code: u8,
    pub(super) name: &'static str,
    /// The protocol that introduced it.
    #[cfg_attr(not(test), expect(dead_code, reason = "part of the table; tests compare it"))]
    pub(super) protocol: u8,
    pub(super) argument: Argument,
    pub(super) takes: Takes,
    /// How many items it puts on the stack.
    pub(super) gives: u8,
}

const fn op(code: u8, name: &'static str, protocol: u8, argument: Argument, takes: Takes, gives: u8) -> Opcode {
    Opcode {
        code,
        name,
        protocol,
        argument,
        takes,
        gives,
    }
}

use Argument::{Counted, Fixed, Line, None as Nothing, TwoLines};
use Takes::{Items, Onto, Slice};

/// Every opcode.
#[rustfmt::skip]
pub(super) static OPCODES: [Opcode; 68] = [
    op(b'(', "MARK", 0, Nothing, Items(0), 0),
    op(b')', "EMPTY_TUPLE", 1, Nothing, Items(0), 1),
    op(b'.', "STOP", 0, Nothing, Items(1), 0),
    op(b'0', "POP", 0, Nothing, Items(1), 0),
    op(b'1', "POP_MARK", 1, Nothing, Slice(0), 0),
    op(b'2', "DUP", 0, Nothing, Items(1), 2),
    op(b'B', "BINBYTES", 3, Counted(4), Items(0), 1),
    op(b'C', "SHORT_BINBYTES", 3, Counted(1), Items(0), 1),
    op(b'F', "FLOAT", 0, Line, Items(0), 1),
    op(b'G', "BINFLOAT", 1, Fixed(8), Items(0), 1),
    op(b'I', "INT", 0, Line, Items(0), 1),
    op(b'J', "BININT", 1, Fixed(4), Items(0), 1),
    op(b'K', "BININT1", 1, Fixed(1), Items(0), 1),
    op(b'L', "LONG", 0, Line, Items(0), 1),
    op(b'M', "BININT2", 1, Fixed(2), Items(0), 1),
    op(b'N', "NONE", 0, Nothing, Items(0), 1),
    op(b'P', "PERSID", 0, Line, Items(0), 1),
    op(b'Q', "BINPERSID", 1, Nothing, Items(1), 1),
    op(b'R', "REDUCE", 0, Nothing, Items(2), 1),
    op(b'S', "STRING", 0, Line, Items(0), 1),
    op(b'T', "BINSTRING", 1, Counted(4), Items(0), 1),
    op(b'U', "SHORT_BINSTRING", 1, Counted(1), Items(0), 1),
    op(b'V', "UNICODE", 0, Line, Items(0), 1),
    op(b'X', "BINUNICODE", 1, Counted(4), Items(0), 1),
    op(b']', "EMPTY_LIST", 1, Nothing, Items(0), 1),
    op(b'a', "APPEND", 0, Nothing, Items(2), 1),
    op(b'b', "BUILD", 0, Nothing, Items(2), 1),
    op(b'c', "GLOBAL", 0, TwoLines, Items(0), 1),
    op(b'd', "DICT", 0, Nothing, Slice(0), 1),
    op(b'e', "APPENDS", 1, Nothing, Onto, 1),
    op(b'g', "GET", 0, Line, Items(0), 1),
    op(b'h', "BINGET", 1, Fixed(1), Items(0), 1),
    op(b'i', "INST", 0, TwoLines, Slice(0), 1),
    op(b'j', "LONG_BINGET", 1, Fixed(4), Items(0), 1),
    op(b'l', "LIST", 0, Nothing, Slice(0), 1),
    op(b'o', "OBJ", 1, Nothing, Slice(1), 1),
    op(b'p', "PUT", 0, Line, Items(1), 1),
    op(b'q', "BINPUT", 1, Fixed(1), Items(1), 1),
    op(b'r', "LONG_BINPUT", 1, Fixed(4), Items(1), 1),
    op(b's', "SETITEM", 0, Nothing, Items(3), 1),
    op(b't', "TUPLE", 0, Nothing, Slice(0), 1),
    op(b'u', "SETITEMS", 1, Nothing, Onto, 1),
    op(b'}', "EMPTY_DICT", 1, Nothing, Items(0), 1),
    op(0x80, "PROTO", 2, Fixed(1), Items(0), 0),
    op(0x81, "NEWOBJ", 2, Nothing, Items(2), 1),
    op(0x82, "EXT1", 2, Fixed(1), Items(0), 1),
    op(0x83, "EXT2", 2, Fixed(2), Items(0), 1),
    op(0x84, "EXT4", 2, Fixed(4), Items(0), 1),
    op(0x85, "TUPLE1", 2, Nothing, Items(1), 1),
    op(0x86, "TUPLE2", 2, Nothing, Items(2), 1),
    op(0x87, "TUPLE3", 2, Nothing, Items(3), 1),
    op(0x88, "NEWTRUE", 2, Nothing, Items(0), 1),
    op(0x89, "NEWFALSE", 2, Nothing, Items(0), 1),
    op(0x8a, "LONG1", 2, Counted(1), Items(0), 1),
    op(0x8b, "LONG4", 2, Counted(4), Items(0), 1),
    op(0x8c, "SHORT_BINUNICODE", 4, Counted(1), Items(0), 1),
    op(0x8d, "BINUNICODE8", 4, Counted(8), Items(0), 1),
    op(0x8e, "BINBYTES8", 4, Counted(8), Items(0), 1),
    op(0x8f, "EMPTY_SET", 4, Nothing, Items(0), 1),
    op(0x90, "ADDITEMS", 4, Nothing, Onto, 1),
    op(0x91, "FROZENSET", 4, Nothing, Slice(0), 1),
    op(0x92, "NEWOBJ_EX", 4, Nothing, Items(3), 1),
    op(0x93, "STACK_GLOBAL", 4, Nothing, Items(2), 1),
    op(0x94, "MEMOIZE", 4, Nothing, Items(1), 1),
    op(0x95, "FRAME", 4, Fixed(8), Items(0), 0),
    op(0x96, "BYTEARRAY8", 5, Counted(8), Items(0), 1),
    op(0x97, "NEXT_BUFFER", 5, Nothing, Items(0), 1),
    op(0x98, "READONLY_BUFFER", 5, Nothing, Items(1), 1),
];

/// The opcode with this code.
pub(super) fn opcode(code: u8) -> Option<&'static Opcode> {
    static BY_CODE: LazyLock<[Option<&'static Opcode>; 256]> =
        LazyLock::new(|| std::array::from_fn(|at| OPCODES.iter().find(|o| usize::from(o.code) == at)));
    BY_CODE.get(usize::from(code)).copied().flatten()
}

/// Whether `text` is what `INT` and `LONG` may carry.
pub(super) fn is_integer(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let text = text.strip_suffix(b"L").unwrap_or(text);
    let digits = text
        .strip_prefix(b"-")
        .or_else(|| text.strip_prefix(b"+"))
        .unwrap_or(text);
    digits.first().is_some_and(u8::is_ascii_digit) && digits.iter().all(|b| b.is_ascii_digit() || *b == b'_')
}

/// Whether `text` is what `FLOAT` may carry.
pub(super) fn is_float(text: &[u8]) -> bool {
    std::str::from_utf8(text.trim_ascii()).is_ok_and(|t| t.replace('_', "").parse::<f64>().is_ok())
}

/// The memo index of `GET` and `PUT`.
pub(super) fn index(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    text.parse().ok()
}

/// Whether `text` is quoted as `STRING` demands.
pub(super) fn is_quoted(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    matches!((text.first(), text.last()), (Some(a), Some(b)) if text.len() >= 2 && a == b && matches!(*a, b'\'' | b'"'))
}
