//! One or more valid files of every format.

use super::Sample;
use crate::build::bundle::{asar::Asar, deno::Deno, eszip::Eszip, pyinstaller::Pyz, sea::Sea};
use crate::build::macho::{Cpu, Fat, MachO};
use crate::build::sevenzip::{Coding, SevenZip};
use crate::build::zip::{Descriptor, Entry, Zip};
use crate::build::{ar, bun, compressed, documents, elf, font, gguf, gzip, json, media, npy, pe, pickle};
use crate::build::{records as record, safetensors, tar, text, wasm, zip};

/// The benign samples.
pub fn all() -> Vec<Sample> {
    [
        models(),
        executables(),
        bundles(),
        archives(),
        streams(),
        libraries(),
        pickles(),
        texts(),
        pictures(),
        records(),
    ]
    .concat()
}

fn models() -> Vec<Sample> {
    let unaligned = safetensors::SafeTensors {
        align: 0,
        ..safetensors::sample()
    };
    let bare = gguf::Gguf {
        tensors: Vec::new(),
        ..gguf::Gguf::new(3, false)
    };
    let wide = gguf::Gguf {
        alignment: 64,
        kv: vec![("general.alignment".into(), gguf::Value::U32(64))],
        ..gguf::Gguf::new(3, false)
    };
    vec![
        Sample::new("safetensors-small", "safetensors", safetensors::sample().built()),
        Sample::new("safetensors-unaligned-header", "safetensors", unaligned.built()),
        Sample::plain("safetensors-empty", "safetensors", safetensors::many(0)),
        Sample::plain("safetensors-many", "safetensors", safetensors::many(300)),
        Sample::new("gguf-v1", "gguf", gguf::Gguf::new(1, false).built()),
        Sample::new("gguf-v2", "gguf", gguf::Gguf::new(2, false).built()),
        Sample::new("gguf-v3", "gguf", gguf::Gguf::new(3, false).built()),
        Sample::new("gguf-v3-big-endian", "gguf", gguf::Gguf::new(3, true).built()),
        Sample::new("gguf-no-tensors", "gguf", bare.built()),
        Sample::new("gguf-alignment-64", "gguf", wide.built()),
        Sample::new("npy-v1", "npy", npy::Npy::new(1).built()),
        Sample::new(
            "npy-v2",
            "npy",
            npy::Npy {
                fortran: true,
                ..npy::Npy::new(2)
            }
            .built(),
        ),
        Sample::new("npy-v3", "npy", npy::Npy::new(3).built()),
        Sample::new(
            "npy-aligned-16",
            "npy",
            npy::Npy {
                align: 16,
                ..npy::Npy::new(1)
            }
            .built(),
        ),
        Sample::plain("npy-object", "npy", npy::object_benign()),
    ]
}

fn executables() -> Vec<Sample> {
    let overlay = pe::Pe {
        overlay: b"an overlay the signature covers\n".to_vec(),
        ..pe::Pe::signed(true)
    };
    let mentions = elf::Elf {
        rodata: bun::TRAILER.to_vec(),
        ..elf::Elf::new(true, false)
    };
    vec![
        Sample::new("elf-64-little", "elf", elf::Elf::new(true, false).built()),
        Sample::new("elf-64-big", "elf", elf::Elf::new(true, true).built()),
        Sample::new("elf-32-little", "elf", elf::Elf::new(false, false).built()),
        Sample::new("elf-32-big", "elf", elf::Elf::new(false, true).built()),
        Sample::new("elf-mentions-bun-trailer", "elf", mentions.built()),
        Sample::new("pe-32", "pe", pe::Pe::new(false).built()),
        Sample::new("pe-64", "pe", pe::Pe::new(true).built()),
        Sample::new("pe-32-signed", "pe", pe::Pe::signed(false).built()),
        Sample::new("pe-64-signed", "pe", pe::Pe::signed(true).built()),
        Sample::new("pe-64-signed-overlay", "pe", overlay.built()),
        Sample::new("macho-arm64", "macho", MachO::new(Cpu::Arm64).built()),
        Sample::new("macho-x86-64", "macho", MachO::new(Cpu::X86_64).built()),
        Sample::new("macho-i386", "macho", MachO::new(Cpu::I386).built()),
        Sample::new(
            "macho-unsigned",
            "macho",
            MachO {
                signed: false,
                ..MachO::new(Cpu::X86_64)
            }
            .built(),
        ),
        Sample::new("macho-fat-32", "macho-fat", Fat::new(false).built()),
        Sample::new("macho-fat-64", "macho-fat", Fat::new(true).built()),
    ]
}

