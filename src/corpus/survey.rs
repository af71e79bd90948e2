//! What a corpus is: how much of what, and how long its documents are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use crate::corpus::documents::{Raw, Reader, for_each};
use crate::corpus::kind::Kind;
use crate::corpus::progress::{Progress, Running};
use crate::corpus::source::{Source, SourceFile};
use crate::error::Result;

/// What is in a corpus.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survey {
    pub path: PathBuf,
    /// Files that were read.
    pub files: u64,
    /// Documents; a long text counts as the stretches that it is cut into.
    pub documents: u64,
    /// Bytes of the documents' text, as UTF-8.
    pub bytes: u64,
    /// Bytes of the files.
    pub source_bytes: u64,
    /// Bytes that were not UTF-8 and stand as U+FFFD.
    pub replaced_bytes: u64,
    /// Files left out because they hold no text.
    pub skipped_binaries: u64,
    /// Rows left out because they could not be read.
    pub broken_rows: u64,
    /// Lengths of the documents, in bytes.
    pub lengths: Lengths,
    pub kinds: BTreeMap<Kind, KindSurvey>,
    /// The files that the source itself holds out, where it does; the counts above leave them out.
    pub held_out: Option<Box<Survey>>,
}

/// The share of one kind of file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct KindSurvey {
    pub files: u64,
    pub documents: u64,
    /// Bytes of text.
    pub bytes: u64,
}

/// How long documents are, in bytes; `median` and `p95` to within 1%.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Lengths {
    pub min: u64,
    pub median: u64,
    pub p95: u64,
    pub max: u64,
}

impl Survey {
    /// Reads all of a corpus, in constant memory. Errors: as for reading it to train on, except that a corpus without
    /// text is one of no documents.
    pub fn of(source: &Source, progress: &dyn Progress, cancel: &AtomicBool) -> Result<Survey> {
        let _running = Running::begin(progress, "reading the corpus", source.size());
        let mut survey = survey(source, source.files(), progress, cancel)?;
        if let Some(files) = source.held_out() {
            survey.held_out = Some(Box::new(survey_of_held_out(source, files, progress, cancel)?));
        }
        Ok(survey)
    }
}

fn survey_of_held_out(
    source: &Source,
    files: &[SourceFile],
    progress: &dyn Progress,
    cancel: &AtomicBool,
) -> Result<Survey> {
    let path = files.first().map_or_else(PathBuf::new, |file| file.path.clone());
    Ok(Survey { path, ..survey(source, files, progress, cancel)? })
}

/// What one raw part held.
#[derive(Default)]
struct Part {
    file: usize,
    lengths: Vec<u64>,
    replaced_bytes: u64,
    broken_rows: u64,
}

fn survey(source: &Source, files: &[SourceFile], progress: &dyn Progress, cancel: &AtomicBool) -> Result<Survey> {
    let measure = |raw: Raw| {
        let file = raw.file;
        let parsed = raw.parse(files, source.policy())?;
        let lengths = parsed.documents.iter().map(|document| document.text.len() as u64).collect();
        let replaced_bytes = parsed.documents.iter().map(|document| document.replaced_bytes).sum();
        Ok(Part { file, lengths, replaced_bytes, broken_rows: parsed.broken_rows })
    };
    let (mut histogram, mut last_file) = (Histogram::default(), None);
    let (mut kinds, mut replaced_bytes, mut broken_rows) = (BTreeMap::<Kind, KindSurvey>::new(), 0, 0);
    let counts = for_each(Reader::new(files), progress, cancel, measure, |part| {
        replaced_bytes += part.replaced_bytes;
        broken_rows += part.broken_rows;
        if part.lengths.is_empty() {
            return Ok(());
        }
        let kind = kinds.entry(files[part.file].kind).or_default();
        kind.files += (last_file.replace(part.file) != Some(part.file)) as u64;
        kind.documents += part.lengths.len() as u64;
        kind.bytes += part.lengths.iter().sum::<u64>();
        part.lengths.iter().for_each(|&length| histogram.add(length));
        Ok(())
    })?;
    Ok(Survey {
        path: source.path().into(),
        files: files.len() as u64 - counts.skipped_binaries,
        documents: kinds.values().map(|kind| kind.documents).sum(),
        bytes: kinds.values().map(|kind| kind.bytes).sum(),
        source_bytes: files.iter().map(|file| file.size).sum(),
        replaced_bytes,
        skipped_binaries: counts.skipped_binaries,
        broken_rows,
        lengths: histogram.lengths(),
        kinds,
        held_out: None,
    })
}

