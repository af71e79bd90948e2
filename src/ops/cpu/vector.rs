//! Loops over slices that the compiler turns into vector code.

/// Lanes of the fixed summation order: one AVX-512 register of f32.
const LANES: usize = 16;

/// Runs an expression compiled for the widest instruction set of this machine. What it calls must be `#[inline(always)]` to
/// be compiled along with it, closures too: what stays a function of its own is compiled for the oldest processor.
macro_rules! simd {
    ($work:expr $(,)?) => {{
        // What is moved out of a closure lets it be called once only. One that could be called again would be called
        // through a function that the compiler makes, and that nothing obliges it to inline.
        struct Once;
        let once = Once;
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let _moved = once;
                $work
            },
        )
    }};
}
pub(crate) use simd;

/// One value of the lanes: halves are combined until one is left, which takes four steps where one lane after the other
/// would take sixteen.
#[inline(always)]
fn fold(mut lanes: [f32; LANES], combine: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = combine(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn fold_lanes(x: &[f32], start: f32, combine: impl Fn(f32, f32) -> f32 + Copy) -> f32 {
    let mut lanes = [start; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder().iter().fold(start, |a, &b| combine(a, b));
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = combine(*lane, value);
        }
    }
    combine(rest, fold(lanes, combine))
}

#[inline(always)]
pub fn sum(x: &[f32]) -> f32 {
    fold_lanes(x, 0.0, |a, b| a + b)
}

#[inline(always)]
pub fn max(x: &[f32]) -> f32 {
    fold_lanes(x, f32::NEG_INFINITY, |a, b| if b > a { b } else { a })
}

/// Sum of (x − center)².
#[inline(always)]
pub fn sum_squares(x: &[f32], center: f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|v| (v - center) * (v - center)).sum();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            let distance = value - center;
            *lane += distance * distance;
        }
    }
    rest + fold(lanes, |a, b| a + b)
}

#[inline(always)]
pub fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (x_chunks, y_chunks) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest: f32 = x_chunks.remainder().iter().zip(y_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in x_chunks.zip(y_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    rest + fold(lanes, |a, b| a + b)
}

#[inline(always)]
pub fn add_assign(x: &mut [f32], y: &[f32]) {
    for (a, b) in x.iter_mut().zip(y) {
        *a += b;
    }
}

/// Φ(x), the normal distribution function, to about 3·10⁻⁷: half of erfc(−x/√2), whose Chebyshev fit is that of Press et
/// al. (*Numerical Recipes*, §6.2), free of branches so that it vectorises.
#[inline(always)]
pub fn normal_cdf(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    let p = 0.170_872_77;
    let p = p * t - 0.822_152_2;
    let p = p * t + 1.488_515_9;
    let p = p * t - 1.135_204;
    let p = p * t + 0.278_868_07;
    let p = p * t - 0.186_288_06;
    let p = p * t + 0.096_784_18;
    let p = p * t + 0.374_091_96;
    let p = p * t + 1.000_023_7;
    let p = p * t - 1.265_512_2;
    let half = 0.5 * t * exp(p - z * z);
    if x < 0.0 { half } else { 1.0 - half }
}

/// eˣ to about one unit in the last place for x in [−87, 88], clamped outside: the polynomial of Cephes' `expf`
/// (Moshier, *Methods and Programs for Mathematical Functions*, 1989), free of branches so that it vectorises.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let f = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * f + 1.398_199_9e-3;
    let p = p * f + 8.333_452e-3;
    let p = p * f + 4.166_579_6e-2;
    let p = p * f + 0.166_666_65;
    let p = p * f + 0.5;
    let power_of_two = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    (p * f * f + f + 1.0) * power_of_two
}

#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_to_the_true_one() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let (got, want) = (exp(x) as f64, (x as f64).exp());
            assert!((got / want - 1.0).abs() < 3e-7, "{x}: {got} {want}");
        }
        assert_eq!(exp(f32::NEG_INFINITY), exp(-87.0));
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn reductions_cover_every_length() {
        for n in 0..70 {
            let x: Vec<f32> = (0..n).map(|i| i as f32 - 3.0).collect();
            let total: f64 = x.iter().map(|&v| v as f64).sum();
            let squares: f64 = x.iter().map(|&v| (v as f64 - 1.0).powi(2)).sum();
            assert_eq!(sum(&x) as f64, total);
            assert_eq!(sum_squares(&x, 1.0) as f64, squares);
            assert_eq!(dot(&x, &x) as f64, x.iter().map(|&v| (v as f64).powi(2)).sum::<f64>());
            assert_eq!(max(&x), x.last().copied().unwrap_or(f32::NEG_INFINITY));
        }
    }
}
