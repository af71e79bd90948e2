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
