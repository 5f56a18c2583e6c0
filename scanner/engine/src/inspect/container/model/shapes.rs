//! A model's configuration held against the shapes of its weights: width, vocabulary, layers.
//!
//! Only what no honest model does otherwise: quantised weights pack several numbers in one, vocabularies are padded, and
//! models of several parts have a width for each. Those are passed over.

use super::super::{Container, Export, Outcome, json};
use crate::fact::Fact;
use crate::finding::code;
use crate::policy::shown;
use crate::tensor::Layout;
use probity_signatures::tensors;
use serde_json::Value;

/// What the shapes of a file's tensors say of the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Rows and columns of the token embedding.
    pub(crate) embedding: Option<(u64, u64)>,
    /// Whether several tensors could be the token embedding.
    pub(crate) ambiguous: bool,
    /// One more than the greatest number of a layer.
    pub(crate) layers: u64,
}

impl Outline {
    /// Takes one tensor in.
    pub(crate) fn add(&mut self, fact: &Fact) {
        let Fact::Tensor { name, dtype, shape, .. } = fact else {
            return;
        };
        if let Some((number, _)) = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'))
            && let Ok(number) = number.parse::<u64>()
        {
            self.layers = self.layers.max(number.saturating_add(1));
        }
        let float = Layout::parse(dtype).is_some_and(|layout| layout.dtype.is_float());
        if let [rows, columns] = shape.as_slice()
            && float
            && [
                "model.embed_tokens.weight",
                "transformer.wte.weight",
                "wte.weight",
                "gpt_neox.embed_in.weight",
            ]
            .contains(&&**name)
        {
            self.ambiguous |= self.embedding.is_some();
            self.embedding = Some((*rows, *columns));
        }
    }

    fn join(&mut self, other: Self) {
        self.ambiguous |= other.ambiguous || (self.embedding.is_some() && other.embedding.is_some());
        self.embedding = self.embedding.or(other.embedding);
        self.layers = self.layers.max(other.layers);
    }
}

/// `tensor-shape`, for the model in `folder`.
pub(super) fn inspect(container: &Container<'_>, folder: &[u8], out: &mut Outcome<'_>) {
    let mut outline = Outline::default();
    for member in container.directly_in(folder) {
        if let Some(Export::Tensors(_, _, of_file)) = member.export() {
            outline.join(*of_file);
        }
    }
    let path = super::join(folder, b"config.json");
    let Some(file) = container.file(&path).filter(|_| outline != Outline::default()) else {
        return;
    };
    let Some(config) = out.text(file).and_then(json::value) else {
        return;
    };
    // Each part of such a model has a width of its own, and quantised weights pack numbers.
    let parts = [
        "text_config",
        "vision_config",
        "quantization_config",
        "encoder",
        "decoder",
        "compression_config",
    ];
    if parts
        .iter()
        .any(|key| config.get(key).is_some_and(|part| !part.is_null()))
    {
        return;
    }
    let number = |keys: &[&str]| keys.iter().find_map(|key| config.get(key).and_then(Value::as_u64));
    let embeds_apart = ["embedding_size", "word_embed_proj_dim", "d_embed", "emb_dim"]
        .iter()
        .any(|key| config.get(key).is_some_and(|value| !value.is_null()));
    let mut tell = |case: &'static str, message: String, tensor: u64, stated: u64| {
        let finding = container.finding(code::TENSOR_SHAPE, file, message).case(case);
        out.push(finding.evidence("tensor", tensor).evidence("config", stated));
    };
    if let Some((rows, columns)) = outline.embedding.filter(|_| !outline.ambiguous) {
        if let Some(width) = number(&["hidden_size", "n_embd", "d_model"])
            && width != columns
            && !embeds_apart
        {
            let message = format!(
                "{} says a width of {width}, the token embedding has {columns}",
                shown(&path)
            );
            tell("hidden-size", message, columns, width);
        }
        if let Some(words) = number(&["vocab_size"])
            && (rows < words || rows > words.saturating_add(tensors().shape.padding))
        {
            let message = format!("{} says {words} tokens, the token embedding has {rows}", shown(&path));
            tell("vocabulary", message, rows, words);
        }
    }
    let stated = number(&["num_hidden_layers", "n_layer", "num_layers"]);
    let more = number(&["num_nextn_predict_layers", "mtp_num_layers"]).unwrap_or(0);
    if let Some(layers) = stated
        && outline.layers > layers.saturating_add(more)
    {
        let message = format!(
            "{} says {layers} layers, the weights have a layer {}",
            shown(&path),
            outline.layers.saturating_sub(1)
        );
        tell("layers", message, outline.layers, layers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    fn outline(tensors: &[(&str, &str, &[u64])]) -> Outline {
        let mut outline = Outline::default();
        for (name, dtype, shape) in tensors {
            outline.add(&Fact::Tensor {
                name: (*name).into(),
                dtype: (*dtype).into(),
                shape: shape.to_vec(),
                span: Span::new(0, 0),
            });
        }
        outline
    }

    #[test]
    fn an_outline_is_of_the_names_that_are_known() {
        let known = outline(&[
            ("model.embed_tokens.weight", "BF16", &[100, 8]),
            ("model.layers.11.mlp.weight", "BF16", &[8, 8]),
            ("vision.layers.40.weight", "BF16", &[8, 8]),
        ]);
        assert_eq!(
            known,
            Outline {
                embedding: Some((100, 8)),
                ambiguous: false,
                layers: 12
            }
        );
        // Packed in integers.
        assert_eq!(
            outline(&[("model.embed_tokens.weight", "U32", &[100, 1])]),
            Outline::default()
        );
    }
}
