//! Supervised data: what a model reads and what it learns to write.

mod encode;
mod formats;
mod labelled;
mod template;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use serde_json::Value;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::corpus::batches::Permutation;
use crate::corpus::chat::{Chat, Segment};
use crate::corpus::documents::{Raw, Reader, SKIP_ADVICE, for_each};
use crate::corpus::progress::Silent;
use crate::corpus::source::{OnBroken, SourceFile};
use crate::error::{Error, Result};
use crate::random::mix;

pub use encode::{Encoded, EncodedExample, Label, encode, encode_labelled, prompt_tokens};
pub(crate) use labelled::number;
pub use labelled::{LabelKind, read_labelled};
pub use template::Template;

/// One item of supervised data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// In order; each is turned into tokens by itself, as it will be when the model is asked to go on from it.
    pub segments: Vec<Segment>,
    /// Whether the model also learns to end the text after the last segment.
    pub ends: bool,
    /// Of a conversation, what is asked of its last answer: what the system and then the user said last before it.
    pub asked: Option<String>,
}

impl Example {
    /// A prompt and the completion to learn.
    pub fn pair(prompt: impl Into<String>, completion: impl Into<String>) -> Example {
        Example { segments: vec![Segment::new(prompt, false), Segment::new(completion, true)], ends: true, asked: None }
    }

    /// The text before what is learned last: what a model is asked to go on from.
    pub fn prompt(&self) -> String {
        let last = self.segments.iter().rposition(|segment| segment.learned).unwrap_or(self.segments.len());
        self.segments[..last].iter().map(|segment| segment.text.as_str()).collect()
    }

    /// What is asked for, in words without marks.
    pub fn request(&self) -> String {
        self.asked.clone().unwrap_or_else(|| self.prompt())
    }

    /// The text that is learned last.
    pub fn completion(&self) -> &str {
        self.segments.iter().rfind(|segment| segment.learned).map_or("", |segment| &segment.text)
    }

    /// The same for two examples only if they say the same.
    fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        for segment in &self.segments {
            hash.update(&xxh3_64(segment.text.as_bytes()).to_le_bytes());
            hash.update(&[segment.learned as u8]);
        }
        hash.digest()
    }
}

/// How rows become examples.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Makes prompt and completion from the row's fields; without it, the row's own format is recognised.
    pub template: Option<Template>,
    /// How conversations are spelled; the built-in format without it.
    pub chat: Option<Arc<Chat>>,
    pub on_broken: OnBroken,
    /// Only this many, chosen by `seed`; a larger limit keeps those of a smaller one.
    pub limit: Option<usize>,
    pub seed: u64,
}

/// Examples that were read.
#[derive(Debug, Clone, Default)]
pub struct Examples {
    pub examples: Vec<Example>,
    /// Rows left out because they could not be read.
    pub broken_rows: u64,
    /// Bytes of the rows with examples that were not UTF-8 and stand as U+FFFD.
    pub replaced_bytes: u64,
}

/// Reads the rows of JSONL and JSON files as examples.
///
/// Errors: a file of another kind, a row that is no example and refused (it names file, line, and the fields there
/// are), no examples at all.
pub fn read(files: &[SourceFile], options: &Options, cancel: &AtomicBool) -> Result<Examples> {
    refuse_other_kinds(files)?;
    let mut read = Examples::default();
    let work = |raw: Raw| example(raw, files, options);
    for_each(Reader::new(files), &Silent, cancel, work, |found| {
        match found {
            Found::Example(example, replaced_bytes) => {
                read.examples.push(example);
                read.replaced_bytes += replaced_bytes;
            }
            Found::Broken => read.broken_rows += 1,
            Found::Nothing => {}
        }
        Ok(())
    })?;
    if read.examples.is_empty() {
        let names: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
        return Err(Error::new(format!("there are no examples in {}", names.join(", ")))
            .because(format!("{} rows were broken and left out", read.broken_rows))
            .next(formats::ADVICE));
    }
    if let Some(limit) = options.limit {
        read.examples = first_of(read.examples, limit, options.seed);
    }
    Ok(read)
}

fn refuse_other_kinds(files: &[SourceFile]) -> Result<()> {
    match files.iter().find(|file| !file.kind.is_rows()) {
        None => Ok(()),
        Some(file) => Err(Error::new(format!("{} holds no examples", file.path.display()))
            .because(format!("it is a file of kind {:?}, and examples are rows of JSONL or JSON", file.kind))
            .next("give a .jsonl or .json file")),
    }
}

/// Takes examples apart into those to train on and those held out, by what they say: copies stay together, and of two
/// or more different ones each side gets at least one.
pub fn hold_out(examples: Vec<Example>, fraction: f64, seed: u64) -> (Vec<Example>, Vec<Example>) {
    let mut hashes: Vec<u64> = examples.iter().map(|example| mix(seed, example.hash())).collect();
    let key = |example: &Example| mix(seed, example.hash());
    hashes.sort_unstable();
    hashes.dedup();
    let wanted = (hashes.len() as f64 * fraction).round() as usize;
    let count = if fraction > 0.0 { wanted.max(1) } else { 0 }.min(hashes.len().saturating_sub(1));
    let threshold = hashes.get(count).copied().unwrap_or(0);
    examples.into_iter().partition(|example| key(example) >= threshold)
}

/// What a raw part of a data file holds.
enum Found {
    /// And the bytes of its row that were not UTF-8.
    Example(Example, u64),
    Broken,
    /// A binary file that was passed over.
    Nothing,
}

fn example(raw: Raw, files: &[SourceFile], options: &Options) -> Result<Found> {
    let file = &files[raw.file];
    let Some(row) = raw.into_row() else { return Ok(Found::Nothing) };
    let line = row.line;
    let example = row.parse().and_then(|(row, replaced)| {
        Ok((of_record(row, options.template.as_ref(), options.chat.as_deref())?, replaced))
    });
    match example {
        Ok((example, replaced_bytes)) => Ok(Found::Example(example, replaced_bytes)),
        Err(_) if options.on_broken == OnBroken::Skip => Ok(Found::Broken),
        Err(why) => Err(Error::new(format!("{}:{line} is not an example", file.path.display()))
            .because(why)
            .next(format!("{}; {SKIP_ADVICE}", formats::ADVICE))),
    }
}

/// How conversations are spelled where nobody says how.
static BUILT_IN: LazyLock<Chat> = LazyLock::new(Chat::default);

/// The example that one record makes; why it makes none.
pub(crate) fn of_record(record: Value, template: Option<&Template>, chat: Option<&Chat>) -> Result<Example, String> {
    match (template, record) {
        (Some(template), Value::Object(fields)) => template.fill(&fields),
        (None, Value::Object(fields)) => match chat {
            Some(chat) => formats::recognise(fields, chat),
            None => formats::recognise(fields, &BUILT_IN),
        },
        _ => Err("it is not a JSON object".into()),
    }
}

/// The first `limit` of the examples in an order fixed by `seed`.
pub fn first_of(examples: Vec<Example>, limit: usize, seed: u64) -> Vec<Example> {
    let order = Permutation::new(examples.len() as u64, mix(seed, LIMIT));
    let mut slots: Vec<Option<Example>> = examples.into_iter().map(Some).collect();
    let chosen = (0..slots.len().min(limit) as u64).map(|place| order.get(place) as usize);
    chosen.filter_map(|index| slots[index].take()).collect()
}

/// Sets the order of a limit apart from other orders of the same seed.
const LIMIT: u64 = 0x1abe1;

#[cfg(test)]
mod tests;
