//! The way from a base to what was tuned from it, as a curve in the plane of two losses, and how it lies to the straight
//! line between its ends.

use serde::Serialize;

/// One share of the tuned weights, and the losses there, nats per token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Place {
    pub alpha: f64,
    pub old: f64,
    pub new: f64,
    /// Loss on the old data above the base's own.
    pub forgetting: f64,
}

/// How far the curve lies on the better side of the straight line: where both losses are lower than a mixture of the
/// ends' own losses would be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bow {
    /// Between curve and line, of the rectangle whose corners the ends are: 0 is the line itself, 0.5 a curve through the
    /// corner where nothing is forgotten and all is learned, below 0 is worse than the line.
    pub area: f64,
    /// The largest distance from the line on its better side, nats per token, and where; 0 where no place is on that side.
    pub distance: f64,
    pub alpha: f64,
}

/// Places from the base, the first, to the tuned model, the last.
pub struct Frontier {
    pub places: Vec<Place>,
}

/// A difference of losses below this is none.
const NOTHING: f64 = 1e-6;

impl Frontier {
    /// Of (share, loss on the old data, loss on the new), in order of the share.
    pub fn new(losses: &[(f64, f64, f64)]) -> Self {
        let base = losses.first().map_or(f64::NAN, |(_, old, _)| *old);
        let place =
            |(alpha, old, new): &(f64, f64, f64)| Place { alpha: *alpha, old: *old, new: *new, forgetting: old - base };
        Self { places: losses.iter().map(place).collect() }
    }

    /// Where the losses' sum is lowest.
    pub fn lowest(&self) -> Option<&Place> {
        self.places.iter().min_by(|a, b| (a.old + a.new).total_cmp(&(b.old + b.new)))
    }

    /// `None` where one end is better on both, or as good: there is nothing to trade, and no line that could be beaten.
    pub fn bow(&self) -> Option<Bow> {
        let (base, live) = (self.places.first()?, self.places.last()?);
        let (forgotten, learned) = (live.old - base.old, base.new - live.new);
        if !(forgotten > NOTHING && learned > NOTHING) {
            return None;
        }
        // 0 is the better end's loss, 1 the worse one's: the base lies at (0, 1), live at (1, 0), the line at u + v = 1.
        let scaled = |place: &Place| ((place.old - base.old) / forgotten, (place.new - live.new) / learned);
        let beyond = |place: &Place| 1.0 - scaled(place).0 - scaled(place).1;
        let best = self.places.iter().max_by(|a, b| beyond(a).total_cmp(&beyond(b)))?;
        // The polygon of the places, closed by the line (the shoelace formula); on the better side it counts as above 0.
        let corners: Vec<(f64, f64)> = self.places.iter().map(scaled).collect();
        let after = corners.iter().cycle().skip(1);
        let area =
            corners.iter().zip(after).map(|((u, v), (next_u, next_v))| u * next_v - next_u * v).sum::<f64>() / 2.0;
        let height = forgotten * learned / forgotten.hypot(learned);
        Some(Bow { area, distance: beyond(best).max(0.0) * height, alpha: best.alpha })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn a_curve_through_the_corner_has_half_the_rectangle() {
        // From (1, 5) by (1, 2) to (4, 2): nothing forgotten and all learned, half way.
        let bow = Frontier::new(&[(0.0, 1.0, 5.0), (0.5, 1.0, 2.0), (1.0, 4.0, 2.0)]).bow().unwrap();
        close(bow.area, 0.5);
        // The height of a right triangle with legs of 3 and 3.
        close(bow.distance, 4.5f64.sqrt());
        assert_eq!(bow.alpha, 0.5);
    }

    #[test]
    fn the_line_itself_has_none_and_a_worse_way_is_below_it() {
        let line = Frontier::new(&[(0.0, 1.0, 3.0), (0.3, 1.5, 2.5), (1.0, 3.0, 1.0)]).bow().unwrap();
        close(line.area, 0.0);
        close(line.distance, 0.0);
        let worse = Frontier::new(&[(0.0, 1.0, 3.0), (0.5, 3.0, 3.0), (1.0, 3.0, 1.0)]);
        let bow = worse.bow().unwrap();
        close(bow.area, -0.5);
        close(bow.distance, 0.0);
        assert_eq!(worse.lowest().unwrap().alpha, 0.0);
        close(worse.places[1].forgetting, 2.0);
    }

    #[test]
    fn without_a_trade_there_is_no_line() {
        // Live is better at both, worse at both, and the same.
        for ends in [(0.5, 2.0), (2.0, 4.0), (1.0, 3.0)] {
            assert_eq!(Frontier::new(&[(0.0, 1.0, 3.0), (1.0, ends.0, ends.1)]).bow(), None);
        }
        assert!(Frontier::new(&[]).bow().is_none() && Frontier::new(&[]).lowest().is_none());
        assert_eq!(Frontier::new(&[(0.0, f64::NAN, 1.0), (1.0, 2.0, 0.5)]).bow(), None);
    }
}