fn bundles() -> Vec<Sample> {
    let unix = bun::Graph::new("/$bunfs/", true);
    let windows = bun::Graph::new("B:/~BUN/", true);
    let older = bun::Graph::new("/$bunfs/", false);
    vec![
        Sample::plain("bun-section", "bun", unix.section()),
        Sample::plain("bun-section-36", "bun", older.section()),
        Sample::new("bun-in-elf", "elf", unix.in_elf()),
        Sample::new("bun-in-pe", "pe", windows.in_pe()),
        Sample::new("bun-in-macho", "macho", unix.in_macho()),
        Sample::new("bun-appended", "elf", older.appended()),
        Sample::new("node-sea", "node-sea", Sea::new().built()),
        Sample::plain("node-sea-in-elf", "elf", Sea::new().in_elf()),
        Sample::new("deno", "deno", Deno::new().built()),
        Sample::plain("deno-in-elf", "elf", Deno::new().in_elf()),
        Sample::new("eszip", "eszip", Eszip::new("2.3").built()),
        Sample::plain("pyz", "pyz", Pyz::new().build()),
        Sample::new("asar", "asar", Asar::new().built()),
    ]
}

fn archives() -> Vec<Sample> {
    let with = |edit: fn(&mut Entry)| {
        let mut zip = zip::sample();
        zip.entries.iter_mut().for_each(edit);
        zip
    };
    let signed = with(|e| e.descriptor = Descriptor::Signed);
    let bare = with(|e| e.descriptor = Descriptor::Bare);
    let wide = Zip {
        zip64: true,
        ..with(|e| e.zip64 = true)
    };
    let extras = Zip {
        comment: b"an archive comment".to_vec(),
        ..with(|e| {
            e.local_extra = b"UT\x05\x00\x01\x00\x00\x00\x60".to_vec();
            e.central_extra = b"UT\x01\x00\x01".to_vec();
            e.comment = b"a member comment".to_vec();
        })
    };
    let link = Zip::of(vec![
        Entry::stored("lib/libx.so.1", b"data"),
        Entry::symlink("lib/libx.so", "libx.so.1"),
    ]);
    let two = gzip::members(&[gzip::Member::of(b"first "), gzip::Member::of(b"second")], b"");
    let tail = gzip::members(&[gzip::Member::of(b"padded")], &[0; 300]);
    vec![
        Sample::new("zip-small", "zip", zip::sample().built()),
        Sample::new("zip-empty", "zip", Zip::default().built()),
        Sample::new("zip-descriptors", "zip", signed.built()),
        Sample::new("zip-bare-descriptors", "zip", bare.built()),
        Sample::new("zip-zip64", "zip", wide.built()),
        Sample::new("zip-extras-comments", "zip", extras.built()),
        Sample::new("zip-symlink", "zip", link.built()),
        Sample::new("torch-zip", "zip", zip::torch_benign()),
        Sample::new("wheel", "zip", zip::wheel_like()),
        Sample::new("npz", "zip", npy::npz()),
        Sample::new("zip-recoded", "zip", recoded().built()),
        Sample::new("tar-ustar", "tar", tar::sample().built()),
        Sample::new("tar-pax", "tar", tar::pax().built()),
        Sample::new("tar-gnu", "tar", tar::gnu().built()),
        Sample::plain("gzip-small", "gzip", gzip::gzip(b"a line of text\n")),
        Sample::new("gzip-all-fields", "gzip", gzip::with_all_fields(b"a line of text\n")),
        Sample::new("gzip-members", "gzip", two),
        Sample::new("gzip-zero-tail", "gzip", tail),
        Sample::plain("tar-gz", "gzip", gzip::gzip(&tar::small())),
    ]
}

