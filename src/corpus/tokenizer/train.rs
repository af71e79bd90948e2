//! Byte-level BPE trained on a sample of a corpus.

use std::sync::atomic::AtomicBool;

use ahash::{AHashMap, AHashSet};
use compact_str::CompactString;
use rayon::prelude::*;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, ModelWrapper};

use crate::corpus::documents::{Raw, Reader, for_each_batch};
use crate::corpus::progress::{Progress, Running};
use crate::corpus::source::Source;
use crate::corpus::split::{Side, Split};
use crate::corpus::tokenizer::bytes::{alphabet, spell};
use crate::corpus::tokenizer::files::Companions;
use crate::corpus::tokenizer::words::{GPT2, Words, WordsCache};
use crate::corpus::tokenizer::{END_OF_TEXT, SPECIAL_TOKENS, Tokenizer};
use crate::error::{Context, Error, Result};

/// The tokenizer of a larger corpus is trained on about this many bytes of it.
const SAMPLE_BYTES: u64 = 64 << 20;
/// A pair seen only once is no pattern.
const LEAST_FREQUENCY: u64 = 2;
/// Every byte and every special token has a token of its own; beyond the largest, no known model goes.
const VOCABULARY: std::ops::RangeInclusive<usize> = 256 + SPECIAL_TOKENS.len()..=1 << 20;

/// How often each word occurs.
type WordCounts = AHashMap<CompactString, u64>;

impl Tokenizer {
    /// Trains on `texts`, all of them; see [`Tokenizer::train_on`].
    pub fn train<T: AsRef<str>>(texts: impl IntoIterator<Item = T>, vocabulary_size: usize) -> Result<Tokenizer> {
        check_size(vocabulary_size)?;
        let words = splitter()?;
        let (mut counts, mut cache) = (WordCounts::new(), words.cache());
        for text in texts {
            words.for_each(text.as_ref(), &mut cache, |word| count(&mut counts, word, 1));
        }
        from_words(&counts, vocabulary_size)
    }

    /// Trains on the side of `source` that is trained on: on all of it, or on evenly spaced parts of about 64 MiB in
    /// total. The same corpus gives the same tokenizer. A small corpus may hold too few patterns for the vocabulary
    /// asked for: then there are as many tokens as there are patterns.
    pub fn train_on(
        source: &Source,
        split: &Split,
        vocabulary_size: usize,
        progress: &dyn Progress,
        cancel: &AtomicBool,
    ) -> Result<Tokenizer> {
        check_size(vocabulary_size)?;
        let words = splitter()?;
        let size: u64 = source.files().iter().map(|file| file.size).sum();
        let stride = size.div_ceil(SAMPLE_BYTES);
        let count_words = |(mut counts, mut cache): (WordCounts, WordsCache), raw: Raw| -> Result<_> {
            for document in raw.parse(source.files(), source.policy())?.documents {
                if split.side(&document.text) == Side::Train {
                    words.for_each(&document.text, &mut cache, |word| count(&mut counts, word, 1));
                }
            }
            Ok((counts, cache))
        };
        let _running = Running::begin(progress, "learning the tokenizer", size / stride.max(1));
        let mut counts = WordCounts::new();
        for_each_batch(Reader::every(source.files(), stride), cancel, |batch| {
            let bytes = batch.iter().map(|raw| raw.source_bytes).sum();
            let found = batch
                .into_par_iter()
                .try_fold(|| (WordCounts::new(), words.cache()), count_words)
                .map(|outcome| outcome.map(|(counts, _)| counts))
                .try_reduce(WordCounts::new, |a, b| Ok(merge(a, b)))?;
            counts = merge(std::mem::take(&mut counts), found);
            progress.advance(bytes);
            Ok(true)
        })?;
        from_words(&counts, vocabulary_size)
    }
}

fn splitter() -> Result<Words> {
    Words::of(GPT2).ok_or_else(|| Error::new("cannot split text into words").because("the pattern does not compile"))
}

fn check_size(vocabulary_size: usize) -> Result<()> {
    if VOCABULARY.contains(&vocabulary_size) {
        return Ok(());
    }
    let (least, most) = (VOCABULARY.start(), VOCABULARY.end());
    Err(Error::new(format!("cannot train a tokenizer of {vocabulary_size} tokens"))
        .because(format!("256 bytes and {} special tokens are the least it needs", SPECIAL_TOKENS.len()))
        .next(format!("give a vocabulary between {least} and {most}")))
}

fn count(counts: &mut WordCounts, word: &str, times: u64) {
    match counts.get_mut(word) {
        Some(count) => *count += times,
        None => {
            counts.insert(word.into(), times);
        }
    }
}

/// The counts of both; sums do not depend on the order.
fn merge(mut a: WordCounts, mut b: WordCounts) -> WordCounts {
    if a.len() < b.len() {
        std::mem::swap(&mut a, &mut b);
    }
    for (word, times) in b {
        *a.entry(word).or_default() += times;
    }
    a
}

fn from_words(counts: &WordCounts, vocabulary_size: usize) -> Result<Tokenizer> {
    if counts.is_empty() {
        return Err(Error::new("cannot train a tokenizer").because("there is no text to train it on"));
    }
    let mut spelled = String::new();
    let spelled_counts: WordCounts = counts
        .iter()
        .map(|(word, &times)| {
            spell(word, &mut spelled);
            (CompactString::from(&spelled), times)
        })
        .collect();
    let special: Vec<AddedToken> = SPECIAL_TOKENS.iter().map(|token| AddedToken::from(*token, true)).collect();
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(vocabulary_size)
        .min_frequency(LEAST_FREQUENCY)
        .initial_alphabet(alphabet().collect::<AHashSet<char>>().into_iter().collect())
        .special_tokens(special.clone())
        .build();
    let mut model = BPE::default();
    trainer.do_train(&spelled_counts, &mut model).what(|| "cannot train a tokenizer".into())?;
    let mut inner = tokenizers::Tokenizer::new(ModelWrapper::BPE(model));
    inner.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    inner.with_decoder(Some(ByteLevel::new(false, true, true)));
    inner.add_special_tokens(special).what(|| "cannot train a tokenizer".into())?;
    let end_of_text = inner.token_to_id(END_OF_TEXT);
    Tokenizer::from_parts(inner, end_of_text, Companions::built_in())
}
