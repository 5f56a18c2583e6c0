//! Parameters of Apache MXNet (`NDArray::Save`, `src/ndarray/ndarray.cc`): `.params`.
//!
//! | size | field |
//! | --- | --- |
//! | 8 | magic number `0x112` |
//! | 8 | reserved, 0 |
//! | 8 | number of arrays; for each its version, its kind of storage, its shape, its device, its type, its elements |
//! | 8 | number of names; for each 8 bytes of length and the name |
//!
//! Arrays of versions 2 and 3 with dense storage are read; sparse ones and those of the first versions are not, which
//! makes the file incomplete. The graph is a JSON document beside it.

use super::onnx::elements;
use super::proto::{self, FACTS, name_fact};
use super::{Cursor, Format, Input, Parse, ReadFault};
use crate::fact::Fact;
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::name::printable;
use crate::span::Span;

const MAGIC: &[u8] = &[0x12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// `NDARRAY_V2_MAGIC` and `NDARRAY_V3_MAGIC`.
const V2: u32 = 0xf993_fac9;
const V3: u32 = 0xf993_faca;
const RANK: u32 = 64;

/// A file of parameters.
pub(super) struct Mxnet;

struct Array {
    header: Span,
    elements: Span,
    dtype: &'static str,
    shape: Vec<u64>,
}

impl Format for Mxnet {
    fn id(&self) -> &'static str {
        "mxnet"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let rest = probe.head.strip_prefix(MAGIC)?;
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let count = u64::from_le_bytes(*count);
        // An array takes 28 bytes at least.
        let fits = count.checked_mul(28).is_some_and(|least| least <= probe.length);
        let version = rest.first_chunk::<4>().map(|version| u32::from_le_bytes(*version));
        match version {
            Some(V2 | V3) if fits => Some(Match::CERTAIN),
            _ if fits => Some(Match::LIKELY),
            _ => None,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if let Err(fault) = file(input, out) {
            out.fault(&fault, "the arrays");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["params", "ndarray", "nd", "bin"]
    }
}

fn file(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut cursor = Cursor::new(input, input.whole());
    cursor.skip(16)?;
    let count = cursor.u64_le()?;
    out.leaf(Span::new(0, 24), Role::Header, "header");
    let mut arrays = Vec::new();
    let mut broken = false;
    while u64::try_from(arrays.len()).unwrap_or(u64::MAX) < count && !broken {
        if arrays.len() >= FACTS {
            out.cut_short = true;
            proto::crowded(out);
            break;
        }
        match array(&mut cursor, out) {
            Ok(Some(array)) => arrays.push(array),
            Ok(None) => broken = true,
            Err(fault) => {
                tell(arrays, &[], out);
                return Err(fault);
            }
        }
    }
    let mut names = Vec::new();
    if !broken && let Err(fault) = self::names(&mut cursor, &mut names, out) {
        tell(arrays, &names, out);
        return Err(fault);
    }
    tell(arrays, &names, out);
    Ok(())
}

/// Reads one array; `None` when the next cannot be found.
fn array(cursor: &mut Cursor<'_, '_>, out: &mut Parse) -> Result<Option<Array>, ReadFault> {
    let start = cursor.position();
    let version = cursor.u32_le()?;
    if version != V2 && version != V3 {
        let message = format!("an MXNet array of version {version:#x} is not read");
        out.error(ScanError::new(ErrorCode::Unsupported, message).at(start));
        return Ok(None);
    }
    let storage = cursor.u32_le()?;
    if storage != 0 {
        out.error(ScanError::new(ErrorCode::Unsupported, "a sparse MXNet array is not read").at(start));
        return Ok(None);
    }
    let rank = cursor.u32_le()?;
    // -1 in version 3: the shape is not known, and there is no more.
    let empty = rank == u32::MAX || (rank == 0 && version == V2);
    let mut shape = Vec::new();
    if !empty {
        if rank > RANK {
            let span = Span::new(start, cursor.position());
            out.malformed(span, "mxnet: an array of more than 64 dimensions (ndarray.cc)");
            return Ok(None);
        }
        for _ in 0..rank {
            shape.push(cursor.u64_le()?);
        }
        cursor.skip(8)?;
    }
    let kind = if empty { 0 } else { cursor.u32_le()? };
    let (dtype, width) = match kind {
        0 => ("float32", 4),
        1 => ("float64", 8),
        2 => ("float16", 2),
        3 => ("uint8", 1),
        4 => ("int32", 4),
        5 => ("int8", 1),
        6 => ("int64", 8),
        7 => ("bool", 1),
        8 => ("int16", 2),
        9 => ("uint16", 2),
        10 => ("uint32", 4),
        11 => ("uint64", 8),
        12 => ("bfloat16", 2),
        _ => {
            let span = Span::new(start, cursor.position());
            out.malformed(span, "mxnet: an array of an unknown type (ndarray.cc)");
            return Ok(None);
        }
    };
    let header = Span::new(start, cursor.position());
    let length = match elements(&shape).and_then(|n| n.checked_mul(width)) {
        Some(length) => length,
        None => {
            let rule = "mxnet: the product of an array's dimensions overflows (ndarray.cc)";
            out.finding(Finding::new(code::MALFORMED, header, rule).case("crash").key(rule));
            return Ok(None);
        }
    };
    let elements = cursor.skip(if empty { 0 } else { length })?;
    Ok(Some(Array {
        header,
        elements,
        dtype,
        shape,
    }))
}

fn names(cursor: &mut Cursor<'_, '_>, names: &mut Vec<String>, out: &mut Parse) -> Result<(), ReadFault> {
    const LONGEST: u64 = 4096;
    let start = cursor.position();
    let count = cursor.u64_le()?;
    out.leaf(Span::new(start, cursor.position()), Role::Table, "number of names");
    for _ in 0..count {
        if names.len() >= FACTS {
            out.cut_short = true;
            proto::crowded(out);
            return Ok(());
        }
        let start = cursor.position();
        let length = cursor.u64_le()?;
        if length > LONGEST {
            let span = Span::new(start, cursor.position());
            out.malformed(span, "mxnet: a name of more than 4096 bytes");
            return Ok(());
        }
        let raw = cursor.bytes(length)?.into_owned();
        let span = Span::new(start, cursor.position());
        out.leaf(span, Role::Strings, format!("name {}", printable(&raw)));
        name_fact("tensor", &raw, span, out);
        names.push(printable(&raw));
    }
    Ok(())
}

/// Claims the arrays under their names.
fn tell(arrays: Vec<Array>, names: &[String], out: &mut Parse) {
    for (at, array) in arrays.into_iter().enumerate() {
        let name = names.get(at).map_or_else(|| format!("array {at}"), Clone::clone);
        out.leaf(array.header, Role::Header, format!("header of {name}"));
        out.leaf(array.elements, Role::Tensor, format!("elements of {name}"));
        proto::fact(
            Fact::Tensor {
                name: name.into(),
                dtype: array.dtype.into(),
                shape: array.shape,
                span: array.elements,
            },
            out,
        );
    }
}

#[cfg(test)]
#[expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "lengths of buffers in memory"
)]
mod tests {
    use super::*;
    use crate::format::fuzz;
    use crate::format::proto::tests::{check_clean, check_laws, found, identified, map};
    use proptest::prelude::*;

