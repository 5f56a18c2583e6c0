//! The two statements about each member, held against each other.
//!
//! A seeking reader believes the central directory, a streaming one the local header and the data descriptor. Extra
//! fields differ in most published archives and are not compared.

use super::central::Central;
use super::extra::Extras;
use super::local::{Descriptor, Local};
use crate::finding::{Finding, code};
use crate::format::Parse;
use crate::policy::shown;
use crate::span::Span;

/// Encryption, data descriptor, patch data, strong encryption, masked headers: they select how data are read.
const DECODING: u16 = 0x2069;
/// The name is UTF-8.
pub(super) const UTF8: u16 = 0x0800;
const FULL: u64 = 0xffff_ffff;

/// Takes from the ZIP64 extra field what the header's own sizes leave to it.
pub(super) fn widen(local: &mut Local, extras: &Extras) {
    let mut values = extras.zip64.iter().flatten();
    for field in [&mut local.size, &mut local.compressed] {
        if *field == FULL
            && let Some(value) = values.next()
        {
            *field = *value;
        }
    }
}

/// Where two numbers that must be equal differ: the case, what they are, the central and the other value.
type Difference = (&'static str, &'static str, u64, u64);

/// Compares a central record with its local header, whose sizes are widened already.
pub(super) fn headers(central: &Central, local: &Local, out: &mut Parse) {
    let span = local.name_span();
    let head = Span::new(local.at, span.start());
    if central.name != local.name {
        let (one, other) = (shown(&central.name), shown(&local.name));
        let message = format!("the central directory calls the member {one}, its local header {other}");
        let finding = Finding::new(code::HEADER_MISMATCH, span, message)
            .case("name")
            .key(one.clone());
        let finding = finding.evidence("central", one).evidence("local", other);
        out.finding(finding.related("central record", central.name_span()));
    }
    let deferred = (central.flags | local.flags) & 8 != 0;
    // A writer that cannot go back leaves zeros in the header, or all ones for ZIP64, and tells the truth later.
    let open = |value: u64| deferred && (value == 0 || value == FULL);
    let mut found: Vec<Difference> = Vec::new();
    for (case, what, one, other) in [
        (
            "method",
            "compression method",
            u64::from(central.method),
            u64::from(local.method),
        ),
        (
            "method",
            "flags",
            u64::from(central.flags & DECODING),
            u64::from(local.flags & DECODING),
        ),
        (
            "name",
            "UTF-8 flag",
            u64::from(central.flags & UTF8),
            u64::from(local.flags & UTF8),
        ),
        ("timestamp", "time", u64::from(central.time), u64::from(local.time)),
    ] {
        if one != other {
            found.push((case, what, one, other));
        }
    }
    for (case, what, one, other) in [
        ("crc", "CRC-32", u64::from(central.crc), u64::from(local.crc)),
        ("size", "compressed size", central.compressed, local.compressed),
        ("size", "uncompressed size", central.size, local.size),
    ] {
        if one != other && !open(other) {
            found.push((case, what, one, other));
        }
    }
    report(central, head, "local header", &found, out);
}

/// Compares a central record with the data descriptor at `span`.
pub(super) fn descriptor(central: &Central, descriptor: Descriptor, span: Span, out: &mut Parse) {
    let mut found: Vec<Difference> = Vec::new();
    for (case, what, one, other) in [
        ("crc", "CRC-32", u64::from(central.crc), u64::from(descriptor.crc)),
        ("size", "compressed size", central.compressed, descriptor.compressed),
        ("size", "uncompressed size", central.size, descriptor.size),
    ] {
        if one != other {
            found.push((case, what, one, other));
        }
    }
    report(central, span, "data descriptor", &found, out);
}

fn report(central: &Central, span: Span, place: &str, found: &[Difference], out: &mut Parse) {
    for &(case, what, one, other) in found {
        let name = shown(&central.name);
        let message = format!("{name}: the central directory says {what} {one:#x}, its {place} {other:#x}");
        let finding = Finding::new(code::HEADER_MISMATCH, span, message)
            .case(case)
            .key(format!("{name} {what}"))
            .evidence("name", name)
            .evidence("central", one)
            .evidence("local", other);
        out.finding(finding.related("central record", central.name_span()));
    }
}
