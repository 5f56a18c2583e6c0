//! Pickles written as short programs, for tables of techniques.
//!
//! Words are separated by blanks. `c:os:system` is GLOBAL, `i:os:system` INST, `s:text` a BINUNICODE, `u:text` a
//! UNICODE, `q:text` a STRING without its quotes, `n:7` an integer, `x:6f73` BINBYTES in hexadecimal, `p:3` and `g:3`
//! BINPUT and BINGET, `e:7` EXT1, `P:id` PERSID; the rest are single opcodes, by the character `pickletools` prints, or by a
//! sign for those that have none.

use super::Asm;

/// Assembles `text` behind PROTO `proto`.
///
/// # Panics
/// On a word it does not know.
pub fn program(proto: u8, text: &str) -> Vec<u8> {
    text.split_whitespace().fold(Asm::proto(proto), word).done()
}

fn word(asm: Asm, word: &str) -> Asm {
    let pair = |rest: &str| {
        let (module, name) = rest.split_once(':').expect("a module and a name");
        (module.to_owned(), name.to_owned())
    };
    if let Some((kind, rest)) = word.split_once(':') {
        return match kind {
            "c" => {
                let (module, name) = pair(rest);
                asm.global(&module, &name)
            }
            "i" => {
                let (module, name) = pair(rest);
                asm.inst(&module, &name)
            }
            "s" => asm.binunicode(rest),
            "u" => asm.unicode(rest),
            "q" => asm.string(&format!("'{rest}'")),
            "n" => asm.binint(rest.parse().expect("a number")),
            "x" => asm.binbytes(&unhex(rest)),
            "p" => asm.binput(rest.parse().expect("an index")),
            "g" => asm.binget(rest.parse().expect("an index")),
            "e" => asm.ext1(rest.parse().expect("a code")),
            "P" => asm.persid(rest),
            other => panic!("no word {other:?}"),
        };
    }
    match word {
        "(" => asm.mark(),
        ")" => asm.empty_tuple(),
        "." => asm.stop(),
        "0" => asm.pop(),
        "!" => asm.dup(),
        "N" => asm.none(),
        "Q" => asm.binpersid(),
        "R" => asm.reduce(),
        "a" => asm.append(),
        "b" => asm.build(),
        "d" => asm.dict(),
        "}" => asm.empty_dict(),
        "e" => asm.appends(),
        "l" => asm.list(),
        "]" => asm.empty_list(),
        "o" => asm.obj(),
        "s" => asm.setitem(),
        "t" => asm.tuple(),
        "u" => asm.setitems(),
        "^" => asm.newobj(),
        "1" => asm.tuple1(),
        "2" => asm.tuple2(),
        "3" => asm.tuple3(),
        "T" => asm.newtrue(),
        "S" => asm.empty_set(),
        "A" => asm.additems(),
        "Z" => asm.frozenset(),
        "X" => asm.newobj_ex(),
        "G" => asm.stack_global(),
        "m" => asm.memoize(),
        other => panic!("no word {other:?}"),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(byte).collect()
}
