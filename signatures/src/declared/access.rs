//! What an act does to a file, as bits that the kernel programs share.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Sub};

/// A set of accesses to a file. The bits are those of the eBPF programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access(u8);

impl Access {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Open for reading, read or map through a descriptor.
    pub const READ: Self = Self(1);
    /// Open for writing, write, truncate, allocate, map shared and writable.
    pub const WRITE: Self = Self(2);
    /// Create, mkdir, mknod, symlink, link and rename to here.
    pub const CREATE: Self = Self(4);
    /// Unlink, rmdir, rename from here or over this.
    pub const DELETE: Self = Self(8);
    /// Change of mode, owner, extended attributes or times.
    pub const METADATA: Self = Self(16);
    /// Map with `PROT_EXEC`.
    pub const MAP: Self = Self(32);
    /// Execute. `[[exec]]` rules give it; it is no word of a `[[file]]` rule.
    pub const EXEC: Self = Self(64);
    /// Every access that a `[[file]]` rule can give or deny.
    pub const FILE: Self = Self(63);
    /// Every access.
    pub const ALL: Self = Self(127);

    /// The words of `[[file]]` rules, with their bits, in the order of the bits.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("read", Self::READ),
        ("write", Self::WRITE),
        ("create", Self::CREATE),
        ("delete", Self::DELETE),
        ("metadata", Self::METADATA),
        ("map", Self::MAP),
    ];

    /// The bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The access of some bits; bits that mean nothing are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The access of a word, `exec` among them.
    pub fn parse(word: &str) -> Option<Self> {
        let words = Self::WORDS.iter().chain(&[("exec", Self::EXEC)]);
        words
            .into_iter()
            .find(|(name, _)| *name == word)
            .map(|(_, access)| *access)
    }

    /// Whether it holds nothing.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it holds all of `other`.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The words, in the order of the bits.
    pub fn words(self) -> Vec<&'static str> {
        let words = Self::WORDS.iter().chain(&[("exec", Self::EXEC)]);
        words
            .into_iter()
            .filter(|(_, bit)| self.contains(*bit))
            .map(|(word, _)| *word)
            .collect()
    }

    /// Each single access in it, in the order of the bits.
    pub fn singles(self) -> impl Iterator<Item = Self> {
        (0..7)
            .map(|shift| Self(1 << shift))
            .filter(move |bit| self.contains(*bit))
    }
}

impl BitOr for Access {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Access {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Access {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Sub for Access {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Display for Access {
    /// `read, write`; `nothing` when it is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.pad("nothing");
        }
        f.pad(&self.words().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::Access;

    #[test]
    fn words_and_bits_go_both_ways() {
        let mut all = Access::NONE;
        for (word, bit) in Access::WORDS {
            assert_eq!(Access::parse(word), Some(bit));
            assert_eq!(bit.words(), [word]);
            assert_eq!(bit.bits().count_ones(), 1);
            all |= bit;
        }
        assert_eq!(all, Access::FILE);
        assert_eq!(all | Access::EXEC, Access::ALL);
        assert_eq!(Access::ALL.singles().count(), 7);
        assert_eq!(Access::from_bits(0xff), Access::ALL);
        assert_eq!((Access::READ | Access::MAP).to_string(), "read, map");
        assert!(!(Access::FILE - Access::READ).contains(Access::READ));
        assert_eq!(Access::NONE.to_string(), "nothing");
        assert_eq!(Access::parse("execute"), None);
    }
}
