//! JSON texts, plain and hostile.

/// A small configuration object.
pub fn small() -> Vec<u8> {
    b"{\n  \"architectures\": [\"LlamaForCausalLM\"],\n  \"hidden_size\": 64,\n  \"rope_scaling\": null\n}\n".to_vec()
}

/// `depth` arrays, one inside the other.
pub fn nested(depth: usize) -> Vec<u8> {
    let mut out = vec![b'['; depth];
    out.resize(depth * 2, b']');
    out
}

/// An object with the key `auto_map` twice.
pub fn duplicate_key() -> Vec<u8> {
    b"{\"auto_map\": {\"AutoModel\": \"a.A\"}, \"auto_map\": {\"AutoModel\": \"b.B\"}}".to_vec()
}

/// An object followed by bytes that are not JSON.
pub fn trailing() -> Vec<u8> {
    b"{\"a\": 1}\nimport os\n".to_vec()
}
