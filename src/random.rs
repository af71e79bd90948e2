//! Random numbers from seeded counters: the same on every machine, with any number of threads and any crate version.

/// Mixes 64 bits so that neighbouring inputs give unrelated outputs (the finaliser of splitmix64; Steele et al. 2014,
/// *Fast splittable pseudorandom number generators*).
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// A stream of numbers named by a seed and any further parts.
#[derive(Clone, Debug)]
pub struct Random {
    key: u64,
    counter: u64,
}

impl Random {
    /// The stream of `seed` for one purpose: different `parts` give unrelated streams.
    pub fn new(seed: u64, parts: &[u64]) -> Self {
        Self { key: parts.iter().fold(mix(seed), |key, &part| mix(key ^ mix(part))), counter: 0 }
    }

    pub fn next_u64(&mut self) -> u64 {
        self.counter += 1;
        mix(self.key ^ mix(self.counter))
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in 0..bound; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next_u64() as u128 * bound as u128) >> 64) as usize
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Fisher–Yates.
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
    fn streams_are_repeatable_and_differ() {
        let take = |seed, parts: &[u64]| Random::new(seed, parts).next_u64();
        assert_eq!(take(1, &[2]), take(1, &[2]));
        assert!(take(1, &[2]) != take(1, &[3]) && take(1, &[2]) != take(2, &[2]) && take(1, &[]) != take(1, &[0]));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut random = Random::new(7, &[]);
        let n = 100_000;
        let normals: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let mean = normals.iter().sum::<f64>() / n as f64;
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        assert!((0..1000).all(|_| random.below(3) < 3) && random.below(0) == 0);
    }
}
