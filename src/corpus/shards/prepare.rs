//! Turns a corpus into token shards, in constant memory and on all cores, or finds those made before.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::corpus::documents::{Document, Raw, Reader, for_each};
use crate::corpus::progress::{Progress, Running};
use crate::corpus::shards::Shard;
use crate::corpus::shards::cache::Entry;
use crate::corpus::shards::format::VERSION;
use crate::corpus::shards::writer::{Encoded, ShardWriter};
use crate::corpus::source::{Source, SourceFile};
use crate::corpus::split::{Side, Split};
use crate::corpus::tokenizer::Tokenizer;
use crate::error::{Context, Error, Result};

/// What to prepare, and where it is kept.
pub struct Preparation<'a> {
    pub source: &'a Source,
    pub tokenizer: &'a Tokenizer,
    pub split: Split,
    /// The folder of prepared corpora; made if it is not there.
    pub cache: &'a Path,
}

/// A corpus as tokens.
#[derive(Debug)]
pub struct Prepared {
    pub train: Arc<Shard>,
    /// `None` where nothing is held out.
    pub held_out: Option<Arc<Shard>>,
    /// Whether nothing is held out although it was asked for, because the corpus is a single document.
    pub undivided: bool,
    pub summary: Summary,
    /// Whether it was there already.
    pub reused: bool,
    /// Where it is kept.
    pub folder: PathBuf,
}

/// What was met when the corpus was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub files: u64,
    pub skipped_binaries: u64,
    pub broken_rows: u64,
    /// Bytes that were not UTF-8 and stand as U+FFFD.
    pub replaced_bytes: u64,
}

const TRAIN: &str = "train";
const HELD_OUT: &str = "held-out";
const SUMMARY: &str = "summary.json";

/// The token shards of a corpus: those made before from the same files, tokenizer and split, or new ones.
///
/// Errors: the corpus cannot be read or has no text, a row is broken and refused, the cache cannot be written,
/// `cancel` was set. Whatever the error, nothing half-written stays.
pub fn prepare(request: &Preparation<'_>, progress: &dyn Progress, cancel: &AtomicBool) -> Result<Prepared> {
    let entry = Entry::lock(request.cache, key(request), cancel)?;
    // What is there but damaged is made again.
    if let Ok(prepared) = open(entry.folder(), request.split, true) {
        return Ok(prepared);
    }
    let folder = entry.begin()?;
    let summary = write(request, folder, progress, cancel)?;
    request.source.check_unchanged()?;
    let summary = serde_json::to_string(&summary).what(|| "cannot write the corpus's summary".into())?;
    fs::write(folder.join(SUMMARY), summary).what(|| format!("cannot write {}", folder.display()))?;
    entry.commit()?;
    open(entry.folder(), request.split, false)
}

/// Differs for whatever would give other shards.
fn key(request: &Preparation<'_>) -> u64 {
    let mut hash = Xxh3::new();
    let parts = [request.source.fingerprint(), request.tokenizer.fingerprint(), request.split.fingerprint()];
    for part in parts.into_iter().chain([VERSION as u64]) {
        hash.update(&part.to_le_bytes());
    }
    hash.digest()
}

fn open(folder: &Path, split: Split, reused: bool) -> Result<Prepared> {
    let path = folder.join(SUMMARY);
    let summary = fs::read_to_string(&path).what(|| format!("cannot read {}", path.display()))?;
    let summary = serde_json::from_str(&summary).what(|| format!("cannot read {}", path.display()))?;
    let train = Arc::new(Shard::open(folder, TRAIN)?);
    let has_held_out = folder.join(format!("{HELD_OUT}.tokens")).exists();
    let held_out = if has_held_out { Some(Arc::new(Shard::open(folder, HELD_OUT)?)) } else { None };
    Ok(Prepared { train, held_out, undivided: split.undivided(), summary, reused, folder: folder.into() })
}

