//! DER, written.

/// One element.
pub fn element(identifier: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![identifier];
    match content.len() {
        n @ 0..0x80 => out.push(n as u8),
        n @ 0x80..0x100 => out.extend([0x81, n as u8]),
        n @ 0x100..0x1_0000 => out.extend([0x82, (n >> 8) as u8, n as u8]),
        n => out.extend([0x83, (n >> 16) as u8, (n >> 8) as u8, n as u8]),
    }
    out.extend_from_slice(content);
    out
}

/// The octets before an element's content.
pub fn header_length(element: &[u8]) -> usize {
    match element[1] {
        long @ 0x81.. => 2 + usize::from(long & 0x7f),
        _ => 2,
    }
}

/// A sequence.
pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

/// A set, in the order given.
pub fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x31, &parts.concat())
}

/// A constructed element with a context-specific tag.
pub fn explicit(number: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    element(0xa0 | number, &parts.concat())
}

/// An octet string.
pub fn octets(bytes: &[u8]) -> Vec<u8> {
    element(0x04, bytes)
}

/// A bit string of whole octets.
pub fn bits(bytes: &[u8]) -> Vec<u8> {
    element(0x03, &[&[0], bytes].concat())
}

/// A small positive integer.
pub fn integer(bytes: &[u8]) -> Vec<u8> {
    element(0x02, bytes)
}

/// Null.
pub fn null() -> Vec<u8> {
    vec![0x05, 0x00]
}

/// A UTF-8 string.
pub fn text(value: &str) -> Vec<u8> {
    element(0x0c, value.as_bytes())
}

/// A UTC time.
pub fn time(value: &str) -> Vec<u8> {
    element(0x17, value.as_bytes())
}

/// An object identifier, dotted.
pub fn oid(dotted: &str) -> Vec<u8> {
    let mut arcs = dotted
        .split('.')
        .map(|arc| arc.parse::<u64>().expect("arcs are numbers"));
    let first = arcs.next().expect("two arcs") * 40 + arcs.next().expect("two arcs");
    let mut content = Vec::new();
    for arc in std::iter::once(first).chain(arcs) {
        let mut septets = vec![(arc & 0x7f) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            septets.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        septets.reverse();
        content.extend(septets);
    }
    element(0x06, &content)
}
