//! Lowest and highest values of any stretch of a long history, in logarithmic time: a chart asks once per column, so a
//! million values draw as quickly as a thousand, and no spike is ever lost between two columns.

use std::ops::Range;

/// Entries that one entry of the level above stands for.
const FAN: usize = 16;

/// What a stretch of values holds. Values that are no numbers, or infinite, are counted as breaks and nothing else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Above `high` where no value is finite.
    pub low: f32,
    pub high: f32,
    /// Whether a value in it is not finite.
    pub broken: bool,
}

impl Extent {
    pub const EMPTY: Extent = Extent { low: f32::INFINITY, high: f32::NEG_INFINITY, broken: false };

    fn of(value: f32) -> Self {
        if value.is_finite() {
            Extent { low: value, high: value, broken: false }
        } else {
            Extent { broken: true, ..Extent::EMPTY }
        }
    }

    fn with(self, other: Self) -> Self {
        Extent { low: self.low.min(other.low), high: self.high.max(other.high), broken: self.broken | other.broken }
    }

    /// Whether any value is finite.
    pub fn is_filled(&self) -> bool {
        self.low <= self.high
    }
}

/// Extents of blocks of 16 values, of 16 such blocks, and so on. It keeps no values: whoever asks brings them.
#[derive(Clone, Debug, Default)]
pub struct Pyramid {
    levels: Vec<Vec<Extent>>,
}

impl Pyramid {
    /// Takes in values that were appended since the last call; what is not a whole block yet waits.
    pub fn extend(&mut self, values: &[f32]) {
        let mut below = values.len();
        for level in 0.. {
            let blocks = below / FAN;
            if blocks == 0 {
                return;
            }
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            for block in self.levels[level].len()..blocks {
                let extent = self.scan(values, level, block * FAN..(block + 1) * FAN);
                self.levels[level].push(extent);
            }
            below = blocks;
        }
    }

    /// Forgets everything from value number `length` on.
    pub fn truncate(&mut self, length: usize) {
        let mut below = length;
        for level in &mut self.levels {
            below /= FAN;
            level.truncate(below);
        }
    }

    /// The extent of `range` of the values that were given to [`Pyramid::extend`], or of longer ones.
    pub fn extent(&self, values: &[f32], range: Range<usize>) -> Extent {
        let mut found = Extent::EMPTY;
        let (mut from, mut to) = (range.start, range.end.min(values.len()));
        let mut level = 0;
        loop {
            let covered = self.levels.get(level).map_or(0, Vec::len) * FAN;
            let (inner_from, inner_to) = (from.next_multiple_of(FAN), to.min(covered) / FAN * FAN);
            if inner_from >= inner_to {
                return found.with(self.scan(values, level, from..to));
            }
            let ragged = self.scan(values, level, from..inner_from).with(self.scan(values, level, inner_to..to));
            found = found.with(ragged);
            (from, to) = (inner_from / FAN, inner_to / FAN);
            level += 1;
        }
    }

    /// One by one, over entries below `level`: values, or blocks of the level under it.
    fn scan(&self, values: &[f32], level: usize, range: Range<usize>) -> Extent {
        if range.start >= range.end {
            return Extent::EMPTY;
        }
        match level.checked_sub(1) {
            None => values[range].iter().map(|value| Extent::of(*value)).fold(Extent::EMPTY, Extent::with),
            Some(below) => self.levels[below][range].iter().copied().fold(Extent::EMPTY, Extent::with),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![8 => -1e6f32..1e6, 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)]
    }

    proptest! {
        #[test]
        fn any_range_has_the_extent_of_its_values(
            values in prop::collection::vec(value(), 0..1500),
            pieces in prop::collection::vec(1usize..400, 1..8),
            (from, to) in (0usize..1600, 0usize..1600),
        ) {
            let mut pyramid = Pyramid::default();
            let mut length = 0;
            for piece in pieces {
                length = (length + piece).min(values.len());
                pyramid.extend(&values[..length]);
            }
            let (from, to) = (from.min(to), from.max(to));
            let naive = values.iter().take(to).skip(from).map(|value| Extent::of(*value)).fold(Extent::EMPTY, Extent::with);
            prop_assert_eq!(pyramid.extent(&values, from..to), naive);
        }

        #[test]
        fn truncated_and_grown_again_it_is_as_new(
            values in prop::collection::vec(value(), 300..700),
            cut in 0usize..300,
        ) {
            let mut pyramid = Pyramid::default();
            pyramid.extend(&values);
            pyramid.truncate(cut);
            let other: Vec<f32> = values.iter().enumerate().map(|(at, value)| if at < cut { *value } else { -value }).collect();
            pyramid.extend(&other);
            let mut fresh = Pyramid::default();
            fresh.extend(&other);
            prop_assert_eq!(pyramid.extent(&other, 0..700), fresh.extent(&other, 0..700));
        }
    }
}
