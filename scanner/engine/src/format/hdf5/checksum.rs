//! The checksum of HDF5's newer structures: Bob Jenkins' `lookup3`, `hashlittle`, with an initial value of 0.

/// The checksum of `bytes`.
pub(super) fn lookup3(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    let mut state = [start; 3];
    let mut rest = bytes;
    while rest.len() > 12 {
        let Some((block, after)) = rest.split_first_chunk::<12>() else {
            break;
        };
        state = mix(add(state, *block));
        rest = after;
    }
    if rest.is_empty() {
        let [_, _, c] = state;
        return c;
    }
    let mut last = [0u8; 12];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    finish(add(state, last))
}

fn add([a, b, c]: [u32; 3], block: [u8; 12]) -> [u32; 3] {
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11] = block;
    [
        a.wrapping_add(u32::from_le_bytes([b0, b1, b2, b3])),
        b.wrapping_add(u32::from_le_bytes([b4, b5, b6, b7])),
        c.wrapping_add(u32::from_le_bytes([b8, b9, b10, b11])),
    ]
}

fn mix([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    [a, b, c]
}

fn finish([mut a, mut b, mut c]: [u32; 3]) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

#[cfg(test)]
mod tests {
    use super::lookup3;

    #[test]
    fn it_is_the_published_function() {
        // The self-test of lookup3.c.
        assert_eq!(lookup3(b""), 0xdead_beef);
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
    }
}
