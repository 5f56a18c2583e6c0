//! What lies around a pickle: compression, archives that two readers read differently, files in files.

use super::Fixture::{Benign, Built, Sample};
use super::{Row, row};
use crate::build::compressed as c;
use crate::build::gzip;
use crate::build::keras::base64;
use crate::build::marshal::{Code, Layout};
use crate::build::pickle::{Asm, benign, os_system, torch_state_dict};
use crate::build::sevenzip::{Coding, SevenZip};
use crate::build::tar::{Entry as TarEntry, Tar};
use crate::build::zip::{self, Entry, Zip};

const CALLED: (&str, &str) = ("unsafe-callable", "called");
const PACKED: &str = "compressed pickle";
const LAYERS: &str = "pickle in layers of a pickle's texts and bytes";
const CODE: &str = "code in the texts and bytes of a pickle";
const TORCH: &str = "PyTorch archive";
const TWO: &str = "local header and directory that differ";

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row(PACKED, "gzip", CALLED, Built("os.system in gzip", || gzip::gzip(&os_system(4))), Built("benign pickle in gzip", || gzip::gzip(&benign(4)))),
    row(PACKED, "bzip2", CALLED, Built("os.system in bzip2", || c::bzip2(&os_system(4))), Built("benign pickle in bzip2", || c::bzip2(&benign(4)))),
    row(PACKED, "xz", CALLED, Built("os.system in xz", || c::xz(&os_system(4))), Built("benign pickle in xz", || c::xz(&benign(4)))),
    row(PACKED, "lzma", CALLED, Built("os.system in lzma", || c::lzma(&os_system(4))), Built("benign pickle in lzma", || c::lzma(&benign(4)))),
    row(PACKED, "zlib", CALLED, Built("os.system in zlib", || c::zlib(&os_system(4))), Built("benign pickle in zlib", || c::zlib(&benign(4)))),
    row(PACKED, "lz4", CALLED, Built("os.system in lz4", || c::lz4(&os_system(4))), Built("benign pickle in lz4", || c::lz4(&benign(4)))),
    row(PACKED, "zstd", CALLED, Built("os.system in zstd", || c::zstd(&[&os_system(4)]).bytes), Built("benign pickle in zstd", || c::zstd(&[&benign(4)]).bytes)),
    row("compressed twice", "xz in gzip", CALLED, Built("os.system in xz in gzip", || gzip::gzip(&c::xz(&os_system(4)))), Built("benign pickle in xz in gzip", || gzip::gzip(&c::xz(&benign(4))))),
    row("pickle inside the bytes of a pickle", "pickle", CALLED, Built("os.system as bytes", || carried(&os_system(4))), Built("benign pickle as bytes", || carried(&benign(4)))),
    row("compressed pickle inside the bytes of a pickle", "pickle", CALLED, Built("os.system in gzip as bytes", || carried(&gzip::gzip(&os_system(4)))), Built("benign pickle in gzip as bytes", || carried(&gzip::gzip(&benign(4))))),
    row("pickle as Base64 text of a pickle", "pickle", CALLED, Built("os.system in Base64", || text(&os_system(4))), Built("benign pickle in Base64", || text(&benign(4)))),
    row(LAYERS, "Base64 in Base64", CALLED, Built("os.system in Base64 in Base64", || text(base64(&os_system(4)).as_bytes())), Built("benign pickle in Base64 in Base64", || text(base64(&benign(4)).as_bytes()))),
    row(LAYERS, "zlib in hexadecimal", CALLED, Built("os.system in zlib as digits", || digits(&c::zlib(&os_system(4)))), Built("benign pickle in zlib as digits", || digits(&c::zlib(&benign(4))))),
    row(LAYERS, "Base64 in bzip2", CALLED, Built("os.system in Base64 in bzip2", || carried(&c::bzip2(base64(&os_system(4)).as_bytes()))), Built("benign pickle in Base64 in bzip2", || carried(&c::bzip2(base64(&benign(4)).as_bytes())))),
    row(LAYERS, "Base64 as a text file", CALLED, Built("os.system in Base64, by itself", || base64(&os_system(4)).into_bytes()), Built("benign pickle in Base64, by itself", || base64(&benign(4)).into_bytes())),
    row(CODE, "marshalled", ("marshalled-code", "carried"), Built("code that names os.system", || carried(&code(&["os", "system"]))), Built("Base64 of a benign pickle", || text(&benign(4)))),
    row(CODE, "marshalled, in zlib and Base64", ("marshalled-code", "carried"), Built("code that names os.system, packed", || text(&c::zlib(&code(&["os", "system"])))), Built("Base64 of a benign pickle", || text(&benign(4)))),
    row(CODE, "marshalled, arithmetic", ("marshalled-code", "kept"), Built("code that names nothing", || carried(&code(&[]))), Built("Base64 of a benign pickle", || text(&benign(4)))),
    row(CODE, "Python source in Base64", ("embedded-code", "source"), Built("source that calls os.system", || text(b"import os\nos.system('true')\n")), Built("source that calls nothing", || text(b"import os\nprint(os.name, 'and more')\n"))),
    row("dangerous call", TORCH, CALLED, Sample("torch-zip-system"), Benign("torch-zip")),
    row("dangerous call", "legacy PyTorch file", CALLED, Built("magic, version and os.system", || legacy(&os_system(2))), Built("magic, version and a state", || legacy(&benign(2)))),
    row("pickle in a tar instead of a ZIP", "tar", CALLED, Built("os.system in tar", || tar(&os_system(2))), Built("benign pickle in tar", || tar(&benign(2)))),
    row("pickle in a 7z instead of a ZIP", "7z", CALLED, Built("os.system in 7z", || seven(&os_system(2))), Built("benign pickle in 7z", || seven(&benign(2)))),
    row("dangerous call", "NumPy archive", CALLED, Built("npz with an object array", || npz(&crate::build::npy::object_hostile())), Benign("npz")),
    row("encrypted member", TORCH, ("encrypted-entry", ""), Sample("zip-encrypted"), Benign("zip-small")),
    row("wrong CRC", TORCH, ("header-mismatch", "crc"), Sample("zip-crc-lie"), Benign("zip-descriptors")),
    row(TWO, "ZIP: name", ("header-mismatch", "name"), Sample("zip-name-lie"), Benign("zip-extras-comments")),
    row(TWO, "ZIP: size", ("header-mismatch", "size"), Sample("zip-size-lie"), Benign("zip-descriptors")),
    row(TWO, "ZIP: method", ("header-mismatch", "method"), Sample("zip-method-lie"), Benign("zip-recoded")),
    row(TWO, "ZIP: flags", ("header-mismatch", "method"), Sample("zip-flags-lie"), Benign("zip-bare-descriptors")),
    row("duplicate members", "ZIP", ("duplicate-entry", ""), Sample("zip-duplicate"), Benign("zip-small")),
    row("member that the directory does not list", "ZIP", ("unclaimed-bytes", "gap"), Sample("zip-hidden-member"), Benign("zip-zip64")),
    row("data between members", "ZIP", ("unclaimed-bytes", "gap"), Sample("zip-gap"), Benign("torch-zip")),
    row("data before the first member", "ZIP", ("unclaimed-bytes", "gap"), Sample("zip-prefix"), Benign("zip-small")),
    row("pickle before the first member", "ZIP", CALLED, Built("os.system before an archive", || [os_system(2), zip::small()].concat()), Benign("zip-small")),
    row("data behind the end", "ZIP", ("trailing-bytes", ""), Sample("zip-trailing"), Benign("zip-extras-comments")),
    row("members that overlap", "ZIP", ("overlapping-regions", ""), Sample("zip-overlapping"), Benign("zip-symlink")),
    row("name that leads out", "ZIP", ("path-traversal", ""), Sample("zip-parent-path"), Benign("zip-small")),
    row("name that leads out", "tar", ("path-traversal", ""), Sample("tar-parent-path"), Benign("tar-ustar")),
    row("name that leads out", "7z", ("path-traversal", ""), Sample("sevenzip-traversal"), Built("benign pickle in 7z", || seven(&benign(2)))),
    row("link that leads out", "tar", ("symlink-escape", ""), Sample("tar-symlink-escape"), Benign("tar-pax")),
    row("bomb", "ZIP", ("archive-bomb", "ratio"), Sample("zip-bomb"), Benign("zip-recoded")),
    row("bomb of nested archives", "ZIP", ("archive-bomb", "ratio"), Sample("zip-bomb-nested"), Benign("wheel")),
    row("handler in a model archive", "TorchServe archive", ("bundled-code", "handler"), Built("model archive with a handler", || archive("handler.py")), Built("model archive with a built-in handler", || archive("image_classifier"))),
    row("handler in a model archive", "TorchServe archive: acts", ("import-code", "process"), Built("handler that calls os.system", || serving("import os\nos.system('true')\n")), Built("handler that only defines", || serving("def handle(data, context):\n    return data\n"))),
    row("handler in a model archive", "TorchServe archive: acts later", ("import-code", "deferred"), Built("function that calls os.system", || serving("import os\ndef handle(data, context):\n    os.system('true')\n")), Built("handler that only defines", || serving("def handle(data, context):\n    return data\n"))),
    row("code that the compiler cannot write", "TorchScript", ("bundled-code", "imports"), Built("source that imports os", || script("import os\nos.system(\"true\")\n")), Built("source as the compiler writes it", || script("class Net(Module):\n  training : bool\n"))),
    row("operator of another library in compiled code", "TorchScript", ("bundled-code", "foreign"), Built("source that calls ops.acme.run", || script("_0 = ops.acme.run(x)\n")), Built("source that calls ops.torchvision.nms", || script("_0 = ops.torchvision.nms(x)\n"))),
    row("file access in compiled code", "TorchScript", ("bundled-code", "files"), Built("source that calls torch.from_file", || script("_0 = torch.from_file(\"/data/x\", False, 4)\n")), Built("source as the compiler writes it", || script("class Net(Module):\n  training : bool\n"))),
];

