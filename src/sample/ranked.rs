//! Tokens from the likeliest on, sorted no further than they are looked at.

/// Tokens that the first look sorts; later ones sort as many again as there are already.
const FIRST: usize = 64;

/// (token, weight) of every token; weights are probabilities relative to the likeliest, after temperature.
pub struct Ranked {
    candidates: Vec<(u32, f64)>,
    /// How many at the beginning are in their order.
    sorted: usize,
}

impl Ranked {
    /// Logits must hold no NaN, and the temperature must be above 0.
    pub fn new(logits: &[f32], temperature: f64) -> Self {
        let highest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        let weight = |x: f32| ((x - highest) as f64 / temperature).exp();
        Self { candidates: logits.iter().enumerate().map(|(i, &x)| (i as u32, weight(x))).collect(), sorted: 0 }
    }

    pub fn len(&self) -> usize {
        self.candidates.len()
    }

    /// Of all weights, in the order of the tokens or of the ranking.
    pub fn sum(&self) -> f64 {
        self.candidates.iter().map(|(_, weight)| weight).sum()
    }

    /// The token of this rank; of equally likely ones the first comes first.
    pub fn get(&mut self, rank: usize) -> Option<(u32, f64)> {
        if rank >= self.sorted && rank < self.candidates.len() {
            self.sort(rank + 1);
        }
        self.candidates.get(rank).copied()
    }

    /// Sorts at least the first `wanted`.
    fn sort(&mut self, wanted: usize) {
        let by_rank = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let end = wanted.max(FIRST).max(2 * self.sorted).min(self.candidates.len());
        let rest = &mut self.candidates[self.sorted..];
        let count = end - self.sorted;
        if count < rest.len() {
            rest.select_nth_unstable_by(count, by_rank);
        }
        rest[..count].sort_unstable_by(by_rank);
        self.sorted = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_order_is_that_of_sorting_everything() {
        let mut random = Random::new(1, 1);
        // Few values, so that many are equal.
        let logits: Vec<f32> = (0..1000).map(|_| random.below(50) as f32).collect();
        let mut order: Vec<u32> = (0..1000).collect();
        order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
        for look in [1, 63, 64, 65, 500, 1000] {
            let mut ranked = Ranked::new(&logits, 0.7);
            let seen: Vec<u32> = (0..look).map(|rank| ranked.get(rank).unwrap().0).collect();
            assert_eq!(seen, order[..look]);
        }
        let mut ranked = Ranked::new(&logits, 0.7);
        assert_eq!(ranked.get(999).unwrap().0, order[999]);
        assert!(ranked.get(1000).is_none() && Ranked::new(&[], 1.0).get(0).is_none());
    }
}
