//! The compiled rules for addresses.
//!
//! `NET4` and `NET6` are longest-prefix tries from an address to a [`NetEntry`]; since a trie gives only the longest prefix,
//! the loader merges into each prefix what the shorter ones around it say. `NET_PORTS` then holds, for an entry, protocol
//! and port (0: any port), the [`NetGrant`].

/// Value of the tries: the number of an entry.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetEntry {
    /// Used in [`NetKey::entry`].
    pub entry: u32,
}

/// Key of the map `NET_PORTS`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NetKey {
    /// The trie's entry.
    pub entry: u32,
    /// Host order; 0 stands for every port.
    pub port: u16,
    /// IP protocol.
    pub protocol: u8,
    /// [`CONNECT`] or [`LISTEN`].
    pub direction: u8,
}

/// Connecting, sending, accepting from: the remote address.
pub const CONNECT: u8 = 0;
/// Binding, listening: the local address.
pub const LISTEN: u8 = 1;

/// Value of the map `NET_PORTS`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetGrant {
    /// The allowing rule, counted from 1; 0 for none.
    pub allow_rule: u16,
    /// The denying rule, counted from 1; 0 for none.
    pub deny_rule: u16,
}

/// Key of the map `FAMILIES`: what `socket()` may make. A value is the rule that allows it, or 0x8000 | rule that denies.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FamilyKey {
    /// AF_*.
    pub family: u16,
    /// SOCK_* without flags; 0 stands for every type.
    pub sock_type: u16,
    /// Protocol; 0xffff stands for every protocol.
    pub protocol: u32,
}

/// Longest abstract name that can be declared, with the length in front.
pub const ABSTRACT_NAME: usize = 108;

/// Key of the map `ABSTRACTS`: the bytes behind the zero, zero-padded. Value: allow rule | deny rule << 16.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AbstractKey {
    /// Bytes used.
    pub len: u32,
    /// The name.
    pub name: [u8; ABSTRACT_NAME],
}

const _: () = assert!(size_of::<NetKey>() == 8);
const _: () = assert!(size_of::<NetGrant>() == 4);
const _: () = assert!(size_of::<FamilyKey>() == 8);
const _: () = assert!(size_of::<AbstractKey>() == 112);
