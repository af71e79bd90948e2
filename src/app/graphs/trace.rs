//! A history, reduced to what the columns of a chart can show.

use super::history::Points;
use super::pyramid::Pyramid;
use super::window::{Timeline, Window};

/// A history to be drawn: values over ascending steps.
#[derive(Clone, Copy)]
pub struct Curve<'a> {
    pub steps: &'a [u64],
    pub values: &'a [f32],
    pub pyramid: &'a Pyramid,
    /// Indices, ascending, of values that no line joins to the one before: other phases.
    pub starts: &'a [usize],
    /// How a value is shown.
    pub shown: Shown,
}

/// What is done to a value before it is shown; it keeps their order, so that extremes stay extremes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Plain,
    /// Perplexity of a loss.
    Exponential,
}

impl Shown {
    pub fn apply(self, value: f32) -> f64 {
        match self {
            Shown::Plain => f64::from(value),
            Shown::Exponential => f64::from(value).exp(),
        }
    }
}

/// What stands in one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// Above `high` where no value is finite.
    pub low: f64,
    pub high: f64,
    /// The outermost values; `None` where they are not finite, so that the line ends there.
    pub first: Option<f64>,
    pub last: Option<f64>,
    /// Whether a value in it is not finite.
    pub broken: bool,
    /// No line comes from the left.
    pub starts: bool,
    pub count: usize,
}

/// A point beside the window that a line leads to, at a column that may lie far outside.
pub type Beside = Option<(f64, f64)>;

/// A curve within a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// `None` where nothing was measured.
    pub columns: Vec<Option<Column>>,
    pub before: Beside,
    pub after: Beside,
}

impl<'a> Curve<'a> {
    /// What was measured now and then, as it is.
    pub fn plain(points: &'a Points) -> Self {
        let Points { steps, values, pyramid, starts, .. } = points;
        Curve { steps, values, pyramid, starts, shown: Shown::Plain }
    }

    /// Reduces to columns that begin at `edges` (one more than there are columns).
    pub fn trace(&self, timeline: &Timeline, window: Window, edges: &[u64]) -> Trace {
        let columns = edges.len().saturating_sub(1);
        let indices: Vec<usize> = edges.iter().map(|edge| self.steps.partition_point(|step| step < edge)).collect();
        let beside = |index: usize| {
            let value = self.value(index).filter(|value| value.is_finite())?;
            // Half a column, because a point within the window stands in the middle of its column.
            Some((window.share(timeline.place(*self.steps.get(index)?)) * columns as f64 - 0.5, value))
        };
        let (first, end) = (indices.first().copied().unwrap_or(0), indices.last().copied().unwrap_or(0));
        Trace {
            columns: indices.windows(2).map(|pair| self.column(pair[0], pair[1])).collect(),
            before: first.checked_sub(1).filter(|_| !self.starts_at(first)).and_then(beside),
            after: Some(end).filter(|end| !self.starts_at(*end)).and_then(beside),
        }
    }

    fn column(&self, from: usize, to: usize) -> Option<Column> {
        if from >= to {
            return None;
        }
        let extent = self.pyramid.extent(self.values, from..to);
        let finite = |index: usize| self.value(index).filter(|value| value.is_finite());
        Some(Column {
            low: self.shown.apply(extent.low),
            // The perplexity of a finite loss can be too large for any number: the line leaves the chart at its top.
            high: self.shown.apply(extent.high).min(f64::from(f32::MAX)),
            first: finite(from),
            last: finite(to - 1),
            broken: extent.broken,
            starts: self.starts_at(from),
            count: to - from,
        })
    }

    fn starts_at(&self, index: usize) -> bool {
        self.starts.binary_search(&index).is_ok()
    }

    /// As it is shown.
    pub fn value(&self, index: usize) -> Option<f64> {
        self.values.get(index).map(|value| self.shown.apply(*value))
    }

    /// Step and value of the newest point that is not after `step`.
    pub fn at(&self, step: u64) -> Option<(u64, f64)> {
        let index = self.steps.partition_point(|other| *other <= step).checked_sub(1)?;
        Some((self.steps[index], self.value(index)?))
    }

    /// Whether any value is finite.
    pub fn is_filled(&self) -> bool {
        self.pyramid.extent(self.values, 0..self.values.len()).is_filled()
    }
}

