//! The names of members, in the ways of System V and GNU (`name/`, `/123` into a table) and of BSD (`#1/20`).

use super::header::number;
use crate::name::printable;

/// BSD names that are longer are abuse: `PATH_MAX`.
pub(super) const LONGEST: u64 = 4096;

/// What a header's name field stands for.
pub(super) enum Name {
    /// GNU's table of long names (`//`).
    Table,
    /// A symbol table or another table of the linker's, by its name.
    Symbols(&'static str),
    /// A file.
    File(Box<[u8]>),
    /// A name of so many bytes in front of the data.
    Bsd(u64),
    /// A place outside the table of long names.
    Missing,
}

impl Name {
    /// Whether the member is part of the archive's structure.
    pub(super) fn is_special(&self) -> bool {
        matches!(self, Self::Table | Self::Symbols(_))
    }

    /// What the member of this number is called in reports.
    pub(super) fn shown(&self, number: u64) -> String {
        match self {
            Self::Table => "long names".to_owned(),
            Self::Symbols(name) => (*name).to_owned(),
            Self::File(raw) => printable(raw),
            Self::Bsd(_) | Self::Missing => format!("member {number}"),
        }
    }
}

/// The tables that linkers keep, as `field` spells them.
fn special(field: &[u8]) -> Option<Name> {
    Some(match field {
        b"/" => Name::Symbols("symbol table"),
        b"/SYM64/" => Name::Symbols("64-bit symbol table"),
        b"__.SYMDEF" | b"__.SYMDEF/" | b"__.SYMDEF SORTED" => Name::Symbols("symbol table"),
        b"__.SYMDEF_64" | b"__.SYMDEF_64 SORTED" => Name::Symbols("64-bit symbol table"),
        b"/<ECSYMBOLS>/" => Name::Symbols("EC symbol table"),
        b"/<HYBRIDMAP>/" => Name::Symbols("hybrid map"),
        b"/<XFGHASHMAP>/" => Name::Symbols("XFG hash map"),
        b"//" | b"ARFILENAMES/" => Name::Table,
        _ => return None,
    })
}

/// The name that BSD writes in front of the data, padded with zeros.
pub(super) fn bsd(stored: &[u8]) -> Name {
    let end = stored
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at.saturating_add(1));
    let name = stored.get(..end).unwrap_or(stored);
    special(name).unwrap_or_else(|| Name::File(name.into()))
}

/// The table of long names, once it was read.
#[derive(Default)]
pub(super) struct Names {
    table: Vec<u8>,
}

impl Names {
    /// Keeps the table.
    pub(super) fn table(&mut self, bytes: &[u8]) {
        self.table = bytes.to_vec();
    }

    /// What the name field of a header stands for.
    pub(super) fn name(&self, field: &[u8], thin: bool) -> Name {
        if let Some(special) = special(field) {
            return special;
        }
        if let Some(length) = field.strip_prefix(b"#1/").and_then(number) {
            return Name::Bsd(length);
        }
        if let Some(place) = field.strip_prefix(b"/") {
            // Nested thin archives are `/123:456`: the second number is an offset in the other file.
            let place = place.split(|byte| thin && *byte == b':').next().unwrap_or_default();
            return match number(place).and_then(|at| self.long(at)) {
                Some(name) => Name::File(name.into()),
                None => Name::Missing,
            };
        }
        Name::File(field.strip_suffix(b"/").unwrap_or(field).into())
    }

    /// The name at `at`: up to a newline (GNU, with a slash before it) or a zero (Microsoft).
    fn long(&self, at: u64) -> Option<&[u8]> {
        let rest = self.table.get(usize::try_from(at).ok()?..)?;
        let end = memchr::memchr2(b'\n', 0, rest)?;
        let name = rest.get(..end)?;
        let name = name.strip_suffix(b"/").unwrap_or(name);
        (!name.is_empty()).then_some(name)
    }
}
