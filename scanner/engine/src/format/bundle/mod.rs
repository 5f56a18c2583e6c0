//! Programs that carry a program of their own: what is inside, by name, to the last byte.
//!
//! | kind | where it stands | here |
//! | --- | --- | --- |
//! | Node single executable | ELF note, PE resource, Mach-O section | [`sea`] |
//! | Deno | ELF note or appended, PE resource, Mach-O section | [`deno`] |
//! | eszip | inside Deno 1 and 2.0, or a file of its own | [`eszip`] |
//! | PyInstaller | appended | [`pyinstaller`] |
//! | nexe | appended | [`nexe`] |
//! | pkg | appended, its table in a script at the end | [`pkg`] |
//! | .NET single file | appended, found through a marker in the host | [`dotnet`] |
//! | AppImage | an ELF file with a file system behind it | [`appended`] |
//! | asar | a file of its own | [`asar`] |
//!
//! Bun's payloads are older here and have [`super::bun`]. The host's format asks [`appended::claim`] about what stands
//! behind its own structures; the rest are artifacts in a place the host knows. Nothing that is carried is run, and no
//! compiled script (V8 snapshots and code caches) is looked into.

pub(super) mod appended;
pub(super) mod arguments;
pub(super) mod asar;
pub(super) mod deno;
pub(super) mod dotnet;
pub(super) mod eszip;
#[cfg(test)]
mod eszip_tests;
mod inflate;
pub(super) mod nexe;
pub(super) mod pkg;
pub(super) mod pyinstaller;
pub(super) mod sea;
#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "fixtures are small and trusted"
)]
mod tests;

use super::{Cursor, Parse, ReadFault};
use crate::fact::{Bundle, Fact};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::ledger::{Region, Role};
use crate::name::{hidden, printable};
use crate::span::Span;
use std::collections::HashMap;

/// The most members of one bundle that are read.
const MOST_MEMBERS: u64 = 1 << 20;
/// The longest name that is read, in bytes.
const LONGEST_NAME: u64 = 4096;
/// Names that a fact lists.
const LISTED: usize = 64;

/// Emits what a bundle is.
pub(super) fn bundle(
    kind: &'static str,
    entry: &[String],
    members: u64,
    flags: Vec<String>,
    span: Span,
    out: &mut Parse,
) {
    out.fact(Fact::Bundle(Box::new(Bundle {
        kind,
        entry: entry.iter().take(LISTED).map(|e| e.as_str().into()).collect(),
        members,
        flags: flags.into_iter().map(Into::into).collect(),
        span,
    })));
}

/// A limit of this reader: the rest was not examined.
fn limit(what: &str, at: u64, out: &mut Parse) {
    out.error(ScanError::new(ErrorCode::LimitExceeded, what).at(at));
}

/// A name that people would not read as it is becomes a fact.
fn odd_name(what: &'static str, raw: &[u8], length: u64, span: Span, out: &mut Parse) {
    if std::str::from_utf8(raw).map_or(true, |text| text.chars().any(hidden)) || length > LONGEST_NAME {
        out.fact(Fact::Name {
            what,
            raw: raw.into(),
            length,
            span,
        });
    }
}

/// Members that were seen before by name: a loader takes one of them, and which one is its secret.
#[derive(Default)]
struct Names(HashMap<Vec<u8>, Span>);

impl Names {
    fn add(&mut self, raw: &[u8], span: Span, out: &mut Parse) {
        let Some(first) = self.0.insert(raw.to_vec(), span) else {
            return;
        };
        let name = printable(raw);
        let message = format!("two members are called {name}");
        let finding = Finding::new(code::DUPLICATE_ENTRY, span, message).related("first member of this name", first);
        out.finding(finding.evidence("name", name.clone()).key(name));
    }
}

/// Claims content that another member claimed already: bundlers store equal files once.
fn again(span: Span, name: &[u8], out: &mut Parse) {
    out.region(Region {
        span,
        role: Role::Payload,
        name: printable(name).into(),
        parent: None,
        leaf: true,
        fill: None,
        shares: Some("modules"),
    });
}

/// Bytes behind a length of 8 bytes, both little-endian: where the length and where the bytes stand.
fn counted(cursor: &mut Cursor<'_, '_>) -> Result<(Span, Span), ReadFault> {
    let at = cursor.position();
    let length = cursor.u64_le()?;
    Ok((Span::saturating_at(at, 8), cursor.skip(length)?))
}