fn streams() -> Vec<Sample> {
    use compressed as c;
    let prose = c::prose();
    let cut = |name, format, bytes: Vec<u8>, at: usize| Sample {
        name,
        format,
        boundaries: vec![at as u64],
        bytes,
    };
    let (bzip2, xz, lzma, lz4) = (c::bzip2(&prose), c::xz(&prose), c::lzma(&prose), c::lz4(&prose));
    let check = c::xz_check(&xz);
    let half = lzma.len() / 2;
    let frames = [
        c::skippable(b"note"),
        c::zstd(&[b"first "]).bytes,
        c::zstd(&[b"second\n"]).bytes,
    ]
    .concat();
    let mixed_ends = (lz4.len() as u64, lz4.len() as u64 + 12);
    let mixed = [lz4.clone(), c::skippable(b"note"), c::lz4_legacy(&prose)].concat();
    vec![
        cut("bzip2-streams", "bzip2", bzip2.repeat(2), bzip2.len()),
        cut(
            "xz-padded-streams",
            "xz",
            [xz.clone(), vec![0; 8], xz.clone()].concat(),
            xz.len(),
        ),
        cut("bzip2-small", "bzip2", bzip2, 10),
        cut("xz-small", "xz", xz, check),
        cut("lzma-small", "lzma", lzma, half),
        cut("lz4-small", "lz4", lz4, 7),
        Sample {
            boundaries: vec![mixed_ends.0, mixed_ends.1],
            ..Sample::plain("lz4-mixed-frames", "lz4", mixed)
        },
        Sample::plain("lz4-legacy", "lz4", c::lz4_legacy(&prose)),
        Sample::new("zstd-blocks", "zstd", c::zstd(&[b"first ", b"second\n"])),
        Sample {
            boundaries: vec![12, 27],
            ..Sample::plain("zstd-frames", "zstd", frames)
        },
        Sample::plain("zlib-small", "zlib", c::zlib(&prose)),
        Sample::plain("zlib-tiny", "zlib", c::zlib(b"hello")),
    ]
}

fn recoded() -> Zip {
    use compressed as c;
    let prose = c::prose();
    let entry = |name: &str, method: u16, raw: Vec<u8>| Entry {
        method,
        raw: Some(raw),
        flags: if method == 14 { 2 } else { 0 },
        ..Entry::stored(name, &prose)
    };
    Zip::of(vec![
        entry("bzip2.txt", 12, c::bzip2(&prose)),
        entry("lzma.txt", 14, c::zip_lzma(&prose)),
        entry("zstd.txt", 93, c::zstd(&[&prose]).bytes),
        entry("xz.txt", 95, c::xz(&prose)),
    ])
}

fn libraries() -> Vec<Sample> {
    use ar::Member;
    let bsd = [
        Member::bsd("__.SYMDEF", &[0; 8]),
        Member::bsd("a long name.o", b"text\n"),
    ];
    vec![
        Sample::new("ar-gnu", "ar", ar::archive(&ar::library(), false)),
        Sample::new("ar-thin", "ar", ar::archive(&ar::library()[1..], true)),
        Sample::new("ar-bsd", "ar", ar::archive(&bsd, false)),
        Sample::new("deb", "ar", ar::archive(&ar::deb(), false)),
    ]
}

