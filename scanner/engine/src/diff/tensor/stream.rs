//! Two tensors, read side by side: equal or not, and by how much.
//!
//! Bytes of one type are first compared as bytes, which ends at the first difference; only then are elements decoded, in
//! chunks of whole rows, from the start. Memory is a few megabytes a tensor, whatever its size.

use super::element::Element;
use super::sketch::{Sketch, Spectrum};
use crate::source::{ReadAt, read_full_at};
use crate::span::Span;

/// Elements of a chunk.
const CHUNK: usize = 1 << 18;
/// Bytes of a block that is compared as bytes.
const BLOCK: u64 = 1 << 20;

/// One side of a pair.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) source: &'a dyn ReadAt,
    /// Where the elements lie in the source.
    pub(super) span: Span,
    pub(super) element: Option<Element>,
}

/// What two tensors with as many elements differ by.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Measure {
    /// Elements that differ.
    pub(super) changed: u64,
    /// Elements that are not finite on a side.
    pub(super) nonfinite: u64,
    /// `||old||^2`, over finite elements.
    pub(super) old_energy: f64,
    /// `||new||^2`.
    pub(super) new_energy: f64,
    /// `||new - old||^2`.
    pub(super) energy: f64,
    /// The greatest `|new - old|`.
    pub(super) largest: f64,
    /// The bits in which elements of one type differ, all together.
    pub(super) mask: u64,
    /// Elements of floating-point types that are not each other's rounding.
    pub(super) not_rounded: u64,
    /// How the difference is spread over directions; `None` for what is no matrix, or too large a one.
    pub(super) spectrum: Option<Spectrum>,
}

/// What a comparison came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Compared {
    Identical,
    /// Only bytes were compared: so many differ.
    Bytes(u64),
    Measured(Box<Measure>),
    /// The bytes cannot be read, or are fewer than they should be.
    Unread(String),
}

/// Compares two tensors of `elements` elements each, laid out as a matrix of `columns` columns.
pub(super) fn compare(old: Side<'_>, new: Side<'_>, elements: u64, columns: u64, name: &str) -> Compared {
    let same_type = old.element == new.element && old.span.len() == new.span.len();
    if same_type {
        match first_difference(old, new) {
            Ok(None) => return Compared::Identical,
            Ok(Some(_)) => {}
            Err(why) => return Compared::Unread(why),
        }
    }
    let (Some(a), Some(b)) = (old.element, new.element) else {
        return match differing_bytes(old, new) {
            Ok(n) => Compared::Bytes(n),
            Err(why) => Compared::Unread(why),
        };
    };
    for (side, element, which) in [(old, a, "old"), (new, b, "new")] {
        if element.bytes(elements) != Some(side.span.len()) {
            return Compared::Unread(format!(
                "the {which} tensor has {} bytes, which are not those of its elements",
                side.span.len()
            ));
        }
    }
    match measure(old, new, (a, b), elements, columns, name) {
        Ok(measure) => Compared::Measured(Box::new(measure)),
        Err(why) => Compared::Unread(why),
    }
}

