//! Candidates for payloads, validated: the header that should follow is taken out of the plane and parsed.
//!
//! Nothing is run and nothing is unpacked beyond a few hundred bytes that are thrown away.

use super::Tensor;
use crate::finding::{Findings, code};
use crate::inspect::embedded::{elf, mach_o};
use crate::inspect::{Closing, tensors::Swept};
use crate::sink::tensor::{Carrier, PayloadHit, PayloadKind, TextRun, reads_as_text, turn};
use crate::span::Span;
use probity_signatures::{Classification, callables, tensors};
use std::io::Read;

/// Bytes of a payload that are taken out at most.
const WINDOW: usize = 4096;

/// `tensor-payload`, `tensor-integer-executable`, `tensor-text`.
pub(super) fn inspect(artifact: &Closing<'_>, tensor: &Tensor<'_>, out: &mut Findings) {
    for hit in &tensor.scan().payloads {
        if let Some(proof) = validate(artifact, tensor.swept, hit) {
            report(tensor, hit, &proof, out);
        }
    }
    texts(artifact, tensor, out);
}

/// A payload whose header agrees with itself.
struct Proof {
    what: String,
    /// Whether it is what a processor or an interpreter runs, rather than an archive.
    runs: bool,
}

fn report(tensor: &Tensor<'_>, hit: &PayloadHit, proof: &Proof, out: &mut Findings) {
    let float = tensor
        .swept
        .spec
        .layout
        .is_none_or(|layout| layout.dtype.is_float() || matches!(layout.dtype, crate::tensor::Dtype::Quant(_)));
    let (place, case) = match hit.carrier {
        Carrier::Raw => ("the bytes as they stand".to_owned(), "raw"),
        Carrier::Bytes { low: 1, .. } => ("the lowest byte of each element".to_owned(), "bytes"),
        Carrier::Bytes { low, high_first } => {
            let order = if high_first { "most" } else { "least" };
            (
                format!("the {low} lowest bytes of each element, {order} significant first"),
                "bytes",
            )
        }
        Carrier::Bits { low, high_first } => {
            let order = if high_first { "most" } else { "least" };
            let bits = if low == 1 {
                "lowest bit".to_owned()
            } else {
                format!("{low} lowest bits")
            };
            (
                format!("the {bits} of each element, packed {order} significant first"),
                "bits",
            )
        }
    };
    let width = u64::try_from(tensor.swept.spec.width().max(1)).unwrap_or(1);
    let element = hit.offset.checked_div(width).unwrap_or(0);
    let message = format!(
        "tensor {}: {} in {place}, from element {element} on",
        tensor.shown(),
        proof.what
    );
    let at = tensor.span().start().saturating_add(hit.offset);
    let span = Span::new(at, tensor.span().end().max(at));
    let bare = !float && hit.carrier == Carrier::Raw;
    let finding = match (bare, proof.runs) {
        (true, true) => tensor.finding(code::TENSOR_INTEGER_EXECUTABLE, span, message),
        (true, false) => tensor
            .finding(code::TENSOR_PAYLOAD, span, message)
            .case("integer-archive"),
        (false, _) => tensor.finding(code::TENSOR_PAYLOAD, span, message).case(case),
    };
    let key = format!("{} {} {case}", tensor.shown(), proof.what);
    out.push(
        finding
            .key(key)
            .evidence("type", proof.what.as_str())
            .evidence("carrier", place)
            .evidence("element", element),
    );
}

