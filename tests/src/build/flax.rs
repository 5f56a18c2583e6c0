//! Flax checkpoints: MessagePack maps with arrays as extensions.

/// An array of `dtype`, as an extension of type 1.
pub fn array(shape: &[u8], dtype: &str, data: &[u8]) -> Vec<u8> {
    extension(1, shape, dtype, data)
}

/// An array as an extension of any type.
pub fn extension(kind: u8, shape: &[u8], dtype: &str, data: &[u8]) -> Vec<u8> {
    let mut inside = vec![0x93, 0x90 | shape.len() as u8];
    inside.extend_from_slice(shape);
    inside.push(0xa0 | dtype.len() as u8);
    inside.extend_from_slice(dtype.as_bytes());
    inside.extend_from_slice(&[0xc4, data.len() as u8]);
    inside.extend_from_slice(data);
    let mut out = vec![0xc7, inside.len() as u8, kind];
    out.extend_from_slice(&inside);
    out
}

/// `{"params": {"Dense_0": {"kernel": .., "bias": ..}}, "step": 7}` around two values.
pub fn checkpoint(kernel: &[u8], bias: &[u8]) -> Vec<u8> {
    [
        &b"\x82\xa6params\x81\xa7Dense_0\x82\xa6kernel"[..],
        kernel,
        b"\xa4bias",
        bias,
        b"\xa4step\x07",
    ]
    .concat()
}

/// A kernel of 2 x 2 floats and a bias of 2.
pub fn sample() -> Vec<u8> {
    checkpoint(
        &array(&[2, 2], "float32", &[0x3f; 16]),
        &array(&[2], "float32", &[0; 8]),
    )
}
