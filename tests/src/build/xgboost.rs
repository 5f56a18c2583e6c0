//! XGBoost models in UBJSON.

fn key(out: &mut Vec<u8>, name: &str) {
    out.push(b'L');
    out.extend_from_slice(&(name.len() as u64).to_be_bytes());
    out.extend_from_slice(name.as_bytes());
}

/// A learner with a typed array of `n` floats, and the version.
pub fn model(n: u32) -> Vec<u8> {
    let mut out = b"{".to_vec();
    key(&mut out, "learner");
    out.push(b'{');
    key(&mut out, "attributes");
    out.extend_from_slice(b"{}");
    key(&mut out, "name");
    out.extend_from_slice(b"SL\0\0\0\0\0\0\0\x06gbtree");
    key(&mut out, "split_conditions");
    out.extend_from_slice(b"[$d#l");
    out.extend_from_slice(&n.to_be_bytes());
    out.extend(std::iter::repeat_n(0x3f, n as usize * 4));
    out.push(b'}');
    key(&mut out, "version");
    out.extend_from_slice(b"[i\x03i\x02i\0]}");
    out
}