/// Bytes of the plane of `hit`, from its first element on or, when `back` is not 0, from so many bytes before it.
fn window(artifact: &Closing<'_>, swept: &Swept, hit: &PayloadHit, back: u64) -> (Vec<u8>, u64) {
    const PART: u64 = 64 << 10;
    let width = u64::try_from(swept.spec.width().max(1)).unwrap_or(1);
    // Bytes of the tensor that carry `n` of the payload.
    let carried = |n: u64| match hit.carrier {
        Carrier::Raw => n,
        Carrier::Bytes { low, .. } => n.div_ceil(u64::from(low.max(1))).saturating_mul(width),
        Carrier::Bits { low, .. } => n
            .saturating_mul(8)
            .div_ceil(u64::from(low.max(1)))
            .saturating_mul(width),
    };
    // Whole steps back, so that what is taken out is in step with the hit.
    let whole = match hit.carrier {
        Carrier::Bytes { low, .. } => u64::from(low.max(1)),
        _ => 1,
    };
    let mut back = back.next_multiple_of(whole);
    while back > 0 && carried(back) > hit.offset {
        back = back.saturating_sub(whole);
    }
    let start = hit.offset.saturating_sub(carried(back));
    let wanted = carried(back.saturating_add(u64::try_from(WINDOW).unwrap_or(0)));
    let span = Span::saturating_at(start, wanted).intersect(Span::new(0, swept.span.len()));
    let mut raw = Vec::new();
    let mut at = span.start();
    while at < span.end() {
        let length = PART.min(span.end().saturating_sub(at));
        let part = artifact.bytes(swept.span.start().saturating_add(at), length);
        if part.is_empty() {
            break;
        }
        at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        raw.extend_from_slice(&part);
    }
    (taken_out(&raw, swept, hit.carrier), back)
}

/// What the elements of `raw` carry.
fn taken_out(raw: &[u8], swept: &Swept, carrier: Carrier) -> Vec<u8> {
    let width = swept.spec.width().max(1);
    let big = swept.spec.is_big_endian();
    let lowest = |element: &[u8]| if big { element.last() } else { element.first() }.copied().unwrap_or(0);
    match carrier {
        Carrier::Raw => raw.to_vec(),
        Carrier::Bytes { low, high_first } => {
            let low = usize::from(low).min(width);
            let first = if big { width.saturating_sub(low) } else { 0 };
            let mut out = Vec::new();
            for element in raw.chunks_exact(width) {
                let part = element.get(first..first.saturating_add(low)).unwrap_or_default();
                if high_first == big {
                    out.extend_from_slice(part);
                } else {
                    out.extend(part.iter().rev());
                }
            }
            out
        }
        Carrier::Bits { low, high_first } => {
            let per = usize::from(8u8.checked_div(low).unwrap_or(8)).max(1);
            let mask = if low == 1 {
                1
            } else {
                0xffu8.wrapping_shr(u32::from(8u8.saturating_sub(low)))
            };
            let elements: Vec<u8> = raw.chunks_exact(width).map(|element| lowest(element) & mask).collect();
            let bytes = elements.chunks_exact(per).map(|group| {
                let byte = group
                    .iter()
                    .rev()
                    .fold(0u8, |byte, bits| byte.wrapping_shl(u32::from(low)) | bits);
                if high_first { turn(low, byte) } else { byte }
            });
            bytes.collect()
        }
    }
}

