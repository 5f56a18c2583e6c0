//! Where execution starts: `LC_MAIN`, or the program counter in `LC_UNIXTHREAD`.

use super::command::Command;
use super::header::Header;
use super::segment::Layout;
use crate::fact::Fact;
use crate::format::Parse;
use object::macho as raw;

/// What one command says about the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// `LC_MAIN`: an offset from the start of the image in the file.
    Offset(u64),
    /// `LC_UNIXTHREAD`: an address.
    Address(u64),
}

impl Entry {
    /// The entry that `command` states, when it is one that does.
    pub(super) fn read(header: &Header, command: &Command<'_>) -> Option<Self> {
        match command.cmd {
            raw::LC_MAIN => command.fields.u64(8).map(Self::Offset),
            raw::LC_UNIXTHREAD => program_counter(header, command).map(Self::Address),
            _ => None,
        }
    }
}

/// The program counter of a thread state. As the kernel does, by the processor of the header: `flavor` (at 8) and
/// `count` (at 12) precede the registers.
fn program_counter(header: &Header, command: &Command<'_>) -> Option<u64> {
    let (register, wide) = match header.cputype {
        raw::CPU_TYPE_X86 => (10usize, false),
        raw::CPU_TYPE_X86_64 => (16, true),
        raw::CPU_TYPE_ARM => (15, false),
        raw::CPU_TYPE_ARM64 => (32, true),
        raw::CPU_TYPE_POWERPC => (0, false),
        raw::CPU_TYPE_POWERPC64 => (0, true),
        _ => return None,
    };
    let at = register.checked_mul(if wide { 8 } else { 4 })?.checked_add(16)?;
    command.fields.word(at, wide)
}

/// Emits the entry point. `LC_MAIN` wins, as it does in dyld; two commands of one kind are malformed.
pub(super) fn emit(entries: &[(Entry, crate::span::Span)], layout: &Layout, out: &mut Parse) {
    let main = entries.iter().find(|(e, _)| matches!(e, Entry::Offset(_)));
    let Some((entry, _)) = main.or(entries.first()) else {
        return;
    };
    if let [_, (_, second), ..] = entries {
        out.malformed(
            *second,
            "mach-o: more than one command says where execution starts (mach-o/loader.h, LC_MAIN)",
        );
    }
    let offset = match *entry {
        Entry::Offset(offset) => Some(offset),
        Entry::Address(address) => layout.offset_of(address),
    };
    let inside_code = offset.is_some_and(|offset| layout.is_code(offset));
    out.fact(Fact::EntryPoint { offset, inside_code });
}
