//! How a program was built, as its headers, notes and symbol names tell; and what an ELF file lacks that every linker
//! writes.
//!
//! | asked | told by |
//! | --- | --- |
//! | position independent | `e_type` |
//! | read-only relocations, bound at once | `PT_GNU_RELRO`; `DT_BIND_NOW`, `DF_BIND_NOW`, `DF_1_NOW` |
//! | stack not executable | `PT_GNU_STACK`, when there is one |
//! | stack canaries, checked string functions | `__stack_chk_fail`, `.._chk` among the dynamic symbols; of C and C++ only |
//!
//! A program of Go is not position independent as a rule, and neither is one that is linked statically, so nothing of this
//! is missing in them. Libraries are not asked.

use super::header::{Fields, Header};
use super::section::{Section, Sections};
use super::segment::{Segment, Segments};
use crate::fact::{Build, Fact};
use crate::finding::{Finding, code};
use crate::format::{Input, Parse, buildinfo};
use crate::span::Span;
use object::elf;

/// Bytes of dynamic symbol names that are looked through.
const MOST_NAMES: u64 = 4 << 20;

/// Emits the facts and findings.
pub(super) fn describe(
    input: &Input<'_>,
    header: &Header,
    sections: &Sections<'_>,
    segments: &Segments<'_>,
    out: &mut Parse,
) {
    if !matches!(header.e_type, elf::ET_EXEC | elf::ET_DYN) || !segments.loads().any(|(_, s)| s.has(elf::PF_X)) {
        return;
    }
    if sections.list.is_empty() {
        let message = "there are no section headers, which linkers write and `strip` keeps";
        let finding = Finding::new(code::UNUSUAL_STRUCTURE, Span::saturating_at(0, 64), message);
        out.finding(finding.case("no-sections").region("ELF header").key("no-sections"));
    }
    let named = |name: &[u8]| sections.list.iter().find(|s| sections.name(s) == Some(name));
    debug_link(input, named(b".gnu_debuglink"), out);
    let dynamic = segments.first(elf::PT_DYNAMIC).and_then(Segment::span);
    let flags = dynamic.map_or_else(Dynamic::default, |span| Dynamic::read(input, header, span));
    let program = header.e_type == elf::ET_EXEC || flags.pie || segments.first(elf::PT_INTERP).is_some();
    let of = |section: Option<&Section>, most: u64| {
        let span = section?.span()?;
        let bytes = input.read_up_to(span.start(), span.len().min(most)).ok()?;
        Some((span, bytes))
    };
    let go = of(named(b".go.buildinfo"), buildinfo::MOST);
    let dependencies = of(named(b".dep-v0"), buildinfo::MOST);
    let comment = of(named(b".comment"), 4096);
    let is_go = go.is_some() || named(b".gopclntab").is_some() || named(b".note.go.buildid").is_some();
    let rustc = comment.as_ref().and_then(|(_, text)| rustc(text));
    let mut build = Build {
        toolchain: "c",
        version: "".into(),
        modules: Vec::new(),
        missing: Vec::new(),
        span: Span::saturating_at(0, 64),
    };
    if is_go {
        build.toolchain = "go";
        if let Some((span, built)) = go.and_then(|(span, bytes)| Some((span, buildinfo::go(&bytes)?))) {
            (build.span, build.version, build.modules) = (span, built.version.into(), built.modules);
        }
    } else if rustc.is_some() || dependencies.is_some() {
        build.toolchain = "rust";
        build.version = rustc.unwrap_or_default().into();
        if let Some((span, built)) = dependencies.and_then(|(span, bytes)| Some((span, buildinfo::crates(&bytes)?))) {
            (build.span, build.modules) = (span, built.modules);
        }
    }
    if program && dynamic.is_some() {
        let names = of(named(b".dynstr"), MOST_NAMES).map(|(_, bytes)| bytes);
        build.missing = missing(header, segments, &flags, build.toolchain, names.as_deref());
    }
    if build.toolchain != "c" || !build.missing.is_empty() {
        out.fact(Fact::Build(Box::new(build)));
    }
}

