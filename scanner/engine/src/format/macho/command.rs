//! Load commands (`mach-o/loader.h`): the walk over them, and what each is called.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `cmd`; its highest bit asks the loader to refuse the file when it does not know the command |
//! | 4 | 4 | `cmdsize`: with these 8 bytes, a multiple of 8 (64 bits) or 4 (32 bits) |

use super::fields::Fields;
use super::header::Header;
use crate::format::Parse;
use crate::span::Span;
use object::macho as raw;

/// The most load commands that are read. The largest real files (kernel collections) have a few thousand.
const MOST: usize = 1 << 16;
/// The most bytes of load commands that are read.
pub(super) const MOST_BYTES: u64 = 16 << 20;

/// How long a command of a kind is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// Exactly so many bytes.
    Exact(u32),
    /// At least so many: something of variable length follows.
    AtLeast(u32),
}
use Size::{AtLeast, Exact};

/// `cmd`, name, size.
const COMMANDS: &[(u32, &str, Size)] = &[
    (raw::LC_SEGMENT, "LC_SEGMENT", AtLeast(56)),
    (raw::LC_SYMTAB, "LC_SYMTAB", Exact(24)),
    (raw::LC_SYMSEG, "LC_SYMSEG", Exact(16)),
    (raw::LC_THREAD, "LC_THREAD", AtLeast(8)),
    (raw::LC_UNIXTHREAD, "LC_UNIXTHREAD", AtLeast(8)),
    (raw::LC_LOADFVMLIB, "LC_LOADFVMLIB", AtLeast(20)),
    (raw::LC_IDFVMLIB, "LC_IDFVMLIB", AtLeast(20)),
    (raw::LC_IDENT, "LC_IDENT", AtLeast(8)),
    (raw::LC_FVMFILE, "LC_FVMFILE", AtLeast(16)),
    (raw::LC_PREPAGE, "LC_PREPAGE", AtLeast(8)),
    (raw::LC_DYSYMTAB, "LC_DYSYMTAB", Exact(80)),
    (raw::LC_LOAD_DYLIB, "LC_LOAD_DYLIB", AtLeast(24)),
    (raw::LC_ID_DYLIB, "LC_ID_DYLIB", AtLeast(24)),
    (raw::LC_LOAD_DYLINKER, "LC_LOAD_DYLINKER", AtLeast(12)),
    (raw::LC_ID_DYLINKER, "LC_ID_DYLINKER", AtLeast(12)),
    (raw::LC_PREBOUND_DYLIB, "LC_PREBOUND_DYLIB", AtLeast(20)),
    (raw::LC_ROUTINES, "LC_ROUTINES", Exact(40)),
    (raw::LC_SUB_FRAMEWORK, "LC_SUB_FRAMEWORK", AtLeast(12)),
    (raw::LC_SUB_UMBRELLA, "LC_SUB_UMBRELLA", AtLeast(12)),
    (raw::LC_SUB_CLIENT, "LC_SUB_CLIENT", AtLeast(12)),
    (raw::LC_SUB_LIBRARY, "LC_SUB_LIBRARY", AtLeast(12)),
    (raw::LC_TWOLEVEL_HINTS, "LC_TWOLEVEL_HINTS", Exact(16)),
    (raw::LC_PREBIND_CKSUM, "LC_PREBIND_CKSUM", Exact(12)),
    (raw::LC_LOAD_WEAK_DYLIB, "LC_LOAD_WEAK_DYLIB", AtLeast(24)),
    (raw::LC_SEGMENT_64, "LC_SEGMENT_64", AtLeast(72)),
    (raw::LC_ROUTINES_64, "LC_ROUTINES_64", Exact(72)),
    (raw::LC_UUID, "LC_UUID", Exact(24)),
    (raw::LC_RPATH, "LC_RPATH", AtLeast(12)),
    (raw::LC_CODE_SIGNATURE, "LC_CODE_SIGNATURE", Exact(16)),
    (raw::LC_SEGMENT_SPLIT_INFO, "LC_SEGMENT_SPLIT_INFO", Exact(16)),
    (raw::LC_REEXPORT_DYLIB, "LC_REEXPORT_DYLIB", AtLeast(24)),
    (raw::LC_LAZY_LOAD_DYLIB, "LC_LAZY_LOAD_DYLIB", AtLeast(24)),
    (raw::LC_ENCRYPTION_INFO, "LC_ENCRYPTION_INFO", Exact(20)),
    (raw::LC_DYLD_INFO, "LC_DYLD_INFO", Exact(48)),
    (raw::LC_DYLD_INFO_ONLY, "LC_DYLD_INFO_ONLY", Exact(48)),
    (raw::LC_LOAD_UPWARD_DYLIB, "LC_LOAD_UPWARD_DYLIB", AtLeast(24)),
    (raw::LC_VERSION_MIN_MACOSX, "LC_VERSION_MIN_MACOSX", Exact(16)),
    (raw::LC_VERSION_MIN_IPHONEOS, "LC_VERSION_MIN_IPHONEOS", Exact(16)),
    (raw::LC_FUNCTION_STARTS, "LC_FUNCTION_STARTS", Exact(16)),
    (raw::LC_DYLD_ENVIRONMENT, "LC_DYLD_ENVIRONMENT", AtLeast(12)),
    (raw::LC_MAIN, "LC_MAIN", Exact(24)),
    (raw::LC_DATA_IN_CODE, "LC_DATA_IN_CODE", Exact(16)),
    (raw::LC_SOURCE_VERSION, "LC_SOURCE_VERSION", Exact(16)),
    (raw::LC_DYLIB_CODE_SIGN_DRS, "LC_DYLIB_CODE_SIGN_DRS", Exact(16)),
    (raw::LC_ENCRYPTION_INFO_64, "LC_ENCRYPTION_INFO_64", Exact(24)),
    (raw::LC_LINKER_OPTION, "LC_LINKER_OPTION", AtLeast(12)),
    (
        raw::LC_LINKER_OPTIMIZATION_HINT,
        "LC_LINKER_OPTIMIZATION_HINT",
        Exact(16),
    ),
    (raw::LC_VERSION_MIN_TVOS, "LC_VERSION_MIN_TVOS", Exact(16)),
    (raw::LC_VERSION_MIN_WATCHOS, "LC_VERSION_MIN_WATCHOS", Exact(16)),
    (raw::LC_NOTE, "LC_NOTE", Exact(40)),
    (raw::LC_BUILD_VERSION, "LC_BUILD_VERSION", AtLeast(24)),
    (raw::LC_DYLD_EXPORTS_TRIE, "LC_DYLD_EXPORTS_TRIE", Exact(16)),
    (raw::LC_DYLD_CHAINED_FIXUPS, "LC_DYLD_CHAINED_FIXUPS", Exact(16)),
    (raw::LC_FILESET_ENTRY, "LC_FILESET_ENTRY", AtLeast(32)),
    (raw::LC_ATOM_INFO, "LC_ATOM_INFO", Exact(16)),
    (raw::LC_FUNCTION_VARIANTS, "LC_FUNCTION_VARIANTS", Exact(16)),
    (raw::LC_FUNCTION_VARIANT_FIXUPS, "LC_FUNCTION_VARIANT_FIXUPS", Exact(16)),
    (raw::LC_TARGET_TRIPLE, "LC_TARGET_TRIPLE", AtLeast(12)),
];

