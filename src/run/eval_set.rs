//! Data that several models are measured on alike: read and tokenised once, the loss for each model.

use super::data::open_source;
use super::home::Home;
use crate::corpus::batches::{Batch, held_out_examples};
use crate::corpus::chat::Chat;
use crate::corpus::documents::{Reader, for_each_batch};
use crate::corpus::examples::{self, Options, Template};
use crate::corpus::source::{OnBroken, Source, SourceFile};
use crate::corpus::tokenizer::Tokenizer;
use crate::error::Kind;
use crate::learn::TextScore;
use crate::learn::evaluation;
use crate::model::Decoder;
use crate::{Error, Result};
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows that are measured together.
const ROWS: usize = 8;
/// Which examples are taken where there are more than are wanted.
const SEED: u64 = 0;
/// Tokens of text for each example that is taken, about.
const EXAMPLE_TOKENS: usize = 25;

/// A set of text, or of examples, of which the completions count.
pub struct EvalSet {
    /// As it was given: a path, or `world:SET`.
    pub name: String,
    pub kind: EvalKind,
    batches: Vec<Batch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalKind {
    Text,
    Examples,
}

/// How a set is read.
pub struct Reading<'a> {
    pub tokenizer: &'a Tokenizer,
    /// Tokens of a window, or of a row of examples; at most the model's context.
    pub context: usize,
    /// At most about so many tokens are measured, from the beginning of the text; of examples a choice.
    pub tokens: usize,
    /// Makes prompts and completions from rows with other fields.
    pub template: Option<Template>,
    /// How conversations are spelled; the built-in format without it.
    pub chat: Option<Arc<Chat>>,
    /// Whether rows that cannot be read are passed over.
    pub skip_broken: bool,
    pub home: &'a Home,
    pub cancel: &'a AtomicBool,
}

impl EvalSet {
    /// Reads a file, a folder, or `world:SET`: its held-out side, where it has one. Rows with a text are text, unless there
    /// is a template; rows of prompts and completions, or of messages, are examples. Errors: what is neither; too little to
    /// predict anything.
    pub fn open(name: &str, reading: &Reading) -> Result<Self> {
        let source = open_source(name, reading.skip_broken, reading.home)?.uncut();
        let files = source.held_out().unwrap_or(source.files());
        let (kind, batches) = match reading.template {
            Some(_) => (EvalKind::Examples, read_examples(files, source.policy(), reading)?),
            None => match read_text(&source, files, reading) {
                Ok(batches) => (EvalKind::Text, batches),
                // Rows without running text may be examples; else what was wrong with the text is to be told.
                Err(refused) if refused.kind == Kind::Interrupted => return Err(refused),
                Err(refused) => {
                    (EvalKind::Examples, read_examples(files, source.policy(), reading).map_err(|_| refused)?)
                }
            },
        };
        Ok(Self { name: name.into(), kind, batches })
    }

    /// How many calls of `each` a measurement makes.
    pub fn batches(&self) -> u64 {
        self.batches.len() as u64
    }

    /// The loss; `each` is called after every batch. Errors: it was cancelled, which is [`Kind::Interrupted`].
    pub fn measure(
        &self,
        decoder: &Decoder,
        tokenizer: &Tokenizer,
        cancel: &AtomicBool,
        each: &dyn Fn(),
    ) -> Result<TextScore> {
        let batches = self.batches.iter().map(|batch| {
            if cancel.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            each();
            Ok(batch.clone())
        });
        evaluation::text(decoder, batches, &|token| tokenizer.token_bytes(token))
    }

    /// What the model reads, row by row, filled up with end-of-text.
    pub fn rows(&self) -> impl Iterator<Item = &[u32]> {
        self.batches.iter().flat_map(|batch| batch.inputs.chunks(batch.context))
    }

    /// Tokens that are predicted.
    pub fn tokens(&self) -> u64 {
        self.batches.iter().map(|batch| batch.learned() as u64).sum()
    }
}

fn interrupted() -> Error {
    Error { kind: Kind::Interrupted, ..Error::new("interrupted") }
}

/// The first tokens of the text, in windows that follow each other.
fn read_text(source: &Source, files: &[SourceFile], reading: &Reading) -> Result<Vec<Batch>> {
    let end = reading.tokenizer.end_of_text();
    let mut tokens: Vec<u32> = Vec::new();
    let most = reading.tokens.saturating_add(1);
    for_each_batch(Reader::new(files), reading.cancel, |batch| {
        let work = |raw: crate::corpus::documents::Raw| {
            let documents = raw.parse(files, source.policy())?.documents;
            documents
                .into_iter()
                .map(|d| Ok((d.continues, reading.tokenizer.encode(&d.text)?)))
                .collect::<Result<Vec<_>>>()
        };
        for document in batch.into_par_iter().map(work).collect::<Vec<_>>() {
            for (continues, encoded) in document? {
                // As in training: texts are set apart, pieces of one are not.
                let mark = if tokens.is_empty() || continues { None } else { end };
                tokens.extend(mark.into_iter().chain(encoded));
            }
        }
        Ok(tokens.len() < most)
    })?;
    tokens.truncate(most);
    match tokens.len() {
        0 | 1 => Err(Error::new(format!("there is too little text in {}", source.path().display()))
            .because("to predict a token takes one before it")
            .next("give a longer text")),
        _ => Ok(windows(&tokens, reading.context)),
    }
}