fn missing(
    header: &Header,
    segments: &Segments<'_>,
    flags: &Dynamic,
    toolchain: &str,
    names: Option<&[u8]>,
) -> Vec<&'static str> {
    let mut missing = Vec::new();
    let mut check = |there: bool, what: &'static str| {
        if !there {
            missing.push(what);
        }
    };
    let stack = segments.first(elf::PT_GNU_STACK);
    check(
        stack.is_none_or(|s| !s.has(elf::PF_X)),
        "a stack that is not executable",
    );
    if toolchain == "go" {
        return missing;
    }
    check(header.e_type == elf::ET_DYN, "position-independent code (PIE)");
    check(
        segments.first(elf::PT_GNU_RELRO).is_some(),
        "read-only relocations (RELRO)",
    );
    check(flags.now, "immediate binding (BIND_NOW)");
    // Without names of glibc nothing says whether its checks would be called.
    if let Some(names) = names.filter(|n| toolchain == "c" && memchr::memmem::find(n, b"GLIBC_").is_some()) {
        let has = |name: &[u8]| memchr::memmem::find(names, name).is_some();
        check(has(b"__stack_chk_fail\0"), "stack canaries");
        check(has(b"_chk\0"), "checked string functions (FORTIFY_SOURCE)");
    }
    missing
}

/// What the dynamic table says of binding.
#[derive(Default)]
struct Dynamic {
    now: bool,
    pie: bool,
}

impl Dynamic {
    fn read(input: &Input<'_>, header: &Header, span: Span) -> Self {
        const MOST: u64 = 8192;
        const DF_1_PIE: u64 = 0x0800_0000;
        let entry = header.layout.word().saturating_mul(2);
        let mut out = Self::default();
        let Ok(table) = input.read_up_to(span.start(), span.len().min(MOST.saturating_mul(entry))) else {
            return out;
        };
        for raw in table.chunks_exact(usize::try_from(entry).unwrap_or(16)) {
            let mut f = Fields::new(raw, header.layout);
            let (Some(tag), Some(value)) = (f.word(), f.word()) else {
                break;
            };
            match i64::try_from(tag).unwrap_or(-1) {
                elf::DT_NULL => break,
                elf::DT_BIND_NOW => out.now = true,
                elf::DT_FLAGS => out.now |= value & u64::from(elf::DF_BIND_NOW) != 0,
                elf::DT_FLAGS_1 => {
                    out.now |= value & u64::from(elf::DF_1_NOW) != 0;
                    out.pie |= value & DF_1_PIE != 0;
                }
                _ => {}
            }
        }
        out
    }
}

/// The version of `rustc` in `.comment`.
fn rustc(comment: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"rustc version ";
    let at = memchr::memmem::find(comment, NAME)?.checked_add(NAME.len())?;
    let text = comment.get(at..)?;
    let end = text.iter().position(|b| matches!(b, 0 | b' ')).unwrap_or(text.len());
    Some(crate::name::printable(text.get(..end.min(64))?))
}

/// A file of symbols is looked for by name beside the program; a path leads a debugger elsewhere, and debuggers run what
/// such files bring.
fn debug_link(input: &Input<'_>, section: Option<&Section>, out: &mut Parse) {
    let Some(span) = section.and_then(Section::span) else {
        return;
    };
    let Ok(bytes) = input.read_up_to(span.start(), span.len().min(4096)) else {
        return;
    };
    let name = bytes.split(|b| *b == 0).next().unwrap_or_default();
    if name.contains(&b'/') {
        let shown = crate::name::printable(name);
        let message = format!("the file of symbols is named by a path: {shown}");
        let finding = Finding::new(code::UNUSUAL_STRUCTURE, span, message).case("debug-link");
        out.finding(finding.evidence("path", shown).key("debug-link"));
    }
}
