//! `frostline sample` of an encoder: the likeliest tokens in place of each mask.

use super::Arguments;
use crate::Result;
use crate::cli::output;
use crate::corpus::tokenizer::Tokenizer;
use crate::model::Decoder;
use crate::sample::fill;
use serde::Serialize;

/// Tokens that are named for each mask, unless `--top-k` asks for another number.
const LIKELIEST: usize = 5;

/// A text that was filled.
#[derive(Serialize)]
pub struct Fill {
    checkpoint: String,
    prompt: String,
    /// With the likeliest token in place of each mask.
    text: String,
    masks: Vec<Vec<Candidate>>,
}

#[derive(Serialize)]
struct Candidate {
    id: u32,
    token: String,
    probability: f32,
}

/// Fills the masks of every prompt.
pub fn answers(
    name: &str,
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    prompts: &[String],
    arguments: &Arguments,
) -> Result<Vec<Fill>> {
    let count = if arguments.top_k == 0 { LIKELIEST } else { arguments.top_k };
    let fill_one = |prompt: &String| {
        let filled = fill(decoder, tokenizer, prompt, count)?;
        let candidate = |&(id, probability): &(u32, f32)| Candidate { id, token: tokenizer.decode(&[id]), probability };
        let masks = filled.masks().map(|likeliest| likeliest.iter().map(candidate).collect()).collect();
        Ok(Fill { checkpoint: name.into(), prompt: prompt.clone(), text: filled.text(tokenizer), masks })
    };
    prompts.iter().map(fill_one).collect()
}

/// Texts, and below each the tokens that came into question.
pub fn show(fills: &[Fill]) -> Result<()> {
    for fill in fills {
        let mut text = format!("{}: {}\n", fill.checkpoint, fill.text);
        for (place, candidates) in fill.masks.iter().enumerate() {
            let said = candidates
                .iter()
                .map(|candidate| format!("{:?} {:.1}%", candidate.token, 100.0 * candidate.probability));
            text += &format!("  mask {}: {}\n", place + 1, said.collect::<Vec<_>>().join(", "));
        }
        output::show(&text)?;
    }
    Ok(())
}
