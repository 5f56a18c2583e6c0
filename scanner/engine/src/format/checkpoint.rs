//! The index of a TensorFlow checkpoint (`tensor_bundle.proto`), a LevelDB table (`table_format.md`): `.index`.
//!
//! | part | bytes |
//! | --- | --- |
//! | blocks | entries, `u32` restart offsets, `u32` their count; then a type byte (0: not compressed) and a CRC-32C |
//! | entry | varints: bytes shared with the key before, further bytes of the key, bytes of the value; then both |
//! | footer, 48 bytes | offset and size of the meta-index and the index block as varints, zeros, `57 fb 80 8b 24 75 47 db` |
//!
//! The first key is empty and its value a `BundleHeaderProto`; every other one is a tensor, its value a
//! `BundleEntryProto` that says where in a `.data` file its elements lie. Those files have no structure of their own.
//! Checksums are not computed.

use super::onnx::elements;
use super::proto::{self, FACTS, name_fact};
use super::tensorflow::data_type;
use super::{Format, Input, Parse, ReadFault};
use crate::fact::Fact;
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::name::printable;
use crate::span::Span;
use crate::walk::protobuf::{Event, Memory, Walker, Wire, varint};

const MAGIC: &[u8] = &[0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
const FOOTER: u64 = 48;
/// The type byte and the checksum behind a block.
const TRAILER: u64 = 5;

/// A checkpoint's index.
pub(super) struct Checkpoint;

/// Where a block lies.
#[derive(Clone, Copy)]
struct Handle(Span);

impl Format for Checkpoint {
    fn id(&self) -> &'static str {
        "tf-checkpoint"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        // The first entry: no key, and a header that begins with the number of shards.
        let [0, 0, length @ 2..=32, 0x08, ..] = probe.head else {
            return None;
        };
        let length = u64::from(*length).saturating_add(3);
        (probe.tail.ends_with(MAGIC) && length < probe.length).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if let Err(fault) = table(input, out) {
            out.fault(&fault, "the table");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["index"]
    }
}

fn broken(span: Span, rule: &str, out: &mut Parse) {
    out.malformed(span, &format!("tf-checkpoint: {rule} (leveldb, table_format.md)"));
}

fn table(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let footer = Span::new(input.len().saturating_sub(FOOTER), input.len());
    let bytes = input.read(footer)?;
    let mut rest: &[u8] = &bytes;
    let handles = (handle(&mut rest, input), handle(&mut rest, input));
    if !bytes.ends_with(MAGIC) {
        broken(footer, "the footer does not end with the magic number", out);
        return Ok(());
    }
    out.leaf(footer, Role::Trailer, "footer");
    let (Some(meta), Some(index)) = handles else {
        broken(footer, "a block of the footer lies outside", out);
        return Ok(());
    };
    let padding = rest.get(..rest.len().saturating_sub(MAGIC.len())).unwrap_or_default();
    if padding.iter().any(|byte| *byte != 0) {
        broken(footer, "the footer's padding is not zero", out);
    }
    block(input, meta, "meta-index block", out)?;
    let Some(entries) = block(input, index, "index block", out)? else {
        return Ok(());
    };
    let mut tensors = Vec::new();
    for (number, (_, value, at)) in entries.into_iter().enumerate() {
        let Some(data) = handle(&mut value.as_slice(), input) else {
            broken(at, "a data block lies outside", out);
            continue;
        };
        for (key, value, at) in block(input, data, &format!("data block {number}"), out)?.unwrap_or_default() {
            if !key.is_empty() && tensors.len() < FACTS {
                tensors.extend(tensor(&key, &value, at, out));
            }
        }
    }
    tensors.sort_by_key(|(shard, span, _)| (*shard, *span));
    for pair in tensors.windows(2) {
        if let [(shard, first, _), (other, second, at)] = pair
            && shard == other
            && first.overlaps(*second)
        {
            let rule = "tf-checkpoint: two tensors share bytes of a shard (tensor_bundle.proto)";
            out.finding(
                Finding::new(code::MALFORMED, *at, rule)
                    .evidence("shard", *shard)
                    .key(rule),
            );
        }
    }
    Ok(())
}

/// Takes a handle off `bytes`: a block that lies before the footer, its trailer included.
fn handle(bytes: &mut &[u8], input: &Input<'_>) -> Option<Handle> {
    let offset = take(bytes)?;
    let size = take(bytes)?;
    let end = input.len().checked_sub(FOOTER)?.checked_sub(TRAILER)?;
    Span::at(offset, size).filter(|span| span.end() <= end).map(Handle)
}

/// Takes a varint off `bytes`.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (value, length) = varint(bytes)?;
    *bytes = bytes.get(usize::try_from(length).ok()?..)?;
    Some(value)
}

