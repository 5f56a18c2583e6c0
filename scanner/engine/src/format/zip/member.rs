//! What becomes of one member's data: a nested artifact, a link's target, or an error that says why not.

use super::central::Central;
use super::decode::{self, Inflate};
use super::recode::Recode;
use super::reconcile::UTF8;
use crate::fact::{Entry, EntryKind, Fact};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::compressed::{bzip2, lzma, xz, zstd};
use crate::format::{Input, Parse};
use crate::ledger::{Region, Role};
use crate::policy::shown;
use crate::span::Span;

/// Longer link targets are abuse: `PATH_MAX`.
const LONGEST_TARGET: u64 = 4096;

/// How a member's bytes relate to those of other members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// They are its own.
    Alone,
    /// Others hold some of them, too; they are decoded all the same.
    Shared,
    /// Exactly these bytes were decoded for another member.
    Same,
    /// Others hold some of them, too, and enough of them were decoded.
    Skipped,
}

/// One member, whichever header it is known by.
#[derive(Clone, Debug)]
pub(super) struct Member<'m> {
    /// The raw name.
    pub(super) name: &'m [u8],
    /// Where the name stands.
    pub(super) name_span: Span,
    /// Another name, under which readers of Info-ZIP's Unicode path extract it.
    pub(super) unicode_name: Option<&'m [u8]>,
    /// Its data, as far as they are there.
    pub(super) payload: Span,
    /// The compressed size stated.
    pub(super) compressed: u64,
    /// The uncompressed size stated.
    pub(super) size: u64,
    pub(super) crc: u32,
    pub(super) flags: u16,
    pub(super) method: u16,
    /// The file type bits of the Unix mode, 0 when unknown.
    pub(super) file_type: u32,
    /// Whether the directory lists it.
    pub(super) listed: bool,
    pub(super) sharing: Sharing,
}

impl<'m> Member<'m> {
    pub(super) fn of(central: &'m Central, payload: Span, sharing: Sharing) -> Self {
        Self {
            name: &central.name,
            name_span: central.name_span(),
            unicode_name: central.extras.unicode_name.as_deref(),
            payload,
            compressed: central.compressed,
            size: central.size,
            crc: central.crc,
            flags: central.flags,
            method: central.method,
            file_type: central.file_type(),
            listed: true,
            sharing,
        }
    }

    /// States the member, claims its data and hands them on.
    pub(super) fn emit(&self, input: &Input<'_>, out: &mut Parse) {
        self.name_rules(out);
        let kind = self.kind(input, out);
        let link = matches!(kind, EntryKind::Symlink(_));
        let directory = kind == EntryKind::Directory;
        let content = u64::from(self.crc) << 32 | (self.size & 0xffff_ffff);
        let mut entry = Entry {
            name: self.name.into(),
            span: self.name_span,
            kind,
            content: Some(content),
        };
        if let Some(unicode) = self.unicode_name {
            let kind = entry.kind.clone();
            out.fact(Fact::Entry(entry));
            entry = Entry {
                name: unicode.into(),
                span: self.name_span,
                kind,
                content: Some(content),
            };
        }
        out.fact(Fact::Entry(entry));
        if directory && self.compressed == 0 && self.size == 0 {
            return;
        }
        if directory && self.size > 0 {
            out.malformed(self.name_span, "zip: a directory has content (4.4.17)");
        }
        if link {
            self.claim(out);
        } else {
            self.content(out);
        }
    }

    fn name_rules(&self, out: &mut Parse) {
        if self.name.is_empty() {
            out.malformed(self.name_span, "zip: a member has no name (4.4.17)");
        }
        if self.flags & UTF8 != 0 && std::str::from_utf8(self.name).is_err() {
            out.malformed(
                self.name_span,
                "zip: a name that is flagged as UTF-8 is not (4.4.4, bit 11)",
            );
        }
        if self.name.contains(&b'\\') {
            let message = "zip: a name holds backslashes in place of slashes (4.4.17)";
            let finding = Finding::new(code::MALFORMED, self.name_span, message)
                .case("lenient")
                .key(message);
            out.finding(finding);
        }
    }

    fn kind(&self, input: &Input<'_>, out: &mut Parse) -> EntryKind {
        if self.name.ends_with(b"/") {
            return EntryKind::Directory;
        }
        match self.file_type {
            0o120_000 => EntryKind::Symlink(self.target(input, out).into()),
            0o040_000 if self.size == 0 => EntryKind::Directory,
            0o020_000 => EntryKind::Special("a character device"),
            0o060_000 => EntryKind::Special("a block device"),
            0o010_000 => EntryKind::Special("a FIFO"),
            0o140_000 => EntryKind::Special("a socket"),
            _ => EntryKind::File,
        }
    }

    /// Where a symbolic link leads: its content.
    fn target(&self, input: &Input<'_>, out: &mut Parse) -> Vec<u8> {
        let unread = |why: &str, out: &mut Parse| {
            let message = format!("the target of the link {} was not read: {why}", shown(self.name));
            out.error(ScanError::new(ErrorCode::Unreadable, message).at(self.payload.start()));
            Vec::new()
        };
        if self.encrypted() {
            self.encryption(out);
            return Vec::new();
        }
        if self.size > LONGEST_TARGET || self.payload.len() > LONGEST_TARGET {
            out.malformed(
                self.name_span,
                "zip: the target of a symbolic link is longer than 4096 bytes",
            );
            return unread("it is too long", out);
        }
        let bytes = match input.read(self.payload) {
            Ok(bytes) => bytes,
            Err(fault) => {
                out.fault(&fault, "link target");
                return Vec::new();
            }
        };
        let target = match self.method {
            0 => bytes.into_owned(),
            8 => match decode::small(&bytes, LONGEST_TARGET) {
                Some(target) => target,
                None => return unread("it does not decode", out),
            },
            _ => return unread("its compression method is not supported", out),
        };
        if crc32fast::hash(&target) != self.crc {
            let name = shown(self.name);
            let message = format!("{name} does not have the CRC-32 that its headers say");
            let finding = Finding::new(code::HEADER_MISMATCH, self.payload, message).case("crc");
            out.finding(finding.key(format!("{name} crc")));
        }
        target
    }