/// Writes the shards of both sides into `folder`.
fn write(request: &Preparation<'_>, folder: &Path, progress: &dyn Progress, cancel: &AtomicBool) -> Result<Summary> {
    let Preparation { source, tokenizer, split, .. } = request;
    let create = |name| ShardWriter::create(folder, name, tokenizer.vocabulary_size(), tokenizer.end_of_text());
    let mut job = Job { request, progress, cancel, summary: Summary::default() };
    let (mut train, mut held_out) = (create(TRAIN)?, create(HELD_OUT)?);
    let running = Running::begin(progress, "tokenizing the corpus", source.size());
    job.tokenize(source.files(), |side, document, order| match side {
        Side::Train => train.append(document, order),
        Side::HeldOut => held_out.append(document, order),
    })?;
    if let Some(files) = source.held_out() {
        job.tokenize(files, |_, document, order| held_out.append(document, order))?;
    }
    drop(running);
    if train.finish()? == 0 {
        return Err(nothing_to_train_on(source, &job.summary));
    }
    if held_out.finish()? == 0 {
        if split.divides() || source.held_out().is_some() {
            return Err(Error::new(format!("nothing of {} is held out", source.path().display()))
                .because("the held-out side has no text")
                .next("give held-out files with text in them, or hold out a larger fraction"));
        }
        for extension in ["tokens", "documents"] {
            let path = folder.join(format!("{HELD_OUT}.{extension}"));
            fs::remove_file(&path).what(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(job.summary)
}

fn nothing_to_train_on(source: &Source, summary: &Summary) -> Error {
    Error::new(format!("the corpus {} has no text", source.path().display()))
        .because(format!(
            "{} files were read, {} passed over as binary, {} rows were broken",
            summary.files, summary.skipped_binaries, summary.broken_rows
        ))
        .next("give a corpus with text, Markdown, HTML, source code or JSONL rows with a `text`")
}

/// The work on one corpus.
struct Job<'a> {
    request: &'a Preparation<'a>,
    progress: &'a dyn Progress,
    cancel: &'a AtomicBool,
    summary: Summary,
}

/// What one raw part became.
struct Tokenized {
    documents: Vec<(Side, Encoded)>,
    broken_rows: u64,
    replaced_bytes: u64,
}

impl Job<'_> {
    /// Gives `append` the documents of `files` in order, each with its side and its place in that order.
    fn tokenize(
        &mut self,
        files: &[SourceFile],
        mut append: impl FnMut(Side, &Encoded, u64) -> Result<()>,
    ) -> Result<()> {
        let mut order = 0;
        let work = |raw: Raw| self.tokenize_part(raw, files);
        let mut summary = self.summary.clone();
        let counts = for_each(Reader::new(files), self.progress, self.cancel, work, |part: Tokenized| {
            for (side, document) in &part.documents {
                append(*side, document, order)?;
                order += 1;
            }
            summary.broken_rows += part.broken_rows;
            summary.replaced_bytes += part.replaced_bytes;
            Ok(())
        })?;
        summary.files += files.len() as u64;
        summary.skipped_binaries += counts.skipped_binaries;
        self.summary = summary;
        Ok(())
    }

    fn tokenize_part(&self, raw: Raw, files: &[SourceFile]) -> Result<Tokenized> {
        let parsed = raw.parse(files, self.request.source.policy())?;
        let replaced_bytes = parsed.documents.iter().map(|document| document.replaced_bytes).sum();
        let encode = |document: Document| {
            let encoded = Encoded {
                tokens: self.request.tokenizer.encode(&document.text)?,
                bytes: document.text.len() as u64,
                file: document.file,
                continues: document.continues,
            };
            Ok((self.request.split.side(&document.text), encoded))
        };
        let documents = parsed.documents.into_iter().map(encode).collect::<Result<_>>()?;
        Ok(Tokenized { documents, broken_rows: parsed.broken_rows, replaced_bytes })
    }
}

#[cfg(test)]
#[path = "prepare_tests.rs"]
mod tests;
