//! `frostline eval --text` of an encoder: how well it knows hidden tokens.

use super::Arguments;
use crate::cli::output::{self, count, number};
use crate::corpus::documents::{Reader, for_each};
use crate::corpus::masking::Masker;
use crate::corpus::progress::Silent;
use crate::corpus::source::Source;
use crate::corpus::tokenizer::Tokenizer;
use crate::error::Kind;
use crate::model::Decoder;
use crate::run::suite::Masked;
use crate::{Error, Result};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// Hidden of every window at once, as in BERT's training.
const SHARE: f64 = 0.15;
/// Tokens that are hidden one by one where no flag says otherwise: each takes a pass over its window.
const PSEUDO_TOKENS: u64 = 500;

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report {
    /// Of the text.
    tokens: u64,
    bytes: u64,
    /// Hidden together.
    masked_tokens: u64,
    /// Their loss, nats per token.
    loss: f64,
    masked_accuracy: f64,
    /// Hidden one by one.
    pseudo_tokens: u64,
    pseudo_perplexity: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_ids: Option<Vec<u32>>,
    /// Nats, each token hidden alone; marks are not hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Vec<Option<f32>>>,
}

pub fn run(arguments: &Arguments, text: &Path, decoder: &Decoder, tokenizer: &Tokenizer) -> Result<()> {
    let context = super::context_of(arguments, decoder)?;
    let report = measure(arguments, text, decoder, tokenizer, context)?;
    if arguments.json {
        return output::write_json(&report);
    }
    output::write(&format!(
        "masked loss {} nats/token · accuracy {:.2}% · pseudo-perplexity {}\n{} tokens in windows of {context}; {} hidden \
         together, {} one by one\n",
        number(report.loss),
        100.0 * report.masked_accuracy,
        report.pseudo_perplexity.map_or("–".into(), number),
        count(report.tokens),
        count(report.masked_tokens),
        count(report.pseudo_tokens),
    ))
}

fn measure(
    arguments: &Arguments,
    text: &Path,
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    context: usize,
) -> Result<Report> {
    let cancel = crate::cli::interruption()?;
    let masker = Arc::new(Masker::new(tokenizer, SHARE, false)?);
    let (tokens, bytes) = read(text, tokenizer, &cancel)?;
    let candidates = masker.candidates(&tokens);
    if candidates.is_empty() {
        return Err(Error::new(format!("there is too little text in {}", text.display()))
            .because("no token of it can be hidden")
            .next("give a longer text"));
    }
    let asked = arguments.pseudo_tokens.map_or(PSEUDO_TOKENS, u64::from);
    let pseudo_tokens = if arguments.per_token { u64::MAX } else { asked };
    let score = Masked::text(&tokens, masker.clone(), context, pseudo_tokens).score(decoder, &cancel)?;
    let score = score.ok_or_else(|| Error { kind: Kind::Interrupted, ..Error::new("interrupted") })?;
    let logprobs = arguments.per_token.then(|| {
        let mut logprobs = vec![None; tokens.len()];
        candidates.iter().zip(&score.pseudo).for_each(|(&place, loss)| logprobs[place] = Some(-loss));
        logprobs
    });
    Ok(Report {
        tokens: tokens.len() as u64,
        bytes,
        masked_tokens: score.text.tokens,
        loss: score.text.loss(),
        masked_accuracy: score.accuracy(),
        pseudo_tokens: score.pseudo.len() as u64,
        pseudo_perplexity: score.pseudo_perplexity(),
        token_ids: arguments.per_token.then_some(tokens),
        logprobs,
    })
}

/// All tokens of a text, texts set apart as in training; and its bytes.
fn read(text: &Path, tokenizer: &Tokenizer, cancel: &std::sync::atomic::AtomicBool) -> Result<(Vec<u32>, u64)> {
    let source = Source::open(text)?.uncut();
    let files = source.held_out().unwrap_or(source.files());
    let (mut tokens, mut bytes, end) = (Vec::new(), 0, tokenizer.end_of_text());
    let work = |raw: crate::corpus::documents::Raw| {
        let documents = raw.parse(files, source.policy())?.documents;
        let encode = |document: crate::corpus::documents::Document| {
            Ok((document.continues, document.text.len() as u64, tokenizer.encode(&document.text)?))
        };
        documents.into_iter().map(encode).collect::<Result<Vec<_>>>()
    };
    for_each(Reader::new(files), &Silent, cancel, work, |documents| {
        for (continues, length, own) in documents {
            if !tokens.is_empty() && !continues {
                tokens.extend(end);
            }
            tokens.extend(own);
            bytes += length;
        }
        Ok(())
    })?;
    Ok((tokens, bytes))
}
