//! A checkpoint as `torch.save` writes it since version 1.6: a ZIP archive of stored members, too large to be built in
//! memory.

use std::io::Write;

use anyhow::Result;

use super::Noise;

/// A member: where its local header stands, its checksum and length.
struct Member {
    name: String,
    offset: u64,
    crc32: u32,
    length: u32,
}

/// Writes `tensors` float tensors of `elements` elements each.
pub(super) fn write(out: &mut impl Write, tensors: u32, elements: u32, noise: &mut Noise) -> Result<()> {
    let mut members = Vec::new();
    let mut at = 0_u64;
    let mut member = |out: &mut dyn Write, name: String, bytes: &[u8]| -> Result<()> {
        let entry = Member {
            name,
            offset: at,
            crc32: crc32fast::hash(bytes),
            length: u32::try_from(bytes.len())?,
        };
        let mut header = b"PK\x03\x04".to_vec();
        header.extend(fields(&entry)?);
        header.extend(entry.name.as_bytes());
        out.write_all(&header)?;
        out.write_all(bytes)?;
        at += header.len() as u64 + bytes.len() as u64;
        members.push(entry);
        Ok(())
    };
    member(out, "archive/data.pkl".to_owned(), &program(tensors, elements))?;
    member(out, "archive/version".to_owned(), b"3\n")?;
    for number in 0..tensors {
        let bytes: Vec<u8> = (0..elements).flat_map(|_| noise.weight().to_le_bytes()).collect();
        member(out, format!("archive/data/{number}"), &bytes)?;
    }
    let start = u32::try_from(at)?;
    let mut directory = Vec::new();
    for entry in &members {
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(fields(entry)?);
        directory.extend([0; 6]);
        directory.extend((0o100_644_u32 << 16).to_le_bytes());
        directory.extend(u32::try_from(entry.offset)?.to_le_bytes());
        directory.extend(entry.name.as_bytes());
    }
    let count = u16::try_from(members.len())?.to_le_bytes();
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend(count);
    end.extend(count);
    end.extend(u32::try_from(directory.len())?.to_le_bytes());
    end.extend(start.to_le_bytes());
    end.extend([0; 2]);
    out.write_all(&directory)?;
    Ok(out.write_all(&end)?)
}

/// What local header and central record have in common: version needed, flags, method, time, checksum, sizes, lengths.
fn fields(entry: &Member) -> Result<Vec<u8>> {
    let mut out = vec![0x14, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
    out.extend(entry.crc32.to_le_bytes());
    out.extend(entry.length.to_le_bytes());
    out.extend(entry.length.to_le_bytes());
    out.extend(u16::try_from(entry.name.len())?.to_le_bytes());
    out.extend([0; 2]);
    Ok(out)
}

/// The pickle: a dictionary of tensors, each over a storage of its own.
fn program(tensors: u32, elements: u32) -> Vec<u8> {
    let mut out = b"\x80\x02}(".to_vec();
    let text = |out: &mut Vec<u8>, value: &str| {
        out.push(b'X');
        out.extend((value.len() as u32).to_le_bytes());
        out.extend(value.as_bytes());
    };
    let int = |out: &mut Vec<u8>, value: u32| {
        out.push(b'J');
        out.extend(value.to_le_bytes());
    };
    for number in 0..tensors {
        text(&mut out, &format!("layers.{number}.mlp.down_proj.weight"));
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(b"ctorch\nFloatStorage\n");
        text(&mut out, &number.to_string());
        text(&mut out, "cpu");
        int(&mut out, elements);
        out.extend(b"tQ");
        int(&mut out, 0);
        int(&mut out, elements / 1024);
        int(&mut out, 1024);
        out.push(0x86);
        int(&mut out, 1024);
        int(&mut out, 1);
        out.push(0x86);
        out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    out.extend(b"u.");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_says_where_each_member_is() {
        let mut out = Vec::new();
        write(&mut out, 2, 4096, &mut Noise(1)).unwrap();
        let end = out.len() - 22;
        assert_eq!(out[end..end + 4], *b"PK\x05\x06");
        let word = |at: usize| u32::from_le_bytes(*out[at..].first_chunk().unwrap()) as usize;
        let (size, start) = (word(end + 12), word(end + 16));
        assert_eq!(start + size, end);
        let (mut at, mut seen) = (start, 0);
        while at < end {
            assert_eq!(out[at..at + 4], *b"PK\x01\x02");
            let (crc, length, name, local) = (word(at + 16), word(at + 20), word(at + 28) & 0xffff, word(at + 42));
            assert_eq!(out[local..local + 4], *b"PK\x03\x04");
            assert_eq!(out[local + 30..][..name], out[at + 46..][..name]);
            assert_eq!(crc32fast::hash(&out[local + 30 + name..][..length]) as usize, crc);
            at += 46 + name;
            seen += 1;
        }
        assert_eq!(seen, 4);
    }
}
