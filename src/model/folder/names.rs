//! Which Hugging Face tensors a parameter of ours lies in.

use super::super::config::{Config, Family};
use crate::{Error, Result};

/// One tensor of a folder that a parameter, or rows of it, stands in.
pub(super) struct Piece {
    pub name: String,
    /// How many of the parameter's rows it holds; all of them where `None`.
    pub rows: Option<usize>,
    /// GPT-2 stores its linear weights (in, out).
    pub transposed: bool,
}

/// The pieces of a parameter, top rows first.
pub(super) fn pieces(config: &Config, name: &str) -> Result<Vec<Piece>> {
    let found = match config.family {
        Family::Llama => llama(config, name),
        Family::Gpt2 => gpt2(name),
        Family::Bert => bert(config, name),
    };
    found.ok_or_else(|| Error::new(format!("parameter {name} has no place in a Hugging Face folder")))
}

fn whole(name: String) -> Option<Vec<Piece>> {
    Some(vec![Piece { name, rows: None, transposed: false }])
}

/// `block.3.mlp.up.weight` → (3, `mlp.up`, `weight`).
fn in_block(name: &str) -> Option<(usize, &str, &str)> {
    let (index, rest) = name.strip_prefix("block.")?.split_once('.')?;
    let (unit, leaf) = rest.rsplit_once('.')?;
    Some((index.parse().ok()?, unit, leaf))
}

fn llama(config: &Config, name: &str) -> Option<Vec<Piece>> {
    match name {
        "embedding.tokens" => return whole("model.embed_tokens.weight".into()),
        "norm.weight" => return whole("model.norm.weight".into()),
        "head.weight" => return whole("lm_head.weight".into()),
        "score.output.weight" => return whole("score.weight".into()),
        _ => {}
    }
    let (index, unit, leaf) = in_block(name)?;
    let stacked = |parts: &[(&str, usize)]| {
        let piece = |&(part, rows): &(&str, usize)| Piece {
            name: format!("model.layers.{index}.{part}.{leaf}"),
            rows: Some(rows),
            transposed: false,
        };
        Some(parts.iter().map(piece).collect())
    };
    let heads = config.heads;
    match unit {
        "attention.packed" => stacked(&[
            ("self_attn.q_proj", heads.query_width()),
            ("self_attn.k_proj", heads.key_width()),
            ("self_attn.v_proj", heads.key_width()),
        ]),
        "mlp.up" => stacked(&[("mlp.gate_proj", config.intermediate), ("mlp.up_proj", config.intermediate)]),
        "attention.output" => whole(format!("model.layers.{index}.self_attn.o_proj.{leaf}")),
        "mlp.down" => whole(format!("model.layers.{index}.mlp.down_proj.{leaf}")),
        "norm.attention" => whole(format!("model.layers.{index}.input_layernorm.{leaf}")),
        "norm.mlp" => whole(format!("model.layers.{index}.post_attention_layernorm.{leaf}")),
        _ => None,
    }
}

fn gpt2(name: &str) -> Option<Vec<Piece>> {
    match name {
        "embedding.tokens" => return whole("transformer.wte.weight".into()),
        "embedding.positions" => return whole("transformer.wpe.weight".into()),
        "norm.weight" => return whole("transformer.ln_f.weight".into()),
        "norm.bias" => return whole("transformer.ln_f.bias".into()),
        "head.weight" => return whole("lm_head.weight".into()),
        "score.output.weight" => return whole("score.weight".into()),
        _ => {}
    }
    let (index, unit, leaf) = in_block(name)?;
    let (part, is_linear) = match unit {
        "attention.packed" => ("attn.c_attn", true),
        "attention.output" => ("attn.c_proj", true),
        "mlp.up" => ("mlp.c_fc", true),
        "mlp.down" => ("mlp.c_proj", true),
        "norm.attention" => ("ln_1", false),
        "norm.mlp" => ("ln_2", false),
        _ => return None,
    };
    let transposed = is_linear && leaf == "weight";
    Some(vec![Piece { name: format!("transformer.h.{index}.{part}.{leaf}"), rows: None, transposed }])
}

fn bert(config: &Config, name: &str) -> Option<Vec<Piece>> {
    let outside = [
        ("embedding.tokens", "bert.embeddings.word_embeddings.weight"),
        ("embedding.positions", "bert.embeddings.position_embeddings.weight"),
        ("embedding.types", "bert.embeddings.token_type_embeddings.weight"),
        ("embedding.norm.weight", "bert.embeddings.LayerNorm.weight"),
        ("embedding.norm.bias", "bert.embeddings.LayerNorm.bias"),
        ("head.transform.weight", "cls.predictions.transform.dense.weight"),
        ("head.transform.bias", "cls.predictions.transform.dense.bias"),
        ("head.norm.weight", "cls.predictions.transform.LayerNorm.weight"),
        ("head.norm.bias", "cls.predictions.transform.LayerNorm.bias"),
        ("head.weight", "cls.predictions.decoder.weight"),
        ("score.dense.weight", "bert.pooler.dense.weight"),
        ("score.dense.bias", "bert.pooler.dense.bias"),
        ("score.output.weight", "classifier.weight"),
        ("score.output.bias", "classifier.bias"),
    ];
    if name == "head.bias" {
        // Where the head has a matrix of its own, transformers takes the bias beside it.
        return whole(if config.tied { "cls.predictions.bias" } else { "cls.predictions.decoder.bias" }.into());
    }
    if let Some((_, place)) = outside.iter().find(|(own, _)| *own == name) {
        return whole((*place).into());
    }
    let (index, unit, leaf) = in_block(name)?;
    let layer = format!("bert.encoder.layer.{index}");
    let part = match unit {
        "attention.packed" => {
            let piece = |part| Piece {
                name: format!("{layer}.attention.self.{part}.{leaf}"),
                rows: Some(config.heads.query_width()),
                transposed: false,
            };
            return Some(["query", "key", "value"].map(piece).into());
        }
        "attention.output" => "attention.output.dense",
        "norm.attention" => "attention.output.LayerNorm",
        "mlp.up" => "intermediate.dense",
        "mlp.down" => "output.dense",
        "norm.mlp" => "output.LayerNorm",
        _ => return None,
    };
    whole(format!("{layer}.{part}.{leaf}"))
}
