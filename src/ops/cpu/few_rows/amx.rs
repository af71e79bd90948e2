//! Few rows in bfloat16 for processors that multiply tiles of it: sixteen rows of the weight are a tile as they stand in
//! memory, and all rows of x are the columns of another.

use super::super::avx512::{configured, transpose};
use half::bf16;
use std::arch::asm;
use std::arch::x86_64::*;

/// Rows of a tile register, and the words in each.
const TILE: usize = 16;
/// Elements along the width in a tile.
const DEPTH: usize = 2 * TILE;
/// Rows of the weight in three tiles, which one of x serves.
const ROWS: usize = 3 * TILE;

/// Rows of x in the order in which tiles take them: for every two elements along the width those of sixteen rows, zeros where
/// there are no more rows.
pub struct Columns {
    pairs: Vec<[[bf16; 2]; TILE]>,
    width: usize,
}

impl Columns {
    /// Whether rows of this width are whole tiles.
    pub fn fit(width: usize) -> bool {
        width.is_multiple_of(DEPTH)
    }

    /// `x` is n×`width`, at most sixteen rows.
    ///
    /// # Safety
    /// [`is_available`](super::super::avx512::is_available) and [`Columns::fit`] must hold.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub unsafe fn new(x: &[bf16], width: usize) -> Self {
        let mut pairs = vec![[[bf16::ZERO; 2]; TILE]; width / 2];
        for (part, pairs) in pairs.chunks_exact_mut(TILE).enumerate() {
            let mut lines = [_mm512_setzero_ps(); TILE];
            for (line, x) in lines.iter_mut().zip(x.chunks_exact(width)) {
                // SAFETY: a row has a tile's width of elements for each part: sixteen pairs of 32 bits.
                *line = unsafe { _mm512_loadu_ps(x[part * DEPTH..][..DEPTH].as_ptr().cast()) };
            }
            // SAFETY: the processor has the instructions; sixteen rows' pairs are a register.
            unsafe {
                transpose(&mut lines);
                for (pairs, line) in pairs.iter_mut().zip(lines) {
                    _mm512_storeu_ps(pairs.as_mut_ptr().cast(), line);
                }
            }
        }
        Self { pairs, width }
    }
}

/// Sums of outputs (rows of the weight) by rows of x.
type Sums = [[f32; TILE]; ROWS];

/// The outputs of some rows of the weight, for each row of x in `y`.
///
/// # Safety
/// The processor must have tiles, and [`Columns::fit`] must hold.
pub unsafe fn multiply(columns: &Columns, weight: &[bf16], y: &mut [&mut [f32]]) {
    let width = columns.width;
    let mut padded = Vec::new();
    for (group, weight) in weight.chunks(ROWS * width).enumerate() {
        let outputs = weight.len() / width;
        // Tiles are read whole: past the last rows there must be something.
        let whole = match outputs {
            ROWS => weight,
            _ => {
                padded.resize(ROWS * width, bf16::ZERO);
                padded[..weight.len()].copy_from_slice(weight);
                &padded
            }
        };
        let mut sums = [[0.0; TILE]; ROWS];
        // SAFETY: the processor has tiles, which the caller vouches for; there are as many rows as the sums have.
        unsafe { configured(|| add_up(columns, whole, &mut sums)) };
        for (row, y) in y.iter_mut().enumerate() {
            let outputs = &mut y[group * ROWS..][..outputs];
            outputs.iter_mut().zip(&sums).for_each(|(y, sums)| *y = sums[row]);
        }
    }
}

/// # Safety
/// As for [`multiply`], inside [`configured`]; the weight must have [`ROWS`] rows.
unsafe fn add_up(columns: &Columns, weight: &[bf16], sums: &mut Sums) {
    let row = columns.width * size_of::<bf16>();
    let start = weight.as_ptr().cast::<u8>();
    // SAFETY: the steps stay inside the weight's rows and the columns; three tiles are all of the sums.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "test {steps}, {steps}",
            "jz 3f",
            "2:",
            "tileloadd tmm7, [{x} + {line}]",
            "tileloadd tmm4, [{first} + {row}]",
            "tileloadd tmm5, [{second} + {row}]",
            "tileloadd tmm6, [{third} + {row}]",
            "tdpbf16ps tmm0, tmm4, tmm7",
            "tdpbf16ps tmm1, tmm5, tmm7",
            "tdpbf16ps tmm2, tmm6, tmm7",
            "add {x}, 1024",
            "add {first}, 64",
            "add {second}, 64",
            "add {third}, 64",
            "dec {steps}",
            "jnz 2b",
            "3:",
            "tilestored [{out} + {line}], tmm0",
            "tilestored [{out} + {line} + 1024], tmm1",
            "tilestored [{out} + {line} + 2048], tmm2",
            steps = inout(reg) columns.width / DEPTH => _,
            x = inout(reg) columns.pairs.as_ptr() => _,
            first = inout(reg) start => _,
            second = inout(reg) start.wrapping_add(TILE * row) => _,
            third = inout(reg) start.wrapping_add(2 * TILE * row) => _,
            out = in(reg) sums.as_mut_ptr(),
            row = in(reg) row,
            line = in(reg) size_of::<[f32; TILE]>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm4") _,
            out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::avx512;
    use super::*;

    /// Small integers, whose sums are exact: all numbers of rows, and of outputs that are no whole tiles.
    #[test]
    fn agrees_with_the_definition_on_edge_shapes() {
        if !avx512::has_tiles() {
            return;
        }
        let integers = |count: usize, step: usize| -> Vec<bf16> {
            (0..count).map(|i| bf16::from_f32((i * step % 11) as f32 - 5.0)).collect()
        };
        for (rows, width, outputs) in [(1, 32, 1), (2, 64, 48), (7, 96, 50), (16, 32, 100), (15, 1024, 16)] {
            assert!(Columns::fit(width));
            let (x, weight) = (integers(rows * width, 3), integers(outputs * width, 7));
            let mut y = vec![1.0; rows * outputs];
            // SAFETY: the processor was asked, and the width.
            unsafe { multiply(&Columns::new(&x, width), &weight, &mut y.chunks_mut(outputs).collect::<Vec<_>>()) };
            for (index, y) in y.iter().enumerate() {
                let (row, output) = (index / outputs, index % outputs);
                let pairs = x[row * width..][..width].iter().zip(&weight[output * width..][..width]);
                let want: f32 = pairs.map(|(x, weight)| x.to_f32() * weight.to_f32()).sum();
                assert_eq!(*y, want, "{rows}×{width}×{outputs} at {row},{output}");
            }
        }
        assert!(!Columns::fit(48));
    }
}