fn validate(artifact: &Closing<'_>, swept: &Swept, hit: &PayloadHit) -> Option<Proof> {
    // The magic number of WebAssembly is found from its second byte on.
    let back = u64::from(hit.kind == PayloadKind::Wasm);
    let (bytes, before) = window(artifact, swept, hit, back);
    let before = usize::try_from(before).ok()?;
    let here = bytes.get(before..)?;
    let (what, runs): (String, bool) = match hit.kind {
        PayloadKind::Elf => (elf(here).then(|| "an ELF executable".to_owned())?, true),
        PayloadKind::MachO => (
            (mach_o(here) || universal(here)).then(|| "a Mach-O executable".to_owned())?,
            true,
        ),
        PayloadKind::Wasm => {
            (bytes.get(before.checked_sub(1)?) == Some(&0)).then_some(())?;
            ("a WebAssembly module".to_owned(), true)
        }
        PayloadKind::Pe => (pe(here).then(|| "a PE executable".to_owned())?, true),
        PayloadKind::Zip => (zip(here)?.to_owned(), false),
        PayloadKind::Gzip => (gzip(here).then(|| "a gzip stream".to_owned())?, false),
        PayloadKind::Xz => (xz(here).then(|| "an xz stream".to_owned())?, false),
        PayloadKind::Zstd => (zstd(here).then(|| "a Zstandard frame".to_owned())?, false),
        PayloadKind::SevenZip => (seven_zip(here).then(|| "a 7z archive".to_owned())?, false),
        PayloadKind::Script => (format!("a script for {}", script(here)?), true),
        PayloadKind::Php => (php(here).then(|| "a PHP script".to_owned())?, true),
        PayloadKind::Pickle => (format!("a pickle that names {}", pickle(here)?), true),
    };
    Some(Proof { what, runs })
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A universal Mach-O: its first slice has a processor, an offset and a size.
fn universal(bytes: &[u8]) -> bool {
    let word = |at: usize| -> Option<u32> { Some(le32(bytes, at)?.swap_bytes()) };
    word(0) == Some(0xcafe_babe)
        && matches!(word(4), Some(1..=8))
        && matches!(word(8).map(|cpu| cpu & 0x00ff_ffff), Some(7 | 12 | 18))
        && matches!(word(16), Some(0x20..))
        && matches!(word(24), Some(0..=20))
}

/// Whether `e_lfanew` leads to a PE header with a known machine, sections and an optional header.
fn pe(bytes: &[u8]) -> bool {
    let signature = le32(bytes, 0x3c).and_then(|at| usize::try_from(at).ok());
    let Some(header) = signature.and_then(|at| bytes.get(at..)) else {
        return false;
    };
    header.starts_with(b"PE\0\0")
        && matches!(le16(header, 4), Some(0x14c | 0x8664 | 0x1c0 | 0x1c4 | 0xaa64 | 0x200))
        && matches!(le16(header, 6), Some(1..=96))
        && matches!(le16(header, 20), Some(28..=512))
}

/// A local header with a name that could be one, or an end record whose directory could be.
fn zip(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(..4)? == b"PK\x05\x06" {
        let entries = u32::from(le16(bytes, 10)?);
        let (size, offset) = (le32(bytes, 12)?, le32(bytes, 16)?);
        let sound =
            size >= entries.saturating_mul(46) && size <= 1 << 26 && offset <= 1 << 30 && le16(bytes, 20)? <= 512;
        return sound.then_some("the end of a zip archive");
    }
    let length = usize::from(le16(bytes, 26)?);
    let extra = le16(bytes, 28)?;
    let name = bytes.get(30..30usize.checked_add(length)?)?;
    let printable = (1..=512).contains(&length)
        && extra <= 4096
        && std::str::from_utf8(name).is_ok_and(|name| !name.chars().any(char::is_control));
    printable.then_some("a zip archive")
}

/// Whether a deflate stream follows the header.
fn gzip(bytes: &[u8]) -> bool {
    let mut reader = flate2::bufread::GzDecoder::new(bytes);
    reads(&mut reader)
}

fn zstd(bytes: &[u8]) -> bool {
    match ruzstd::decoding::StreamingDecoder::new(bytes) {
        Ok(mut reader) => reads(&mut reader),
        Err(_) => false,
    }
}

/// Whether a decoder gives something: enough that chance does not, or all that there is.
fn reads(reader: &mut dyn Read) -> bool {
    const ENOUGH: usize = 256;
    let mut out = [0u8; ENOUGH];
    let mut length = 0usize;
    while let Some(rest) = out.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => return true,
            Ok(n) => length = length.saturating_add(n),
            Err(_) => return false,
        }
    }
    true
}

/// The stream flags and their CRC-32 (The .xz File Format, 2.1.1).
fn xz(bytes: &[u8]) -> bool {
    matches!((bytes.get(6..8), le32(bytes, 8)), (Some(flags), Some(crc)) if crc32fast::hash(flags) == crc)
}

/// The start header and its CRC-32 (7zFormat.txt, SignatureHeader).
fn seven_zip(bytes: &[u8]) -> bool {
    matches!((bytes.get(12..32), le32(bytes, 8)), (Some(start), Some(crc)) if crc32fast::hash(start) == crc)
}

/// Interpreters, without versions.
const INTERPRETERS: [&str; 24] = [
    "sh",
    "bash",
    "dash",
    "ash",
    "zsh",
    "ksh",
    "csh",
    "tcsh",
    "fish",
    "busybox",
    "python",
    "perl",
    "ruby",
    "node",
    "php",
    "lua",
    "env",
    "awk",
    "gawk",
    "sed",
    "tclsh",
    "pwsh",
    "osascript",
    "expect",
];

