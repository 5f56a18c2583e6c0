//! Small files that ask for much: counts, depths and sizes that only the file's own word bounds, and floods of parts that
//! are each cheap.
//!
//! Each is built when it is needed. What a format's own tests already ask of the whole scan is not repeated here.

use crate::build::ar::{self, Member};
use crate::build::bytes::Out;
use crate::build::compressed as c;
use crate::build::files::{Files, gguf_with_template, wheel};
use crate::build::hdf5::{Hdf5, Node};
use crate::build::marshal::{Code, Const, Layout};
use crate::build::onnx::{self, Onnx};
use crate::build::protobuf::{Proto, varint};
use crate::build::tar::{Entry, Tar};
use crate::build::{gzip, media, wasm};

/// A file that asks for much.
#[derive(Clone, Copy, Debug)]
pub struct Heavy {
    /// Unique name, usable as a file name.
    pub name: &'static str,
    /// Makes the file.
    pub build: fn() -> Vec<u8>,
    /// Findings or errors of which one must be said; empty where the file is odd, but whole and read to its end.
    pub said: &'static [&'static str],
}

const fn heavy(name: &'static str, build: fn() -> Vec<u8>, said: &'static [&'static str]) -> Heavy {
    Heavy { name, build, said }
}

const MILLION: usize = 1_000_000;

/// The files.
#[rustfmt::skip]
pub static HEAVY: &[Heavy] = &[
    heavy("deb-members-lead-out", deb_escapes, &["path-traversal"]),
    heavy("tar-sparse-million", || sparse(MILLION), &["limit-exceeded", "malformed", "archive-bomb"]),
    heavy("tar-sparse-pax-million", || sparse_pax(MILLION), &["limit-exceeded", "malformed", "archive-bomb"]),
    heavy("yaml-deep-flow", || yaml_flow(100_000), &["unsafe-callable"]),
    heavy("yaml-deep-block", || yaml_block(2_000), &[]),
    heavy("yaml-anchors-million", || yaml_anchors(MILLION), &[]),
    heavy("yaml-tags-million", || "- !!python/object/apply:os.system ['true']\n".repeat(MILLION / 4).into_bytes(), &["unsafe-callable"]),
    heavy("xml-deep", || [b"<?xml version=\"1.0\"?>".to_vec(), b"<a>".repeat(MILLION), b"</a>".repeat(MILLION)].concat(), &[]),
    heavy("xml-laughs-wide", || crate::build::documents::xml(&entities(100_000), "root"), &["xml-entity", "limit-exceeded"]),
    heavy("json-million-duplicates", || format!("{{{}}}", vec![r#""a":1"#; MILLION].join(",")).into_bytes(), &["duplicate-key"]),
    heavy("npm-manifest-10-mb", npm_manifest, &["install-script", "limit-exceeded"]),
    heavy("wheel-record-million", wheel_record, &["record-mismatch", "limit-exceeded"]),
    heavy("zip-same-name-sixty-thousand", same_names, &["duplicate-entry"]),
    heavy("png-chunk-two-gib", png_chunk, &["truncated", "malformed"]),
    heavy("wasm-section-length", || wasm_lie(&[10, 0xff, 0xff, 0xff, 0xff, 0x0f]), &["truncated", "malformed"]),
    heavy("wasm-endless-leb", || wasm_lie(&[&[10][..], &[0x80; 64], &[1]].concat()), &["malformed"]),
    heavy("wasm-function-count", || wasm_lie(&wasm::section(3, &[0xff, 0xff, 0xff, 0xff, 0x0f])), &["truncated", "malformed"]),
    heavy("wasm-import-count", || wasm_lie(&wasm::section(2, &[0xff, 0xff, 0xff, 0xff, 0x0f, 1, b'm'])), &["truncated", "malformed"]),
    heavy("wasm-name-length", || wasm_lie(&wasm::section(0, &[0xff, 0xff, 0xff, 0xff, 0x0f, b'n'])), &["truncated", "malformed"]),
    heavy("gzip-members-hundred-thousand", || gzip::gzip(b"x").repeat(100_000), &[]),
    heavy("hdf5-groups-lead-back", hdf5_cycles, &[]),
    heavy("hdf5-groups-deep", || hdf5_deep(3_000), &[]),
    heavy("protobuf-messages-million", || onnx_deep(MILLION), &["limit-exceeded", "malformed"]),
    heavy("onnx-million-nodes", onnx_nodes, &["limit-exceeded", "custom-operator"]),
    heavy("onnx-functions-in-a-ring", onnx_ring, &["malformed"]),
    heavy("marshal-tuple-count", || code(Const::Raw([&b"("[..], &i32::MAX.to_le_bytes()].concat())), &["truncated", "malformed"]),
    heavy("marshal-negative-count", || code(Const::Raw(b"(\xff\xff\xff\xff".to_vec())), &["truncated", "malformed"]),
    heavy("marshal-million-tuples", || code(Const::Raw([b")\x01".repeat(MILLION), b"N".to_vec()].concat())), &["limit-exceeded", "malformed"]),
    heavy("marshal-doubling", marshal_doubling, &[]),
    heavy("gguf-template-16-mb", || template("{{ messages[0]['content'] }}", 16 << 20), &["malformed"]),
    heavy("gguf-template-nested", || gguf_with_template(&format!("{{{{ {}x{} }}}}", "(".repeat(MILLION), ")".repeat(MILLION))), &["malformed"]),
    heavy("gguf-template-blocks", || gguf_with_template(&format!("{}{}", "{% if x %}".repeat(100_000), "{% endif %}".repeat(100_000))), &["malformed"]),
    heavy("gguf-template-doubling", || template("{% set a = a ~ a %}", 1 << 20), &[]),
    heavy("gguf-template-repeated", || gguf_with_template("{{ x['a' * 4294967295 ~ 'b' * 4294967295] }}"), &[]),
    heavy("lz4-content-size", lz4_size, &["header-mismatch", "malformed", "truncated"]),
    heavy("macho-slices", fat_lie, &["embedded-executable"]),
];

fn deb_escapes() -> Vec<u8> {
    let data = Tar::of(vec![
        Entry::file("/data/passwd", b"x"),
        Entry::file("../../data/shadow", b"x"),
    ]);
    let mut members = ar::deb();
    members.pop();
    members.push(Member::of("data.tar.xz", &c::xz(&data.build())));
    ar::archive(&members, false).bytes
}

/// A sparse file of the newest form: `entries` pairs of decimal lines before the data, each run a single byte.
fn sparse(entries: usize) -> Vec<u8> {
    let mut map = format!("{entries}\n");
    (0..entries).for_each(|at| map.push_str(&format!("{}\n1\n", at * 2)));
    let mut data = map.into_bytes();
    data.resize(data.len().next_multiple_of(512), 0);
    data.resize(data.len() + entries, b'x');
    let real = (entries * 2).to_string();
    let records = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "s"),
        ("GNU.sparse.realsize", &real),
    ];
    Tar::of(vec![Entry::pax(b'x', &records), Entry::file("s", &data)]).build()
}

/// The same in the form of pax records.
fn sparse_pax(entries: usize) -> Vec<u8> {
    let map: Vec<String> = (0..entries).map(|at| format!("{},1", at * 2)).collect();
    let real = (entries * 2).to_string();
    let records = [
        ("GNU.sparse.size", real.as_str()),
        ("GNU.sparse.map", &map.join(",")),
        ("GNU.sparse.name", "s"),
    ];
    Tar::of(vec![Entry::pax(b'x', &records), Entry::file("s", &vec![b'x'; entries])]).build()
}

fn yaml_flow(depth: usize) -> Vec<u8> {
    let call = "!!python/object/apply:os.system ['true']";
    format!("name: deep\nitems: {}{call}{}\n", "[".repeat(depth), "]".repeat(depth)).into_bytes()
}

fn yaml_block(depth: usize) -> Vec<u8> {
    (0..depth)
        .map(|level| format!("{}k:\n", " ".repeat(level)))
        .collect::<String>()
        .into_bytes()
}

fn yaml_anchors(count: usize) -> Vec<u8> {
    let lines: String = (1..count)
        .map(|n| format!("k{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1))
        .collect();
    format!("k0: &a0 [x, x]\n{lines}").into_bytes()
}

/// Entities of which each names the one before: no doubling, only a long way.
fn entities(count: usize) -> String {
    let rows = (1..count).map(|n| format!("<!ENTITY e{n} \"&e{};\">\n", n - 1));
    rows.fold("<!ENTITY e0 \"x\">\n".to_owned(), |all, row| all + &row)
}

fn npm_manifest() -> Vec<u8> {
    let rows: Vec<String> = (0..250_000).map(|n| format!(r#""package-{n}": "^1.{n}.0""#)).collect();
    let manifest = format!(
        r#"{{"name": "fixture", "version": "1.0.0", "scripts": {{"postinstall": "{}true"}}, "dependencies": {{{}}}}}"#,
        "true; ".repeat(400_000),
        rows.join(", ")
    );
    Files::of(&[
        ("package/package.json", manifest.as_bytes()),
        ("package/index.js", b"1;\n"),
    ])
    .tgz()
}

fn wheel_record() -> Vec<u8> {
    let rows: String = (0..MILLION)
        .map(|n| format!("fixture/m{n}.py,sha256=AAAA,1\n"))
        .collect();
    wheel(&[]).with("fixture-1.0.dist-info/RECORD", rows).zip()
}

fn same_names() -> Vec<u8> {
    Files(vec![("a".to_owned(), b"x".to_vec()); 60_000]).zip()
}

fn png_chunk() -> Vec<u8> {
    let mut file = media::png();
    let at = file.len() - 12;
    file[at..at + 4].copy_from_slice(&(1u32 << 31).to_be_bytes());
    file
}

fn wasm_lie(section: &[u8]) -> Vec<u8> {
    let sound = wasm::module(&[wasm::section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f])]);
    [&sound.bytes[..], section].concat()
}

fn hdf5_cycles() -> Vec<u8> {
    let back: Vec<(String, Node)> = (0..200).map(|n| (format!("up{n}"), Node::Root)).collect();
    let members = (0..50).map(|n| (format!("g{n}"), Node::group(back.clone()))).collect();
    Hdf5 {
        version: 3,
        ..Hdf5::of(members)
    }
    .build()
}

/// Groups in groups; the builder recurs, on a stack of its own.
fn hdf5_deep(depth: usize) -> Vec<u8> {
    let build = move || {
        let deep = (0..depth).fold(Node::group(Vec::new()), |inner, _| {
            Node::group(vec![("g".into(), inner)])
        });
        Hdf5 {
            version: 3,
            ..Hdf5::of(vec![("g".into(), deep)])
        }
        .build()
    };
    let builder = std::thread::Builder::new().stack_size(256 << 20).spawn(build);
    builder
        .expect("threads can be started")
        .join()
        .expect("the file is built")
}

/// Graphs in attributes of nodes of graphs, written from the inside out.
fn onnx_deep(depth: usize) -> Vec<u8> {
    let mut reversed: Vec<u8> = Vec::new();
    for level in 0..depth {
        // A graph's node, the node's attribute, the attribute's graph.
        let field = [1u32, 6, 5][level % 3];
        let head = [varint(u64::from(field << 3 | 2)), varint(reversed.len() as u64)].concat();
        reversed.extend(head.iter().rev());
    }
    reversed.reverse();
    Onnx {
        more_graph: Proto(reversed),
        ..Onnx::new()
    }
    .build()
}

fn onnx_nodes() -> Vec<u8> {
    let nodes = vec![onnx::node("n", "Blur", "example.ops"); 300_000];
    Onnx { nodes, ..Onnx::new() }.build()
}

fn onnx_ring() -> Vec<u8> {
    let names: Vec<String> = (0..20_000).map(|n| format!("f{n}")).collect();
    let next = |n: usize| names[(n + 1) % names.len()].as_str();
    let functions = (0..names.len())
        .map(|n| onnx::function(&names[n], "own", &[(next(n), "own"); 2]))
        .collect();
    Onnx {
        functions,
        ..Onnx::new()
    }
    .build()
}

fn code(constant: Const) -> Vec<u8> {
    Code {
        consts: vec![constant],
        ..Code::new(Layout::Eleven)
    }
    .pyc()
}

/// Tuples that each hold the one before twice.
fn marshal_doubling() -> Vec<u8> {
    // Reference 0 is the code object itself.
    let inner = (1u32..200).fold(b"\xa9\x00".to_vec(), |inner, _| {
        // The outermost tuple takes its reference before what it holds.
        [&b"\xa9\x02"[..], &inner, b"N"].concat()
    });
    let mut raw = vec![b')', 201];
    raw.extend(inner);
    (1u32..=200).for_each(|index| raw.extend([&b"r"[..], &index.to_le_bytes()].concat()));
    code(Const::Raw(raw))
}

fn template(piece: &str, length: usize) -> Vec<u8> {
    gguf_with_template(&piece.repeat(length / piece.len()))
}

/// An lz4 frame that states a content of 2^60 bytes, its header checksum right.
fn lz4_size() -> Vec<u8> {
    let content = b"one block, stored\n";
    let descriptor = [&[0x68, 0x40][..], &(1u64 << 60).to_le_bytes()].concat();
    let mut out = Out::le();
    out.u32(0x184d_2204)
        .bytes(&descriptor)
        .u8((xxh32(&descriptor) >> 8) as u8);
    out.u32(content.len() as u32 | 1 << 31).bytes(content).u32(0);
    out.into_bytes()
}

/// XXH32 of fewer than sixteen bytes, with the seed 0.
fn xxh32(data: &[u8]) -> u32 {
    const PRIMES: [u32; 5] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1];
    let words = data.chunks_exact(4);
    let rest = words.remainder();
    let hash = words.fold(PRIMES[4].wrapping_add(data.len() as u32), |hash, word| {
        let word = crate::build::bytes::le32(word, 0);
        hash.wrapping_add(word.wrapping_mul(PRIMES[2]))
            .rotate_left(17)
            .wrapping_mul(PRIMES[3])
    });
    let mut hash = rest.iter().fold(hash, |hash, byte| {
        hash.wrapping_add(u32::from(*byte).wrapping_mul(PRIMES[4]))
            .rotate_left(11)
            .wrapping_mul(PRIMES[0])
    });
    for (shift, prime) in [(15, PRIMES[1]), (13, PRIMES[2]), (16, 1)] {
        hash = (hash ^ hash >> shift).wrapping_mul(prime);
    }
    hash
}

fn fat_lie() -> Vec<u8> {
    let mut file = crate::build::macho::Fat::new(false).build();
    file[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
    file
}

#[cfg(test)]
mod tests {
    use super::xxh32;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(xxh32(b""), 0x02cc_5d05);
        assert_eq!(xxh32(b"abc"), 0x32d1_53ff);
    }
}
