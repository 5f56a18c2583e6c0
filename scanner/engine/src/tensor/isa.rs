//! Which instructions add up a chunk: found out once, the same numbers from all.

use super::portable::{self, Chunk, Lanes, Wide};
use std::sync::OnceLock;

/// An instruction set that kernels are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust.
    Portable,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 F, BW and DQ.
    Avx512,
    /// NEON, on 64-bit ARM.
    Neon,
}

impl Isa {
    /// The widest that this processor has.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            [Self::Avx512, Self::Avx2, Self::Neon]
                .into_iter()
                .find(|isa| isa.present())
                .unwrap_or(Self::Portable)
        })
    }

    /// All that this processor has, the portable path included.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Portable, Self::Avx2, Self::Avx512, Self::Neon]
            .into_iter()
            .filter(|isa| isa.present())
    }

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    fn present(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => super::avx2::present(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => super::avx512::present(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            _ => false,
        }
    }

    /// Adds a chunk that begins with a group. A kernel that meets what it cannot add, or has no way for the
    /// type, leaves the lanes as they were and the chunk to the portable path.
    pub(super) fn run(self, wide: Wide, bytes: &[u8], lanes: &mut Lanes) -> Chunk {
        let done: Option<Chunk> = match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => super::avx2::run(wide, bytes, lanes),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => super::avx512::run(wide, bytes, lanes),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => super::neon::run(wide, bytes, lanes),
            _ => None,
        };
        done.unwrap_or_else(|| portable::run(wide, bytes, lanes))
    }
}
