//! Which use of a callable follows from which opcodes, and how it is shown.

use super::*;

#[test]
fn uses_are_told_apart() {
    let p2 = || Asm::proto(2);
    let call = |module: &str, name: &str, args: fn(Asm) -> Asm| args(p2().global(module, name)).reduce().stop().done();
    let table: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("named", p2().global("a", "b").stop().done(), &["a.b Named"]),
        ("called", call("a", "b", Asm::empty_tuple), &["a.b Called"]),
        (
            "constructed",
            p2().global("a", "b").empty_tuple().newobj().stop().done(),
            &["a.b Constructed"],
        ),
        (
            "result called",
            p2().global("a", "b")
                .empty_tuple()
                .reduce()
                .empty_tuple()
                .reduce()
                .stop()
                .done(),
            &["a.b Called", "CallsResult result of a.b"],
        ),
        (
            "persistent object called",
            p2().none().binpersid().empty_tuple().reduce().stop().done(),
            &["CallsUnknown a value made while loading"],
        ),
        (
            "extension",
            p2().ext1(7).empty_tuple().reduce().stop().done(),
            &["Extension extension 7", "CallsUnknown a value made while loading"],
        ),
        (
            "computed name",
            Asm::proto(4)
                .short_binunicode("os")
                .none()
                .binpersid()
                .stack_global()
                .empty_tuple()
                .reduce()
                .stop()
                .done(),
            &["ComputesName os.<computed>", "CallsUnknown a value made while loading"],
        ),
        (
            "type of one",
            call("builtins", "type", |a| a.none().tuple1()),
            &["builtins.type Called"],
        ),
        (
            "type of three",
            call("builtins", "type", |a| {
                a.binunicode("X").empty_tuple().empty_dict().tuple3()
            }),
            &["builtins.type Called", "CallsUnknown builtins.type with more arguments"],
        ),
        (
            "defaultdict keeps its factory",
            call("collections", "defaultdict", |a| a.global("a", "b").tuple1()),
            &["collections.defaultdict Called", "a.b Named"],
        ),
        (
            "defaultdict with arguments nobody sees",
            call("collections", "defaultdict", |a| a.none().binpersid()),
            &["collections.defaultdict Called"],
        ),
        (
            "reconstructor",
            call("copy_reg", "_reconstructor", |a| {
                a.global("a", "B").global("__builtin__", "object").none().tuple3()
            }),
            &[
                "copy_reg._reconstructor Called",
                "a.B Constructed",
                "__builtin__.object Named",
            ],
        ),
        (
            "newobj function",
            call("copyreg", "__newobj__", |a| a.global("a", "B").tuple1()),
            &["copyreg.__newobj__ Named", "a.B Constructed"],
        ),
        (
            "partial kept",
            call("functools", "partial", |a| a.global("a", "b").tuple1()),
            &["a.b Named"],
        ),
        (
            "partial called",
            p2().global("functools", "partial")
                .global("a", "b")
                .tuple1()
                .reduce()
                .empty_tuple()
                .reduce()
                .stop()
                .done(),
            &["a.b Called", "CallsResult result of functools.partial"],
        ),
        (
            "index made by pandas",
            call("pandas.core.indexes.base", "_new_Index", |a| {
                a.global("a", "B").empty_dict().tuple2()
            }),
            &["pandas.core.indexes.base._new_Index Called", "a.B Constructed"],
        ),
        (
            "rebuild hands on",
            call("torch._tensor", "_rebuild_from_type_v2", |a| {
                let a = a.mark().global("collections", "defaultdict").global("a", "T");
                a.global("os", "system").tuple1().none().tuple()
            }),
            &[
                "torch._tensor._rebuild_from_type_v2 Called",
                "collections.defaultdict Called",
                "a.T Called",
                "os.system Called",
            ],
        ),
        (
            "state of a module",
            p2().global("a", "b").empty_dict().build().stop().done(),
            &["a.b Named", "Overwrites a.b"],
        ),
        (
            "items of a module",
            p2().global("sys", "modules")
                .binunicode("x")
                .none()
                .setitem()
                .stop()
                .done(),
            &["sys.modules Named", "Overwrites sys.modules"],
        ),
        (
            "setstate in slots",
            p2().global("a", "b")
                .empty_tuple()
                .newobj()
                .none()
                .empty_dict()
                .binunicode("__setstate__")
                .global("c", "d")
                .setitem()
                .tuple2()
                .build()
                .stop()
                .done(),
            &["a.b Constructed", "c.d Called"],
        ),
        (
            "attribute that is no hook",
            p2().global("a", "b")
                .empty_tuple()
                .newobj()
                .empty_dict()
                .binunicode("activation")
                .global("c", "d")
                .setitem()
                .build()
                .stop()
                .done(),
            &["a.b Constructed", "c.d Named"],
        ),
        (
            "persistent id with a callable",
            p2().global("a", "b").none().tuple2().binpersid().stop().done(),
            &["a.b Called"],
        ),
        (
            "escaped names",
            Asm::proto(4)
                .unicode("\\u006fs")
                .string("'s\\x79stem'")
                .stack_global()
                .stop()
                .done(),
            &["os.system Named"],
        ),
        (
            "load from bytes, not a stream",
            call("torch.storage", "_load_from_bytes", |a| {
                a.binbytes(b"nothing at all").tuple1()
            }),
            &["torch.storage._load_from_bytes Called"],
        ),
    ];
    let wrong: Vec<String> = table
        .into_iter()
        .map(|(name, bytes, expected)| (name, uses(&parse(&bytes)), expected))
        .filter(|(_, found, expected)| found != expected)
        .map(|(name, found, expected)| format!("{name}: {found:?}, not {expected:?}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn findings_show_the_call() {
    let bytes = build::program(2, "c:os:system s:true 1 R c:fixture:load ( s:a n:3 N l 1 R 2 .");
    let found = parse(&bytes);
    let term = |wanted: &str| {
        found.facts().iter().find_map(|f| match f {
            Fact::Act {
                act: LoadAct::Uses,
                subject,
                term,
                span,
            } if **subject == *wanted => Some((term.to_string(), bytes[span.start() as usize])),
            _ => None,
        })
    };
    assert_eq!(term("os.system"), Some(("os.system(\"true\")".to_owned(), b'R')));
    let long = "fixture.load([\"a\", 3, …])".to_owned();
    assert_eq!(term("fixture.load").map(|t| t.0), Some(long));
}