fn carried(inner: &[u8]) -> Vec<u8> {
    Asm::proto(4).binbytes(inner).stop().done()
}

fn text(inner: &[u8]) -> Vec<u8> {
    Asm::proto(4).binunicode(&base64(inner)).stop().done()
}

fn digits(inner: &[u8]) -> Vec<u8> {
    let hexadecimal: String = inner.iter().map(|byte| format!("{byte:02x}")).collect();
    Asm::proto(4).binunicode(&hexadecimal).stop().done()
}

fn code(names: &[&str]) -> Vec<u8> {
    Code::naming(Layout::Eleven, names).build()
}

/// The magic number, the protocol, the system, the object, the list of storages.
fn legacy(object: &[u8]) -> Vec<u8> {
    let magic = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
    [
        Asm::proto(2).long1(&magic).stop().done(),
        Asm::proto(2).binint2(1001).stop().done(),
        Asm::proto(2).empty_dict().stop().done(),
        object.to_vec(),
        Asm::proto(2).empty_list().stop().done(),
    ]
    .concat()
}

fn tar(pickle: &[u8]) -> Vec<u8> {
    Tar::of(vec![TarEntry::file("archive/data.pkl", pickle)]).build()
}

fn seven(pickle: &[u8]) -> Vec<u8> {
    SevenZip::of(Coding::Lzma, &[("archive/data.pkl", pickle)])
        .build()
        .bytes
}

fn npz(array: &[u8]) -> Vec<u8> {
    Zip::of(vec![Entry::stored("a.npy", array)]).build()
}

fn archive(handler: &str) -> Vec<u8> {
    mar(handler, Vec::new())
}

fn serving(source: &str) -> Vec<u8> {
    mar(
        "handler.py:handle",
        vec![Entry::stored("handler.py", source.as_bytes())],
    )
}

fn mar(handler: &str, more: Vec<Entry>) -> Vec<u8> {
    let manifest = format!(
        r#"{{"createdOn": "01/01/2026", "runtime": "python", "model": {{"modelName": "m", "serializedFile": "model.pt", "handler": "{handler}", "modelVersion": "1.0"}}, "archiverVersion": "0.9.0"}}"#
    );
    let mut entries = vec![
        Entry::stored("MAR-INF/MANIFEST.json", manifest.as_bytes()),
        Entry::stored("model.pt", &zip::torch_like(&torch_state_dict()).bytes),
    ];
    entries.extend(more);
    Zip::of(entries).build()
}

fn script(source: &str) -> Vec<u8> {
    Zip::of(vec![
        Entry::stored("m/code/__torch__.py", source.as_bytes()),
        Entry::stored("m/version", b"3\n"),
    ])
    .build()
}