/// The interpreter of a script whose first line names one and whose next bytes are text.
fn script(bytes: &[u8]) -> Option<&'static str> {
    let line = bytes.get(2..)?.split(|b| matches!(b, b'\n' | b'\r' | 0)).next()?;
    let text = bytes.iter().take(WINDOW).take_while(|b| is_text(**b)).count();
    let line = std::str::from_utf8(line).ok().filter(|line| line.len() <= 256)?;
    let mut words = line.split_ascii_whitespace();
    let path = words.next()?.strip_prefix('/')?;
    let mut name = path.rsplit('/').next()?;
    if name == "env" {
        name = words
            .find(|word| !word.starts_with('-') && !word.contains('='))
            .unwrap_or(name);
    }
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let known = INTERPRETERS.iter().find(|known| **known == name)?;
    // Something follows the line.
    (text >= line.len().saturating_add(8)).then_some(known)
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..)
}

fn php(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .take(40)
        .take_while(|b| is_text(**b) && b.is_ascii())
        .count()
        >= 24
}

/// The first callable that is known to be dangerous among those that the beginning of a pickle names.
fn pickle(bytes: &[u8]) -> Option<String> {
    let dangerous = |module: &str, name: &str| {
        let word = |text: &str| {
            !text.is_empty()
                && text.len() <= 128
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
        };
        (word(module) && word(name) && matches!(callables().classify(module, name), Classification::Dangerous { .. }))
            .then(|| format!("{module}.{name}"))
    };
    // GLOBAL: two lines behind a `c`.
    for at in memchr::memchr_iter(b'c', bytes).take(256) {
        let mut lines = bytes.get(at.checked_add(1)?..)?.splitn(3, |b| *b == b'\n');
        let (Some(module), Some(name), Some(_)) = (lines.next(), lines.next(), lines.next()) else {
            continue;
        };
        if let (Ok(module), Ok(name)) = (std::str::from_utf8(module), std::str::from_utf8(name))
            && let Some(found) = dangerous(module, name)
        {
            return Some(found);
        }
    }
    // STACK_GLOBAL: two short strings, each perhaps kept in the memo.
    let mut strings: Vec<&str> = Vec::new();
    let mut at = 0usize;
    while let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr(0x8c, rest)) {
        let start = at.checked_add(next)?;
        let length = usize::from(*bytes.get(start.checked_add(1)?)?);
        let from = start.checked_add(2)?;
        match bytes.get(from..from.checked_add(length)?).map(std::str::from_utf8) {
            Some(Ok(text)) => {
                if let Some(module) = strings.last()
                    && let Some(found) = dangerous(module, text)
                {
                    return Some(found);
                }
                strings.push(text);
                at = from.checked_add(length)?;
            }
            _ => at = start.checked_add(1)?,
        }
    }
    None
}

/// The runs that are told, each with up to 4 KiB of it.
pub(super) fn read_texts(artifact: &Closing<'_>, tensor: &Tensor<'_>) -> Vec<(TextRun, Vec<u8>)> {
    let told = tensor
        .scan()
        .texts
        .iter()
        .filter(|run| run.length >= tensors().text.short);
    told.filter_map(|run| {
        let at = tensor.span().start().saturating_add(run.offset);
        let text = artifact.bytes(at, run.length.min(4096));
        reads_as_text(&text, tensor.swept.spec.width()).then_some((*run, text))
    })
    .collect()
}

fn texts(artifact: &Closing<'_>, tensor: &Tensor<'_>, out: &mut Findings) {
    let limits = tensors().text;
    for (run, text) in read_texts(artifact, tensor) {
        let at = tensor.span().start().saturating_add(run.offset);
        let address = memchr::memmem::find(&text, b"://").is_some();
        let case = if run.length >= limits.long || address {
            "long"
        } else {
            "short"
        };
        let begins = String::from_utf8_lossy(text.get(..text.len().min(60)).unwrap_or_default()).into_owned();
        let message = format!(
            "tensor {}: {} bytes of text among its elements, beginning {begins:?}",
            tensor.shown(),
            run.length
        );
        let finding = tensor
            .finding(code::TENSOR_TEXT, Span::saturating_at(at, run.length), message)
            .case(case);
        out.push(finding.evidence("bytes", run.length).evidence("begins", begins));
    }
}
