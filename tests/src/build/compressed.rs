//! Single-stream compression: bzip2, xz, LZMA alone, zstd (raw and run-length blocks, by hand), lz4, zlib.

use std::io::Write as _;

use lzma_rust2::{LzmaOptions, LzmaWriter, XzOptions, XzWriter};

use super::bytes::{Built, Out, le32};

/// Some kilobytes of harmless text that compresses.
pub fn prose() -> Vec<u8> {
    (0..120)
        .flat_map(|n| format!("line {n}: nothing to see here\n").into_bytes())
        .collect()
}

/// A bzip2 stream.
pub fn bzip2(data: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder
        .write_all(data)
        .and_then(|()| encoder.finish())
        .expect("writing to memory")
}

/// An xz stream of one block with a CRC-64.
pub fn xz(data: &[u8]) -> Vec<u8> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).expect("a preset");
    writer.write_all(data).expect("writing to memory");
    writer.finish().expect("writing to memory")
}

/// Where the check of the only block of an xz stream stands.
pub fn xz_check(file: &[u8]) -> usize {
    let index = (le32(file, file.len() - 8) as usize + 1) * 4;
    file.len() - 12 - index - 8
}

/// An LZMA alone file with an end marker.
pub fn lzma(data: &[u8]) -> Vec<u8> {
    let mut writer = LzmaWriter::new_use_header(Vec::new(), &LzmaOptions::with_preset(1), None).expect("a preset");
    writer.write_all(data).expect("writing to memory");
    writer.finish().expect("writing to memory")
}

/// The LZMA of a ZIP member: the version of the SDK, properties, a stream with an end marker.
pub fn zip_lzma(data: &[u8]) -> Vec<u8> {
    let alone = lzma(data);
    [&[16, 2, 5, 0], &alone[..5], &alone[13..]].concat()
}

/// An lz4 frame with a content checksum.
pub fn lz4(data: &[u8]) -> Vec<u8> {
    let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(data).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

/// A legacy lz4 frame of one block.
pub fn lz4_legacy(data: &[u8]) -> Vec<u8> {
    let block = lz4_flex::block::compress(data);
    let mut out = Out::le();
    out.u32(0x184c_2102).u32(block.len() as u32).bytes(&block);
    out.into_bytes()
}

/// A zlib stream.
pub fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder
        .write_all(data)
        .and_then(|()| encoder.finish())
        .expect("writing to memory")
}

/// A zstd frame of one raw block for each piece.
pub fn zstd(pieces: &[&[u8]]) -> Built {
    let mut out = Out::le();
    // A window of 128 KiB, no checksum, no content size.
    out.bytes(&[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3]).mark();
    for (at, piece) in pieces.iter().enumerate() {
        let last = u32::from(at + 1 == pieces.len());
        zstd_block(&mut out, last, piece.len() as u32);
        out.bytes(piece).mark();
    }
    out.finish()
}

/// A zstd frame of `count` blocks of 128 KiB of zeros, four bytes each.
pub fn zstd_bomb(count: u32) -> Vec<u8> {
    let mut out = Out::le();
    out.bytes(&[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3]);
    for at in 0..count {
        zstd_block(&mut out, u32::from(at + 1 == count) | 1 << 1, 128 << 10);
        out.u8(0);
    }
    out.into_bytes()
}

/// A skippable frame.
pub fn skippable(data: &[u8]) -> Vec<u8> {
    let mut out = Out::le();
    out.u32(0x184d_2a53).u32(data.len() as u32).bytes(data);
    out.into_bytes()
}

fn zstd_block(out: &mut Out, flags: u32, size: u32) {
    out.bytes(&(size << 3 | flags).to_le_bytes()[..3]);
}