/// Takes `length` bytes off `bytes`.
fn split<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}

/// The entries of a block: key, value, where.
type Entries = Vec<(Vec<u8>, Vec<u8>, Span)>;

fn block(input: &Input<'_>, handle: Handle, name: &str, out: &mut Parse) -> Result<Option<Entries>, ReadFault> {
    let Handle(span) = handle;
    let trailer = Span::saturating_at(span.end(), TRAILER);
    let bytes = input.read(span)?;
    let kind = input.read(trailer)?.first().copied();
    if kind != Some(0) {
        let message = format!("the {name} is compressed");
        out.error(ScanError::new(ErrorCode::Unsupported, message).at(span.start()));
        out.leaf(span, Role::Data, name);
        out.leaf(trailer, Role::Trailer, format!("trailer of {name}"));
        return Ok(None);
    }
    let restarts = bytes
        .last_chunk::<4>()
        .map(|count| u64::from(u32::from_le_bytes(*count)));
    let tail = restarts.and_then(|count| count.checked_mul(4)?.checked_add(4));
    let Some(end) = tail.and_then(|tail| span.len().checked_sub(tail)) else {
        broken(span, "a block has more restarts than bytes", out);
        return Ok(None);
    };
    out.leaf(span, Role::Table, name);
    out.leaf(trailer, Role::Trailer, format!("trailer of {name}"));
    let mut rest = bytes.get(..usize::try_from(end).unwrap_or(0)).unwrap_or_default();
    let (mut entries, mut key): (Entries, Vec<u8>) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        if entries.len() >= FACTS {
            proto::crowded(out);
            break;
        }
        let left = u64::try_from(rest.len()).unwrap_or(0);
        let start = span.start().saturating_add(end.saturating_sub(left));
        let Some((next, value)) = entry(&mut rest, &key) else {
            broken(Span::new(start, start), "an entry runs past its block", out);
            return Ok(Some(entries));
        };
        let left = u64::try_from(rest.len()).unwrap_or(0);
        let at = Span::new(start, span.start().saturating_add(end.saturating_sub(left)));
        if !entries.is_empty() && next <= key {
            broken(at, "the keys are not in order", out);
        }
        entries.push((next.clone(), value, at));
        key = next;
    }
    Ok(Some(entries))
}

/// Takes an entry off `rest`; keys longer than 64 KiB are none.
fn entry(rest: &mut &[u8], before: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    const LONGEST: usize = 64 << 10;
    let shared = usize::try_from(take(rest)?).ok()?;
    let further = take(rest)?;
    let length = take(rest)?;
    let mut key = before.get(..shared)?.to_vec();
    key.extend_from_slice(split(rest, further)?);
    let value = split(rest, length)?.to_vec();
    (key.len() <= LONGEST).then_some((key, value))
}

