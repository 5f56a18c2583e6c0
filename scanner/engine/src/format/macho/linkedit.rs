//! What load commands place in `__LINKEDIT`: symbols, relocations, binding information, tries.
//!
//! The tables are claimed whole; their contents are not read here. Offsets and counts are 32 bits wide in all of
//! these commands, also in 64-bit files.

use super::command::Command;
use super::fields::Fields;
use super::header::Header;
use super::segment::{Layout, own_leaf, past_end};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Input, Parse};
use crate::ledger::Role;
use crate::name::printable;
use crate::span::Span;
use object::macho as raw;

/// One table.
pub(super) struct Piece {
    pub(super) span: Span,
    role: Role,
    name: String,
    /// Whether it must lie in `__LINKEDIT` when there is such a segment.
    inside: bool,
}

/// Tables of `LC_DYSYMTAB`: where offset and count stand, bytes an entry (32 and 64 bits), role, name.
const DYSYMTAB: [(usize, [u64; 2], Role, &str); 6] = [
    (32, [8, 8], Role::Table, "table of contents"),
    (40, [52, 56], Role::Table, "module table"),
    (48, [4, 4], Role::Table, "referenced symbols"),
    (56, [4, 4], Role::Table, "indirect symbols"),
    (64, [8, 8], Role::Table, "external relocations"),
    (72, [8, 8], Role::Table, "local relocations"),
];

/// Parts of `LC_DYLD_INFO`: where offset and size stand, name.
const DYLD_INFO: [(usize, &str); 5] = [
    (8, "rebase info"),
    (16, "bind info"),
    (24, "weak bind info"),
    (32, "lazy bind info"),
    (40, "export info"),
];

/// Collects the tables that one command names.
pub(super) fn collect(header: &Header, command: &Command<'_>, pieces: &mut Vec<Piece>, out: &mut Parse) {
    let fields = &command.fields;
    let mut add = |span: Option<Span>, role: Role, name: &str| {
        let inside = true;
        pieces.extend(span.map(|span| Piece {
            span,
            role,
            name: name.to_owned(),
            inside,
        }));
    };
    let data = |at| fields.extent(at);
    match command.cmd {
        raw::LC_SYMTAB => {
            add(
                fields.table(8, if header.wide { 16 } else { 12 }),
                Role::Table,
                "symbol table",
            );
            add(data(16), Role::Strings, "string table");
        }
        raw::LC_DYSYMTAB => {
            for (at, [narrow, wide], role, name) in DYSYMTAB {
                add(fields.table(at, if header.wide { wide } else { narrow }), role, name);
            }
        }
        raw::LC_DYLD_INFO | raw::LC_DYLD_INFO_ONLY => {
            for (at, name) in DYLD_INFO {
                add(data(at), Role::Table, name);
            }
        }
        raw::LC_TWOLEVEL_HINTS => add(fields.table(8, 4), Role::Table, "two-level hints"),
        raw::LC_DYLD_CHAINED_FIXUPS => add(data(8), Role::Table, "chained fixups"),
        raw::LC_DYLD_EXPORTS_TRIE => add(data(8), Role::Table, "exports trie"),
        raw::LC_FUNCTION_STARTS => add(data(8), Role::Table, "function starts"),
        raw::LC_DATA_IN_CODE => add(data(8), Role::Table, "data in code"),
        raw::LC_SEGMENT_SPLIT_INFO => add(data(8), Role::Table, "segment split info"),
        raw::LC_DYLIB_CODE_SIGN_DRS => add(data(8), Role::Signature, "library code signing requirements"),
        raw::LC_LINKER_OPTIMIZATION_HINT => add(data(8), Role::Table, "linker optimization hints"),
        raw::LC_ATOM_INFO => add(data(8), Role::Table, "atom info"),
        raw::LC_FUNCTION_VARIANTS => add(data(8), Role::Table, "function variants"),
        raw::LC_FUNCTION_VARIANT_FIXUPS => add(data(8), Role::Table, "function variant fixups"),
        raw::LC_SYMSEG => add(data(8), Role::Table, "symbol segment"),
        raw::LC_NOTE => pieces.extend(note(fields)),
        raw::LC_ENCRYPTION_INFO | raw::LC_ENCRYPTION_INFO_64 => encryption(command, out),
        raw::LC_FILESET_ENTRY => {
            let message = "the images of a kernel collection (LC_FILESET_ENTRY) are not examined one by one";
            out.error(ScanError::new(ErrorCode::Unsupported, message).at(command.span.start()));
        }
        _ => {}
    }
}

/// `note_command`: 16 bytes of owner, then a 64-bit offset and size.
fn note(fields: &Fields<'_>) -> Option<Piece> {
    let owner = printable(fields.name(8)?);
    let span = Span::saturating_at(fields.u64(24)?, fields.u64(32)?);
    Some(Piece {
        span,
        role: Role::Metadata,
        name: format!("note {owner}"),
        inside: false,
    })
}

/// `encryption_info_command`: the encrypted range stays claimed by its sections; what it holds is not examined.
fn encryption(command: &Command<'_>, out: &mut Parse) {
    let fields = &command.fields;
    let (Some(span), Some(cryptid)) = (fields.extent(8), fields.u32(16)) else {
        return;
    };
    if cryptid != 0 && !span.is_empty() {
        let message = format!(
            "{} bytes of the executable are encrypted (cryptid {cryptid})",
            span.len()
        );
        out.finding(Finding::new(code::ENCRYPTED_ENTRY, span, message.clone()).key("cryptid"));
        out.error(ScanError::new(ErrorCode::Encrypted, message).at(span.start()));
    }
}

/// Claims the collected tables and the relocations of sections.
pub(super) fn claim(pieces: Vec<Piece>, layout: &Layout, input: &Input<'_>, out: &mut Parse) {
    let linkedit = layout.segments.iter().find(|s| s.is_linkedit());
    let relocations = layout.relocations.iter().map(|r| Piece {
        span: r.span,
        role: Role::Table,
        name: format!("relocations of {}", r.section),
        inside: false,
    });
    for piece in pieces.into_iter().chain(relocations).filter(|p| !p.span.is_empty()) {
        let home = linkedit.filter(|s| s.file.encloses(piece.span));
        if piece.span.end() > input.len() {
            past_end(piece.span, input, out, &piece.name);
        } else if piece.inside && linkedit.is_some() && home.is_none() {
            let rule = format!(
                "mach-o: the {} lies outside __LINKEDIT (dyld, MachOAnalyzer::validLinkedit)",
                piece.name
            );
            out.malformed(piece.span, &rule);
        }
        own_leaf(out, piece.span, piece.role, piece.name, home.map(|s| s.id));
    }
}
