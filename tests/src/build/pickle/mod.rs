//! Pickles of protocols 0 to 5 (CPython's `pickletools`), benign and hostile, and the assembler they are built with.
//!
//! Nothing is validated: any order of opcodes can be written. Command strings are always `true`.

mod asm;
mod program;
mod techniques;

pub use asm::Asm;
use asm::begin;
pub use program::program;
pub use techniques::{QUIET, Quiet, TECHNIQUES, Technique};

/// `{"name": "fixture", "layers": [1, 256, 65536, -1], "scale": 0.5, "tied": None}`, as protocol `proto` writes it.
pub fn benign(proto: u8) -> Vec<u8> {
    benign_asm(proto).done()
}

/// The assembler of [`benign`], for its boundaries.
pub fn benign_asm(proto: u8) -> Asm {
    let body = if proto == 0 {
        Asm::new()
            .mark()
            .dict()
            .put(0)
            .unicode("name")
            .put(1)
            .unicode("fixture")
            .put(2)
            .setitem()
            .unicode("layers")
            .put(3)
            .mark()
            .list()
            .put(4)
            .int("1")
            .append()
            .int("256")
            .append()
            .long("65536L")
            .append()
            .int("-1")
            .append()
            .setitem()
            .unicode("scale")
            .put(5)
            .float("0.5")
            .setitem()
            .unicode("tied")
            .put(6)
            .none()
            .setitem()
            .stop()
    } else {
        let memo = |asm: Asm, i: u8| if proto < 4 { asm.binput(i) } else { asm.memoize() };
        let mut asm = memo(Asm::new().empty_dict(), 0).mark();
        asm = memo(asm.text(proto, "name"), 1);
        asm = memo(asm.text(proto, "fixture"), 2);
        asm = memo(asm.text(proto, "layers"), 3);
        asm = memo(asm.empty_list(), 4).mark();
        asm = asm.binint1(1).binint2(256).binint(65_536).binint(-1).appends();
        asm = memo(asm.text(proto, "scale"), 5).binfloat(0.5);
        memo(asm.text(proto, "tied"), 6).none().setitems().stop()
    };
    begin(proto, body)
}

/// Calls `os.system("true")` in the opcodes of protocol `proto`.
pub fn os_system(proto: u8) -> Vec<u8> {
    let call = Asm::new().callable(proto, "os", "system");
    let call = if proto < 2 {
        call.mark().text(proto, "true").tuple()
    } else {
        call.text(proto, "true").tuple1()
    };
    begin(proto, call.reduce().stop()).done()
}

