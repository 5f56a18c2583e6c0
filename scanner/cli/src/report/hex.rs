//! A short hex view of the bytes around an offset.

use std::fmt::Write;

/// Lines of sixteen bytes from `start`, which is a multiple of sixteen; `marked` says which bytes a finding is about.
pub(crate) fn lines(start: u64, bytes: &[u8], most: usize) -> Vec<String> {
    let mut out = Vec::new();
    for (row, chunk) in (0u64..).zip(bytes.chunks(16)).take(most) {
        let mut line = format!("{:08x} ", start.saturating_add(row.saturating_mul(16)));
        for column in 0..16 {
            if column == 8 {
                line.push(' ');
            }
            match chunk.get(column) {
                Some(byte) => {
                    let _ = write!(line, " {byte:02x}");
                }
                None => line.push_str("   "),
            }
        }
        line.push_str("  ");
        line.extend(chunk.iter().map(|b| {
            if b.is_ascii_graphic() || *b == b' ' {
                char::from(*b)
            } else {
                '.'
            }
        }));
        out.push(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn a_view_shows_offsets_bytes_and_letters_and_nothing_that_moves_the_cursor() {
        let view = lines(0x40, b"\x1b[31mprobity\0\xff!!more", 8);
        assert_eq!(
            view[0],
            "00000040  1b 5b 33 31 6d 70 72 6f  62 69 74 79 00 ff 21 21  .[31mprobity..!!"
        );
        assert_eq!(
            view[1],
            "00000050  6d 6f 72 65                                       more"
        );
        assert_eq!(lines(0, &[0; 64], 2).len(), 2);
    }
}
