//! tar archives: ustar and pax (POSIX.1-2001, `pax` utility), and the GNU extensions for long names and sparse files.

use super::bytes::{Built, Out};

/// One header and its data. Start from [`Entry::file`] and change fields.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Name, cut to 100 bytes in the header.
    pub name: Vec<u8>,
    /// ustar prefix.
    pub prefix: Vec<u8>,
    /// Type flag: `0` file, `1` hard link, `2` symlink, `3` and `4` devices, `5` directory, `6` FIFO, `x`, `g`, `L`,
    /// `K`, `S`.
    pub kind: u8,
    /// Link target.
    pub link: Vec<u8>,
    /// Data after the header.
    pub data: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// The stated size, when not the truth.
    pub size: Option<u64>,
    /// Added to the checksum.
    pub checksum_error: u32,
    /// GNU magic (`ustar  \0`) rather than POSIX (`ustar\0` `00`).
    pub gnu: bool,
    /// Bytes 345 to 512 of the header (GNU sparse map), in place of prefix and zeros.
    pub extension: Option<Vec<u8>>,
    /// Fill of the data's last block; zero in real files.
    pub padding: u8,
}

impl Entry {
    /// A regular file.
    pub fn file(name: &str, data: &[u8]) -> Self {
        Self {
            name: name.into(),
            prefix: Vec::new(),
            kind: b'0',
            link: Vec::new(),
            data: data.to_vec(),
            mode: 0o644,
            size: None,
            checksum_error: 0,
            gnu: false,
            extension: None,
            padding: 0,
        }
    }

    /// An entry without data: a link (with its target), directory, device or FIFO.
    pub fn special(kind: u8, name: &str, link: &str) -> Self {
        Self {
            kind,
            link: link.into(),
            ..Self::file(name, b"")
        }
    }

    /// A pax header (`x` for the next entry, `g` for all that follow).
    pub fn pax(kind: u8, records: &[(&str, &str)]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            let body = key.len() + value.len() + 3;
            let mut total = body + 1;
            while total != body + total.to_string().len() {
                total = body + total.to_string().len();
            }
            data.extend_from_slice(format!("{total} {key}={value}\n").as_bytes());
        }
        Self {
            kind,
            ..Self::file("PaxHeaders/0", &data)
        }
    }

    /// A GNU long name (`L`) or long link (`K`) header for the next entry.
    pub fn gnu_long(kind: u8, text: &str) -> Self {
        let mut data = text.as_bytes().to_vec();
        data.push(0);
        Self {
            kind,
            gnu: true,
            ..Self::file("././@LongLink", &data)
        }
    }

    /// An old GNU sparse file (`S`): one run of `data` at `offset` in a file of `real` bytes, with the empty run at its
    /// end that GNU tar writes for a final hole.
    pub fn gnu_sparse(name: &str, offset: u64, data: &[u8], real: u64) -> Self {
        let mut extension = Out::be();
        extension.zeros_to(386 - 345);
        for number in [offset, data.len() as u64, real, 0] {
            extension.bytes(&octal(number, 12));
        }
        extension
            .zeros_to(483 - 345)
            .bytes(&octal(real, 12))
            .zeros_to(512 - 345);
        let extension = Some(extension.into_bytes());
        Self {
            kind: b'S',
            gnu: true,
            extension,
            ..Self::file(name, data)
        }
    }

    fn header(&self) -> Vec<u8> {
        let mut out = Out::be();
        out.fixed(&self.name, 100)
            .bytes(&octal(self.mode.into(), 8))
            .bytes(&octal(1000, 8))
            .bytes(&octal(1000, 8));
        out.bytes(&octal(self.size.unwrap_or(self.data.len() as u64), 12))
            .bytes(&octal(0x6000_0000, 12));
        out.bytes(b"        ").u8(self.kind).fixed(&self.link, 100);
        out.bytes(if self.gnu { b"ustar  \0" } else { b"ustar\x0000" })
            .fixed(b"user", 32)
            .fixed(b"group", 32);
        let device = if matches!(self.kind, b'3' | b'4') { 1 } else { 0 };
        out.bytes(&octal(device, 8)).bytes(&octal(device, 8));
        match &self.extension {
            Some(extension) => out.bytes(extension),
            None => out.fixed(&self.prefix, 155).fill(12, 0),
        };
        let mut header = out.into_bytes();
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum::<u32>() + self.checksum_error;
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header
    }
}

