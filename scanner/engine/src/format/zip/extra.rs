//! Extra fields: tagged values after a name (APPNOTE 4.5, 4.6).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 2 | header ID |
//! | 2 | 2 | length of the value |
//! | 4 | .. | value |
//!
//! A field is claimed as far as its ID accounts for it: a timestamp of 60 KiB is a timestamp and a gap. Padding fields
//! (PyTorch's `FB`, Android's, Microsoft's) are claimed as padding. What does not parse stays unclaimed, except the zero
//! fill of old `zipalign`.

use super::fields::{Fields, wide};
use crate::finding::{Finding, code};
use crate::format::Parse;
use crate::ledger::{Fill, Region, RegionId, Role};
use crate::policy::shown;
use crate::span::Span;

/// ZIP64 sizes and offset.
const ZIP64: u16 = 0x0001;
/// Info-ZIP Unicode path.
const UNICODE_PATH: u16 = 0x7075;
/// WinZip AES.
const AES: u16 = 0x9901;
/// PyTorch's alignment, `FB`.
const TORCH: u16 = 0x4246;
/// Android's `zipalign`: alignment (u16), then zeros.
const ANDROID: u16 = 0xd935;
/// Microsoft's growth hint: `0xa028`, its size (u16), then zeros.
const GROWTH: u16 = 0xa220;
/// A value of an unknown ID that is shorter than this holds no payload.
const SMALL: u64 = 16;

/// IDs with the longest value that their specification gives them.
const KNOWN: &[(u16, u64)] = &[
    (ZIP64, 28),
    (0x0007, 512),    // AV info
    (0x0009, 512),    // OS/2
    (0x000a, 64),     // NTFS times
    (0x000c, 512),    // OpenVMS
    (0x000d, 512),    // PKWARE Unix
    (0x0014, 4096),   // X.509 certificate store
    (0x0015, 4096),   // X.509 certificate of the file
    (0x0016, 4096),   // X.509 certificate of the directory
    (0x0017, 4096),   // strong encryption header
    (0x0018, 512),    // record management
    (0x0019, 4096),   // recipient certificates
    (0x0065, 512),    // IBM uncompressed attributes
    (0x2605, 512),    // ZipIt Macintosh
    (0x2705, 512),    // ZipIt Macintosh, short
    (0x334d, 512),    // Macintosh
    (0x4453, 4096),   // Windows security descriptor
    (0x5455, 13),     // extended timestamp
    (0x5855, 12),     // Unix, first kind
    (0x6375, 65_535), // Unicode comment
    (UNICODE_PATH, 65_535),
    (0x756e, 512), // ASi Unix
    (0x7855, 4),   // Unix, second kind
    (0x7875, 24),  // Unix UID and GID
    (AES, 7),
    (0xa11e, 64), // Apache Commons Compress alignment
    (0xcafe, 0),  // JAR marker
];

/// What the extra fields of one record say.
#[derive(Clone, Debug, Default)]
pub(super) struct Extras {
    /// The values of the ZIP64 field, in order.
    pub(super) zip64: Option<Vec<u64>>,
    /// The name that Info-ZIP's Unicode path gives, when it belongs to the record's name and differs from it.
    pub(super) unicode_name: Option<Box<[u8]>>,
}

/// Reads and claims the extra fields `bytes` at `at`, of the member called `label`, whose raw name is `name`.
pub(super) fn read(
    bytes: &[u8],
    at: u64,
    label: &str,
    name: &[u8],
    parent: Option<RegionId>,
    out: &mut Parse,
) -> Extras {
    let mut extras = Extras::default();
    let (mut rest, mut position, mut plain) = (bytes, at, at);
    let claim = |span: Span, fill: Option<Fill>, what: &str, out: &mut Parse| {
        if !span.is_empty() {
            let role = if fill.is_some() { Role::Padding } else { Role::Metadata };
            let name = format!("{what} of {label}").into();
            out.region(Region {
                span,
                role,
                name,
                parent,
                leaf: true,
                fill,
                shares: None,
            });
        }
    };
    while let Some((head, more)) = rest.split_at_checked(4) {
        let (id, length) = (Fields(head).u16(0), Fields(head).u16(2));
        let Some((value, more)) = more.split_at_checked(usize::from(length)) else {
            break;
        };
        if id == 0 && length == 0 {
            break;
        }
        let start = position.saturating_add(4);
        let end = start.saturating_add(u64::from(length));
        interpret(id, value, name, Span::new(position, end), &mut extras, out);
        // Up to here the value is what its ID says; the rest is fill, or nothing known.
        let (known, fill) = match id {
            TORCH => (0, Some(Fill::AnyOf(b"Z"))),
            ANDROID => (2, Some(Fill::Zero)),
            GROWTH => (4, Some(Fill::Zero)),
            _ => (accounted(id, u64::from(length)), None),
        };
        let known_end = start.saturating_add(known).min(end);
        if known_end < end {
            claim(Span::new(plain, known_end), None, "extra fields", out);
            if fill.is_some() {
                claim(Span::new(known_end, end), fill, "alignment padding", out);
            }
            plain = end;
        }
        (rest, position) = (more, end);
    }
    claim(Span::new(plain, position), None, "extra fields", out);
    if !rest.is_empty() {
        let span = Span::saturating_at(position, wide(rest.len()));
        if rest.iter().all(|b| *b == 0) {
            claim(span, Some(Fill::Zero), "alignment padding", out);
        } else {
            out.malformed(span, "zip: an extra field is longer than the extra fields (4.5.1)");
        }
    }
    extras
}

/// How many bytes of the value belong to the field.
fn accounted(id: u16, length: u64) -> u64 {
    match KNOWN.iter().find(|(known, _)| *known == id) {
        Some((_, most)) => length.min(*most),
        None if length < SMALL => length,
        None => 0,
    }
}

fn interpret(id: u16, value: &[u8], name: &[u8], span: Span, extras: &mut Extras, out: &mut Parse) {
    match id {
        ZIP64 => {
            if extras.zip64.is_some() {
                out.malformed(span, "zip: two ZIP64 extra fields in one record (4.5.3)");
                return;
            }
            let (numbers, _) = value.as_chunks::<8>();
            extras.zip64 = Some(numbers.iter().take(3).map(|n| u64::from_le_bytes(*n)).collect());
        }
        UNICODE_PATH => unicode_path(value, name, span, extras, out),
        _ => {}
    }
}

/// A second name for the member. Readers that honour it extract under it (4.6.9).
fn unicode_path(value: &[u8], name: &[u8], span: Span, extras: &mut Extras, out: &mut Parse) {
    let Some((head, unicode)) = value.split_at_checked(5).filter(|(head, _)| head.first() == Some(&1)) else {
        return;
    };
    // The checksum ties the field to the name it was made for; readers ignore a stale one.
    if Fields(head).u32(1) != crc32fast::hash(name) || unicode == name {
        return;
    }
    if name.is_ascii() && !name.contains(&b'?') {
        let message = format!("the name is {}, its Unicode path says {}", shown(name), shown(unicode));
        let finding = Finding::new(code::HEADER_MISMATCH, span, message)
            .case("name")
            .key(shown(name));
        out.finding(
            finding
                .evidence("name", shown(name))
                .evidence("unicode", shown(unicode)),
        );
    }
    extras.unicode_name = Some(unicode.into());
}
