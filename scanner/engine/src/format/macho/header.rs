//! `mach_header` and `mach_header_64` (`mach-o/loader.h`), and the processors (`mach/machine.h`).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `magic`: `feedface` (32 bits) or `feedfacf` (64 bits), in the byte order of the file |
//! | 4 | 4 | `cputype`, a flag for 64 bits in its highest byte |
//! | 8 | 4 | `cpusubtype`, capabilities in its highest byte |
//! | 12 | 4 | `filetype` |
//! | 16 | 4 | `ncmds`, the number of load commands |
//! | 20 | 4 | `sizeofcmds`, their size in bytes |
//! | 24 | 4 | `flags` |
//! | 28 | 4 | `reserved`, 64 bits only |

use super::fields::Fields;
use object::macho as raw;

/// A thin file's header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) big: bool,
    pub(super) wide: bool,
    pub(super) cputype: u32,
    pub(super) cpusubtype: u32,
    pub(super) filetype: u32,
    pub(super) ncmds: u32,
    pub(super) sizeofcmds: u32,
}

impl Header {
    /// The header at the start of `bytes`; `None` when the magic is another or the bytes are too few.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (big, wide) = magic(bytes)?;
        let fields = Fields::new(bytes, big);
        // All of it must be there, `reserved` included.
        bytes.get(..if wide { 32 } else { 28 })?;
        Some(Self {
            big,
            wide,
            cputype: fields.u32(4)?,
            cpusubtype: fields.u32(8)?,
            filetype: fields.u32(12)?,
            ncmds: fields.u32(16)?,
            sizeofcmds: fields.u32(20)?,
        })
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> u64 {
        if self.wide { 32 } else { 28 }
    }

    /// Whether the file is a relocatable object: its one segment is not mapped as it stands.
    pub(super) fn is_object(&self) -> bool {
        self.filetype == raw::MH_OBJECT
    }

    /// Whether the fields agree with each other, as they do in every file that loads.
    pub(super) fn agrees(&self) -> bool {
        let flagged = self.cputype & raw::CPU_ARCH_ABI64 != 0;
        let least = u64::from(self.ncmds).saturating_mul(8);
        known_cpu(self.cputype)
            && flagged == self.wide
            && matches!(self.filetype, 1..=15)
            && self.ncmds > 0
            && u64::from(self.sizeofcmds) >= least
    }
}

/// Byte order (big?) and width (64 bits?) by the magic number.
pub(super) fn magic(bytes: &[u8]) -> Option<(bool, bool)> {
    match bytes.get(..4)? {
        [0xfe, 0xed, 0xfa, 0xce] => Some((true, false)),
        [0xfe, 0xed, 0xfa, 0xcf] => Some((true, true)),
        [0xce, 0xfa, 0xed, 0xfe] => Some((false, false)),
        [0xcf, 0xfa, 0xed, 0xfe] => Some((false, true)),
        _ => None,
    }
}

/// Whether `cputype` is a processor that Mach-O files exist for.
pub(super) fn known_cpu(cputype: u32) -> bool {
    matches!(
        cputype & !(raw::CPU_ARCH_ABI64 | raw::CPU_ARCH_ABI64_32),
        1 | 6 | 7 | 10..=16 | 18
    )
}

/// The name that `lipo` and `arch` use.
pub(super) fn arch_name(cputype: u32, cpusubtype: u32) -> String {
    let name = match (cputype, cpusubtype & 0x00ff_ffff) {
        (raw::CPU_TYPE_X86, _) => "i386",
        (raw::CPU_TYPE_X86_64, 8) => "x86_64h",
        (raw::CPU_TYPE_X86_64, _) => "x86_64",
        (raw::CPU_TYPE_ARM64, 2) => "arm64e",
        (raw::CPU_TYPE_ARM64, _) => "arm64",
        (raw::CPU_TYPE_ARM64_32, _) => "arm64_32",
        (raw::CPU_TYPE_ARM, 6) => "armv6",
        (raw::CPU_TYPE_ARM, 9) => "armv7",
        (raw::CPU_TYPE_ARM, 11) => "armv7s",
        (raw::CPU_TYPE_ARM, 12) => "armv7k",
        (raw::CPU_TYPE_ARM, _) => "arm",
        (raw::CPU_TYPE_POWERPC, _) => "ppc",
        (raw::CPU_TYPE_POWERPC64, _) => "ppc64",
        (cpu, sub) => return format!("cpu-{cpu:#x}-{sub:#x}"),
    };
    name.to_owned()
}