/// One load command.
#[derive(Clone, Copy)]
pub(super) struct Command<'a> {
    pub(super) cmd: u32,
    /// Its bytes, `cmd` and `cmdsize` included.
    pub(super) fields: Fields<'a>,
    /// Where they stand in the file.
    pub(super) span: Span,
}

impl<'a> Command<'a> {
    /// The name from the header file, or the number.
    pub(super) fn name(&self) -> String {
        match known(self.cmd) {
            Some((name, _)) => name.to_owned(),
            None => format!("LC_{:#x}", self.cmd),
        }
    }

    /// Whether the size is one that the kind of command can have.
    pub(super) fn sized(&self) -> bool {
        match known(self.cmd) {
            Some((_, Exact(size))) => self.span.len() == u64::from(size),
            Some((_, AtLeast(size))) => self.span.len() >= u64::from(size),
            None => true,
        }
    }

    /// The string whose `lc_str` offset stands at `at`, with its span; `None` when it lies outside the command.
    pub(super) fn string(&self, at: usize) -> Option<(&'a [u8], Span)> {
        let offset = self.fields.u32(at)?;
        let from = usize::try_from(offset).ok().filter(|from| *from > at)?;
        let rest = self.fields.bytes.get(from..).filter(|rest| !rest.is_empty())?;
        let text = super::fields::until_nul(rest);
        let start = self.span.start().checked_add(u64::from(offset))?;
        Some((text, Span::at(start, u64::try_from(text.len()).ok()?)?))
    }
}

