//! Compressed streams, Unix archives, and formats that nobody decodes.

use super::{Case, HIDDEN};
use crate::build::ar::{self, Member};
use crate::build::compressed as c;
use crate::build::sevenzip::{Coding, SevenZip};
use crate::build::zip::{Entry, Zip};
use crate::build::{gzip, media, records, wasm};

fn flip(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at] ^= 0xff;
    bytes
}

fn set(mut bytes: Vec<u8>, at: usize, to: &[u8]) -> Vec<u8> {
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

pub(super) fn streams() -> Vec<Case> {
    let prose = c::prose();
    let (bzip2, xz, lzma) = (c::bzip2(&prose), c::xz(&prose), c::lzma(&prose));
    let (lz4, zlib, zstd) = (c::lz4(&prose), c::zlib(&prose), c::zstd(&[&prose]).bytes);
    let cut = |bytes: &[u8]| bytes[..bytes.len() * 2 / 3].to_vec();
    let then = |bytes: &[u8]| [bytes, HIDDEN].concat();
    let end = lz4.len();
    vec![
        ("bzip2-broken", "malformed", flip(bzip2.clone(), bzip2.len() / 2)),
        ("bzip2-truncated", "truncated", cut(&bzip2)),
        ("bzip2-trailing", "trailing-bytes", then(&bzip2)),
        ("bzip2-bomb", "archive-bomb", c::bzip2(&vec![0; 64 << 20])),
        ("xz-check", "header-mismatch", flip(xz.clone(), c::xz_check(&xz))),
        ("xz-footer-crc", "header-mismatch", flip(xz.clone(), xz.len() - 12)),
        ("xz-header-crc", "header-mismatch", flip(xz.clone(), 8)),
        ("xz-broken", "malformed", flip(xz.clone(), c::xz_check(&xz) / 2)),
        ("xz-dictionary", "limit-exceeded", set(xz.clone(), 16, &[40])),
        ("xz-truncated", "truncated", cut(&xz)),
        ("xz-trailing", "trailing-bytes", then(&xz)),
        ("xz-odd-padding", "trailing-bytes", [&xz[..], &[0; 3]].concat()),
        ("lzma-dictionary", "limit-exceeded", set(lzma.clone(), 1, &[0xff; 4])),
        ("lzma-truncated", "truncated", cut(&lzma)),
        ("lzma-trailing", "trailing-bytes", then(&lzma)),
        ("zstd-window", "limit-exceeded", set(zstd.clone(), 5, &[0xff])),
        ("zstd-dictionary", "unsupported", set(zstd.clone(), 4, &[1, 0x38, 7])),
        ("zstd-reserved-block", "malformed", set(zstd.clone(), 6, &[7])),
        ("zstd-checksum", "header-mismatch", {
            let mut file = set(zstd.clone(), 4, &[4]);
            file.extend_from_slice(&[0; 4]);
            file
        }),
        ("zstd-truncated", "truncated", cut(&zstd)),
        ("zstd-trailing", "trailing-bytes", then(&zstd)),
        ("zstd-bomb", "archive-bomb", c::zstd_bomb(600)),
        ("lz4-checksum", "header-mismatch", flip(lz4.clone(), end - 1)),
        ("lz4-header-checksum", "malformed", flip(lz4.clone(), 6)),
        ("lz4-truncated", "truncated", cut(&lz4)),
        ("lz4-no-end-mark", "truncated", lz4[..end - 8].to_vec()),
        ("lz4-trailing", "trailing-bytes", then(&lz4)),
        ("lz4-legacy-truncated", "truncated", cut(&c::lz4_legacy(&prose))),
        ("zlib-adler", "header-mismatch", flip(zlib.clone(), zlib.len() - 1)),
        ("zlib-truncated", "truncated", cut(&zlib)),
        ("zlib-trailing", "trailing-bytes", then(&zlib)),
        ("zip-bzip2-crc", "header-mismatch", member(12, bzip2.clone(), 1)),
        ("zip-zstd-broken", "malformed", member(93, set(zstd, 6, &[7]), 0)),
        ("zip-xz-trailing", "header-mismatch", member(95, then(&xz), 0)),
        (
            "zip-lzma-truncated",
            "truncated",
            member(14, cut(&c::zip_lzma(&prose)), 0),
        ),
    ]
}

/// A ZIP of one member that is compressed otherwise, its CRC changed by `crc`.
fn member(method: u16, raw: Vec<u8>, crc: u32) -> Vec<u8> {
    Zip::of(vec![recoded(method, raw, crc)]).built().bytes
}

/// The prose, compressed to `raw` by `method`.
fn recoded(method: u16, raw: Vec<u8>, crc: u32) -> Entry {
    let prose = c::prose();
    Entry {
        method,
        raw: Some(raw),
        crc: Some(crc32fast::hash(&prose) ^ crc),
        flags: if method == 14 { 2 } else { 0 },
        ..Entry::stored("prose.txt", &prose)
    }
}

pub(super) fn structured() -> Vec<Case> {
    let behind = |file: Vec<u8>, payload: &[u8]| [file, payload.to_vec()].concat();
    let changed = |mut file: Vec<u8>, at: usize| {
        file[at] ^= 1;
        file
    };
    let seven = |coding, name: &str| SevenZip::of(coding, &[(name, b"text\n")]).build().bytes;
    vec![
        (
            "wasm-trailing",
            "trailing-bytes",
            behind(wasm::small().bytes, b"MZ\x90\0 and more"),
        ),
        (
            "wasm-order",
            "malformed",
            wasm::module(&[wasm::section(3, &[0]), wasm::section(1, &[0])]).bytes,
        ),
        (
            "png-trailing-script",
            "trailing-bytes",
            behind(media::png(), b"#!/bin/sh\ntrue\n"),
        ),
        ("png-crc", "header-mismatch", changed(media::png(), 50)),
        (
            "jpeg-trailing-archive",
            "trailing-bytes",
            behind(media::jpeg(), &gzip::gzip(b"payload")),
        ),
        ("gif-cut", "truncated", media::gif()[..40].to_vec()),
        ("class-trailing", "trailing-bytes", behind(records::class(), &[7; 20])),
        ("sevenzip-encrypted", "encrypted-entry", seven(Coding::Aes, "a.txt")),
        ("sevenzip-traversal", "path-traversal", seven(Coding::Lzma, "../a.txt")),
        (
            "sevenzip-crc",
            "header-mismatch",
            changed(seven(Coding::Copy, "a.txt"), 33),
        ),
        (
            "sevenzip-dictionary",
            "limit-exceeded",
            seven(Coding::HugeLzma, "a.txt"),
        ),
    ]
}

pub(super) fn libraries() -> Vec<Case> {
    let archive = |members: &[Member]| ar::archive(members, false).bytes;
    let with = |member: Member| archive(&[ar::library(), vec![member]].concat());
    let size = |size: &str| Member {
        size: Some(size.into()),
        ..Member::of("x.o/", b"text")
    };
    let twice = [ar::deb(), vec![Member::of("data.tar.xz", b"another")]].concat();
    vec![
        ("ar-truncated", "truncated", with(size("4000"))),
        ("ar-size", "malformed", with(size("-4"))),
        (
            "ar-header",
            "malformed",
            [archive(&ar::library()), vec![b'x'; 80]].concat(),
        ),
        (
            "ar-trailing",
            "trailing-bytes",
            [archive(&ar::library()), b"\0\x01 no member".to_vec()].concat(),
        ),
        ("ar-name-missing", "malformed", with(Member::of("/4000", b"text"))),
        ("ar-bsd-name", "malformed", with(Member::of("#1/4000", b"text"))),
        ("ar-filler", "nonzero-padding", {
            let mut file = with(Member::of("x.o/", b"odd"));
            *file.last_mut().expect("not empty") = b'!';
            file
        }),
        (
            "ar-traversal",
            "path-traversal",
            with(Member::bsd("../../x.o", b"text")),
        ),
        ("deb-twice", "duplicate-entry", archive(&twice)),
    ]
}

/// A head that is recognised, and nobody's content behind it.
pub(super) fn opaque() -> Vec<Case> {
    let after = |at: usize, magic: &[u8]| {
        let mut file = vec![0u8; 4096];
        file[at..at + magic.len()].copy_from_slice(magic);
        file
    };
    let of = |magic: &[u8]| after(0, magic);
    let cpio = [&b"070701"[..], &[b'0'; 104]].concat();
    let ext = set(set(after(0x438, &[0x53, 0xef]), 0x400, &[1, 0, 0, 0, 1]), 0x44c, &[1]);
    let mut iso = vec![0u8; 0x9000];
    iso[0x8000..0x8007].copy_from_slice(b"\x01CD001\x01");
    [
        (
            "sevenzip-ppmd",
            SevenZip::of(Coding::Ppmd, &[("a.txt", b"text\n")]).build().bytes,
        ),
        ("opaque-rar4", of(b"Rar!\x1a\x07\0")),
        ("opaque-rar5", of(b"Rar!\x1a\x07\x01\0")),
        ("opaque-cab", set(of(b"MSCF"), 24, &[3, 1])),
        ("opaque-squashfs", set(of(b"hsqs"), 28, &[4, 0])),
        ("opaque-cpio", of(&cpio)),
        ("opaque-xar", of(b"xar!\0\x1c\0\x01")),
        ("opaque-dmg", after(4096 - 512, b"koly\0\0\0\x04\0\0\x02\0")),
        ("opaque-lzip", of(b"LZIP\x01\x0c")),
        ("opaque-lzop", of(b"\x89LZO\0\r\n\x1a\n")),
        ("opaque-compress", of(b"\x1f\x9d\x90")),
        ("opaque-luks", of(b"LUKS\xba\xbe\0\x02")),
        ("opaque-rpm", of(b"\xed\xab\xee\xdb\x03")),
        ("opaque-wim", of(b"MSWIM\0\0\0")),
        ("opaque-qcow", of(b"QFI\xfb\0\0\0\x03")),
        ("opaque-iso9660", iso),
        ("opaque-ext4", ext),
    ]
    .into_iter()
    .map(|(name, bytes)| (name, "unsupported", bytes))
    .collect()
}
