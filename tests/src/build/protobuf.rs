//! Protobuf messages, field by field, in the order written.

/// A message that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proto(pub Vec<u8>);

impl Proto {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// A varint field.
    #[must_use]
    pub fn number(self, field: u32, value: u64) -> Self {
        self.tag(field, 0).raw(&varint(value))
    }

    /// A length-delimited field.
    #[must_use]
    pub fn bytes(self, field: u32, payload: &[u8]) -> Self {
        self.tag(field, 2).raw(&varint(payload.len() as u64)).raw(payload)
    }

    /// A text field.
    #[must_use]
    pub fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// A message field.
    #[must_use]
    pub fn message(self, field: u32, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// A field of packed varints.
    #[must_use]
    pub fn packed(self, field: u32, values: &[u64]) -> Self {
        let payload: Vec<u8> = values.iter().flat_map(|value| varint(*value)).collect();
        self.bytes(field, &payload)
    }

    /// A 32-bit field.
    #[must_use]
    pub fn fixed32(self, field: u32, value: u32) -> Self {
        self.tag(field, 5).raw(&value.to_le_bytes())
    }

    /// A 64-bit field.
    #[must_use]
    pub fn fixed64(self, field: u32, value: u64) -> Self {
        self.tag(field, 1).raw(&value.to_le_bytes())
    }

    /// A group around the fields of `inner`.
    #[must_use]
    pub fn group(self, field: u32, inner: &Self) -> Self {
        self.tag(field, 3).raw(&inner.0).tag(field, 4)
    }

    /// A tag alone.
    #[must_use]
    pub fn tag(self, field: u32, wire: u8) -> Self {
        self.raw(&varint(u64::from(field) << 3 | u64::from(wire)))
    }

    /// Bytes as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The message's bytes.
    pub fn build(self) -> Vec<u8> {
        self.0
    }
}

/// The shortest varint of `value`.
pub fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_written_as_the_specification_shows() {
        assert_eq!(Proto::new().number(1, 150).build(), [0x08, 0x96, 0x01]);
        assert_eq!(Proto::new().text(2, "testing").build(), b"\x12\x07testing");
        assert_eq!(
            Proto::new().packed(6, &[3, 270, 86942]).build(),
            b"\x32\x06\x03\x8e\x02\x9e\xa7\x05"
        );
    }
}