fn known(cmd: u32) -> Option<(&'static str, Size)> {
    COMMANDS
        .iter()
        .find(|(number, ..)| *number == cmd)
        .map(|(_, name, size)| (*name, *size))
}

/// The commands in `bytes`, which follow the header. Stops at the first one whose size cannot be true.
pub(super) fn walk<'a>(header: &Header, bytes: &'a [u8], out: &mut Parse) -> Vec<Command<'a>> {
    let all = Fields::new(bytes, header.big);
    let align = if header.wide { 8u32 } else { 4 };
    let mut commands = Vec::new();
    let mut at = 0usize;
    let place = |at: usize| header.size().saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
    for number in 0..header.ncmds {
        let start = place(at);
        let (Some(cmd), Some(cmdsize)) = (all.u32(at), all.u32(at.saturating_add(4))) else {
            // Fewer bytes than `sizeofcmds` are reported where they were read.
            let stated = u64::try_from(bytes.len()).is_ok_and(|n| n == u64::from(header.sizeofcmds));
            if stated {
                let rule = "mach-o: ncmds commands do not fit in sizeofcmds (mach-o/loader.h, mach_header)";
                out.malformed(Span::new(16, 24), rule);
            }
            return commands;
        };
        let size = usize::try_from(cmdsize).unwrap_or(usize::MAX);
        if size < 8 {
            let rule = "mach-o: cmdsize is less than a load command's 8 bytes (mach-o/loader.h, load_command)";
            out.malformed(Span::saturating_at(start, 8), rule);
            return commands;
        }
        let Some(own) = bytes.get(at..at.saturating_add(size)) else {
            let rule = "mach-o: cmdsize runs past sizeofcmds (mach-o/loader.h, load_command)";
            out.malformed(Span::saturating_at(start, 8), rule);
            return commands;
        };
        if number >= u32::try_from(MOST).unwrap_or(u32::MAX) {
            let message = format!("more than {MOST} load commands: the rest was not examined");
            out.error(crate::finding::ScanError::new(crate::finding::ErrorCode::LimitExceeded, message).at(start));
            return commands;
        }
        if !cmdsize.is_multiple_of(align) {
            let rule = "mach-o: cmdsize is not a multiple of the word size (mach-o/loader.h, load_command)";
            out.malformed(Span::saturating_at(start, 8), rule);
        }
        let span = Span::saturating_at(start, u64::from(cmdsize));
        let command = Command {
            cmd,
            fields: Fields::new(own, header.big),
            span,
        };
        if !command.sized() {
            let rule = format!("mach-o: {} has a size it cannot have (mach-o/loader.h)", command.name());
            out.malformed(span, &rule);
        }
        commands.push(command);
        at = at.saturating_add(size);
    }
    if place(at) != header.size().saturating_add(u64::from(header.sizeofcmds)) && at <= bytes.len() {
        let rule = "mach-o: sizeofcmds is more than the size of all commands (mach-o/loader.h, mach_header)";
        out.malformed(Span::new(20, 24), rule);
    }
    commands
}
