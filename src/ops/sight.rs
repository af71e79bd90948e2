//! Who sees whom in attention: a range of keys for every query.

use std::ops::Range;

/// What a query may see of its row when nothing else cuts it off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visible {
    /// Itself and everything before it: language models.
    #[default]
    Causal,
    /// Everything: encoders.
    Both,
}

/// The ranges of a batch of rows. What is given cuts together: a query sees what all of it lets it see, and where that
/// is nothing (padding), its output and its gradient are 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sight<'a> {
    pub visible: Visible,
    /// For each query (row-major) the first position of its row that it may see, such as the start of its document.
    pub starts: Option<&'a [u32]>,
    /// For each query one past the last position that it may see: the end of its document, or of its row's text where
    /// padding follows.
    pub ends: Option<&'a [u32]>,
    /// Only positions less than this far away (Beltagy et al. 2020, Longformer, arXiv 2004.05150; Jiang et al. 2023,
    /// Mistral 7B, arXiv 2310.06825): causally itself and the `window` − 1 before it, else as many behind it too.
    pub window: Option<usize>,
}

impl Sight<'_> {
    /// The keys, of `keys` in its row, that the query at `position` of its row sees; `index` is its place in the lists.
    #[inline]
    pub fn range(&self, index: usize, position: usize, keys: usize) -> Range<usize> {
        let window = self.window.unwrap_or(usize::MAX);
        let start = (position + 1).saturating_sub(window).max(self.starts.map_or(0, |starts| starts[index] as usize));
        let reach = match self.visible {
            Visible::Causal => position + 1,
            Visible::Both => position.saturating_add(window),
        };
        let end = reach.min(keys).min(self.ends.map_or(keys, |ends| ends[index] as usize));
        start.min(end)..end
    }

    /// Whether the lists, where there are any, have an entry for each of `queries`.
    pub fn covers(&self, queries: usize) -> bool {
        [self.starts, self.ends].into_iter().flatten().all(|list| list.len() == queries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_cut_together() {
        let starts = [0, 0, 2, 2, 2, 5];
        let ends = [2, 2, 5, 5, 5, 5];
        let ranges = |sight: Sight| (0..6).map(|i| sight.range(i, i, 6)).map(|r| (r.start, r.end)).collect::<Vec<_>>();
        let causal = Sight { starts: Some(&starts), ..Sight::default() };
        assert_eq!(ranges(causal), [(0, 1), (0, 2), (2, 3), (2, 4), (2, 5), (5, 6)]);
        let windowed = Sight { window: Some(2), ..causal };
        assert_eq!(ranges(windowed), [(0, 1), (0, 2), (2, 3), (2, 4), (3, 5), (5, 6)]);
        let both = Sight { visible: Visible::Both, ends: Some(&ends), ..causal };
        assert_eq!(ranges(both), [(0, 2), (0, 2), (2, 5), (2, 5), (2, 5), (5, 5)]);
        let near = Sight { window: Some(1), ..both };
        assert_eq!(ranges(near), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 5)]);
        assert!(near.covers(6) && !near.covers(5) && Sight::default().covers(5));
    }
}
