//! An encoder fills masks in.

use super::ranked::Ranked;
use crate::corpus::masking::no_mask_token;
use crate::corpus::tokenizer::{MASK, Tokenizer};
use crate::model::{Decoder, Input};
use crate::{Error, Result};
use candle_core::{DType, Tensor};

/// A text with its masks filled.
#[derive(Clone, Debug)]
pub struct Filled {
    /// In order: text as it was, and masks.
    pub pieces: Vec<Piece>,
}

/// A part of a text.
#[derive(Clone, Debug)]
pub enum Piece {
    Text(String),
    /// The likeliest tokens with their probabilities, given everything else; masks beside it are unknown to it.
    Mask(Vec<(u32, f32)>),
}

impl Filled {
    /// The text with the likeliest token in place of each mask.
    pub fn text(&self, tokenizer: &Tokenizer) -> String {
        let spell = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Mask(likeliest) => likeliest.first().map(|(id, _)| tokenizer.decode(&[*id])).unwrap_or_default(),
        };
        self.pieces.iter().map(spell).collect()
    }

    pub fn masks(&self) -> impl Iterator<Item = &[(u32, f32)]> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Mask(likeliest) => Some(&likeliest[..]),
            Piece::Text(_) => None,
        })
    }
}

/// Fills the masks of `text`, `[MASK]` or as the tokenizer spells its own, and names the `count` likeliest tokens of each.
/// A space before a mask is taken to belong to the hidden token. Errors: no mask, or a text that is longer than the
/// model's context.
pub fn fill(decoder: &Decoder, tokenizer: &Tokenizer, text: &str, count: usize) -> Result<Filled> {
    let mask = tokenizer.mask().ok_or_else(no_mask_token)?;
    let spelled = tokenizer.decode(&[mask]);
    let text = text.replace(MASK, &spelled).replace(&format!(" {spelled}"), &spelled);
    let mut tokens: Vec<u32> = tokenizer.begin_of_text().into_iter().collect();
    let first = tokens.len();
    tokenizer.encode_into(&text, &mut tokens)?;
    let places: Vec<u32> = (0..tokens.len()).filter(|&at| tokens[at] == mask).map(|at| at as u32).collect();
    if places.is_empty() {
        return Err(Error::new("there is nothing to fill in")
            .because("the model is an encoder: it fills masks, and does not go on with a text")
            .next(format!("write {spelled} where a token is to be filled in, as in \"The {spelled} sells fish.\"")));
    }
    let positions: Vec<u32> = (0..tokens.len() as u32).collect();
    let input = Input { rows: 1, columns: tokens.len(), tokens: &tokens, positions: &positions, first_visible: None };
    let hidden = decoder.forward(&input, None)?.hidden;
    let picked = hidden.index_select(&Tensor::from_slice(&places, places.len(), decoder.device())?, 0)?;
    let mut logits = decoder.logits(&picked)?.to_dtype(DType::F32)?.to_vec2::<f32>()?.into_iter();
    let (mut pieces, mut from) = (Vec::new(), first);
    for &place in &places {
        pieces.extend(between(tokenizer, &tokens[from..place as usize]));
        pieces.push(Piece::Mask(likeliest(&logits.next().unwrap_or_default(), count)));
        from = place as usize + 1;
    }
    pieces.extend(between(tokenizer, &tokens[from..]));
    Ok(Filled { pieces })
}

fn between(tokenizer: &Tokenizer, tokens: &[u32]) -> Option<Piece> {
    (!tokens.is_empty()).then(|| Piece::Text(tokenizer.decode(tokens)))
}

fn likeliest(logits: &[f32], count: usize) -> Vec<(u32, f32)> {
    let mut ranked = Ranked::new(logits, 1.0);
    let total = ranked.sum();
    (0..count).map_while(|rank| ranked.get(rank)).map(|(id, weight)| (id, (weight / total) as f32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn masks_are_filled_with_the_likeliest_tokens() {
        let tokenizer = Tokenizer::train(["the cook sells fish. ".repeat(9)], 290).unwrap().with_mask().unwrap();
        let config = crate::model::preset::find("bert-1m").unwrap().config(tokenizer.vocabulary_size(), 24);
        let decoder = Decoder::random(config, 1, DType::F32, &Device::Cpu).unwrap();
        let filled = fill(&decoder, &tokenizer, "the [MASK] sells[MASK]", 5).unwrap();
        let masks: Vec<&[(u32, f32)]> = filled.masks().collect();
        assert_eq!(masks.len(), 2);
        for likeliest in &masks {
            assert!(likeliest.len() == 5 && likeliest.windows(2).all(|pair| pair[0].1 >= pair[1].1));
            assert!(likeliest.iter().map(|(_, share)| share).sum::<f32>() < 1.0);
        }
        let (one, two) = (tokenizer.decode(&[masks[0][0].0]), tokenizer.decode(&[masks[1][0].0]));
        assert_eq!(filled.text(&tokenizer), format!("the{one} sells{two}"));
        let error = fill(&decoder, &tokenizer, "the cook", 5).unwrap_err();
        assert!(error.next.unwrap().contains("[MASK]"));
        assert!(fill(&decoder, &tokenizer, &"the [MASK]".repeat(30), 5).is_err(), "longer than the context");
    }
}
