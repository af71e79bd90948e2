//! Byte-level BPE at the speed of a dictionary: words come back, so each word's tokens are remembered.
//!
//! The tokens are those of the `tokenizers` crate, whose model is asked for every new word; what is saved is its
//! bookkeeping of offsets, and the merging of words seen before.

use std::sync::Mutex;

use ahash::AHashMap;
use aho_corasick::{AhoCorasick, MatchKind};
use tokenizers::Model;
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::split::SplitPattern;
use tokenizers::tokenizer::SplitDelimiterBehavior;

use crate::corpus::tokenizer::bytes::spell;
use crate::corpus::tokenizer::words::{GPT2, Words, WordsCache};

/// Longer words hardly ever come back.
const LONGEST_REMEMBERED: usize = 64;
/// A memory that holds this many words, some 6 MB, is emptied: what is frequent is back at once.
const MOST_REMEMBERED: usize = 1 << 16;

/// The quick way through a tokenizer whose steps are all known.
#[derive(Debug)]
pub(super) struct Quick {
    words: Words,
    /// Finds added tokens, which are cut out before the text is split into words; `None` where there are none.
    added: Option<AhoCorasick>,
    added_ids: Vec<u32>,
    /// Whether only ASCII may go this way, since a normalizer leaves nothing else alone.
    only_ascii: bool,
    /// Memories not in use; a thread takes one for as long as it encodes.
    memories: Mutex<Vec<Memory>>,
}

/// The words seen so far and their tokens.
#[derive(Debug)]
struct Memory {
    /// Where each word's tokens lie in `tokens`: start and count.
    spans: AHashMap<Box<str>, (u32, u32)>,
    tokens: Vec<u32>,
    search: WordsCache,
    spelled: String,
}

impl Quick {
    /// `None` where a step of the tokenizer is one that this way does not know.
    pub(super) fn of(tokenizer: &tokenizers::Tokenizer) -> Option<Quick> {
        let only_ascii = match tokenizer.get_normalizer() {
            None => false,
            Some(NormalizerWrapper::NFC(_)) => true,
            Some(_) => return None,
        };
        let ModelWrapper::BPE(model) = tokenizer.get_model() else { return None };
        let plain = model.dropout.is_none_or(|dropout| dropout == 0.0)
            && model.continuing_subword_prefix.is_none()
            && model.end_of_word_suffix.is_none();
        let words = Words::of(pattern(tokenizer.get_pre_tokenizer()?)?)?;
        let (added, added_ids) = added_tokens(tokenizer)?;
        plain.then_some(Quick { words, added, added_ids, only_ascii, memories: Mutex::default() })
    }

    /// Appends the tokens of `text`; `false` where it has to go the long way.
    pub(super) fn encode(&self, model: &ModelWrapper, text: &str, out: &mut Vec<u32>) -> tokenizers::Result<bool> {
        if self.only_ascii && !text.is_ascii() {
            return Ok(false);
        }
        let mut memory = self.take_memory();
        let mut start = 0;
        for found in self.added.iter().flat_map(|added| added.find_iter(text)) {
            self.encode_words(model, &text[start..found.start()], &mut memory, out)?;
            out.push(self.added_ids[found.pattern().as_usize()]);
            start = found.end();
        }
        self.encode_words(model, &text[start..], &mut memory, out)?;
        self.give_back(memory);
        Ok(true)
    }

    fn encode_words(
        &self,
        model: &ModelWrapper,
        text: &str,
        memory: &mut Memory,
        out: &mut Vec<u32>,
    ) -> tokenizers::Result<()> {
        let Memory { spans, tokens, search, spelled } = memory;
        let mut outcome = Ok(());
        self.words.for_each(text, search, |word| {
            if let Some(&(start, count)) = spans.get(word) {
                out.extend_from_slice(&tokens[start as usize..(start + count) as usize]);
                return;
            }
            spell(word, spelled);
            match model.tokenize(spelled) {
                Ok(found) => {
                    let first = out.len();
                    out.extend(found.iter().map(|token| token.id));
                    remember(spans, tokens, word, &out[first..]);
                }
                Err(error) => outcome = Err(error),
            }
        });
        outcome
    }

    fn take_memory(&self) -> Memory {
        let free = self.memories.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
        free.unwrap_or_else(|| Memory {
            spans: AHashMap::new(),
            tokens: Vec::new(),
            search: self.words.cache(),
            spelled: String::new(),
        })
    }

    fn give_back(&self, memory: Memory) {
        self.memories.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(memory);
    }
}

fn remember(spans: &mut AHashMap<Box<str>, (u32, u32)>, tokens: &mut Vec<u32>, word: &str, found: &[u32]) {
    if word.len() > LONGEST_REMEMBERED {
        return;
    }
    if spans.len() >= MOST_REMEMBERED {
        spans.clear();
        tokens.clear();
    }
    // Few words of few tokens each: far below 2^32.
    spans.insert(word.into(), (tokens.len() as u32, found.len() as u32));
    tokens.extend_from_slice(found);
}

/// The pattern by which a byte-level pre-tokenizer splits, if it does nothing else.
fn pattern(pre_tokenizer: &PreTokenizerWrapper) -> Option<&str> {
    match pre_tokenizer {
        PreTokenizerWrapper::ByteLevel(bytes) if bytes.use_regex && !bytes.add_prefix_space => Some(GPT2),
        PreTokenizerWrapper::Sequence(steps) => match steps.as_ref() {
            [PreTokenizerWrapper::Split(split), PreTokenizerWrapper::ByteLevel(bytes)] => {
                let SplitPattern::Regex(pattern) = &split.pattern else { return None };
                let isolated = split.behavior == SplitDelimiterBehavior::Isolated && !split.invert;
                let only_spells = !bytes.use_regex && !bytes.add_prefix_space;
                (isolated && only_spells).then_some(pattern)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Finds the added tokens as `tokenizers` does, with their ids; `None` where one of them also takes in what is
/// around it, or they are not all looked for at once.
fn added_tokens(tokenizer: &tokenizers::Tokenizer) -> Option<(Option<AhoCorasick>, Vec<u32>)> {
    let mut added: Vec<_> = tokenizer.get_added_tokens_decoder().into_iter().collect();
    added.sort_by_key(|(id, _)| *id);
    let plain = added.iter().all(|(_, token)| !token.lstrip && !token.rstrip && !token.single_word);
    let at_once = added.windows(2).all(|pair| pair[0].1.normalized == pair[1].1.normalized);
    if !plain || !at_once || added.iter().any(|(_, token)| token.content.is_empty()) {
        return None;
    }
    if added.is_empty() {
        return Some((None, Vec::new()));
    }
    let contents = added.iter().map(|(_, token)| token.content.as_str());
    let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(contents).ok()?;
    Some((Some(finder), added.iter().map(|(id, _)| *id).collect()))
}