impl Trace {
    /// Lowest and highest value in the window; `above` leaves out what has no place on a log axis.
    pub fn extremes(&self, above: Option<f64>) -> Option<(f64, f64)> {
        let floor = above.unwrap_or(f64::NEG_INFINITY);
        let within = |value: &f64| *value > floor;
        let ends = [self.before, self.after];
        let columns = self.columns.iter().flatten().filter(|column| column.low <= column.high);
        let values = columns.flat_map(|column| [column.low, column.high]).filter(within);
        let found = values.fold(None, |found, value| Some(joined(found, value)));
        // A line that only crosses the window has no value in it.
        found.or_else(|| {
            ends.iter()
                .flatten()
                .map(|(_, value)| *value)
                .filter(within)
                .fold(None, |found, value| Some(joined(found, value)))
        })
    }

    /// Columns that hold a value which is no number.
    pub fn breaks(&self) -> impl Iterator<Item = usize> {
        let columns = self.columns.iter().enumerate();
        columns.filter(|(_, column)| column.is_some_and(|column| column.broken)).map(|(at, _)| at)
    }
}

fn joined(found: Option<(f64, f64)>, value: f64) -> (f64, f64) {
    found.map_or((value, value), |(low, high)| (low.min(value), high.max(value)))
}

#[cfg(test)]
mod tests {
    use super::super::window::Axis;
    use super::*;
    use proptest::prelude::*;

    fn trace(steps: &[u64], values: &[f32], starts: &[usize], window: Window, columns: usize) -> Trace {
        let mut pyramid = Pyramid::default();
        pyramid.extend(values);
        let seconds: Vec<f64> = steps.iter().map(|step| *step as f64).collect();
        let newest = steps.last().copied().unwrap_or(0);
        let timeline = Timeline { steps, seconds: &seconds, axis: Axis::Steps, newest };
        let curve = Curve { steps, values, pyramid: &pyramid, starts, shown: Shown::Plain };
        curve.trace(&timeline, window, &timeline.edges(window, columns))
    }

    proptest! {
        #[test]
        fn spikes_survive_any_zoom(
            values in prop::collection::vec(-10.0f32..10.0, 1..3000),
            spike in 0usize..3000,
            columns in 1usize..300,
            (from, width) in (0.0f64..2000.0, 1.0f64..3000.0),
        ) {
            let mut values = values;
            let spike = spike % values.len();
            values[spike] = 1000.0;
            let steps: Vec<u64> = (1..=values.len() as u64).collect();
            let found = trace(&steps, &values, &[], Window { from, to: from + width }, columns);
            let inside = |step: u64| step as f64 >= from && step as f64 <= from + width;
            let naive = steps.iter().zip(&values).filter(|(step, _)| inside(**step)).map(|(_, value)| f64::from(*value));
            let highest = naive.fold(f64::NEG_INFINITY, f64::max);
            let shown = found.columns.iter().flatten().map(|column| column.high).fold(f64::NEG_INFINITY, f64::max);
            prop_assert_eq!(shown, highest);
            prop_assert_eq!(found.columns.iter().flatten().map(|column| column.count).sum::<usize>(), steps.iter().filter(|step| inside(**step)).count());
        }
    }

    #[test]
    fn gaps_and_starts_end_lines() {
        let values = [1.0, f32::NAN, 3.0, 4.0, f32::INFINITY];
        let found = trace(&[1, 2, 3, 4, 5], &values, &[3], Window { from: 1.0, to: 6.0 }, 5);
        let column = |at: usize| found.columns[at].unwrap();
        assert_eq!(column(1).first, None);
        assert!(column(1).low > column(1).high && column(1).broken && column(4).broken);
        assert_eq!((column(2).starts, column(3).starts), (false, true));
        assert_eq!(found.breaks().collect::<Vec<_>>(), [1, 4]);
        assert_eq!(found.extremes(None), Some((1.0, 4.0)));
    }

    #[test]
    fn a_line_that_crosses_the_window_is_known_though_no_point_is_in_it() {
        let found = trace(&[0, 100], &[1.0, 3.0], &[], Window { from: 40.0, to: 60.0 }, 10);
        assert_eq!((found.before, found.after), (Some((-20.5, 1.0)), Some((29.5, 3.0))));
        assert_eq!(found.extremes(None), Some((1.0, 3.0)));
        let apart = trace(&[0, 100], &[1.0, 3.0], &[1], Window { from: 40.0, to: 60.0 }, 10);
        assert_eq!(apart.after, None);
    }
}
