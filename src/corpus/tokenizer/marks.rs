//! The marks that encoders need: what a text begins with, and what stands for a hidden token; and where words begin.

use serde_json::{Map, Value, json};
use tokenizers::AddedToken;

use crate::corpus::tokenizer::Tokenizer;
use crate::corpus::tokenizer::files::Companions;
use crate::error::{Context, Result};

/// What stands for a hidden token in tokenizers that are trained here.
pub const MASK: &str = "[MASK]";
/// What known tokenizers call it, for those whose files do not say.
const MASK_NAMES: [&str; 4] = [MASK, "<mask>", "<|mask|>", "[mask]"];
const BEGIN_NAMES: [&str; 3] = ["[CLS]", "<s>", "<cls>"];

/// The token that an encoder's rows begin with: its `cls_token`, or else its `bos_token`, which is the end-of-text mark of
/// tokenizers that are trained here.
pub(super) fn begin_of_text(inner: &tokenizers::Tokenizer, companions: &Companions) -> Option<u32> {
    let named = ["cls_token", "bos_token"].into_iter().filter_map(|role| companions.token(role));
    let names = named.chain(BEGIN_NAMES.map(String::from));
    names.into_iter().find_map(|name| inner.token_to_id(&name))
}

/// The token that stands for hidden ones.
pub(super) fn mask(inner: &tokenizers::Tokenizer, companions: &Companions) -> Option<u32> {
    let named = companions.token("mask_token");
    named.into_iter().chain(MASK_NAMES.map(String::from)).find_map(|name| inner.token_to_id(&name))
}

impl Tokenizer {
    /// The token that an encoder's rows begin with.
    pub fn begin_of_text(&self) -> Option<u32> {
        self.begin_of_text
    }

    /// The token that stands for hidden ones.
    pub fn mask(&self) -> Option<u32> {
        self.mask
    }

    /// The same with a mask token behind all others; every other token keeps its id. One that has a mask stays as it is.
    pub fn with_mask(self) -> Result<Tokenizer> {
        if self.mask.is_some() {
            return Ok(self);
        }
        let failed = || "cannot add a mask token to the tokenizer".into();
        let mut inner = self.inner;
        inner.add_special_tokens([AddedToken::from(MASK, true)]).what(failed)?;
        Tokenizer::from_parts(inner, self.end_of_text, self.companions.with_mask())
    }

    /// The bytes that a token stands for: see [`Tokenizer::token_bytes`]; none for special tokens.
    pub fn bytes(&self, id: u32) -> &[u8] {
        if self.is_special(id) { &[] } else { self.table.get(id) }
    }

    /// Whether its tokens say where words begin: with a space (byte-level, SentencePiece), or, of WordPiece, by not being
    /// marked ## as going on. A tokenizer of bare characters does not.
    pub fn marks_words(&self) -> bool {
        (0..self.vocabulary_size() as u32).any(|id| matches!(self.bytes(id), [b' ', next, ..] if *next != b' '))
    }
}

impl Companions {
    /// With the mask token among those that the files name.
    fn with_mask(self) -> Companions {
        self.map(|fields: &mut Map<String, Value>| {
            fields.insert("mask_token".into(), json!(MASK));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "the cook sells fresh fish. the cook sells bread. ";

    #[test]
    fn a_mask_comes_behind_all_other_tokens_and_is_saved_with_them() {
        let plain = Tokenizer::train([TEXT], 290).unwrap();
        let (count, tokens) = (plain.vocabulary_size(), plain.encode(TEXT).unwrap());
        assert_eq!((plain.mask(), plain.begin_of_text()), (None, plain.end_of_text()));
        let masked = plain.with_mask().unwrap();
        assert_eq!((masked.mask(), masked.vocabulary_size()), (Some(count as u32), count + 1));
        assert_eq!(masked.encode(TEXT).unwrap(), tokens);
        assert_eq!(masked.encode("the[MASK]").unwrap(), [masked.encode("the").unwrap(), vec![count as u32]].concat());
        let folder = tempfile::tempdir().unwrap();
        masked.save(folder.path()).unwrap();
        let again = Tokenizer::load(folder.path()).unwrap();
        assert_eq!((again.mask(), again.fingerprint()), (masked.mask(), masked.fingerprint()));
        let config = std::fs::read_to_string(folder.path().join("tokenizer_config.json")).unwrap();
        assert!(config.contains("\"mask_token\": \"[MASK]\""), "{config}");
        let once = again.with_mask().unwrap();
        assert_eq!(once.vocabulary_size(), count + 1);
    }

    #[test]
    fn a_word_piece_tokenizer_of_bert_has_its_marks_and_its_words() {
        let json = r###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[
            {"id":0,"content":"[PAD]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
            {"id":1,"content":"[UNK]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
            {"id":2,"content":"[CLS]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
            {"id":3,"content":"[SEP]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
            {"id":4,"content":"[MASK]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
            "normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
            "pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":null,
            "decoder":{"type":"WordPiece","prefix":"##","cleanup":true},
            "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
            "vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"[MASK]":4,"fish":5,"##er":6,"##man":7,".":8,"sells":9}}}"###;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), json).unwrap();
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        assert_eq!((tokenizer.begin_of_text(), tokenizer.mask(), tokenizer.end_of_text()), (Some(2), Some(4), Some(3)));
        assert!(tokenizer.marks_words());
        assert_eq!(tokenizer.encode("Fisherman sells [MASK].").unwrap(), [5, 6, 7, 9, 4, 8]);
    }
}
