//! Text as a tokenizer cuts it, for people.

use crate::Result;
use crate::corpus::tokenizer::{Decoder, Tokenizer};
use crate::protocol::{RowSegment, TokenView};

/// The tokens of a row, and whether each is learned. Segments are cut by themselves, as in training.
pub fn row_tokens(segments: &[RowSegment], tokenizer: &Tokenizer) -> Result<Vec<(u32, bool)>> {
    let mut tokens = Vec::new();
    let mut ids = Vec::new();
    for segment in segments {
        ids.clear();
        tokenizer.encode_into(&segment.text, &mut ids)?;
        tokens.extend(ids.iter().map(|&id| (id, segment.learned)));
    }
    Ok(tokens)
}

/// Tokens with their texts: one after the other they are the text again. A token that ends within a character has none
/// of it; the one that completes it has all.
pub fn token_views(tokens: &[(u32, bool)], tokenizer: &Tokenizer) -> Result<Vec<TokenView>> {
    let mut decoder = Decoder::new();
    let mut views: Vec<TokenView> = Vec::with_capacity(tokens.len());
    for &(id, learned) in tokens {
        let is_special = tokenizer.is_special(id);
        if is_special {
            // What was held back for a character that never came.
            let left_over = std::mem::take(&mut decoder).finish();
            if let Some(last) = views.last_mut() {
                last.text.push_str(&left_over);
            }
        }
        let text = if is_special { tokenizer.decode(&[id]) } else { decoder.push(tokenizer, id)? };
        views.push(TokenView { id, text, surprise: None, learned, is_special, is_label: false });
    }
    if let Some(last) = views.last_mut() {
        last.text.push_str(&decoder.finish());
    }
    Ok(views)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(text: &str, learned: bool) -> RowSegment {
        RowSegment { text: text.into(), learned }
    }

    #[test]
    fn texts_of_tokens_are_the_text_again() {
        let text = "the mill, 雪 and 🜂 by the mill<|end|>";
        let tokenizer = Tokenizer::train([text.repeat(4)], 300).unwrap();
        let segments = [segment(text, false), segment("é", true)];
        let views = token_views(&row_tokens(&segments, &tokenizer).unwrap(), &tokenizer).unwrap();
        assert_eq!(views.iter().map(|view| view.text.as_str()).collect::<String>(), format!("{text}é"));
        assert!(views.iter().any(|view| view.is_special && view.text == "<|end|>"));
        assert!(views.last().unwrap().learned && !views[0].learned);
    }

    #[test]
    fn a_character_that_never_ends_is_shown_as_such() {
        let tokenizer = Tokenizer::train(["é"], 270).unwrap();
        let ids = tokenizer.encode("\u{20ac}<|end|>").unwrap();
        let broken: Vec<(u32, bool)> = [ids[0], ids[3]].map(|id| (id, true)).into();
        let views = token_views(&broken, &tokenizer).unwrap();
        assert_eq!((views[0].text.as_str(), views[1].text.as_str()), ("\u{fffd}", "<|end|>"));
    }
}
