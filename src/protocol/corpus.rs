//! Looking into a corpus: any source of the plan, or any path, of any size.

use super::prompt::Lane;
use serde::{Deserialize, Serialize};

/// A question about text. Sources are named as in the plan (`world:stories`) or by a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CorpusAsk {
    /// Rows from a place on.
    Page { source: String, place: Place, rows: u32 },
    /// The next row that matches, from a byte on; answered with progress, and then with what was found.
    Search { source: String, pattern: String, from: u64, backwards: bool },
    /// Tokens of a row, and how surprised a model is by each.
    Tokens { source: String, offset: u64, surprise: Option<Lane> },
    /// How long the rows are.
    Lengths { source: String },
    /// The rows of the batch that made a step, counted through the run.
    Batch { step: u64 },
}

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Place {
    /// The row that this byte is in. Bytes count through all files of a source.
    Byte(u64),
    /// Rows before the one that starts at this byte.
    Before(u64),
    /// Counted from 1, through all files.
    Row(u64),
    /// 0 to 1 of all bytes.
    Share(f64),
    End,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CorpusAnswer {
    Page(CorpusPage),
    Searching {
        done: u64,
        total: u64,
    },
    /// `None`: no row matches.
    Found(Option<SearchHit>),
    Tokens(RowTokens),
    Lengths(RowLengths),
    Batch(BatchView),
    Failed(String),
}

/// What a source is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceFacts {
    pub source: String,
    pub files: u64,
    pub bytes: u64,
    /// Exact once the index has been through everything, an estimate before.
    pub rows: u64,
    /// Bytes that the index has been through.
    pub indexed: u64,
}

/// Rows in a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorpusPage {
    pub facts: SourceFacts,
    pub rows: Vec<CorpusRow>,
    /// Whether the first row is the source's first, and the last its last.
    pub at_start: bool,
    pub at_end: bool,
}

/// A line of text, or one record of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorpusRow {
    /// Where it begins, through all files, and its size on the disk.
    pub offset: u64,
    pub bytes: u64,
    /// From 1, once the index knows it.
    pub number: Option<u64>,
    /// The file it is in.
    pub file: String,
    /// The text, cut where it is very long; control characters are as they are in the file.
    pub segments: Vec<RowSegment>,
    pub is_cut: bool,
    /// Why it could not be read as what its file says it is.
    pub broken: Option<String>,
}

/// A stretch of text that is learned as a whole, or not at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowSegment {
    pub text: String,
    /// Whether a model learns to write it; prompts are only read.
    pub learned: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchHit {
    pub offset: u64,
    /// Bytes of the match within the row's text.
    pub start: u64,
    pub end: u64,
}

/// A row as the tokenizer cuts it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowTokens {
    pub source: String,
    pub offset: u64,
    pub tokens: Vec<TokenView>,
    /// Whose surprise it is, where it was asked for: `live, step 1240`.
    pub weights: Option<String>,
    /// Tokens past what the model's context holds are not scored.
    pub is_cut: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenView {
    pub id: u32,
    pub text: String,
    /// Nats; `None` where it was not asked for, or nothing comes before it.
    pub surprise: Option<f32>,
    pub learned: bool,
    /// A mark such as the end of a text, rather than text.
    pub is_special: bool,
    /// No token of the text, but what the text before it should be scored as.
    #[serde(default)]
    pub is_label: bool,
}

/// Lengths of rows, in bytes and (of a sample) in tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowLengths {
    pub source: String,
    /// Rows measured; all of them unless the source is very large.
    pub rows: u64,
    pub bytes_per_token: Option<f64>,
    /// Counts of rows by length in tokens: up to each bound (inclusive), in order.
    pub histogram: Vec<(u64, u64)>,
    pub median: u64,
    pub longest: u64,
}

/// What a step was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchView {
    pub step: u64,
    pub phase: String,
    pub rows: Vec<Vec<TokenView>>,
}