/// What to build. Start from [`Tar::of`] and change fields.
#[derive(Clone, Debug)]
pub struct Tar {
    /// The entries in file order.
    pub entries: Vec<Entry>,
    /// Number of zero blocks at the end; 2 in well-formed files.
    pub end_blocks: usize,
    /// Bytes after the end blocks.
    pub trailing: Vec<u8>,
}

impl Tar {
    /// A well-formed archive of these entries.
    pub fn of(entries: Vec<Entry>) -> Self {
        Self {
            entries,
            end_blocks: 2,
            trailing: Vec::new(),
        }
    }

    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }

    /// The file's bytes and structure boundaries.
    pub fn built(&self) -> Built {
        let mut out = Out::be();
        for entry in &self.entries {
            out.mark()
                .bytes(&entry.header())
                .mark()
                .bytes(&entry.data)
                .mark()
                .align(512, entry.padding);
        }
        out.mark().fill(512 * self.end_blocks, 0).mark().bytes(&self.trailing);
        out.finish()
    }
}

/// A directory, two files, a symlink and a hard link.
pub fn sample() -> Tar {
    Tar::of(vec![
        Entry {
            mode: 0o755,
            ..Entry::special(b'5', "package/", "")
        },
        Entry::file(
            "package/package.json",
            b"{\"name\": \"fixture\", \"version\": \"1.0.0\"}\n",
        ),
        Entry::file("package/index.js", &b"// inert\n".repeat(100)),
        Entry::special(b'2', "package/main.js", "index.js"),
        Entry::special(b'1', "package/copy.js", "package/index.js"),
    ])
}

/// The bytes of [`sample`].
pub fn small() -> Vec<u8> {
    sample().build()
}

/// Names longer than a header holds, in the pax way: a global header, then `x` with path and size.
pub fn pax() -> Tar {
    let long = format!("package/{}file.txt", "deep/".repeat(40));
    Tar::of(vec![
        Entry::pax(b'g', &[("comment", "a global record")]),
        Entry::pax(b'x', &[("path", &long), ("size", "5"), ("mtime", "1700000000.5")]),
        Entry {
            size: Some(0),
            ..Entry::file(&long[..100], b"hello")
        },
    ])
}

/// The same in the GNU way, with a long link too, and a sparse file.
pub fn gnu() -> Tar {
    let long = format!("package/{}file.txt", "deep/".repeat(40));
    Tar::of(vec![
        Entry::gnu_long(b'L', &long),
        Entry {
            gnu: true,
            ..Entry::file(&long[..100], b"hello")
        },
        Entry::gnu_long(b'K', &long),
        Entry {
            gnu: true,
            ..Entry::special(b'2', "package/link", &long[..100])
        },
        Entry::gnu_sparse("package/sparse.bin", 4096, &[0x69; 512], 8192),
    ])
}

fn octal(value: u64, width: usize) -> Vec<u8> {
    format!("{value:0w$o}\0", w = width - 1).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_sum_of_the_header_with_blanks() {
        for tar in [sample(), pax(), gnu()] {
            for entry in &tar.entries {
                let mut header = entry.header();
                assert_eq!(header.len(), 512);
                let stated = u32::from_str_radix(std::str::from_utf8(&header[148..154]).unwrap(), 8).unwrap();
                header[148..156].fill(b' ');
                assert_eq!(header.iter().map(|&b| u32::from(b)).sum::<u32>(), stated);
            }
            assert_eq!(tar.build().len() % 512, 0);
        }
    }

    #[test]
    fn pax_record_lengths_count_themselves() {
        for n in [1, 5, 90, 91, 92, 93, 94, 95, 990, 991] {
            let value = "v".repeat(n);
            let data = Entry::pax(b'x', &[("k", &value)]).data;
            let text = std::str::from_utf8(&data).unwrap();
            let stated: usize = text[..text.find(' ').unwrap()].parse().unwrap();
            assert_eq!(stated, data.len());
        }
    }
}
