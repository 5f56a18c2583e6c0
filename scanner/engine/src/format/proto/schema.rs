//! Descriptions of protobuf messages: what a field number means, and how much of it is read.

/// A message type.
#[derive(Debug)]
pub(in crate::format) struct Message {
    /// Its name in the `.proto` file.
    pub(in crate::format) name: &'static str,
    /// Its fields, by number.
    pub(in crate::format) fields: &'static [Field],
}

impl Message {
    /// The field called `number`, and its place in the list. A field of number 0 stands for all that are not listed.
    pub(in crate::format) fn field(&'static self, number: u32) -> Option<(usize, &'static Field)> {
        let listed = |wanted: u32| self.fields.iter().enumerate().find(|(_, field)| field.number == wanted);
        listed(number).or_else(|| listed(0))
    }
}

/// A field of a message.
#[derive(Debug)]
pub(in crate::format) struct Field {
    /// Its number.
    pub(in crate::format) number: u32,
    /// Its name in the `.proto` file.
    pub(in crate::format) name: &'static str,
    /// What it holds.
    pub(in crate::format) kind: Kind,
    /// Whether it may stand more than once.
    pub(in crate::format) repeated: bool,
}

/// What a field holds, and what a walk does with it.
#[derive(Clone, Copy, Debug)]
pub(in crate::format) enum Kind {
    /// Integers, booleans and enumerations, packed or not: told, up to 4096 bytes of them.
    Number,
    /// A 32-bit value: told.
    Fixed32,
    /// A 64-bit value: told.
    Fixed64,
    /// Text, or bytes that are mostly short: told, up to 4096 bytes of it; what is longer is a payload as well.
    Text,
    /// Bytes, or text for people only: stepped over, but for 64 KiB or more, which are an artifact of their own.
    Skip,
    /// Bytes or packed scalars that the visitor claims; never read.
    Bulk,
    /// A message, whose bytes belong to the region around it.
    Message(&'static Message),
    /// A message with a region of its own.
    Unit(&'static Message),
}

impl Kind {
    /// Whether a field of this kind is written with `wire`.
    pub(super) fn takes(self, wire: u8) -> bool {
        match self {
            Self::Number => matches!(wire, 0 | 2),
            Self::Fixed32 => matches!(wire, 5 | 2),
            Self::Fixed64 => matches!(wire, 1 | 2),
            Self::Text | Self::Message(_) | Self::Unit(_) => wire == 2,
            Self::Skip | Self::Bulk => matches!(wire, 0 | 1 | 2 | 5),
        }
    }
}

/// A field that stands at most once.
pub(in crate::format) const fn one(number: u32, name: &'static str, kind: Kind) -> Field {
    Field {
        number,
        name,
        kind,
        repeated: false,
    }
}

/// A repeated field.
pub(in crate::format) const fn many(number: u32, name: &'static str, kind: Kind) -> Field {
    Field {
        number,
        name,
        kind,
        repeated: true,
    }
}

/// All fields that are not listed: a message of which only a few are of interest.
pub(in crate::format) const fn others(kind: Kind) -> Field {
    many(0, "other", kind)
}