    fn sample(shape: &[u64], names: &[&str]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(1u64.to_le_bytes());
        out.extend(V2.to_le_bytes());
        out.extend(0u32.to_le_bytes());
        out.extend((shape.len() as u32).to_le_bytes());
        out.extend(shape.iter().flat_map(|dim| dim.to_le_bytes()));
        out.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend(vec![7; elements(shape).unwrap_or(0) as usize % 4096 * 4]);
        out.extend((names.len() as u64).to_le_bytes());
        for name in names {
            out.extend((name.len() as u64).to_le_bytes());
            out.extend(name.as_bytes());
        }
        out
    }

    #[test]
    fn parameters_claim_every_byte() {
        let bytes = sample(&[4, 3], &["arg:w"]);
        assert_eq!(
            map(&check_clean(&Mxnet, &bytes)),
            "0 24 header header\n24 40 header header of arg:w\n64 48 tensor elements of arg:w\n112 8 table number of names\n120 13 strings name arg:w\n"
        );
        assert_eq!(identified(&Mxnet, &bytes), Some(Match::CERTAIN));
        assert_eq!(identified(&Mxnet, &[0x12, 1, 0, 0, 0, 0, 0, 0]), None);
        check_laws(&Mxnet, &bytes, |end| end == 0);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let mut version = sample(&[4, 3], &["w"]);
        version[24] = 1;
        assert_eq!(Parse::of_bytes(&Mxnet, &version).errors().len(), 1);
        let mut sparse = sample(&[4, 3], &["w"]);
        sparse[28] = 1;
        assert_eq!(Parse::of_bytes(&Mxnet, &sparse).errors().len(), 1);
        let huge = sample(&[1 << 40, 1 << 40], &["w"]);
        assert_eq!(found(&Parse::of_bytes(&Mxnet, &huge)), [(code::MALFORMED, "crash")]);
    }

    proptest! {
        #[test]
        fn any_bytes_behind_the_magic_number_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz("mxnet", &[MAGIC, &bytes].concat());
        }
    }
}
