//! Ways to make a pickle do something, one of each kind; the table of techniques has them all.

use super::Fixture::{Benign, Built, Quiet, Sample, Technique};
use super::{Row, row};
use crate::build::pickle::{benign, deep, os_system, reference_bomb};

const CALLED: (&str, &str) = ("unsafe-callable", "called");
const BUILT: (&str, &str) = ("unsafe-callable", "constructed");
const NAMED: (&str, &str) = ("unsafe-callable", "named");
const OVERWRITES: (&str, &str) = ("unsafe-callable", "overwrites");

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("known dangerous callable", "pickle", CALLED, Technique("call os.system"), Quiet("words")),
    row("known dangerous callable, constructed", "pickle", BUILT, Technique("reconstructor of a class"), Quiet("plain object")),
    row("known dangerous callable, named only", "pickle", NAMED, Technique("hook of a tensor"), Quiet("storage")),
    row("callable of the standard library that nobody reviewed", "pickle", ("unknown-callable", "stdlib-called"), Technique("standard library, unreviewed"), Quiet("date")),
    row("class of the standard library that nobody reviewed", "pickle", ("unknown-callable", "stdlib-constructed"), Technique("standard class, constructed"), Quiet("path")),
    row("callable of a library that nobody reviewed", "pickle", ("unknown-callable", "called"), Technique("library, unreviewed"), Technique("library class, constructed")),
    row("resolver: getattr", "pickle", CALLED, Technique("getattr of an import"), Quiet("enumeration member")),
    row("resolver: importlib and a joined name", "pickle", CALLED, Technique("getattr of a joined import"), Quiet("enumeration value")),
    row("resolver: pkgutil.resolve_name", "pickle", CALLED, Technique("resolve_name"), Quiet("words")),
    row("resolver: operator.attrgetter", "pickle", CALLED, Technique("attrgetter"), Quiet("typing")),
    row("resolver: operator.methodcaller", "pickle", CALLED, Technique("methodcaller"), Quiet("typing")),
    row("resolver: functools.partial", "pickle", CALLED, Technique("partial"), Quiet("partial kept")),
    row("dotted name through an allowed module", "pickle", CALLED, Technique("dotted through torch"), Quiet("ufunc")),
    row("alias that a module imported for itself", "pickle", CALLED, Technique("private import of random"), Quiet("random state")),
    row("name decoded while loading", "pickle", CALLED, Technique("base64 of a name"), Quiet("bytes of protocol 2")),
    row("name that only a run would know", "pickle", ("unknown-callable", "computed-name"), Technique("name joined"), Quiet("words")),
    row("result of a call, called", "pickle", ("unknown-callable", "result-called"), Technique("result called"), Quiet("scalar")),
    row("INST", "pickle", CALLED, Sample("pickle-inst"), Built("benign pickle of protocol 0", || benign(0))),
    row("OBJ", "pickle", CALLED, Sample("pickle-obj"), Built("benign pickle of protocol 1", || benign(1))),
    row("NEWOBJ", "pickle", BUILT, Sample("pickle-newobj"), Quiet("state of an object")),
    row("NEWOBJ_EX", "pickle", BUILT, Sample("pickle-newobj-ex"), Quiet("state of an object")),
    row("BUILD that installs __setstate__", "pickle", CALLED, Sample("pickle-build"), Quiet("empty mapping as a state")),
    row("BUILD or SETITEM into a module or class", "pickle", OVERWRITES, Technique("state of a module"), Quiet("bytes under a special key")),
    row("EXT1, EXT2, EXT4", "pickle", ("unknown-callable", "extension"), Sample("pickle-extensions"), Quiet("bytes of protocol 2")),
    row("PERSID tuple with a callable", "pickle", CALLED, Technique("storage type"), Quiet("storage")),
    row("STACK_GLOBAL fed by the memo", "pickle", CALLED, Sample("pickle-memo"), Built("benign pickle of protocol 4", || benign(4))),
    row("STACK_GLOBAL result kept by DUP", "pickle", CALLED, Sample("pickle-dup"), Built("benign pickle of protocol 4", || benign(4))),
    row("LONG_BINPUT and LONG_BINGET", "pickle", CALLED, Sample("pickle-long-memo"), Built("benign pickle of protocol 2", || benign(2))),
    row("result popped off the stack", "pickle", CALLED, Sample("pickle-popped"), Quiet("ordered dictionary")),
    row("FRAME that lies", "pickle", CALLED, Sample("pickle-frame-lie"), Built("benign pickle of protocol 5", || benign(5))),
    row("LONG4 that lies", "pickle", ("truncated", ""), Sample("pickle-long4-lie"), Quiet("decimal")),
    row("references that double", "pickle", ("archive-bomb", "references"), Built("200 doublings", || reference_bomb(200)), Built("five doublings", || reference_bomb(5))),
    row("nesting of any depth", "pickle", CALLED, Built("call behind 100,000 tuples", || behind(deep(100_000))), Built("100,000 tuples, nothing called", || deep(100_000))),
    row("payload before a broken opcode", "pickle", CALLED, Sample("pickle-before-broken-opcode"), Quiet("ordered dictionary")),
    row("payload without STOP", "pickle", CALLED, Sample("pickle-no-stop"), Quiet("ordered dictionary")),
    row("second stream behind padding", "pickle", CALLED, Sample("pickle-second-stream"), Built("two benign streams", || [benign(2), benign(2)].concat())),
    row("garbage before the stream", "pickle", CALLED, Sample("pickle-leading-garbage"), Built("benign pickle of protocol 2", || benign(2))),
    row("code object in the pickle", "pickle", ("unsafe-callable", "code"), Technique("code object"), Quiet("bytes that begin like code")),
    row("native code in the pickle", "pickle", BUILT, Technique("native code carried along"), Quiet("tree of scikit-learn")),
    row("object array", "NumPy", CALLED, Sample("npy-object-system"), Benign("npy-object")),
];

/// A stream whose call comes after what another stream builds.
fn behind(first: Vec<u8>) -> Vec<u8> {
    // Without its STOP the first stream goes on; the second begins with PROTO, as any may.
    let body = &first[..first.len() - 1];
    [body, &os_system(2)].concat()
}
