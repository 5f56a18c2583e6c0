//! Names of tensors across conventions: Hugging Face, GGUF, and the prefixes that wrappers put in front.

/// What a tensor is for, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A matrix of a feed-forward block.
    Mlp,
    /// A matrix of an attention block.
    Attention,
    /// Token or position embeddings, and the output head.
    Embedding,
    /// Anything else.
    Other,
}

/// GGUF's names inside a block, and what Hugging Face calls the same (`gguf-py`, `tensor_mapping.py`).
const BLOCK: &[(&str, &str)] = &[
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
    ("ffn_gate_inp", "block_sparse_moe.gate"),
    ("ffn_gate_inp", "mlp.gate"),
];

/// The same outside of blocks.
const OUTSIDE: &[(&str, &str)] = &[
    ("token_embd", "embed_tokens"),
    ("output_norm", "norm"),
    ("output", "lm_head"),
];

/// Prefixes that say nothing.
const PREFIXES: [&str; 7] = [
    "module.",
    "base_model.model.",
    "_orig_mod.",
    "state_dict.",
    "model.language_model.",
    "language_model.",
    "model.",
];

/// The name in one convention: that of GGUF where it has one, without prefixes of wrappers.
pub(super) fn canonical(name: &str) -> String {
    let mut rest = name;
    while let Some(inner) = PREFIXES.iter().find_map(|p| rest.strip_prefix(p)) {
        rest = inner;
    }
    let (stem, tail) = match rest.rsplit_once('.') {
        Some((stem, tail @ ("weight" | "bias"))) => (stem, tail),
        _ => (rest, ""),
    };
    let joined = |stem: String| {
        if tail.is_empty() {
            stem
        } else {
            format!("{stem}.{tail}")
        }
    };
    if let Some((_, gguf)) = OUTSIDE.iter().map(|(gguf, hf)| (hf, gguf)).find(|(hf, _)| **hf == stem) {
        return joined((*gguf).to_owned());
    }
    if let Some((number, inside)) = stem.strip_prefix("layers.").and_then(|rest| rest.split_once('.'))
        && let Some((gguf, _)) = BLOCK.iter().find(|(_, hf)| *hf == inside)
    {
        return joined(format!("blk.{number}.{gguf}"));
    }
    rest.to_owned()
}

/// What the tensor is for.
pub(super) fn role(name: &str) -> Role {
    let name = name.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| name.contains(w));
    if has(&["embed", "embd", "lm_head", "wte", "wpe", "vocab"]) || name.starts_with("output.") {
        return Role::Embedding;
    }
    let mlp = [
        "mlp",
        "ffn",
        "feed_forward",
        "feedforward",
        "down_proj",
        "up_proj",
        "gate_proj",
        "c_fc",
        ".fc1",
        ".fc2",
        "fc_in",
        "fc_out",
        "dense_h_to_4h",
        "dense_4h_to_h",
        "experts",
        "intermediate.dense",
    ];
    if has(&mlp) {
        return Role::Mlp;
    }
    if has(&[
        "attn",
        "attention",
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "query",
        "value",
    ]) {
        return Role::Attention;
    }
    // BERT: `layer.N.output.dense` is the second half of the feed-forward block.
    if name.contains("output.dense") {
        return Role::Mlp;
    }
    Role::Other
}

/// The number of the layer that a name speaks of: the first component that is a number.
pub(super) fn layer(name: &str) -> Option<u32> {
    name.split(['.', '/', '_']).find_map(|part| part.parse().ok())
}

/// Whether a name says nothing of what it names: a number, an array of a stream.
pub(super) fn is_anonymous(name: &str) -> bool {
    let last = name.rsplit(['/', '!']).next().unwrap_or(name);
    last.is_empty()
        || last.bytes().all(|b| b.is_ascii_digit())
        || (last.starts_with("pickle ") && last.contains(" array "))
}

/// Whether a converter of GGUF reorders the rows of this tensor.
pub(super) fn is_permuted(old: &str, new: &str) -> bool {
    let gguf = |name: &str| name.starts_with("blk.");
    let reordered = |name: &str| {
        let name = canonical(name);
        name.contains(".attn_q.") || name.contains(".attn_k.")
    };
    gguf(old) != gguf(new) && reordered(old) && reordered(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tensor_has_one_name_in_both_conventions() {
        for (a, b) in [
            ("model.layers.3.self_attn.q_proj.weight", "blk.3.attn_q.weight"),
            ("model.layers.31.mlp.down_proj.weight", "blk.31.ffn_down.weight"),
            ("model.layers.0.self_attn.v_proj.bias", "blk.0.attn_v.bias"),
            ("model.embed_tokens.weight", "token_embd.weight"),
            ("lm_head.weight", "output.weight"),
            ("model.norm.weight", "output_norm.weight"),
            (
                "base_model.model.model.layers.1.input_layernorm.weight",
                "blk.1.attn_norm.weight",
            ),
            ("module.encoder.weight", "encoder.weight"),
        ] {
            assert_eq!(canonical(a), canonical(b), "{a}");
        }
        assert_ne!(
            canonical("model.layers.1.mlp.up_proj.weight"),
            canonical("model.layers.2.mlp.up_proj.weight")
        );
    }

    #[test]
    fn roles_layers_and_what_says_nothing() {
        for (name, role_of, number) in [
            ("model.layers.5.mlp.down_proj.weight", Role::Mlp, Some(5)),
            ("blk.7.ffn_down.weight", Role::Mlp, Some(7)),
            ("transformer.h.2.mlp.c_proj.weight", Role::Mlp, Some(2)),
            ("encoder.layer.4.output.dense.weight", Role::Mlp, Some(4)),
            (
                "encoder.layer.4.attention.output.dense.weight",
                Role::Attention,
                Some(4),
            ),
            ("blk.7.attn_q.weight", Role::Attention, Some(7)),
            ("model.embed_tokens.weight", Role::Embedding, None),
            ("output.weight", Role::Embedding, None),
            ("norm.weight", Role::Other, None),
        ] {
            assert_eq!((role(name), layer(name)), (role_of, number), "{name}");
        }
        assert!(is_anonymous("12") && is_anonymous("archive/data/3") && is_anonymous("pickle 1 array 2"));
        assert!(!is_anonymous("layer1"));
        assert!(is_permuted(
            "model.layers.0.self_attn.q_proj.weight",
            "blk.0.attn_q.weight"
        ));
        assert!(!is_permuted("blk.0.attn_q.weight", "blk.0.attn_q.weight"));
        assert!(!is_permuted(
            "model.layers.0.self_attn.v_proj.weight",
            "blk.0.attn_v.weight"
        ));
    }
}