/// Each token but the first is predicted once, from those before it in its window.
fn windows(tokens: &[u32], context: usize) -> Vec<Batch> {
    let count = tokens.len() - 1;
    let whole = count / context;
    let mut batches: Vec<Batch> =
        (0..whole).step_by(ROWS).map(|row| window(&tokens[row * context..], ROWS.min(whole - row), context)).collect();
    if count > whole * context {
        batches.push(window(&tokens[whole * context..], 1, count - whole * context));
    }
    batches
}

fn window(tokens: &[u32], rows: usize, context: usize) -> Batch {
    let count = rows * context;
    Batch {
        rows,
        context,
        inputs: tokens[..count].to_vec(),
        targets: tokens[1..=count].to_vec(),
        positions: (0..count).map(|i| (i % context) as u32).collect(),
        first_visible: vec![0; count],
        labelled: Vec::new(),
    }
}

fn read_examples(files: &[SourceFile], on_broken: OnBroken, reading: &Reading) -> Result<Vec<Batch>> {
    let limit = Some((reading.tokens / EXAMPLE_TOKENS).max(1));
    let (template, chat) = (reading.template.clone(), reading.chat.clone());
    let options = Options { template, chat, on_broken, limit, seed: SEED };
    let read = examples::read(files, &options, reading.cancel)?.examples;
    let encoded = examples::encode(&read, reading.tokenizer, reading.context)?.examples;
    let padding = reading.tokenizer.end_of_text().unwrap_or(0);
    let held = held_out_examples(&encoded, reading.context, ROWS, padding)?;
    Ok(held.into_iter().map(|held| held.batch).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;
    use crate::ops::attention::Heads;
    use crate::run::checkpoint::testing::tokenizer;
    use candle_core::{DType, Device};

    fn reading<'a>(home: &'a Home, tokenizer: &'a Tokenizer, cancel: &'a AtomicBool, tokens: usize) -> Reading<'a> {
        Reading { tokenizer, context: 8, tokens, template: None, chat: None, skip_broken: false, home, cancel }
    }

    #[test]
    fn every_token_but_the_first_is_predicted_once() {
        let tokens: Vec<u32> = (0..30).collect();
        let batches = windows(&tokens, 3);
        let shapes: Vec<(usize, usize)> = batches.iter().map(|batch| (batch.rows, batch.context)).collect();
        assert_eq!(shapes, [(8, 3), (1, 3), (1, 2)]);
        let inputs: Vec<u32> = batches.iter().flat_map(|batch| batch.inputs.clone()).collect();
        let targets: Vec<u32> = batches.iter().flat_map(|batch| batch.targets.clone()).collect();
        assert_eq!((inputs, targets), ((0..29).collect(), (1..30).collect()));
    }

    #[test]
    fn text_examples_and_templates_are_read_and_what_is_neither_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::find(Some(folder.path())).unwrap();
        let (tokenizer, cancel) = (tokenizer(), AtomicBool::new(false));
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_string()
        };
        let mut config = preset::find("llama-1m").unwrap().config(tokenizer.vocabulary_size(), 8);
        (config.width, config.layers, config.intermediate) = (8, 1, 12);
        config.heads = Heads { query: 2, key_value: 1, dimension: 4 };
        let decoder = Decoder::random(config, 1, DType::F32, &Device::Cpu).unwrap();
        let open = |path: &str, tokens| EvalSet::open(path, &reading(&home, &tokenizer, &cancel, tokens));
        let text = open(&write("a.txt", &"eggs and a market. ".repeat(40)), 50).unwrap();
        assert_eq!((text.kind, text.tokens()), (EvalKind::Text, 50));
        let score = text.measure(&decoder, &tokenizer, &cancel, &|| ()).unwrap();
        assert_eq!(score.tokens, 50);
        assert_eq!(score, text.measure(&decoder, &tokenizer, &cancel, &|| ()).unwrap());
        let rows = write("b.jsonl", "{\"prompt\":\"eggs\",\"completion\":\" and a mill\"}\n");
        let pairs = open(&rows, 50).unwrap();
        // Completions alone count, with their end; not the prompt.
        let completion = tokenizer.encode(" and a mill").unwrap().len() as u64;
        assert_eq!((pairs.kind, pairs.tokens()), (EvalKind::Examples, completion + 1));
        let labelled = write("c.jsonl", "{\"text\":\"eggs and a market\",\"label\":\"good\"}\n");
        assert_eq!(open(&labelled, 50).unwrap().kind, EvalKind::Text);
        let template = Some(Template::new("{text}", " {label}").unwrap());
        let own = Reading { template, ..reading(&home, &tokenizer, &cancel, 50) };
        assert_eq!(EvalSet::open(&labelled, &own).unwrap().kind, EvalKind::Examples);
        assert!(open(&write("d.txt", ""), 50).is_err());
        assert!(open(&write("e.jsonl", "{\"x\":1}\n"), 50).err().unwrap().to_string().contains("next:"));
        assert!(open("world:nothing", 50).err().unwrap().to_string().contains("no set"));
        cancel.store(true, Ordering::Relaxed);
        let error = text.measure(&decoder, &tokenizer, &cancel, &|| ()).err().unwrap();
        assert_eq!(error.kind, Kind::Interrupted);
    }
}