/// `os.system` by every other way than GLOBAL and REDUCE: a name for each and its bytes.
///
/// CPython itself raises in `newobj`, `newobj-ex` and `build` when the callable is a function; in `frame-lie` its C
/// unpickler, unlike the Python one, ignores the frame's end and calls.
pub fn os_system_variants() -> Vec<(&'static str, Vec<u8>)> {
    let start = || Asm::proto(4);
    vec![
        (
            "inst",
            Asm::new().mark().string("'true'").inst("os", "system").stop().done(),
        ),
        (
            "obj",
            Asm::new()
                .mark()
                .global("os", "system")
                .binunicode("true")
                .obj()
                .stop()
                .done(),
        ),
        (
            "newobj",
            start()
                .callable(4, "os", "system")
                .short_binunicode("true")
                .tuple1()
                .newobj()
                .stop()
                .done(),
        ),
        (
            "newobj-ex",
            start()
                .callable(4, "os", "system")
                .short_binunicode("true")
                .tuple1()
                .empty_dict()
                .newobj_ex()
                .stop()
                .done(),
        ),
        (
            "memo",
            start()
                .short_binunicode("system")
                .memoize()
                .pop()
                .short_binunicode("os")
                .binget(0)
                .stack_global()
                .short_binunicode("true")
                .tuple1()
                .reduce()
                .stop()
                .done(),
        ),
        (
            "dup",
            start()
                .short_binunicode("os")
                .short_binunicode("system")
                .stack_global()
                .dup()
                .binput(9)
                .pop()
                .pop()
                .binget(9)
                .short_binunicode("true")
                .tuple1()
                .reduce()
                .stop()
                .done(),
        ),
        (
            "long-memo",
            Asm::proto(2)
                .global("os", "system")
                .long_binput(70_000)
                .pop()
                .long_binget(70_000)
                .binunicode("true")
                .tuple1()
                .reduce()
                .stop()
                .done(),
        ),
        (
            "popped",
            Asm::proto(2)
                .global("os", "system")
                .binunicode("true")
                .tuple1()
                .reduce()
                .pop()
                .none()
                .stop()
                .done(),
        ),
        (
            "dotted",
            start()
                .short_binunicode("shutil")
                .short_binunicode("os.system")
                .stack_global()
                .short_binunicode("true")
                .tuple1()
                .reduce()
                .stop()
                .done(),
        ),
        (
            "build",
            start()
                .callable(4, "fixture", "Thing")
                .empty_tuple()
                .newobj()
                .empty_dict()
                .short_binunicode("__setstate__")
                .callable(4, "os", "system")
                .setitem()
                .build()
                .short_binunicode("true")
                .build()
                .stop()
                .done(),
        ),
        (
            "getattr",
            start()
                .callable(4, "builtins", "getattr")
                .callable(4, "builtins", "__import__")
                .short_binunicode("os")
                .tuple1()
                .reduce()
                .short_binunicode("system")
                .tuple2()
                .reduce()
                .short_binunicode("true")
                .tuple1()
                .reduce()
                .stop()
                .done(),
        ),
        (
            "persid-tuple",
            Asm::proto(2)
                .global("os", "system")
                .binunicode("true")
                .tuple1()
                .reduce()
                .binpersid()
                .stop()
                .done(),
        ),
        (
            "no-stop",
            Asm::proto(2)
                .global("os", "system")
                .binunicode("true")
                .tuple1()
                .reduce()
                .done(),
        ),
        (
            "before-broken-opcode",
            Asm::proto(2)
                .global("os", "system")
                .binunicode("true")
                .tuple1()
                .reduce()
                .raw(b"\xff\xff")
                .done(),
        ),
        ("second-stream", [benign(4), vec![0; 37], os_system(4)].concat()),
        (
            "leading-garbage",
            [b"\x00\x01\x02 not a pickle ".to_vec(), os_system(2)].concat(),
        ),
        (
            "frame-lie",
            Asm::proto(4)
                .frame(3)
                .callable(4, "os", "system")
                .short_binunicode("true")
                .tuple1()
                .reduce()
                .stop()
                .done(),
        ),
    ]
}

/// Registered extension codes 1, 300 and 70,000, called.
pub fn extensions() -> Vec<u8> {
    Asm::proto(2)
        .ext1(1)
        .empty_tuple()
        .reduce()
        .pop()
        .ext2(300)
        .empty_tuple()
        .reduce()
        .pop()
        .ext4(70_000)
        .empty_tuple()
        .reduce()
        .stop()
        .done()
}

/// A LONG4 that states `stated` bytes and holds four.
pub fn long4_lie(stated: u32) -> Vec<u8> {
    Asm::proto(2)
        .raw(&[&[0x8b], &stated.to_le_bytes()[..], &[1, 2, 3, 4]].concat())
        .stop()
        .done()
}

/// A third-party callable no list knows, called.
pub fn unknown_callable() -> Vec<u8> {
    Asm::proto(2)
        .global("fixture_vendor.loader", "restore")
        .binunicode("true")
        .tuple1()
        .reduce()
        .stop()
        .done()
}

/// Lists that each hold the one before twice: `depth` levels, two to the `depth` elements when walked.
pub fn reference_bomb(depth: u8) -> Vec<u8> {
    let mut asm = Asm::proto(2).empty_list().binput(0);
    for i in 1..=depth {
        asm = asm.empty_list().binput(i).mark().binget(i - 1).binget(i - 1).appends();
    }
    asm.stop().done()
}

/// `depth` tuples, one inside the other.
pub fn deep(depth: usize) -> Vec<u8> {
    Asm::proto(2).none().repeat(0x85, depth).stop().done()
}