fn read(side: Side<'_>, at: u64, to: &mut [u8]) -> Result<(), String> {
    let start = side.span.start().saturating_add(at);
    match read_full_at(side.source, to, start) {
        Ok(n) if n == to.len() => Ok(()),
        Ok(_) => Err("the file ends inside of it".to_owned()),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

/// Walks both spans in blocks; `visit` says whether to go on.
fn blocks(old: Side<'_>, new: Side<'_>, mut visit: impl FnMut(u64, &[u8], &[u8]) -> bool) -> Result<(), String> {
    let length = old.span.len().min(new.span.len());
    let room = usize::try_from(length.min(BLOCK)).unwrap_or(0);
    let (mut a, mut b) = (vec![0u8; room], vec![0u8; room]);
    let mut at = 0u64;
    while at < length {
        let n = usize::try_from(length.saturating_sub(at).min(BLOCK)).unwrap_or(0);
        let (Some(a), Some(b)) = (a.get_mut(..n), b.get_mut(..n)) else {
            break;
        };
        read(old, at, a)?;
        read(new, at, b)?;
        if !visit(at, a, b) {
            break;
        }
        at = at.saturating_add(n as u64);
    }
    Ok(())
}

/// The first block that differs.
fn first_difference(old: Side<'_>, new: Side<'_>) -> Result<Option<u64>, String> {
    let mut first = None;
    blocks(old, new, |at, a, b| {
        if a != b {
            first = Some(at);
        }
        first.is_none()
    })?;
    Ok(first)
}

fn differing_bytes(old: Side<'_>, new: Side<'_>) -> Result<u64, String> {
    let mut n = old.span.len().abs_diff(new.span.len());
    blocks(old, new, |_, a, b| {
        let differ = a.iter().zip(b).filter(|(x, y)| x != y).count();
        n = n.saturating_add(differ as u64);
        true
    })?;
    Ok(n)
}

fn measure(
    old: Side<'_>,
    new: Side<'_>,
    (a, b): (Element, Element),
    elements: u64,
    columns: u64,
    name: &str,
) -> Result<Measure, String> {
    let (per_a, per_b) = (a.block().0, b.block().0);
    let columns = usize::try_from(columns).unwrap_or(usize::MAX);
    let rows = usize::try_from(elements)
        .ok()
        .and_then(|n| n.checked_div(columns))
        .unwrap_or(0);
    let whole_rows = columns <= CHUNK && columns.is_multiple_of(per_a) && columns.is_multiple_of(per_b);
    let mut sketch = match whole_rows && (rows as u64).checked_mul(columns as u64) == Some(elements) {
        true => Sketch::new(rows, columns, name),
        false => None,
    };
    // Blocks have 1, 32 or 256 elements: all of them divide a chunk that is not of rows.
    let chunk = match &sketch {
        Some(_) => (CHUNK / columns.max(1)).max(1).saturating_mul(columns),
        None => CHUNK,
    };
    let room = chunk.min(usize::try_from(elements).unwrap_or(usize::MAX));
    let bytes = |element: Element, n: usize| {
        let (per, size) = element.block();
        n.div_ceil(per).saturating_mul(size)
    };
    let (mut raw_a, mut raw_b) = (vec![0u8; bytes(a, room)], vec![0u8; bytes(b, room)]);
    let (mut base, mut d) = (vec![0f32; room], vec![0f32; room]);
    let wide = a.is_wide() || b.is_wide();
    let (mut wide_a, mut wide_b) = if wide {
        (vec![0f64; room], vec![0f64; room])
    } else {
        (Vec::new(), Vec::new())
    };
    let mut out = Measure::default();
    let rounding = (a != b).then(|| Rounding::of(a, b)).flatten();
    let (mut done, mut row) = (0u64, 0usize);
    let (mut at_a, mut at_b) = (0u64, 0u64);
    while done < elements {
        let n = usize::try_from(elements.saturating_sub(done))
            .unwrap_or(usize::MAX)
            .min(chunk);
        let (Some(raw_a), Some(raw_b)) = (raw_a.get_mut(..bytes(a, n)), raw_b.get_mut(..bytes(b, n))) else {
            break;
        };
        read(old, at_a, raw_a)?;
        read(new, at_b, raw_b)?;
        at_a = at_a.saturating_add(raw_a.len() as u64);
        at_b = at_b.saturating_add(raw_b.len() as u64);
        done = done.saturating_add(n as u64);
        let (Some(base), Some(d)) = (base.get_mut(..n), d.get_mut(..n)) else {
            break;
        };
        if wide {
            let (Some(wide_a), Some(wide_b)) = (wide_a.get_mut(..n), wide_b.get_mut(..n)) else {
                break;
            };
            a.decode_wide(raw_a, wide_a);
            b.decode_wide(raw_b, wide_b);
            for (((to, base), x), y) in d.iter_mut().zip(base.iter_mut()).zip(&*wide_a).zip(&*wide_b) {
                *to = (y - x) as f32;
                *base = *x as f32;
            }
        } else {
            a.decode(raw_a, base);
            b.decode(raw_b, d);
            for (d, base) in d.iter_mut().zip(&*base) {
                *d -= base;
            }
        }
        if a == b {
            let (changed, mask) = bits(a, raw_a, raw_b);
            out.mask |= mask;
            out.changed = out.changed.saturating_add(changed.unwrap_or_else(|| differ(d)));
        } else {
            out.changed = out.changed.saturating_add(differ(d));
        }
        sums(base, d, &mut out);
        if let Some(rounding) = &rounding {
            out.not_rounded = out.not_rounded.saturating_add(rounding.broken(base, d));
        }
        if let Some(sketch) = &mut sketch {
            for line in d.chunks_exact(columns) {
                sketch.row(row, line);
                row = row.saturating_add(1);
            }
        }
    }
    out.spectrum = match out.changed {
        0 => None,
        _ => sketch.and_then(Sketch::finish),
    };
    Ok(out)
}

fn differ(d: &[f32]) -> u64 {
    d.iter().filter(|d| **d != 0.0).count() as u64
}

/// Elements of one type whose bits differ, and all bits in which they do; for blocks only the second is left out.
fn bits(element: Element, a: &[u8], b: &[u8]) -> (Option<u64>, u64) {
    fn by<const N: usize>(a: &[u8], b: &[u8], word: impl Fn([u8; N]) -> u64) -> (Option<u64>, u64) {
        let (mut n, mut mask) = (0u64, 0u64);
        for (x, y) in a.as_chunks::<N>().0.iter().zip(b.as_chunks::<N>().0) {
            let x = word(*x) ^ word(*y);
            mask |= x;
            n += u64::from(x != 0);
        }
        (Some(n), mask)
    }
    match element.block() {
        (1, 8) => by(a, b, u64::from_le_bytes),
        (1, 4) => by(a, b, |w| u64::from(u32::from_le_bytes(w))),
        (1, 2) => by(a, b, |w| u64::from(u16::from_le_bytes(w))),
        (1, 1) => by(a, b, |[w]: [u8; 1]| u64::from(w)),
        _ => (None, u64::MAX),
    }
}

/// Sums in eight lanes, which the compiler keeps in registers.
#[derive(Default)]
struct Lanes {
    old: [f64; 8],
    new: [f64; 8],
    energy: [f64; 8],
    largest: [f32; 8],
    bad: [u32; 8],
}

impl Lanes {
    fn add(&mut self, base: &mut [f32], d: &mut [f32]) {
        let sums = self.old.iter_mut().zip(&mut self.new).zip(&mut self.energy);
        let counts = self.largest.iter_mut().zip(&mut self.bad);
        let values = base.iter_mut().zip(d);
        for (((x, d), ((old, new), energy)), (largest, bad)) in values.zip(sums).zip(counts) {
            let finite = d.abs() < f32::INFINITY && x.abs() < f32::INFINITY;
            *bad += u32::from(!finite);
            *d = if finite { *d } else { 0.0 };
            *x = if finite { *x } else { 0.0 };
            let (old_value, change) = (f64::from(*x), f64::from(*d));
            let new_value = old_value + change;
            *old += old_value * old_value;
            *new += new_value * new_value;
            *energy += change * change;
            *largest = if d.abs() > *largest { d.abs() } else { *largest };
        }
    }
}

/// Adds the chunk's sums; differences that are not finite become zero, so that one NaN does not hide the rest.
fn sums(base: &mut [f32], d: &mut [f32], out: &mut Measure) {
    let mut lanes = Lanes::default();
    let (base_whole, base_rest) = base.as_chunks_mut::<8>();
    let (d_whole, d_rest) = d.as_chunks_mut::<8>();
    for (base, d) in base_whole.iter_mut().zip(d_whole) {
        lanes.add(base, d);
    }
    lanes.add(base_rest, d_rest);
    out.old_energy += lanes.old.iter().sum::<f64>();
    out.new_energy += lanes.new.iter().sum::<f64>();
    out.energy += lanes.energy.iter().sum::<f64>();
    out.largest = lanes
        .largest
        .iter()
        .fold(out.largest, |most, x| most.max(f64::from(*x)));
    let bad = lanes.bad.iter().fold(0u64, |n, x| n.saturating_add(u64::from(*x)));
    out.nonfinite = out.nonfinite.saturating_add(bad);
}

/// How far a cast may move a value: the last bit of the type with the shorter mantissa, or its least value.
struct Rounding {
    relative: f32,
    absolute: f32,
    greatest: f32,
}

impl Rounding {
    fn of(a: Element, b: Element) -> Option<Self> {
        let bits = i32::try_from(a.mantissa()?.min(b.mantissa()?)).ok()?;
        Some(Self {
            relative: 2f32.powi(-bits),
            absolute: (a.tiny().max(b.tiny()) as f32).max(f32::MIN_POSITIVE),
            greatest: a.greatest().min(b.greatest()) as f32,
        })
    }

    /// Elements that a cast does not explain. Values beyond the narrower type's range may become its greatest.
    fn broken(&self, base: &[f32], d: &[f32]) -> u64 {
        let within = |x: &f32, d: &f32| d.abs() <= self.relative * x.abs() + self.absolute || x.abs() > self.greatest;
        base.iter().zip(d).filter(|(x, d)| !within(x, d)).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;

    fn check(a: (&str, Vec<u8>), b: (&str, Vec<u8>), elements: u64, columns: u64) -> Compared {
        let (old, new) = (MemorySource::new(a.1), MemorySource::new(b.1));
        let side = |source: &'static dyn ReadAt, text| Side {
            source,
            span: Span::new(0, source.len()),
            element: Element::parse(text),
        };
        let (old, new): (&'static MemorySource, &'static MemorySource) =
            (Box::leak(Box::new(old)), Box::leak(Box::new(new)));
        compare(side(old, a.0), side(new, b.0), elements, columns, "a")
    }

    fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    #[test]
    fn equal_bytes_are_identical_and_a_changed_element_is_measured() {
        let values: Vec<f32> = (0..600u16).map(f32::from).collect();
        let same = check(("F32", f32s(&values)), ("F32", f32s(&values)), 600, 30);
        assert_eq!(same, Compared::Identical);
        let mut other = values.clone();
        other[7] += 4.0;
        other[8] = f32::NAN;
        let Compared::Measured(m) = check(("F32", f32s(&values)), ("F32", f32s(&other)), 600, 30) else {
            unreachable!("measured")
        };
        assert_eq!((m.changed, m.nonfinite, m.energy, m.largest), (2, 1, 16.0, 4.0));
        assert_eq!(m.spectrum.unwrap().rank(0.99), Some(1));
    }

    #[test]
    fn low_bits_and_casts_are_told() {
        let values: Vec<f32> = (1..257u16).map(|n| f32::from(n) * 0.37).collect();
        let low: Vec<u8> = f32s(&values)
            .iter()
            .enumerate()
            .map(|(n, b)| if n % 4 == 0 { b ^ 5 } else { *b })
            .collect();
        let Compared::Measured(m) = check(("F32", f32s(&values)), ("F32", low), 256, 16) else {
            unreachable!("measured")
        };
        assert_eq!((m.changed, m.mask), (256, 5));
        let bf16: Vec<u8> = values
            .iter()
            .flat_map(|v| ((v.to_bits() >> 16) as u16).to_le_bytes())
            .collect();
        let Compared::Measured(m) = check(("F32", f32s(&values)), ("BF16", bf16.clone()), 256, 16) else {
            unreachable!("measured")
        };
        assert_eq!(m.not_rounded, 0);
        let mut wrong = bf16;
        wrong[1] ^= 0x01;
        let Compared::Measured(m) = check(("F32", f32s(&values)), ("BF16", wrong), 256, 16) else {
            unreachable!("measured")
        };
        assert_eq!(m.not_rounded, 1);
    }

    #[test]
    fn what_is_cut_or_unknown_is_said() {
        assert!(matches!(
            check(("F32", vec![0; 12]), ("F16", vec![0; 8]), 4, 4),
            Compared::Unread(_)
        ));
        assert_eq!(
            check(("IQ1_S", vec![0; 50]), ("IQ1_S", vec![1; 50]), 256, 256),
            Compared::Bytes(50)
        );
        assert!(matches!(
            check(("Q8_0", vec![0; 33]), ("F32", vec![0; 128]), 32, 32),
            Compared::Unread(_)
        ));
        assert_eq!(check(("F32", vec![]), ("F32", vec![]), 0, 0), Compared::Identical);
        assert!(matches!(
            check(("F32", vec![]), ("F16", vec![]), 0, 0),
            Compared::Measured(_)
        ));
    }
}