/// A `BundleEntryProto`: the shard and the elements' place in it.
fn tensor(key: &[u8], value: &[u8], at: Span, out: &mut Parse) -> Option<(u64, Span, Span)> {
    const RANK: usize = 64;
    name_fact("tensor", key, at, out);
    let shown = printable(key);
    let whole = Span::new(0, u64::try_from(value.len()).ok()?);
    let mut walker = Walker::new(Memory { bytes: value, base: 0 }, whole, 4);
    let (mut dtype, mut shard, mut offset, mut size, mut sliced) = (0u64, 0u64, 0u64, 0u64, false);
    let (mut shape, mut path) = (Vec::new(), Vec::new());
    loop {
        match walker.step() {
            Ok(Some(Event::Field(field))) => match (path.as_slice(), field.number, field.wire) {
                ([], 1, Wire::Varint(n)) => dtype = n,
                ([], 3, Wire::Varint(n)) => shard = n,
                ([], 4, Wire::Varint(n)) => offset = n,
                ([], 5, Wire::Varint(n)) => size = n,
                ([], 7, _) => sliced = true,
                ([], 2, Wire::Bytes(_)) | ([2], 2, Wire::Bytes(_)) => {
                    path.push(2);
                    walker.enter();
                }
                ([2, 2], 1, Wire::Varint(n)) if shape.len() < RANK => shape.push(n),
                _ => {}
            },
            Ok(Some(Event::End)) => {
                path.pop();
            }
            Ok(None) => break,
            Err(_) => {
                out.malformed(at, "tf-checkpoint: an entry that is no message (tensor_bundle.proto)");
                return None;
            }
        }
    }
    let (spelt, bits) = data_type(dtype);
    let needs = elements(&shape)
        .and_then(|n| n.checked_mul(bits))
        .map(|bits| bits.div_ceil(8));
    if needs.is_none() {
        let rule = format!("tf-checkpoint: tensor {shown}: its dimensions overflow (tensor_bundle.proto)");
        out.finding(Finding::new(code::MALFORMED, at, &*rule).case("crash").key(rule));
    } else if bits > 0 && !sliced && needs != Some(size) {
        let needs = needs.unwrap_or(0);
        let rule = format!("tf-checkpoint: tensor {shown} has {size} bytes, shape and type need {needs}");
        out.malformed(at, &rule);
    }
    proto::fact(
        Fact::Tensor {
            name: shown.into(),
            dtype: spelt.into(),
            shape,
            span: Span::new(at.start(), at.start()),
        },
        out,
    );
    let Some(place) = Span::at(offset, size) else {
        out.malformed(at, "tf-checkpoint: offset and size overflow (tensor_bundle.proto)");
        return None;
    };
    // A tensor that is stored in slices has no elements of its own.
    (!sliced && size > 0).then_some((shard, place, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::fuzz;
    use crate::format::proto::tests::{check_clean, check_laws, found, identified, map};
    use probity_tests::build::graphs::checkpoint;
    use proptest::prelude::*;

    #[test]
    fn an_index_claims_every_byte() {
        let bytes = checkpoint(&[("a/w", &[4, 3], 0), ("b", &[3], 48)]);
        let out = check_clean(&Checkpoint, &bytes);
        let map = map(&out);
        for name in [
            "data block 0",
            "trailer of data block 0",
            "meta-index block",
            "index block",
            "footer",
        ] {
            assert!(map.contains(name), "{name} in {map}");
        }
        let tensors = out.facts().iter().filter_map(|fact| match fact {
            Fact::Tensor { name, shape, .. } => Some((&**name, shape.as_slice())),
            _ => None,
        });
        assert_eq!(tensors.collect::<Vec<_>>(), [("a/w", &[4, 3][..]), ("b", &[3][..])]);
        assert_eq!(identified(&Checkpoint, &bytes), Some(Match::CERTAIN));
        check_laws(&Checkpoint, &bytes, |_| false);
    }

    #[test]
    fn entries_are_held_against_each_other() {
        let check = |tensors: &[(&str, &[u64], u64)], expected: &[(&str, &str)]| {
            let out = Parse::of_bytes(&Checkpoint, &checkpoint(tensors));
            assert_eq!(found(&out), expected, "{tensors:?}");
        };
        let malformed = (code::MALFORMED, "-");
        check(&[("a", &[4], 0), ("b", &[3], 16)], &[]);
        check(&[("a", &[4], 0), ("b", &[3], 12)], &[malformed]);
        check(&[("b", &[4], 0), ("a", &[3], 16)], &[malformed]);
        check(&[("a", &[1 << 40, 1 << 40], 0)], &[(code::MALFORMED, "crash")]);
        let mut compressed = checkpoint(&[("a", &[4], 0)]);
        let bytes = compressed.len();
        // The trailer of the index block stands before the footer.
        compressed[bytes - 53] = 1;
        assert_eq!(Parse::of_bytes(&Checkpoint, &compressed).errors().len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_before_the_footer_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz("tf-checkpoint", &[&bytes[..], MAGIC].concat());
        }
    }
}
