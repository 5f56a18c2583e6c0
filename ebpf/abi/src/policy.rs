//! The compiled declared set: pins, the automaton over path bytes, and what a match grants.
//!
//! A *pin* is a directory or file known by the address of its `struct inode`, kept alive by a descriptor that the watcher
//! holds. The programs walk from an object upwards; at each pinned ancestor they run the automaton from the pin's state over
//! the bytes of the path below it (`/name/name`, each component with its slash; nothing for the pinned object itself).
//! The state where the bytes end names a [`Grant`]. Grants of all pins on the way are united; deny wins.

/// The state from which nothing matches any more.
pub const DEAD: u32 = 0;
/// In a word of the map `ACCEPTS` (the rest of it is the number of a grant): every continuation stays in this state, so that no byte need be read.
pub const UNIVERSAL: u32 = 1 << 31;

/// Value of the map `PINS`; its key is the inode's address.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pin {
    /// The automaton's state at this object.
    pub state: u32,
    /// Inode generation, against an address that came to mean another inode.
    pub generation: u32,
    /// Inode number, for the same.
    pub ino: u64,
}

/// What the rules that end in one state allow and deny, by access bit.
///
/// Entry 0 of the map `GRANTS` grants nothing.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Grant {
    /// Bits of [`crate::access`] that some rule allows.
    pub allow: u8,
    /// Bits that some rule denies.
    pub deny: u8,
    /// Bits allowed by a rule that names exactly this object, with no wildcard: a hard link is then no surprise.
    pub exact: u8,
    /// Zero.
    pub reserved: u8,
    /// Per bit: the allowing rule, counted from 1.
    pub allow_rule: [u16; 8],
    /// Per bit: the denying rule, counted from 1.
    pub deny_rule: [u16; 8],
}

/// Longest automaton: transitions (states x byte classes).
pub const MAX_TRANSITIONS: usize = 1 << 22;

/// Byte classes: two bytes of one class are never told apart by any pattern. Lives in `.rodata`.
pub type Classes = [u8; 256];

const _: () = assert!(size_of::<Pin>() == 16);
const _: () = assert!(size_of::<Grant>() == 36);
