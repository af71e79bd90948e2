//! Text to tokens and back: trained here, or loaded from any `tokenizer.json`.

mod bytes;
mod decode;
mod files;
mod marks;
mod quick;
mod train;
mod words;

use xxhash_rust::xxh3::xxh3_64;

use crate::corpus::tokenizer::bytes::TokenBytes;
use crate::corpus::tokenizer::files::Companions;
use crate::corpus::tokenizer::quick::Quick;
use crate::error::{Context, Result};

pub use decode::Decoder;
pub use marks::MASK;

/// Ends every document and every completion.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// The special tokens of a tokenizer that is trained here; they have the first ids, in this order.
pub const SPECIAL_TOKENS: [&str; 5] = [END_OF_TEXT, "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"];

/// A tokenizer, as `transformers` would load it: special tokens are recognised in text, none are added to it.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The quick way to the same tokens, where there is one.
    quick: Option<Quick>,
    table: TokenBytes,
    end_of_text: Option<u32>,
    begin_of_text: Option<u32>,
    mask: Option<u32>,
    fingerprint: u64,
    companions: Companions,
}

impl Tokenizer {
    fn from_parts(
        mut inner: tokenizers::Tokenizer,
        end_of_text: Option<u32>,
        companions: Companions,
    ) -> Result<Tokenizer> {
        // Lengths are for whoever makes batches to decide.
        inner.with_truncation(None).what(|| "cannot set up the tokenizer".into())?;
        inner.with_padding(None);
        let json = inner.to_string(false).what(|| "cannot set up the tokenizer".into())?;
        let (quick, table) = (Quick::of(&inner), TokenBytes::of(&inner));
        let fingerprint = xxh3_64(json.as_bytes()) ^ end_of_text.map_or(0, |id| id as u64 + 1);
        let (begin_of_text, mask) = (marks::begin_of_text(&inner, &companions), marks::mask(&inner, &companions));
        Ok(Tokenizer { inner, quick, table, end_of_text, begin_of_text, mask, fingerprint, companions })
    }

    /// The tokens of `text`.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = Vec::with_capacity(text.len() / 3);
        self.encode_into(text, &mut tokens)?;
        Ok(tokens)
    }

    /// Appends the tokens of `text` to `out`.
    pub fn encode_into(&self, text: &str, out: &mut Vec<u32>) -> Result<()> {
        if let Some(quick) = &self.quick
            && quick.encode(self.inner.get_model(), text, out).what(|| "cannot tokenize a text".into())?
        {
            return Ok(());
        }
        let encoding = self.inner.encode_fast(text, false).what(|| "cannot tokenize a text".into())?;
        out.extend_from_slice(encoding.get_ids());
        Ok(())
    }

    /// The text of `tokens`, special tokens spelled out; an id that there is not has no text.
    pub fn decode(&self, tokens: &[u32]) -> String {
        if self.table.is_exact() {
            let bytes: Vec<u8> = tokens.iter().flat_map(|&id| self.table.get(id)).copied().collect();
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        self.inner.decode(tokens, false).unwrap_or_default()
    }

    /// How many ids there are, counting from 0 to the last; a model needs as many rows.
    pub fn vocabulary_size(&self) -> usize {
        self.table.len()
    }

    /// The token that ends a document.
    pub fn end_of_text(&self) -> Option<u32> {
        self.end_of_text
    }

    /// The id of a token by its exact spelling.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Whether a token is a mark rather than text.
    pub fn is_special(&self, id: u32) -> bool {
        self.table.is_special(id)
    }

    /// How many bytes of text a token stands for: exact for byte-level tokenizers, a good guess for others, 0 for
    /// special tokens.
    pub fn token_bytes(&self, id: u32) -> usize {
        if self.is_special(id) { 0 } else { self.table.get(id).len() }
    }

    /// The same for two tokenizers only if they give the same tokens.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

#[cfg(test)]
mod tests;
