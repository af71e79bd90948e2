//! Orders of any length that take no memory.

use crate::random::mix;

/// Rounds of the network; four already mix well.
const ROUNDS: u64 = 6;

/// A keyed permutation of `0..length`: a Feistel network over the next power of four, walked until it lands inside.
#[derive(Debug, Clone, Copy)]
pub struct Permutation {
    length: u64,
    key: u64,
    half_bits: u32,
}

impl Permutation {
    pub fn new(length: u64, key: u64) -> Permutation {
        let bits = u64::BITS - length.saturating_sub(1).leading_zeros();
        Permutation { length, key, half_bits: bits.div_ceil(2).max(1) }
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// Where `index`, taken modulo the length, goes. An empty permutation maps everything to 0.
    pub fn get(&self, index: u64) -> u64 {
        if self.length <= 1 {
            return 0;
        }
        // The network permutes at most four times as many numbers, so the walk is short, and it ends since it returns
        // to where it began.
        let mut value = self.network(index % self.length);
        while value >= self.length {
            value = self.network(value);
        }
        value
    }

    fn network(&self, value: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (mix(self.key ^ round, right) & mask));
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn order_looks_random_and_depends_on_the_key() {
        let first = Permutation::new(1000, 1);
        let second = Permutation::new(1000, 2);
        let fixed = (0..1000).filter(|&index| first.get(index) == index).count();
        let shared = (0..1000).filter(|&index| first.get(index) == second.get(index)).count();
        assert!(fixed < 10 && shared < 10, "{fixed} {shared}");
        let neighbours = (0..999).filter(|&index| first.get(index).abs_diff(first.get(index + 1)) == 1).count();
        assert!(neighbours < 12, "{neighbours}");
    }

    #[test]
    fn the_largest_length_is_possible() {
        let permutation = Permutation::new(u64::MAX, 3);
        assert_ne!(permutation.get(0), permutation.get(u64::MAX - 1));
    }

    proptest! {
        #[test]
        fn every_place_is_taken_once(length in 0u64..2000, key: u64) {
            let permutation = Permutation::new(length, key);
            let mut places: Vec<u64> = (0..length).map(|index| permutation.get(index)).collect();
            places.sort_unstable();
            prop_assert!(places.into_iter().eq(0..length));
        }
    }
}
