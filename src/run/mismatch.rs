//! What can be seen of a phase's data before its first step: text that is far from what the base learned from, characters
//! that the tokenizer does not know, and too few examples.

use super::material::{Material, Part};
use crate::Result;
use crate::corpus::compare::{Counts, Spelling, divergence};
use crate::corpus::tokenizer::Tokenizer;
use serde::Serialize;

/// At most about this many tokens of each side are looked at, spread over all of it.
const SAMPLE: u64 = 200_000;
/// Tokens that are read together.
const STRETCH: u64 = 500;
/// Fewer tokens tell nothing.
const FEWEST: u64 = 1000;
/// Bits of divergence, beyond that of a part of the base's own text of the same size, from which on a text is another domain.
/// Measured on the bundled world, of the stories, with 4096 tokens that were trained on them: the harbour's ledger 0.64, the
/// other language 0.65; requests 0.37, reviews 0.33, summaries 0.09. With 600 tokens, which are nearer to letters, 0.29, 0.26,
/// 0.13, 0.11 and 0.02: what a small vocabulary hides shows in the length.
const APART: f64 = 0.5;
/// A text that takes this many times as many tokens for each byte is foreign to the tokenizer. With 4096 and 600 tokens: the
/// ledger 2.5 and 1.55, the other language 1.8 and 1.3, requests 1.28 and 1.16, all others less.
const LONGER: f64 = 1.5;
/// The share of bytes in pieces of characters from which on they are said; the bundled world has none.
const BROKEN: f64 = 0.02;
/// Fewer examples are learned by heart before anything general is.
const FEW_EXAMPLES: usize = 50;

/// Nats per token that the base is worse on new text than on what it learned from, where the new text is another domain.
const NEW_DOMAIN: f64 = 1.0;

/// How far a text is from what a base learned from, as the base's tokenizer has both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Distance {
    /// The Jensen–Shannon divergence of their tokens in bits, of 1 at most, beyond that of a part of the known text of the
    /// same size; `None` where one of them has too few tokens to tell.
    pub divergence: Option<f64>,
    pub tokens_per_byte: f64,
    pub known_tokens_per_byte: f64,
    /// The share of the text's bytes in characters that the tokenizer does not know.
    pub unknown: f64,
}

impl Distance {
    /// Of stretches of tokens.
    pub fn between(own: &[Vec<u32>], known: &[Vec<u32>], tokenizer: &Tokenizer) -> Self {
        let (own_counts, known_counts) = (counted(own), counted(known));
        let (spelling, before) = (Spelling::of(&own_counts, tokenizer), Spelling::of(&known_counts, tokenizer));
        let is_enough = own_counts.total().min(known_counts.total()) >= FEWEST;
        Self {
            divergence: is_enough.then(|| excess(&own_counts, known, &known_counts)),
            tokens_per_byte: spelling.tokens_per_byte,
            known_tokens_per_byte: before.tokens_per_byte,
            unknown: spelling.broken,
        }
    }

    /// What a person should know of it, where the base learned from what is called `known`.
    pub fn says(&self, known: &str) -> Vec<String> {
        let about = about_characters(self.unknown).into_iter();
        let Some(bits) = self.divergence else { return about.collect() };
        about
            .chain(about_domain(bits, known))
            .chain(about_length(self.tokens_per_byte, self.known_tokens_per_byte, known))
            .collect()
    }
}

/// What a person should know of a phase's data before it begins; `base` is text that its base learned from.
pub(super) fn notices(own: &Material, base: Option<(&str, &Material)>, tokenizer: &Tokenizer) -> Result<Vec<String>> {
    let (about, own) = (few(own), stretches(own)?);
    let about_text = match base {
        Some((name, base)) => Distance::between(&own, &stretches(base)?, tokenizer).says(name),
        None => about_characters(Spelling::of(&counted(&own), tokenizer).broken).into_iter().collect(),
    };
    Ok(about.into_iter().chain(about_text).collect())
}

/// What a person should know where the base's loss on a text is this, and on `known`, which it learned from, that.
pub fn about_loss(own: f64, loss: f64, known: &str) -> Option<String> {
    (own - loss > NEW_DOMAIN).then(|| {
        format!(
            "the base finds this text hard: {own:.2} nats per token, and {loss:.2} on {known}, which it learned from; expect \
             it to forget: replay some of it (replay 0.05), warm the rate up, and watch the retention"
        )
    })
}

/// How far `own` is from `base` in bits, beyond what a part of the base of the same size is from the rest of it.
fn excess(own: &Counts, base: &[Vec<u32>], base_counts: &Counts) -> f64 {
    let share = (own.total() as f64 / base_counts.total() as f64).min(0.5);
    let (mut part, mut rest) = (Counts::default(), Counts::default());
    for (place, tokens) in base.iter().enumerate() {
        let is_part = (share * (place + 1) as f64) as u64 > (share * place as f64) as u64;
        if is_part { part.add(tokens) } else { rest.add(tokens) }
    }
    (divergence(own, base_counts) - divergence(&part, &rest)).max(0.0)
}

