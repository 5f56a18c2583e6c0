//! One or more valid files of every format.

use super::Sample;
use crate::build::macho::{Cpu, Fat, MachO};
use crate::build::zip::{Descriptor, Entry, Zip};
use crate::build::{bun, elf, gguf, gzip, json, npy, pe, pickle, safetensors, tar, text, zip};

/// The benign samples.
pub fn all() -> Vec<Sample> {
    [models(), executables(), bundles(), archives(), pickles(), texts()].concat()
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
        Sample::plain("script-shell", "script", text::script()),
        Sample::plain("data-noise", "data", text::noise(777)),
    ]
}
