//! How long rows are, in tokens, of a sample that is spread over the source.

use super::View;
use super::tokens::row_tokens;
use crate::Result;
use crate::corpus::progress::check;
use crate::corpus::tokenizer::Tokenizer;
use crate::protocol::{CorpusRow, Place, RowLengths};
use std::sync::atomic::AtomicBool;

/// Up to this many bytes everything is measured.
const SMALL: u64 = 1 << 20;
/// Of a larger source, this many stretches of this many rows each.
const STRETCHES: u64 = 128;
const ROWS: u32 = 16;
/// Rows asked for at a time where everything is measured.
const PAGE: u32 = 256;

/// Measurements as they come in.
#[derive(Default)]
struct Sample {
    /// Tokens of each row that has any.
    lengths: Vec<u64>,
    /// Bytes of text.
    bytes: u64,
}

impl View {
    /// Measures a sample of the rows; the same one whenever it is asked for.
    pub fn lengths(&self, tokenizer: &Tokenizer, cancel: &AtomicBool) -> Result<RowLengths> {
        let mut sample = Sample::default();
        if self.size() <= SMALL {
            let mut at = 0;
            while at < self.size() {
                check(cancel, "measuring")?;
                let page = self.page(Place::Byte(at), PAGE)?;
                sample.add(&page.rows, tokenizer)?;
                at = page.rows.last().map_or(self.size(), |row| row.offset + row.bytes);
            }
            return Ok(sample.finish(self.facts().source));
        }
        for stretch in 0..STRETCHES {
            check(cancel, "measuring")?;
            let at = (self.size() as f64 * (stretch as f64 / STRETCHES as f64)) as u64;
            // Long rows are hit by a byte more often than short ones; the rows after them are not.
            let hit = self.row(at)?;
            let next = if at == 0 { 0 } else { hit.offset + hit.bytes };
            if next < self.size() {
                sample.add(&self.page(Place::Byte(next), ROWS)?.rows, tokenizer)?;
            }
        }
        Ok(sample.finish(self.facts().source))
    }
}

impl Sample {
    fn add(&mut self, rows: &[CorpusRow], tokenizer: &Tokenizer) -> Result<()> {
        for row in rows {
            let tokens = row_tokens(&row.segments, tokenizer)?.len() as u64;
            if tokens > 0 {
                self.lengths.push(tokens);
                self.bytes += row.segments.iter().map(|segment| segment.text.len() as u64).sum::<u64>();
            }
        }
        Ok(())
    }

    fn finish(mut self, source: String) -> RowLengths {
        self.lengths.sort_unstable();
        let (longest, total) = (self.lengths.last().copied().unwrap_or(0), self.lengths.iter().sum::<u64>());
        let mut histogram = Vec::new();
        let mut below = 0;
        for bound in bounds(longest) {
            let up_to = self.lengths.partition_point(|&length| length <= bound);
            if up_to > 0 {
                histogram.push((bound, (up_to - below) as u64));
            }
            below = up_to;
        }
        RowLengths {
            source,
            rows: self.lengths.len() as u64,
            bytes_per_token: (total > 0).then(|| self.bytes as f64 / total as f64),
            histogram,
            median: self.lengths.get(self.lengths.len() / 2).copied().unwrap_or(0),
            longest,
        }
    }
}

/// 1, 2, 3, 4, 6, 8, 12, 16, 24…, up to the first that is not below `longest`.
fn bounds(longest: u64) -> Vec<u64> {
    let mut bounds = vec![1, 2];
    while bounds.last().is_some_and(|&last| last < longest) {
        let next = match bounds[bounds.len() - 1] {
            2 => 3,
            power if power.is_power_of_two() => power / 2 * 3,
            other => other / 3 * 4,
        };
        bounds.push(next);
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_counted_once() {
        assert_eq!(bounds(30), [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]);
        let sample = Sample { lengths: (1..=100).rev().collect(), bytes: 10_100 };
        let lengths = sample.finish("a".into());
        assert_eq!(lengths.histogram.iter().map(|(_, count)| count).sum::<u64>(), 100);
        assert_eq!((lengths.median, lengths.longest, lengths.bytes_per_token), (51, 100, Some(2.0)));
        assert_eq!(lengths.histogram.last(), Some(&(128, 4)));
    }

    #[test]
    fn nothing_has_no_lengths() {
        let lengths = Sample::default().finish("a".into());
        assert_eq!((lengths.rows, lengths.median, lengths.bytes_per_token), (0, 0, None));
        assert!(lengths.histogram.is_empty());
    }
}
