//! Held-out text for an encoder, with the same tokens hidden at every evaluation.

use super::Measure;
use crate::corpus::batches::{HeldOutWindows, IGNORE};
use crate::corpus::examples::EncodedExample;
use crate::corpus::masking::Masker;
use crate::corpus::shards::Shard;
use crate::learn::masked::{Hidden, MaskedEvaluation, MaskedRow, MaskedScore, Spread};
use crate::model::Decoder;
use crate::protocol::{LossUnit, MetricValue};
use crate::random::mix;
use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Of what is hidden in held-out text: the same for every run, so that runs compare.
const SEED: u64 = 0x6865_6c64;
/// Windows that are read from a shard together.
const READ: usize = 16;

/// Rows of text, and which of their tokens are hidden: together for the loss, and one by one for the pseudo-perplexity.
pub struct Masked {
    rows: Rows,
    masker: Arc<Masker>,
    /// Positions of a row.
    columns: usize,
    /// Tokens that are hidden one by one.
    pseudo_tokens: u64,
}

enum Rows {
    Windows(HeldOutWindows),
    /// Each with the places that are hidden together; drawn as in training where `None`.
    Listed(Vec<(Vec<u32>, Option<Vec<usize>>)>),
}

impl Masked {
    /// Windows of held-out text in rows of `columns` positions; of at most about `most_tokens` tokens. Errors: too little
    /// text.
    pub fn windows(
        shard: Arc<Shard>,
        masker: Arc<Masker>,
        columns: usize,
        most_tokens: u64,
        pseudo_tokens: u64,
    ) -> Result<Self> {
        let windows = HeldOutWindows::new(shard, masker.room(columns), READ, most_tokens)?;
        Ok(Self { rows: Rows::Windows(windows), masker, columns, pseudo_tokens })
    }

    /// Tokens cut into windows side by side.
    pub fn text(tokens: &[u32], masker: Arc<Masker>, columns: usize, pseudo_tokens: u64) -> Self {
        let listed = tokens.chunks(masker.room(columns)).map(|window| (window.to_vec(), None)).collect();
        Self { rows: Rows::Listed(listed), masker, columns, pseudo_tokens }
    }

    /// Examples, each with the whole of what is learned of it hidden. Errors: none, or one that fits no row.
    pub fn examples(
        examples: &[EncodedExample],
        masker: Arc<Masker>,
        context: usize,
        pseudo_tokens: u64,
    ) -> Result<Self> {
        let room = masker.room(context);
        let row = |example: &EncodedExample| {
            let hidden =
                masker.candidates(&example.tokens).into_iter().filter(|&place| example.learned[place]).collect();
            (example.tokens.clone(), Some(hidden))
        };
        let listed: Vec<_> = examples.iter().map(row).collect();
        let longest = listed.iter().map(|(tokens, _)| tokens.len()).max().unwrap_or(0);
        if longest == 0 || longest > room {
            return Err(Error::new("these examples cannot be measured")
                .because(format!("the longest has {longest} tokens, and a row has room for {room}")));
        }
        Ok(Self { rows: Rows::Listed(listed), masker, columns: longest + context - room, pseudo_tokens })
    }

    /// `None` where it was cancelled.
    pub fn measure(&self, decoder: &Decoder, cancel: &AtomicBool) -> Result<Option<Measure>> {
        let Some(score) = self.score(decoder, cancel)? else { return Ok(None) };
        let exact = matches!(&self.rows, Rows::Listed(rows) if rows.iter().any(|(_, hidden)| hidden.is_some()));
        let metrics = [
            exact.then(|| ("exact_match", score.exact_match())),
            Some(("masked_accuracy", score.accuracy())),
            score.pseudo_perplexity().map(|perplexity| ("pseudo_perplexity", perplexity)),
        ];
        let metrics = metrics.into_iter().flatten();
        let metrics = metrics.map(|(name, value)| MetricValue { name: name.into(), value }).collect();
        Ok(Some(Measure { score: score.text, metric: None, metrics, unit: LossUnit::NatsPerToken }))
    }

    /// The same in full.
    pub fn score(&self, decoder: &Decoder, cancel: &AtomicBool) -> Result<Option<MaskedScore>> {
        let mut evaluation = MaskedEvaluation::new(decoder, &self.masker, self.columns);
        let mut is_cancelled = false;
        self.for_each(|row| {
            is_cancelled = cancel.load(Ordering::Relaxed);
            if !is_cancelled {
                evaluation.push(&row)?;
            }
            Ok(!is_cancelled)
        })?;
        if is_cancelled { Ok(None) } else { evaluation.finish().map(Some) }
    }

    /// Hands every row to `take` for as long as it wants more.
    fn for_each(&self, mut take: impl FnMut(MaskedRow) -> Result<bool>) -> Result<()> {
        match &self.rows {
            Rows::Listed(rows) => {
                let spread = Spread { tokens: self.pseudo_tokens, rows: rows.len() as u64 };
                for (index, (tokens, hidden)) in rows.iter().enumerate() {
                    if !take(self.row(index as u64, tokens.clone(), hidden.clone(), spread))? {
                        return Ok(());
                    }
                }
            }
            Rows::Windows(windows) => {
                let spread = Spread { tokens: self.pseudo_tokens, rows: windows.windows() };
                let mut index = 0;
                for batch in (0..windows.batches()).map(|index| windows.batch(index)) {
                    let batch = batch?;
                    let rows = batch.inputs.chunks(batch.context).zip(batch.targets.chunks(batch.context));
                    for (inputs, targets) in rows {
                        let text = targets.iter().take_while(|&&target| target != IGNORE).count();
                        if !take(self.row(index, inputs[..text].to_vec(), None, spread))? {
                            return Ok(());
                        }
                        index += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn row(&self, index: u64, tokens: Vec<u32>, hidden: Option<Vec<usize>>, spread: Spread) -> MaskedRow {
        let pseudo = match &hidden {
            Some(hidden) => spread.places(index, hidden),
            None => spread.places(index, &self.masker.candidates(&tokens)),
        };
        let hidden = hidden.map_or(Hidden::Drawn(mix(SEED, index)), Hidden::Places);
        MaskedRow { tokens, hidden, pseudo }
    }
}