fn pickles() -> Vec<Sample> {
    let names = [
        "pickle-p0",
        "pickle-p1",
        "pickle-p2",
        "pickle-p3",
        "pickle-p4",
        "pickle-p5",
    ];
    let mut out: Vec<_> = (0u8..)
        .zip(names)
        .map(|(proto, name)| {
            let asm = pickle::benign_asm(proto);
            let boundaries = asm.boundaries();
            Sample {
                name,
                format: "pickle",
                bytes: asm.done(),
                boundaries,
            }
        })
        .collect();
    out.push(Sample::plain(
        "pickle-torch-state-dict",
        "pickle",
        pickle::torch_state_dict(),
    ));
    out
}

fn texts() -> Vec<Sample> {
    vec![
        Sample::plain("json-small", "json", json::small()),
        Sample::plain("text-small", "text", text::small()),
        Sample::plain("text-utf16", "text", text::utf16_url()),
        Sample::plain("script-shell", "shell", text::script()),
        Sample::plain("script-perl", "script", b"#!/usr/bin/perl\nexit 0;\n".to_vec()),
        Sample::plain(
            "text-python",
            "python",
            b"from os import path\n\n\ndef run():\n    pass\n".to_vec(),
        ),
        Sample::plain(
            "text-javascript",
            "javascript",
            b"'use strict';\nmodule.exports = 1;\n".to_vec(),
        ),
        Sample::plain(
            "text-toml",
            "toml",
            b"[package]\nname = \"fixture\"\nversion = \"1.0\"\n".to_vec(),
        ),
        Sample::plain(
            "text-ini",
            "ini",
            b"; a comment\n[section]\nkey = some words\n".to_vec(),
        ),
        Sample::plain(
            "text-yaml",
            "yaml",
            b"---\nname: fixture\nlist: [1, 2]\nset: !!set {a}\n".to_vec(),
        ),
        Sample::plain("text-xml", "xml", documents::xml("<!ENTITY a 'text'>", "root")),
        Sample::plain("text-pmml", "pmml", documents::xml("", "PMML")),
        Sample::plain("document-pdf", "pdf", documents::pdf(&["<< /Type /Catalog >>"], 2)),
        Sample::plain("data-noise", "data", text::noise(777)),
    ]
}

fn pictures() -> Vec<Sample> {
    vec![
        Sample::plain("media-png", "png", media::png()),
        Sample::plain("media-jpeg", "jpeg", media::jpeg()),
        Sample::plain("media-gif", "gif", media::gif()),
        Sample::plain("media-wav", "riff", media::wav()),
        Sample::plain("media-ico", "ico", media::ico()),
        Sample::plain("media-ogg", "ogg", media::ogg()),
        Sample::plain("media-flac", "flac", media::flac()),
        Sample::plain("media-mp3", "mp3", media::mp3()),
        Sample::plain("media-mp4", "isobmff", media::mp4()),
        Sample::plain("font-sfnt", "font", font::sfnt()),
        Sample::plain("font-woff", "woff", font::woff()),
        Sample::plain("font-woff2", "woff2", font::woff2()),
    ]
}

fn records() -> Vec<Sample> {
    let prose = compressed::prose();
    let solid = SevenZip {
        packed_header: true,
        empty: vec![("folder".into(), true)],
        ..SevenZip::of(Coding::Lzma, &[("a.txt", &prose), ("b.json", b"{}")])
    };
    vec![
        Sample::plain("wasm-small", "wasm", wasm::small().bytes),
        Sample::plain("record-class", "java-class", record::class()),
        Sample::plain("record-sqlite", "sqlite", record::sqlite()),
        Sample::plain("record-mo", "mo", record::mo(false)),
        Sample::plain("record-bitcode", "bitcode", record::bitcode()),
        Sample::plain("record-icu", "icu", record::icu()),
        Sample::plain("record-terminfo", "terminfo", record::terminfo()),
        Sample::plain("record-tzif", "tzif", record::tzif()),
        Sample::plain(
            "sevenzip-copy",
            "7z",
            SevenZip::of(Coding::Copy, &[("a.txt", b"text\n")]).build().bytes,
        ),
        Sample::plain("sevenzip-solid", "7z", solid.build().bytes),
    ]
}
