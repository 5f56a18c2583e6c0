//! Programs: what they carry, and what they ask their loader for.

use super::Fixture::{Benign, Built};
use super::{Row, row};
use crate::build::bundle::{
    asar::Asar,
    deno::Deno,
    dotnet::{DotNet, MARKER},
    eszip::Eszip,
    node::Nexe,
    pyinstaller::{Member, PyInstaller},
    sea::Sea,
};
use crate::build::{bytes, elf, macho};

const LOADS: &str = "embedded argument that loads code";
const DEBUGS: &str = "embedded argument that opens a debugger";
const HIDDEN: &str = "bytes that no table names";
const OUT: &str = "name that leads out";
const LIBRARY: &str = "library from where others can put one";

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row(LOADS, "Node single executable", ("bundle-autoload", "preload"), Built("blob with --require", || argument("--require=/data/hook.js")), Built("blob with --max-old-space-size", || argument("--max-old-space-size=4096"))),
    row(DEBUGS, "Node single executable", ("bundle-autoload", "debugger"), Built("blob with --inspect", || argument("--inspect=0.0.0.0:9229")), Built("blob with --no-warnings", || argument("--no-warnings"))),
    row(DEBUGS, "Deno program", ("bundle-autoload", "debugger"), Built("payload with --inspect for V8", deno), Benign("deno")),
    row("length that lies", "Node single executable", ("truncated", ""), Built("main script of 2^60 bytes", lie), Benign("node-sea")),
    row(HIDDEN, "Node single executable", ("trailing-bytes", ""), Built("bytes behind the last asset", || [Sea::new().build(), secret()].concat()), Benign("node-sea")),
    row(HIDDEN, "PyInstaller archive", ("unclaimed-bytes", "gap"), Built("bytes before the table", || PyInstaller { stuffing: secret(), ..PyInstaller::new() }.build()), Built("archive without such bytes", || PyInstaller::new().build())),
    row(HIDDEN, "asar", ("trailing-bytes", ""), Built("bytes behind the last file", || Asar { appended: secret(), ..Asar::new() }.build()), Benign("asar")),
    row(HIDDEN, "nexe program", ("unclaimed-bytes", "gap"), Built("bytes behind the last resource", nexe), Built("payload without such bytes", || Nexe::new().build())),
    row("two members of one name", "Node single executable", ("duplicate-entry", ""), Built("two assets of one name", twice), Benign("node-sea")),
    row(OUT, "PyInstaller archive", ("path-traversal", ""), Built("data file above the place of extraction", || member("../../.profile")), Built("data file with a dot in front", || member("..agent"))),
    row("link that leads out", "asar", ("symlink-escape", "hardlink"), Built("link above the root", || link("../../secret")), Built("link inside", || link("src/main.js"))),
    row("file that was swapped", "asar", ("header-mismatch", "digest"), Built("script changed behind its digest", swapped), Benign("asar")),
    row(HIDDEN, "eszip", ("trailing-bytes", ""), Built("bytes behind the source maps", || [Eszip::new("2.3").build(), secret()].concat()), Benign("eszip")),
    row("module that was swapped", "eszip", ("header-mismatch", "digest"), Built("module changed behind its digest", module), Benign("eszip")),
    row("header outside of the bundle", ".NET single file", ("malformed", ""), Built("offset that points into the host", dotnet), Built("offset that points behind the host", || DotNet::new(6).build())),
    row(LIBRARY, "ELF: DT_NEEDED", ("library-path", "writable"), Built("library in /tmp", || elf::asking(1, "/tmp/libinert.so")), Built("library by its name", || elf::asking(1, "libinert.so"))),
    row("library from the current directory", "ELF: DT_NEEDED", ("library-path", "relative"), Built("library in the current directory", || elf::asking(1, "./libinert.so")), Built("library by its name", || elf::asking(1, "libinert.so"))),
    row(LIBRARY, "ELF: DT_RUNPATH", ("library-path", "searched"), Built("search in /dev/shm", || elf::asking(29, "/dev/shm/x")), Built("search beside the program", || elf::asking(29, "$ORIGIN/../lib"))),
    row("initialiser outside code", "ELF", ("suspicious-entry", "initialiser"), Built("DT_INIT in read-only data", || initialiser(2)), Built("DT_INIT in code", || initialiser(3))),
    row("packed code", "ELF", ("packed", "structure"), Built("dense bytes in writable code", || packed(true)), Built("dense bytes in code", || packed(false))),
    row("images that differ", "universal Mach-O", ("unusual-structure", "fat-differs"), Built("a program and a library", fat), Benign("macho-fat-32")),
];

fn secret() -> Vec<u8> {
    b"a payload that was not meant to be seen by anybody".to_vec()
}

fn argument(text: &str) -> Vec<u8> {
    Sea {
        arguments: vec![text.into()],
        ..Sea::new()
    }
    .build()
}

fn lie() -> Vec<u8> {
    Sea {
        main_length: Some(1 << 60),
        ..Sea::new()
    }
    .build()
}

fn twice() -> Vec<u8> {
    let mut blob = Sea::new();
    blob.assets.push(("notes.txt".into(), b"another one\n".to_vec()));
    blob.build()
}

fn deno() -> Vec<u8> {
    let mut payload = Deno::new();
    payload.metadata = payload.metadata.replace("--expose-gc", "--inspect");
    payload.build()
}

fn module() -> Vec<u8> {
    let mut file = Eszip::new("2.3").build();
    let at = bytes::find(&file, b"export const a").expect("the second module");
    file[at + 13] = b'b';
    file
}

fn nexe() -> Vec<u8> {
    Nexe {
        stuffing: secret(),
        ..Nexe::new()
    }
    .build()
}

fn member(name: &str) -> Vec<u8> {
    PyInstaller {
        members: vec![Member {
            name: name.into(),
            kind: b'x',
            data: b"inert\n".to_vec(),
            compressed: false,
        }],
        ..PyInstaller::new()
    }
    .build()
}

fn link(target: &str) -> Vec<u8> {
    Asar {
        raw: vec![format!("\"up\":{{\"link\":\"{target}\"}}")],
        ..Asar::new()
    }
    .build()
}

fn swapped() -> Vec<u8> {
    let mut file = Asar::new().build();
    let at = bytes::find(&file, b"fetch(").expect("the script");
    file[at] = b'F';
    file
}

fn dotnet() -> Vec<u8> {
    let mut file = DotNet::new(6).build();
    let at = bytes::find(&file, &MARKER).expect("the marker");
    file[at - 8..at].copy_from_slice(&100u64.to_le_bytes());
    file
}

fn initialiser(section: usize) -> Vec<u8> {
    const STRINGS: &[u8] = b"\0a\0";
    let probe = elf::dynamic(STRINGS, &[(12, 0)]);
    let headers = bytes::le64(&probe, 40) as usize;
    elf::dynamic(STRINGS, &[(12, bytes::le64(&probe, headers + section * 64 + 16))])
}

fn packed(writable: bool) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    elf::Elf {
        text: (0..32 << 10).map(next).collect(),
        writable_text: writable,
        ..elf::Elf::new(true, false)
    }
    .build()
}

fn fat() -> Vec<u8> {
    const MH_DYLIB: u8 = 6;
    let mut file = macho::Fat::new(false);
    // `filetype`, behind the magic number and the two fields of the processor.
    file.slices[1].2[12] = MH_DYLIB;
    file.build()
}
