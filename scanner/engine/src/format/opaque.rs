//! Formats that are recognised and not decoded by this build: archives, disk images and compressed streams that hold
//! what nobody has looked at. They are claimed whole, and the error that says so makes the verdict incomplete.
//!
//! Media and documents (images, sound, fonts, PDF) are not listed: they are data, and swept like all data.

use super::{Format, Input, Parse};
use crate::finding::{ErrorCode, ScanError};
use crate::identify::{Match, Probe, Strength};
use crate::ledger::Role;
use crate::span::Span;

/// A format of which nothing but its magic number is known.
pub(super) struct Opaque {
    id: &'static str,
    name: &'static str,
    sure: Strength,
    is: fn(&Probe<'_>) -> bool,
}

impl Opaque {
    const fn new(id: &'static str, name: &'static str, is: fn(&Probe<'_>) -> bool) -> Self {
        let sure = Strength::Certain;
        Self { id, name, sure, is }
    }
}

impl Format for Opaque {
    fn id(&self) -> &'static str {
        self.id
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        (self.is)(probe).then_some(Match {
            strength: self.sure,
            start: 0,
        })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.leaf(input.whole(), Role::Opaque, format!("{} content", self.name));
        out.error(not_decoded(self.name));
    }
}

fn not_decoded(name: &str) -> ScanError {
    let message = format!("{name} content is recognised and not decoded by this build");
    ScanError::new(ErrorCode::Unsupported, message).at(0)
}

/// Disk images begin with space for a boot sector, and their magic numbers lie too deep for a [`Probe`]: what `data`
/// asks for before it is satisfied.
pub(super) fn disk_image(input: &Input<'_>, out: &mut Parse) {
    let at = |offset: u64, magic: &[u8]| {
        let length = u64::try_from(magic.len()).unwrap_or(u64::MAX);
        input.len() > offset && input.read_up_to(offset, length).is_ok_and(|bytes| *bytes == *magic)
    };
    // ECMA-119 8.1: a volume descriptor of type 0 to 3 in sector 16 or the boot record's place.
    let name = if at(0x8001, b"CD001\x01") {
        "ISO 9660"
    } else if at(0x1_0040, b"_BHRfS_M") {
        "btrfs"
    } else if at(0x438, &[0x53, 0xef]) && is_ext(input) {
        "ext2/3/4"
    } else {
        return;
    };
    out.error(not_decoded(name));
}

/// Whether the other fields of the superblock agree: block size, revision, state.
fn is_ext(input: &Input<'_>) -> bool {
    let Ok(block) = input.read(Span::new(0x400, 0x500)) else {
        return false;
    };
    let word = |offset: usize| {
        let bytes = block.get(offset..).and_then(|rest| rest.first_chunk::<4>());
        bytes.map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes))
    };
    word(0x18) <= 6 && word(0x4c) <= 1 && word(0x00) > 0 && word(0x04) > 0
}

pub(super) static RAR: Opaque = Opaque::new("rar", "RAR", |p| {
    p.head.starts_with(b"Rar!\x1a\x07\0") || p.head.starts_with(b"Rar!\x1a\x07\x01\0")
});
/// The signature, the reserved word, and version 1.3.
pub(super) static CAB: Opaque = Opaque::new("cab", "CAB", |p| {
    p.head.starts_with(b"MSCF\0\0\0\0") && p.head.get(24..26) == Some(&[3, 1])
});
/// Both byte orders; version 4, and the versions 1 to 3 of old routers.
pub(super) static SQUASHFS: Opaque = Opaque::new("squashfs", "squashfs", |p| {
    let version = p.head.get(28..30);
    match p.head.get(..4) {
        Some(b"hsqs") => matches!(version, Some([1..=4, 0])),
        Some(b"sqsh") => matches!(version, Some([0, 1..=4])),
        _ => false,
    }
});
/// The ASCII headers (`newc`, with and without checksum; `odc`), and the old binary one in both byte orders.
pub(super) static CPIO: Opaque = Opaque::new("cpio", "cpio", |p| match p.head.get(..6) {
    Some(b"070701" | b"070702") => p.head.get(6..110).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)),
    Some(b"070707") => p
        .head
        .get(6..76)
        .is_some_and(|h| h.iter().all(|b| matches!(b, b'0'..=b'7'))),
    _ => false,
});
pub(super) static XAR: Opaque = Opaque::new("xar", "xar", |p| {
    p.head.starts_with(b"xar!\0") && p.head.get(6..8) == Some(&[0, 1])
});
/// The trailer of 512 bytes: version 4.
pub(super) static DMG: Opaque = Opaque::new("dmg", "Apple disk image", |p| {
    let trailer = p.tail.len().checked_sub(512).and_then(|at| p.tail.get(at..));
    trailer.is_some_and(|trailer| trailer.starts_with(b"koly\0\0\0\x04\0\0\x02\0"))
});
pub(super) static LZIP: Opaque = Opaque::new("lzip", "lzip", |p| {
    p.head.starts_with(b"LZIP\x01") && p.head.get(5).is_some_and(|size| matches!(size & 0x1f, 12..=29))
});
pub(super) static LZOP: Opaque = Opaque::new("lzo", "lzop", |p| p.head.starts_with(b"\x89LZO\0\r\n\x1a\n"));
/// Two bytes and a flag byte: 9 to 16 bits, the reserved ones 0.
pub(super) static COMPRESS: Opaque = Opaque {
    id: "compress",
    name: "compress (.Z)",
    sure: Strength::Likely,
    is: |p| matches!(p.head, [0x1f, 0x9d, flags, ..] if flags & 0x60 == 0 && matches!(flags & 0x1f, 9..=16)),
};
pub(super) static LUKS: Opaque = Opaque::new("luks", "LUKS", |p| {
    p.head.starts_with(b"LUKS\xba\xbe\0\x01") || p.head.starts_with(b"LUKS\xba\xbe\0\x02")
});
pub(super) static RPM: Opaque = Opaque::new("rpm", "RPM", |p| matches!(p.head, [0xed, 0xab, 0xee, 0xdb, 3 | 4, ..]));
pub(super) static WIM: Opaque = Opaque::new("wim", "WIM", |p| p.head.starts_with(b"MSWIM\0\0\0"));
pub(super) static QCOW: Opaque = Opaque::new("qcow", "QCOW", |p| {
    p.head.starts_with(b"QFI\xfb\0\0\0") && p.head.get(7).is_some_and(|version| matches!(version, 1..=3))
});
/// A compiled program for one kind of hardware: code that nobody but its runtime reads. Four bytes of magic number.
pub(super) static TENSORRT: Opaque = Opaque {
    id: "tensorrt",
    name: "TensorRT plan",
    sure: Strength::Likely,
    is: |p| matches!(p.head.first_chunk::<4>(), Some(b"ftrt" | b"ptrt")) && p.length >= 64,
};
/// Plain and encrypted.
pub(super) static RKNN: Opaque = Opaque::new("rknn", "RKNN model", |p| {
    p.head.starts_with(b"RKNN\0\0\0\0") || p.head.starts_with(b"CYPTRKNN")
});
/// The format of ONNX Runtime, a FlatBuffer whose schema this build does not know.
pub(super) static ORT: Opaque = Opaque {
    id: "ort",
    name: "ONNX Runtime format",
    sure: Strength::Likely,
    is: |p| super::flat::identify(p, b"ORTM").is_some(),
};