fn counted(stretches: &[Vec<u32>]) -> Counts {
    let mut counts = Counts::default();
    stretches.iter().for_each(|tokens| counts.add(tokens));
    counts
}

/// Some of its text, for [`Distance::between`].
pub(super) fn stretches(material: &Material) -> Result<Vec<Vec<u32>>> {
    let mut stretches = Vec::new();
    sample(material, &mut |tokens| stretches.push(tokens.to_vec()))?;
    Ok(stretches)
}

/// Stretches of text and examples, evenly spread over all sources.
fn sample(material: &Material, take: &mut dyn FnMut(&[u32])) -> Result<()> {
    let share = SAMPLE / material.sources.len().max(1) as u64;
    for (_, part, _) in &material.sources {
        match part {
            Part::Text(shard) | Part::Masked { shard, .. } => {
                let stretches = (share / STRETCH).max(1);
                let apart = (shard.tokens() / stretches).max(STRETCH);
                let mut tokens = Vec::new();
                for start in (0..shard.tokens()).step_by(apart as usize) {
                    tokens.resize(STRETCH.min(shard.tokens() - start) as usize, 0);
                    shard.read(start, &mut tokens)?;
                    take(&tokens);
                }
            }
            Part::Examples { examples, .. } => {
                let all: u64 = examples.iter().map(|example| example.tokens.len() as u64).sum();
                let stride = all.div_ceil(share.max(1)).max(1) as usize;
                examples.iter().step_by(stride).for_each(|example| take(&example.tokens));
            }
        }
    }
    Ok(())
}

fn few(own: &Material) -> Option<String> {
    let count: usize = own
        .sources
        .iter()
        .map(|(_, part, _)| match part {
            // Of texts that are scored, labels are counted, and too few are said, where they are read.
            Part::Examples { examples, .. } if examples.iter().all(|example| example.label.is_none()) => examples.len(),
            _ => FEW_EXAMPLES,
        })
        .sum();
    (count < FEW_EXAMPLES).then(|| {
        format!(
            "{count} examples are few: expect them to be learned by heart within a few epochs, and scores on held-out ones to \
             jump from seed to seed; train only the head and the last blocks (frozen), take 1 to 3 epochs and a low rate, \
             compare several seeds, or write more examples"
        )
    })
}

fn about_domain(bits: f64, base: &str) -> Option<String> {
    (bits > APART).then(|| {
        format!(
            "its tokens are spread otherwise than those of {base}: their Jensen–Shannon divergence is {bits:.2} bits larger \
             than within {base}, of 1 at most; expect a high loss at first and forgetting: replay some of {base} \
             (replay 0.05), warm the rate up, or go on pretraining on such text first"
        )
    })
}

fn about_length(own: f64, base: f64, name: &str) -> Option<String> {
    (base > 0.0 && own > LONGER * base).then(|| {
        format!(
            "the tokenizer spells it in short pieces: {own:.2} tokens for each byte, and {base:.2} for {name}; its rows hold \
             less text, and words are harder to learn: where the model begins anew, train the tokenizer on both"
        )
    })
}

fn about_characters(unknown: f64) -> Option<String> {
    (unknown > BROKEN).then(|| {
        format!(
            "{:.1}% of its bytes are characters that the tokenizer does not know: they are spelled byte by byte, or are \
             unknown; check the encoding of the files, or take a tokenizer whose text had such characters",
            100.0 * unknown
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::examples::{Example, encode};
    use std::sync::Arc;

    fn material(texts: &[String], tokenizer: &Tokenizer) -> Material {
        let examples: Vec<Example> = texts.iter().map(|text| Example::pair("", text.clone())).collect();
        let examples = Arc::new(encode(&examples, tokenizer, 256).unwrap().examples);
        Material { sources: vec![("tune".into(), Part::Examples { examples, padding: 0 }, 1.0)] }
    }

    #[test]
    fn each_warning_is_said_where_it_holds_and_only_there() {
        let known = "the old mill by the river grinds corn for the village and the miller sells flour ".to_string();
        let tokenizer = Tokenizer::train([known.repeat(20)], 400).unwrap();
        let base = material(&vec![known.clone(); 60], &tokenizer);
        let said =
            |texts: Vec<String>| notices(&material(&texts, &tokenizer), Some(("pretrain", &base)), &tokenizer).unwrap();
        assert_eq!(said(vec![known.clone(); 50]), Vec::<String>::new());
        let few = said(vec![known; 49]);
        assert!(matches!(&few[..], [text] if text.starts_with("49 examples are few")), "{few:?}");
        let ledger = said(vec!["qty 7 x; due 12/4; ref AB-19 #".repeat(5); 50]);
        assert!(ledger.iter().any(|text| text.contains("Jensen–Shannon") && text.contains("pretrain")), "{ledger:?}");
        assert!(ledger.iter().any(|text| text.contains("short pieces")), "{ledger:?}");
        let foreign = said(vec!["мельница у реки".repeat(5); 50]);
        assert!(foreign.iter().any(|text| text.contains("does not know")), "{foreign:?}");
    }
}
