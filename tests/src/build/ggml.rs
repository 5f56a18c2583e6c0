//! Models of ggml before GGUF.

use super::bytes::Out;

fn tensor(out: &mut Out, name: &str, align: bool) {
    out.mark()
        .u32(2)
        .u32(name.len() as u32)
        .u32(0)
        .u32(2)
        .u32(3)
        .bytes(name.as_bytes());
    if align {
        out.align(32, 0);
    }
    out.fill(24, 0x3f);
}

fn tokens(out: &mut Out, scores: bool) {
    for token in ["a", "bc"] {
        out.u32(token.len() as u32).bytes(token.as_bytes());
        if scores {
            out.u32(0);
        }
    }
}

/// A LLaMA model of two tokens and two tensors: `lmgg`, `fmgg` or `tjgg`.
pub fn llama(magic: &[u8; 4]) -> Vec<u8> {
    let versioned = magic != b"lmgg";
    let mut out = Out::le();
    out.bytes(magic);
    if versioned {
        out.u32(1);
    }
    out.u32(2).fill(24, 1);
    tokens(&mut out, versioned);
    for name in ["tok_embeddings.weight", "norm.weight"] {
        tensor(&mut out, name, magic == b"tjgg");
    }
    out.into_bytes()
}

/// A Whisper model of two tokens and one tensor.
pub fn whisper() -> Vec<u8> {
    let mut out = Out::le();
    out.bytes(b"lmgg").u32(51_864).fill(40, 1);
    out.u32(2).u32(3).fill(24, 0);
    out.u32(2);
    tokens(&mut out, false);
    tensor(&mut out, "decoder.positional_embedding", false);
    out.into_bytes()
}

/// An adapter of one tensor.
pub fn adapter() -> Vec<u8> {
    let mut out = Out::le();
    out.bytes(b"algg").u32(1).u32(8).u32(16);
    tensor(&mut out, "layers.0.attention.wq.weight.loraA", true);
    out.into_bytes()
}