/// Bits of a length that tell its bucket apart from others of the same order of magnitude.
const PRECISION: u32 = 7;

/// Counts of lengths: exact up to 128, then in buckets less than 1% wide.
#[derive(Debug, Default)]
struct Histogram {
    counts: BTreeMap<u64, u64>,
    min: Option<u64>,
    max: u64,
}

impl Histogram {
    fn add(&mut self, length: u64) {
        let bits = u64::BITS - length.leading_zeros();
        let dropped = bits.saturating_sub(PRECISION);
        *self.counts.entry(length >> dropped << dropped).or_default() += 1;
        self.min = Some(self.min.map_or(length, |min| min.min(length)));
        self.max = self.max.max(length);
    }

    /// The least length that `share` of all are not longer than.
    fn quantile(&self, share: f64) -> u64 {
        let total: u64 = self.counts.values().sum();
        let rank = (total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (&length, &count) in &self.counts {
            seen += count;
            if seen >= rank {
                return length.clamp(self.min.unwrap_or_default(), self.max);
            }
        }
        0
    }

    fn lengths(&self) -> Lengths {
        Lengths {
            min: self.min.unwrap_or_default(),
            median: self.quantile(0.5),
            p95: self.quantile(0.95),
            max: self.max,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::corpus::progress::Silent;
    use crate::corpus::source::OnBroken;

    fn survey_of(source: &Source) -> Survey {
        Survey::of(source, &Silent, &AtomicBool::new(false)).unwrap()
    }

    #[test]
    fn quantiles_are_close() {
        let mut histogram = Histogram::default();
        (1..=100_000).for_each(|length| histogram.add(length));
        let lengths = histogram.lengths();
        assert_eq!((lengths.min, lengths.max), (1, 100_000));
        assert!(lengths.median.abs_diff(50_000) < 800 && lengths.p95.abs_diff(95_000) < 1500, "{lengths:?}");
        assert!(histogram.counts.len() < 1000);
        assert_eq!(Histogram::default().lengths(), Lengths::default());
    }

    #[test]
    fn a_folder_is_counted_by_kind() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), b"four\xff").unwrap();
        fs::write(folder.path().join("b.html"), "<p>seventh</p>").unwrap();
        fs::write(folder.path().join("c.jsonl"), "{\"text\": \"ab\"}\n{\"text\": \"abc\"}\nbroken\n").unwrap();
        fs::write(folder.path().join("d"), b"\0").unwrap();
        let survey = survey_of(&Source::open(folder.path()).unwrap().on_broken(OnBroken::Skip));
        assert_eq!((survey.files, survey.documents, survey.bytes), (3, 4, 7 + 7 + 5));
        assert_eq!((survey.replaced_bytes, survey.skipped_binaries, survey.broken_rows), (1, 1, 1));
        assert_eq!(survey.kinds[&Kind::Jsonl], KindSurvey { files: 1, documents: 2, bytes: 5 });
        assert_eq!((survey.lengths.min, survey.lengths.max), (2, 7));
        let json = serde_json::to_value(&survey).unwrap();
        assert_eq!(json["kinds"]["html"]["documents"], 1);
    }

    #[test]
    fn held_out_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train.txt"), "to learn").unwrap();
        fs::write(folder.path().join("test.txt"), "to ask").unwrap();
        let survey = survey_of(&Source::open(folder.path()).unwrap());
        assert_eq!((survey.bytes, survey.held_out.unwrap().bytes), (8, 6));
    }
}