/// Every opcode at least once, in an order CPython's disassembler accepts.
pub fn every_opcode() -> Vec<u8> {
    let asm = Asm::proto(5)
        .mark()
        .int("01")
        .binint(-7)
        .binint1(7)
        .binint2(700)
        .long("12L")
        .long1(&[1])
        .long4(&[2, 3])
        .float("1.5")
        .binfloat(1.5)
        .none()
        .newtrue()
        .newfalse()
        .string("'s'")
        .binstring(b"s")
        .short_binstring(b"s")
        .unicode("u")
        .binunicode("u")
        .short_binunicode("u")
        .binunicode8("u")
        .binbytes(b"b")
        .short_binbytes(b"b")
        .binbytes8(b"b")
        .bytearray8(b"b")
        .next_buffer()
        .readonly_buffer()
        .pop_mark();
    let asm = asm
        .empty_list()
        .none()
        .append()
        .mark()
        .none()
        .none()
        .appends()
        .pop()
        .mark()
        .list()
        .pop()
        .mark()
        .none()
        .tuple()
        .tuple1()
        .none()
        .tuple2()
        .none()
        .none()
        .tuple3()
        .pop()
        .empty_tuple()
        .pop()
        .empty_dict()
        .none()
        .none()
        .setitem()
        .mark()
        .none()
        .none()
        .setitems()
        .pop()
        .mark()
        .dict()
        .pop()
        .empty_set()
        .mark()
        .none()
        .additems()
        .pop()
        .mark()
        .none()
        .frozenset()
        .pop();
    let asm = asm
        .none()
        .put(0)
        .get(0)
        .pop()
        .binput(1)
        .binget(1)
        .pop()
        .long_binput(300)
        .long_binget(300)
        .pop()
        .pop()
        .none()
        .memoize()
        .dup()
        .pop()
        .pop();
    let asm = asm
        .persid("p")
        .pop()
        .none()
        .binpersid()
        .pop()
        .global("collections", "OrderedDict")
        .empty_tuple()
        .reduce()
        .empty_dict()
        .build()
        .pop()
        .mark()
        .inst("collections", "OrderedDict")
        .pop()
        .mark()
        .global("collections", "OrderedDict")
        .obj()
        .pop()
        .global("collections", "OrderedDict")
        .empty_tuple()
        .newobj()
        .pop()
        .global("collections", "OrderedDict")
        .empty_tuple()
        .empty_dict()
        .newobj_ex()
        .pop()
        .short_binunicode("collections")
        .short_binunicode("OrderedDict")
        .stack_global()
        .pop()
        .ext1(1)
        .pop()
        .ext2(2)
        .pop()
        .ext4(3)
        .pop();
    asm.frame(2).none().stop().done()
}

/// What `torch.save({"weight": torch.zeros(3, 4)})` puts into `data.pkl`.
pub fn torch_state_dict() -> Vec<u8> {
    Asm::proto(2)
        .empty_dict()
        .binput(0)
        .binunicode("weight")
        .binput(1)
        .global("torch._utils", "_rebuild_tensor_v2")
        .binput(2)
        .mark()
        .mark()
        .binunicode("storage")
        .binput(3)
        .global("torch", "FloatStorage")
        .binput(4)
        .binunicode("0")
        .binput(5)
        .binunicode("cpu")
        .binput(6)
        .binint1(12)
        .tuple()
        .binput(7)
        .binpersid()
        .binint1(0)
        .binint1(3)
        .binint1(4)
        .tuple2()
        .binput(8)
        .binint1(4)
        .binint1(1)
        .tuple2()
        .binput(9)
        .newfalse()
        .global("collections", "OrderedDict")
        .binput(10)
        .empty_tuple()
        .reduce()
        .binput(11)
        .tuple()
        .binput(12)
        .reduce()
        .binput(13)
        .setitem()
        .stop()
        .done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_span_the_rest_of_the_pickle() {
        for proto in [4, 5] {
            let bytes = benign(proto);
            assert_eq!(&bytes[..3], &[0x80, proto, 0x95]);
            assert_eq!(crate::build::bytes::le64(&bytes, 3) as usize, bytes.len() - 11);
        }
    }

    #[test]
    fn every_sample_call_names_only_true() {
        for (name, bytes) in os_system_variants() {
            assert!(bytes.windows(4).any(|w| w == b"true"), "{name}");
            assert!(bytes.windows(6).any(|w| w == b"system"), "{name}");
        }
    }

    #[test]
    fn boundaries_fall_between_opcodes() {
        let asm = benign_asm(2);
        let bounds = asm.boundaries();
        let bytes = asm.done();
        assert_eq!(bounds.first(), Some(&2));
        assert_eq!(bounds.last(), Some(&(bytes.len() as u64 - 1)));
    }
}
