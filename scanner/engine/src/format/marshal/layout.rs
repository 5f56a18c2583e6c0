//! How code objects are laid out (CPython, `marshal.c`, `TYPE_CODE`), which no marshal stream says by itself.
//!
//! | Python | numbers | objects | | then |
//! | --- | --- | --- | --- | --- |
//! | 2.7 | 4 | code, consts, names, varnames, freevars, cellvars, filename, name | line | line table |
//! | 3.6, 3.7 | 5 | the same | line | line table |
//! | 3.8 to 3.10 | 6 | the same | line | line table |
//! | 3.11 to 3.14 | 5 | code, consts, names, localsplusnames, localspluskinds, filename, name, qualname | line | line table, exception table |

use super::reader::{Id, Kind};

/// One layout.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The versions of Python that have it.
    pub(super) python: &'static str,
    /// Numbers of four bytes before the objects.
    pub(super) numbers: usize,
    /// Objects before the line number.
    pub(super) objects: usize,
    /// Objects after it.
    pub(super) tables: usize,
    /// Whether `t` puts its text into the table of references (Python 2).
    pub(super) interns: bool,
}

const fn layout(python: &'static str, numbers: usize, tables: usize, interns: bool) -> Layout {
    Layout {
        python,
        numbers,
        objects: 8,
        tables,
        interns,
    }
}

/// The layouts, the newest first.
pub(super) static LAYOUTS: [Layout; 4] = [
    layout("3.11 to 3.14", 5, 2, false),
    layout("3.8 to 3.10", 6, 1, false),
    layout("3.6 or 3.7", 5, 1, false),
    layout("2.7", 4, 1, true),
];

/// Where the fields that are judged stand among the objects.
pub(super) const CODE: usize = 0;
pub(super) const CONSTS: usize = 1;
pub(super) const NAMES: usize = 2;

impl Layout {
    /// Whether the objects are of the types the layout asks for.
    pub(super) fn fits(&self, fields: &[Id], kind: impl Fn(&Id) -> Option<Kind>) -> bool {
        let new = self.tables == 2;
        fields.iter().enumerate().all(|(at, id)| {
            let is = kind(id);
            match at {
                CODE => is == Some(Kind::Bytes),
                CONSTS..=3 => matches!(is, Some(Kind::Tuple(_))),
                4 if new => is == Some(Kind::Bytes),
                4 | 5 if !new => matches!(is, Some(Kind::Tuple(_))),
                5..=7 => matches!(is, Some(Kind::Text | Kind::Bytes)),
                _ => is == Some(Kind::Bytes),
            }
        })
    }
}

/// The layout and the bytes of the header of a `.pyc` file with this magic number; `None` for unknown ones.
pub(super) fn of_magic(magic: u16) -> Option<(&'static Layout, usize)> {
    let [new, eight, six, two] = &LAYOUTS;
    match magic {
        3450..=3699 => Some((new, 16)),
        3400..=3449 => Some((eight, 16)),
        3390..=3399 => Some((six, 16)),
        3230..=3389 => Some((six, 12)),
        62_171..=62_211 => Some((two, 8)),
        _ => None,
    }
}
