//! BER to DER, as far as signers differ: indefinite lengths, lengths in more octets than needed, and octet strings in
//! parts (X.690, 8.1.3.6, 8.7.3). Nothing else is made canonical: sets stay in their order.

use super::element::{DEPTH, fault};
use crate::walk::der::DerFault;

/// One open constructed value.
struct Frame {
    identifier: u8,
    /// Where it ends; `None` for an indefinite length.
    end: Option<usize>,
    content: Vec<u8>,
    start: usize,
}

impl Frame {
    /// Whether its parts are put together to one primitive string.
    fn joins(&self) -> bool {
        self.identifier == 0x24
    }
}

/// The first value of `bytes` as DER, and how many octets of `bytes` it took.
///
/// # Errors
/// The first rule of BER that is broken; depth, and tags of more than one octet, are such rules here.
pub(crate) fn to_der(bytes: &[u8]) -> Result<(Vec<u8>, usize), DerFault> {
    let at_fault = |at: usize, rule| fault(u64::try_from(at).unwrap_or(u64::MAX), rule);
    let mut open: Vec<Frame> = Vec::new();
    let mut at = 0usize;
    loop {
        // Values that end here are written into what holds them.
        while let Some(frame) = open.last() {
            let ends = match frame.end {
                Some(end) if at > end => {
                    return Err(at_fault(frame.start, "element exceeds the one around it (8.1.4)"));
                }
                Some(end) => at == end,
                None => bytes.get(at..).is_some_and(|rest| rest.starts_with(&[0, 0])),
            };
            if !ends {
                break;
            }
            if frame.end.is_none() {
                at = at.saturating_add(2);
            }
            let Some(frame) = open.pop() else { break };
            let joined = frame.joins();
            let identifier = if joined { 0x04 } else { frame.identifier };
            match open.last_mut() {
                Some(outer) if outer.joins() => outer.content.extend_from_slice(&frame.content),
                Some(outer) => write(&mut outer.content, identifier, &frame.content),
                None => {
                    let mut out = Vec::with_capacity(frame.content.len().saturating_add(8));
                    write(&mut out, identifier, &frame.content);
                    return Ok((out, at));
                }
            }
        }
        let start = at;
        let identifier = *bytes.get(at).ok_or_else(|| at_fault(at, "unexpected end (8.1.1.1)"))?;
        if identifier & 0x1f == 0x1f {
            return Err(at_fault(at, "a tag of more than one octet"));
        }
        at = at.saturating_add(1);
        let length = length(bytes, &mut at).ok_or_else(|| at_fault(start, "length that is not BER (8.1.3)"))?;
        if identifier & 0x20 != 0 {
            if open.len() >= DEPTH {
                return Err(at_fault(start, "depth over the limit"));
            }
            let end = match length {
                Some(length) => Some(
                    at.checked_add(length)
                        .filter(|end| *end <= bytes.len())
                        .ok_or_else(|| at_fault(start, "unexpected end (8.1.1.1)"))?,
                ),
                None => None,
            };
            open.push(Frame {
                identifier,
                end,
                content: Vec::new(),
                start,
            });
            continue;
        }
        let length = length.ok_or_else(|| at_fault(start, "indefinite length of a primitive value (8.1.3.2)"))?;
        let end = at.saturating_add(length);
        let content = bytes
            .get(at..end)
            .ok_or_else(|| at_fault(start, "unexpected end (8.1.1.1)"))?;
        at = end;
        match open.last_mut() {
            Some(outer) if outer.joins() && identifier == 0x04 => outer.content.extend_from_slice(content),
            Some(outer) if outer.joins() => return Err(at_fault(start, "a string in parts of another type (8.7.3.2)")),
            Some(outer) => write(&mut outer.content, identifier, content),
            None => {
                let mut out = Vec::new();
                write(&mut out, identifier, content);
                return Ok((out, at));
            }
        }
    }
}

/// The length at `at`; `None` inside for an indefinite one.
fn length(bytes: &[u8], at: &mut usize) -> Option<Option<usize>> {
    let first = *bytes.get(*at)?;
    *at = at.saturating_add(1);
    match first {
        0..0x80 => return Some(Some(usize::from(first))),
        0x80 => return Some(None),
        0xff => return None,
        _ => {}
    }
    let count = usize::from(first & 0x7f);
    let octets = bytes.get(*at..at.saturating_add(count))?;
    *at = at.saturating_add(count);
    octets
        .iter()
        .try_fold(0usize, |n, b| n.checked_mul(256)?.checked_add(usize::from(*b)))
        .map(Some)
}

fn write(out: &mut Vec<u8>, identifier: u8, content: &[u8]) {
    out.push(identifier);
    let length = content.len();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let octets = length.to_be_bytes();
            let leading = octets.iter().take_while(|b| **b == 0).count();
            let octets = octets.get(leading..).unwrap_or_default();
            out.push(0x80 | u8::try_from(octets.len()).unwrap_or(0));
            out.extend_from_slice(octets);
        }
    }
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ber_allows_and_der_does_not_is_rewritten_and_nothing_else() {
        let cases: [(&[u8], &[u8]); 6] = [
            (&[0x02, 0x01, 0x07], &[0x02, 0x01, 0x07]),
            (&[0x30, 0x03, 0x02, 0x01, 0x07], &[0x30, 0x03, 0x02, 0x01, 0x07]),
            // An indefinite length, with another inside.
            (
                &[0x30, 0x80, 0xa0, 0x80, 0x02, 0x01, 0x07, 0, 0, 0, 0],
                &[0x30, 0x05, 0xa0, 0x03, 0x02, 0x01, 0x07],
            ),
            // A length in more octets than needed.
            (&[0x04, 0x82, 0x00, 0x02, 1, 2], &[0x04, 0x02, 1, 2]),
            // A string in parts, one of which is in parts itself.
            (
                &[0x24, 0x80, 0x04, 0x01, 1, 0x24, 0x05, 0x04, 0x01, 2, 0x04, 0x00, 0, 0],
                &[0x04, 0x02, 1, 2],
            ),
            (
                &[0x30, 0x80, 0x24, 0x03, 0x04, 0x01, 9, 0, 0],
                &[0x30, 0x03, 0x04, 0x01, 9],
            ),
        ];
        for (ber, der) in cases {
            assert_eq!(to_der(ber), Ok((der.to_vec(), ber.len())), "{ber:02x?}");
        }
        let (_, used) = to_der(&[0x05, 0x00, 0xff, 0xff]).unwrap();
        assert_eq!(used, 2, "what follows the value is not read");
    }

    #[test]
    fn what_is_no_ber_is_refused() {
        let deep = [0x30, 0x80].repeat(100);
        let cases: [&[u8]; 8] = [
            &[],
            &[0x30],
            &[0x30, 0x80, 0x02],
            &[0x04, 0x80, 0, 0],
            &[0x1f, 0x81, 0x01, 0x00],
            &[0x30, 0x02, 0x04, 0x05, 1, 2, 3, 4, 5],
            &[0x24, 0x03, 0x02, 0x01, 1],
            &deep,
        ];
        for bytes in cases {
            assert!(to_der(bytes).is_err(), "{bytes:02x?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            if let Ok((der, used)) = to_der(&bytes) {
                proptest::prop_assert!(used <= bytes.len());
                proptest::prop_assert_eq!(to_der(&der).map(|(again, _)| again), Ok(der));
            }
        }
    }
}
