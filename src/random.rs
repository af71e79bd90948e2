//! Random numbers from seeded counters: the n-th draw of a stream depends on nothing but seed, stream and n, so what
//! is made of them is the same on every machine, with any number of threads and whatever crates come later.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes two numbers into one in which every bit depends on every bit of both.
pub fn mix(a: u64, b: u64) -> u64 {
    finalize(a.wrapping_add(b.wrapping_mul(GOLDEN)).wrapping_add(GOLDEN))
}

/// The finaliser of splitmix64 (Steele et al. 2014, *Fast splittable pseudorandom number generators*).
fn finalize(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Splitmix64 over (seed, stream, counter).
#[derive(Debug, Clone)]
pub struct Random {
    key: u64,
    counter: u64,
}

impl Random {
    /// One independent stream of the given seed, for example one per document.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { key: finalize(finalize(seed).wrapping_add(stream.wrapping_mul(GOLDEN))), counter: 0 }
    }

    /// The stream of a name and a number: every set and document draws from its own.
    pub fn named(seed: u64, name: &str, index: u64) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self::new(seed ^ hash, index)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        finalize(self.key.wrapping_add(self.counter.wrapping_mul(GOLDEN)))
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A number in `0..limit`; 0 when the limit is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        // Multiply-shift: its bias is below limit / 2^64.
        ((u128::from(self.next_u64()) * limit as u128) >> 64) as usize
    }

    /// A number in `low..=high`; `low` when the range is empty.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        if high <= low { low } else { low + self.below((high - low + 1) as usize) as i64 }
    }

    /// True in `percent` of 100 draws.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, stream| -> Vec<u64> {
            let mut random = Random::new(seed, stream);
            (0..8).map(|_| random.next_u64()).collect()
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn draws_stay_in_range_and_reach_its_ends() {
        let mut random = Random::new(1, 1);
        let drawn: Vec<i64> = (0..500).map(|_| random.between(-2, 3)).collect();
        assert_eq!(drawn.iter().min(), Some(&-2));
        assert_eq!(drawn.iter().max(), Some(&3));
        assert_eq!(random.below(0), 0);
        assert_eq!(random.pick::<u8>(&[]), None);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut random = Random::new(7, 0);
        let count = 100_000;
        let normals: Vec<f64> = (0..count).map(|_| random.normal()).collect();
        let mean = normals.iter().sum::<f64>() / count as f64;
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / count as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let uniform: f64 = (0..count).map(|_| random.uniform()).sum::<f64>() / count as f64;
        assert!((uniform - 0.5).abs() < 0.01, "{uniform}");
    }
}
