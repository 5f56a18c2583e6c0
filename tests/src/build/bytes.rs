//! A growing byte buffer that knows its byte order and remembers where structures begin.

/// Bytes together with the offsets at which one structure ends and the next begins.
#[derive(Clone, Debug, Default)]
pub struct Built {
    /// The file.
    pub bytes: Vec<u8>,
    /// Structure boundaries in bytes from the start, ascending, each inside the file: cut there to test truncation.
    pub boundaries: Vec<u64>,
}

/// A writer of fixed-width integers and padding.
#[derive(Clone, Debug, Default)]
pub struct Out {
    buf: Vec<u8>,
    marks: Vec<u64>,
    big: bool,
}

impl Out {
    /// A little-endian writer.
    pub fn le() -> Self {
        Self::default()
    }

    /// A big-endian writer.
    pub fn be() -> Self {
        Self {
            big: true,
            ..Self::default()
        }
    }

    /// A writer of the given byte order.
    pub fn with_order(big: bool) -> Self {
        Self { big, ..Self::default() }
    }

    /// The number of bytes written so far.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Records a structure boundary here.
    pub fn mark(&mut self) -> &mut Self {
        self.marks.push(self.buf.len() as u64);
        self
    }

    /// Appends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.buf.extend_from_slice(bytes);
        self
    }

    /// Appends one byte.
    pub fn u8(&mut self, v: u8) -> &mut Self {
        self.buf.push(v);
        self
    }

    /// Appends a 16-bit integer.
    pub fn u16(&mut self, v: u16) -> &mut Self {
        let b = if self.big { v.to_be_bytes() } else { v.to_le_bytes() };
        self.bytes(&b)
    }

    /// Appends a 32-bit integer.
    pub fn u32(&mut self, v: u32) -> &mut Self {
        let b = if self.big { v.to_be_bytes() } else { v.to_le_bytes() };
        self.bytes(&b)
    }

    /// Appends a 64-bit integer.
    pub fn u64(&mut self, v: u64) -> &mut Self {
        let b = if self.big { v.to_be_bytes() } else { v.to_le_bytes() };
        self.bytes(&b)
    }

    /// Appends an integer of 8 bytes when `wide`, else of 4.
    pub fn word(&mut self, v: u64, wide: bool) -> &mut Self {
        if wide { self.u64(v) } else { self.u32(v as u32) }
    }

    /// Appends `n` bytes of `fill`.
    pub fn fill(&mut self, n: usize, fill: u8) -> &mut Self {
        self.buf.resize(self.buf.len() + n, fill);
        self
    }

    /// Appends `fill` up to a multiple of `align`.
    pub fn align(&mut self, align: usize, fill: u8) -> &mut Self {
        let n = self.buf.len().next_multiple_of(align) - self.buf.len();
        self.fill(n, fill)
    }

    /// Appends zeros up to the absolute offset `at`.
    pub fn zeros_to(&mut self, at: usize) -> &mut Self {
        assert!(self.buf.len() <= at, "already at {} past {at}", self.buf.len());
        self.fill(at - self.buf.len(), 0)
    }

    /// Appends `text` cut or zero-padded to `n` bytes.
    pub fn fixed(&mut self, text: &[u8], n: usize) -> &mut Self {
        let cut = text.len().min(n);
        self.bytes(&text[..cut]).fill(n - cut, 0)
    }

    /// Overwrites 32 bits at `at`.
    pub fn patch32(&mut self, at: usize, v: u32) -> &mut Self {
        let b = if self.big { v.to_be_bytes() } else { v.to_le_bytes() };
        self.buf[at..at + 4].copy_from_slice(&b);
        self
    }

    /// The bytes alone.
    pub fn into_bytes(self) -> Vec<u8> {
        self.buf
    }

    /// The bytes with the recorded boundaries.
    pub fn finish(mut self) -> Built {
        let end = self.buf.len() as u64;
        self.marks.retain(|&m| m > 0 && m < end);
        self.marks.sort_unstable();
        self.marks.dedup();
        Built {
            bytes: self.buf,
            boundaries: self.marks,
        }
    }
}

/// Reads `N` bytes at `at`: for tests that read back what a builder wrote.
pub fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// The little-endian 32-bit integer at `at`.
pub fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(take(bytes, at))
}

/// The little-endian 64-bit integer at `at`.
pub fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(take(bytes, at))
}

/// The offset of the first occurrence of `needle`.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|w| w == needle)
}
