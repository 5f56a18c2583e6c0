//! gzip members (RFC 1952) with every header field, and gzips that expand without end.

use std::io::Write as _;

use crc32fast::Hasher;
use flate2::write::DeflateEncoder;
use flate2::{Compress, Compression, FlushCompress};

use super::bytes::{Built, Out};

/// One member. Start from [`Member::of`] and change fields.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// The decoded bytes.
    pub data: Vec<u8>,
    /// Compressed bytes in place of what `data` compresses to.
    pub raw: Option<Vec<u8>>,
    /// FNAME.
    pub name: Option<String>,
    /// FCOMMENT.
    pub comment: Option<String>,
    /// FEXTRA.
    pub extra: Option<Vec<u8>>,
    /// Writes FHCRC.
    pub header_crc: bool,
    /// The stated CRC-32, when not the truth.
    pub crc: Option<u32>,
    /// The stated ISIZE, when not the truth.
    pub isize: Option<u32>,
}

impl Member {
    /// A plain member of `data`.
    pub fn of(data: &[u8]) -> Self {
        Self {
            data: data.to_vec(),
            ..Self::default()
        }
    }

    fn write(&self, out: &mut Out) {
        let start = out.len();
        let flags = (u8::from(self.header_crc) << 1)
            | (u8::from(self.extra.is_some()) << 2)
            | (u8::from(self.name.is_some()) << 3)
            | (u8::from(self.comment.is_some()) << 4);
        out.bytes(&[0x1f, 0x8b, 8, flags]).u32(0).u8(0).u8(0xff).mark();
        if let Some(extra) = &self.extra {
            out.u16(extra.len() as u16).bytes(extra).mark();
        }
        for text in [&self.name, &self.comment].into_iter().flatten() {
            out.bytes(text.as_bytes()).u8(0).mark();
        }
        if self.header_crc {
            let crc = crc32fast::hash(&out.clone().into_bytes()[start..]);
            out.u16(crc as u16).mark();
        }
        let raw = self.raw.clone().unwrap_or_else(|| deflate(&self.data));
        out.bytes(&raw).mark();
        out.u32(self.crc.unwrap_or_else(|| crc32fast::hash(&self.data)));
        out.u32(self.isize.unwrap_or(self.data.len() as u32)).mark();
    }
}

/// `data` as a raw DEFLATE stream.
pub fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(data)
        .and_then(|()| encoder.finish())
        .expect("writing to memory")
}

/// The members one after the other, then `trailing`.
pub fn members(members: &[Member], trailing: &[u8]) -> Built {
    let mut out = Out::le();
    for member in members {
        out.mark();
        member.write(&mut out);
    }
    out.bytes(trailing);
    out.finish()
}

/// One plain member.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    members(&[Member::of(data)], b"").bytes
}

/// A member with FEXTRA, FNAME, FCOMMENT and FHCRC.
pub fn with_all_fields(data: &[u8]) -> Built {
    let member = Member {
        name: Some("notes.txt".into()),
        comment: Some("a comment".into()),
        extra: Some(b"AB\x02\x00xy".to_vec()),
        header_crc: true,
        ..Member::of(data)
    };
    members(&[member], b"")
}

/// A valid member of `decoded_len` zeros, made from one compressed chunk repeated: about a thousandth of its length.
///
/// The chunk is cut down to the whole chunks whose compressed form fits in `cap` bytes; CRC and ISIZE are right.
pub fn bomb(decoded_len: u64, cap: usize) -> Vec<u8> {
    const CHUNK: usize = 16 << 20;
    let block = flushed_zeros(CHUNK);
    let wanted = decoded_len / CHUNK as u64;
    let chunks = wanted.min((cap / block.len()) as u64);
    let rest = if chunks == wanted {
        (decoded_len % CHUNK as u64) as usize
    } else {
        0
    };
    let mut out = Out::le();
    out.bytes(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff]);
    for _ in 0..chunks {
        out.bytes(&block);
    }
    out.bytes(&deflate(&vec![0; rest]));
    let total = chunks * CHUNK as u64 + rest as u64;
    out.u32(zeros_crc(total)).u32(total as u32);
    out.into_bytes()
}

/// `count` members of `mib` MiB of zeros each.
pub fn bomb_members(count: usize, mib: usize) -> Vec<u8> {
    gzip(&vec![0; mib << 20]).repeat(count)
}

/// `depth` gzips, one inside the other, around a line of text.
pub fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(b"the innermost line\n".to_vec(), |inner, _| gzip(&inner))
}

fn flushed_zeros(n: usize) -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(n / 512 + 64);
    compress
        .compress_vec(&vec![0; n], &mut out, FlushCompress::Full)
        .expect("compressing zeros");
    assert_eq!(compress.total_in(), n as u64);
    out
}

/// The CRC-32 of `n` zeros, by doubling.
fn zeros_crc(mut n: u64) -> u32 {
    let mut power = Hasher::new();
    power.update(&[0]);
    let mut total = Hasher::new();
    while n > 0 {
        if n & 1 == 1 {
            total.combine(&power);
        }
        power.combine(&power.clone());
        n >>= 1;
    }
    total.finalize()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn decode(file: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::new();
        flate2::read::MultiGzDecoder::new(file).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn members_decode_to_what_they_were_built_from() {
        assert_eq!(decode(&with_all_fields(b"hello").bytes).unwrap(), b"hello");
        assert_eq!(
            decode(&members(&[Member::of(b"a"), Member::of(b"b")], b"").bytes).unwrap(),
            b"ab"
        );
        assert!(
            decode(
                &members(
                    &[Member {
                        crc: Some(0),
                        ..Member::of(b"a")
                    }],
                    b""
                )
                .bytes
            )
            .is_err()
        );
    }

    #[test]
    fn bomb_is_valid_and_a_thousandth_of_what_it_decodes_to() {
        let len = (40 << 20) + 12_345;
        let file = bomb(len, usize::MAX);
        assert!((file.len() as u64) < len / 900);
        assert_eq!(decode(&file).unwrap().len() as u64, len);
        assert!(bomb(u64::MAX, 1 << 20).len() <= (1 << 20) + 64);
    }

    #[test]
    fn nested_members_are_as_deep_as_asked() {
        let mut file = nested(50);
        for _ in 0..50 {
            file = decode(&file).unwrap();
        }
        assert_eq!(file, b"the innermost line\n");
    }
}
