//! Pictures and sounds of a few hundred bytes.

use super::bytes::Out;

/// A PNG chunk with its checksum.
pub fn png_chunk(code: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = Out::be();
    let covered = [&code[..], data].concat();
    out.u32(data.len() as u32)
        .bytes(&covered)
        .u32(crc32fast::hash(&covered));
    out.into_bytes()
}

/// A PNG picture of one grey pixel.
pub fn png() -> Vec<u8> {
    let header = png_chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
    let text = png_chunk(b"tEXt", b"Comment\0nothing to see");
    let data = png_chunk(b"IDAT", &[0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0, 1]);
    [
        b"\x89PNG\r\n\x1a\n",
        &header[..],
        &text,
        &data,
        &png_chunk(b"IEND", b""),
    ]
    .concat()
}

/// A JPEG segment.
pub fn jpeg_segment(code: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 2).to_be_bytes();
    [&[0xff, code][..], &length, data].concat()
}

/// A JPEG picture, as far as its markers go.
pub fn jpeg() -> Vec<u8> {
    [
        &[0xff, 0xd8][..],
        &jpeg_segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
        &jpeg_segment(0xdb, &[0; 65]),
        &jpeg_segment(0xc0, &[8, 0, 1, 0, 1, 1, 1, 0x11, 0]),
        &jpeg_segment(0xc4, &[0; 29]),
        &jpeg_segment(0xda, &[1, 1, 0, 0, 63, 0]),
        &[0x12, 0xff, 0, 0x34, 0xff, 0xd0, 0x56],
        &[0xff, 0xd9],
    ]
    .concat()
}

/// A GIF picture with a comment and two frames.
pub fn gif() -> Vec<u8> {
    let frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    [
        &b"GIF89a\x01\0\x01\0\x80\0\0"[..],
        b"\0\0\0\xff\xff\xff",
        b"\x21\xfe\x05hello\0",
        b"\x21\xf9\x04\x01\0\0\0\0",
        frame,
        frame,
        b"\x3b",
    ]
    .concat()
}

/// A RIFF file of the given kind and chunks.
pub fn riff(kind: &[u8; 4], chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = Out::le();
    body.bytes(kind);
    for (code, data) in chunks {
        body.bytes(*code).u32(data.len() as u32).bytes(data).align(2, 0);
    }
    let body = body.into_bytes();
    let mut out = Out::le();
    out.bytes(b"RIFF").u32(body.len() as u32).bytes(&body);
    out.into_bytes()
}

/// A wave file of three bytes.
pub fn wav() -> Vec<u8> {
    riff(
        b"WAVE",
        &[
            (b"fmt ", &[1, 0, 1, 0, 64, 31, 0, 0, 64, 31, 0, 0, 1, 0, 8, 0]),
            (b"data", &[128; 3]),
        ],
    )
}

/// An icon of a bitmap and a PNG picture.
pub fn ico() -> Vec<u8> {
    let png = png();
    let bitmap = [&[40, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 32, 0][..], &[0; 32]].concat();
    let mut out = Out::le();
    out.u16(0).u16(1).u16(2);
    let mut at = 38;
    for picture in [&bitmap, &png] {
        out.bytes(&[1, 1, 0, 0, 1, 0, 32, 0]).u32(picture.len() as u32).u32(at);
        at += picture.len() as u32;
    }
    out.bytes(&bitmap).bytes(&png);
    out.into_bytes()
}

/// An Ogg stream of two pages; checksums are left 0.
pub fn ogg() -> Vec<u8> {
    let page = |flags: u8, number: u32, data: &[u8]| {
        let mut out = Out::le();
        out.bytes(b"OggS").u8(0).u8(flags).u64(0).u32(7).u32(number).u32(0);
        out.u8(1).u8(data.len() as u8).bytes(data);
        out.into_bytes()
    };
    [
        page(2, 0, b"OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0"),
        page(4, 1, &[7; 30]),
    ]
    .concat()
}

/// A FLAC file of stream information, a comment and the beginning of a frame.
pub fn flac() -> Vec<u8> {
    [
        &b"fLaC\0\0\0\x22"[..],
        &[0; 34],
        b"\x84\0\0\x04abcd",
        b"\xff\xf8\x69\x08",
        &[3; 20],
    ]
    .concat()
}

/// An MP3 file: an ID3 tag, four silent frames, an ID3v1 tag.
pub fn mp3() -> Vec<u8> {
    let frame = [&[0xff, 0xfb, 0x10, 0xc4][..], &[0; 100]].concat();
    let mut out = b"ID3\x04\0\0\0\0\0\x0bTIT2\0\0\0\x01\0\0\0".to_vec();
    for _ in 0..4 {
        out.extend_from_slice(&frame);
    }
    out.extend_from_slice(b"TAG");
    out.resize(out.len() + 125, b' ');
    out
}

/// A box of an ISO base media file.
pub fn boxed(code: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = Out::be();
    out.u32(data.len() as u32 + 8).bytes(code).bytes(data);
    out.into_bytes()
}

/// An MP4 file of a type, an empty index and some data.
pub fn mp4() -> Vec<u8> {
    [
        boxed(b"ftyp", b"isom\0\0\x02\0isomiso2"),
        boxed(b"moov", &[0; 16]),
        boxed(b"mdat", &[9; 40]),
    ]
    .concat()
}