    /// Whether some flag or method says that the data are encrypted.
    fn encrypted(&self) -> bool {
        self.flags & 0x41 != 0 || self.method == 99
    }

    fn encryption(&self, out: &mut Parse) {
        let name = shown(self.name);
        let how = match (self.flags & 0x40 != 0, self.method) {
            (_, 99) => "with WinZip AES",
            (true, _) => "with strong encryption",
            _ => "with a password",
        };
        let message = format!("{name} is encrypted {how}");
        out.finding(Finding::new(code::ENCRYPTED_ENTRY, self.payload, message.clone()).key(name));
        out.error(ScanError::new(ErrorCode::Encrypted, message).at(self.payload.start()));
    }

    fn content(&self, out: &mut Parse) {
        let name = shown(self.name);
        match self.sharing {
            Sharing::Same => return self.claim(out),
            Sharing::Skipped => {
                let message = format!("{name} shares its bytes with other members and was not decoded");
                out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(self.payload.start()));
                return self.claim(out);
            }
            Sharing::Alone | Sharing::Shared => {}
        }
        let encrypted = self.encrypted();
        if encrypted {
            self.encryption(out);
        }
        match self.method {
            // Encryption adds a header: data of exactly the plain size are flagged, and plain.
            0 if encrypted && self.compressed != self.size => self.claim(out),
            0 => self.stored(&name, out),
            8 => {
                let codec = Inflate {
                    name: self.name.into(),
                    span: self.payload,
                    compressed: self.compressed,
                    size: self.size,
                    crc: self.crc,
                    tolerant: encrypted,
                    shared: self.sharing == Sharing::Shared,
                };
                out.decoded(self.payload, self.name, Box::new(codec), self.listed);
            }
            99 => self.claim(out),
            method @ (12 | 14 | 93 | 95) if !encrypted => {
                let length = self.payload.len();
                // The size is that of the headers, unless flag bit 1 says that LZMA has an end marker (5.8.9).
                let size = (self.flags & 2 == 0).then_some(self.size);
                let codec = Recode {
                    inner: match method {
                        12 => bzip2::decoder(length),
                        14 => lzma::member(length, size),
                        93 => zstd::decoder(length),
                        _ => xz::decoder(length),
                    },
                    name: self.name.into(),
                    span: self.payload,
                    compressed: self.compressed,
                    size: self.size,
                    crc: self.crc,
                    shared: self.sharing == Sharing::Shared,
                };
                out.decoded(self.payload, self.name, Box::new(codec), self.listed);
            }
            method => {
                self.claim(out);
                if !encrypted {
                    let message = format!(
                        "{name}: compression method {method} ({}) is not read",
                        method_name(method)
                    );
                    out.error(ScanError::new(ErrorCode::Unsupported, message).at(self.payload.start()));
                }
            }
        }
    }

    fn stored(&self, name: &str, out: &mut Parse) {
        if self.compressed != self.size {
            let message = format!(
                "{name} is stored, {} bytes, and its headers say {}",
                self.compressed, self.size
            );
            let finding = Finding::new(code::HEADER_MISMATCH, self.payload, message).case("size");
            out.finding(finding.key(format!("{name} size")).evidence("name", name));
        }
        if self.payload.len() < self.compressed {
            let message = format!(
                "{name} needs {} bytes, {} are there",
                self.compressed,
                self.payload.len()
            );
            out.finding(Finding::new(code::TRUNCATED, self.payload, message).key(name));
        }
        if self.payload.len() == self.compressed {
            out.fact(Fact::Checksum {
                span: self.payload,
                crc32: self.crc,
            });
        }
        let id = out.slice(self.payload, self.name, self.listed);
        if self.sharing == Sharing::Shared
            && let Some(region) = out.region_mut(id)
        {
            region.shares = Some("entries");
        }
    }

    fn claim(&self, out: &mut Parse) {
        out.region(Region {
            span: self.payload,
            role: Role::Payload,
            name: shown(self.name).into(),
            parent: None,
            leaf: true,
            fill: None,
            shares: (self.sharing != Sharing::Alone).then_some("entries"),
        });
    }
}

/// The compression methods of APPNOTE 4.4.5.
fn method_name(method: u16) -> &'static str {
    match method {
        1 => "shrunk",
        2..=5 => "reduced",
        6 => "imploded",
        7 => "tokenized",
        9 => "deflate64",
        10 => "PKWARE DCL imploded",
        12 => "bzip2",
        14 => "lzma",
        16 => "IBM z/OS CMPSC",
        18 => "IBM TERSE",
        19 => "IBM LZ77",
        20 | 93 => "zstd",
        94 => "mp3",
        95 => "xz",
        96 => "jpeg",
        97 => "WavPack",
        98 => "PPMd",
        _ => "unknown",
    }
}
