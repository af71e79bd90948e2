//! The innermost loop: a tile of the result in registers.

use super::super::matmul::{Product, Target, Write};
use super::ahead::Ahead;
use super::pack::{A_STRIDE, MOST_WORDS, PackedA};
use super::words::Words;
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// Columns of a tile.
pub const COLUMNS: usize = 32;
/// Rows of a tile in registers: 24 of them hold sums, two b, one a.
pub const ROWS: usize = 12;
/// Rows of a tile for which a third of the registers do: at the lower edge, as of attention's 64 queries.
const FEW_ROWS: usize = 4;
/// Words between which memory is asked for that will be needed later.
pub const STRETCH: usize = 16;

/// How packed panels are multiplied.
pub trait Kernel {
    type Words: Words;
    /// Rows of a panel of a, and of a tile of the result.
    const ROWS: usize;
    /// Panels of a that are packed at once: where a is read across its rows, whole cache lines are used.
    const GROUP: usize;
    /// Words from a panel of a to the next.
    const A_PANEL: usize;
    /// See [`super::way::Sizes`].
    const STEP: usize;
    const BLOCK_WORDS: usize;
    const PACKS_AGAIN: bool;

    /// Packs some rows of a into panels [`Kernel::A_PANEL`] apart. Rows past the end keep whatever they hold: what comes of
    /// them is not written.
    ///
    /// # Safety
    /// The processor must have the instructions, the elements must be inside a, and `out` must have room for the panels.
    unsafe fn pack_a(a: PackedA, out: *mut f32);

    /// Multiplies a packed panel of a, which was packed row by row where `is_by_rows` holds, with one of b.
    ///
    /// # Safety
    /// The processor must have the instructions; the panels must hold `words` words for each row and column; the tile's
    /// elements must be valid.
    unsafe fn run(words: usize, a: (*const f32, bool), b: *const f32, tile: Tile, ahead: &mut Ahead);
}

/// In vector registers.
pub struct Registers<W>(PhantomData<W>);

impl<W: Words> Kernel for Registers<W> {
    type Words = W;
    const ROWS: usize = ROWS;
    const GROUP: usize = 4;
    const A_PANEL: usize = 16 * MOST_WORDS;
    const STEP: usize = 1;
    /// Three quarters of a megabyte.
    const BLOCK_WORDS: usize = 384 * MOST_WORDS;
    const PACKS_AGAIN: bool = true;

    #[inline(always)]
    unsafe fn pack_a(a: PackedA, out: *mut f32) {
        // SAFETY: handed on to the caller.
        unsafe {
            match a.is_by_rows() {
                true => a.pack_rows::<W, ROWS>(out, Self::A_PANEL),
                false => a.pack_across::<W>(out),
            }
        }
    }

    #[inline(always)]
    unsafe fn run(words: usize, (a, is_by_rows): (*const f32, bool), b: *const f32, tile: Tile, ahead: &mut Ahead) {
        // SAFETY: handed on to the caller.
        unsafe {
            match (is_by_rows, tile.size.0 > FEW_ROWS) {
                (true, true) => run_rows::<W, true, ROWS>(words, a, b, tile, ahead),
                (true, false) => run_rows::<W, true, FEW_ROWS>(words, a, b, tile, ahead),
                (false, true) => run_rows::<W, false, ROWS>(words, a, b, tile, ahead),
                (false, false) => run_rows::<W, false, FEW_ROWS>(words, a, b, tile, ahead),
            }
        }
    }
}

/// What a tile's sums are added to, and where they go.
#[derive(Clone, Copy)]
pub struct Base {
    target: Target,
    scale: f32,
    /// For each column; null where there is nothing to add.
    bias: *const f32,
    /// The tile's first element in a matrix that is added, and the distance of its rows; null where there is none.
    addend: (*const f32, usize),
}

impl Base {
    /// Of the tile at (`row`, `column`), in the block of k that begins at `start`: later blocks add to the first.
    #[inline(always)]
    pub fn new(c: Target, product: &Product, row: usize, column: usize, start: usize) -> Self {
        let pointer = c.pointer.wrapping_add(row * c.stride + column);
        let target = Target { pointer, ..c };
        let own = (pointer.cast_const(), c.stride);
        let (bias, addend) = match start > 0 {
            true => (std::ptr::null(), own),
            false => {
                let bias = product.bias.map_or(std::ptr::null(), |bias| bias[column..].as_ptr());
                let residual = product.residual.map(|r| (r[row * product.size.1 + column..].as_ptr(), product.size.1));
                let replaced = residual.unwrap_or((std::ptr::null(), 0));
                (bias, if product.write == Write::Add { own } else { replaced })
            }
        };
        Self { target, scale: product.scale, bias, addend }
    }
}

impl Base {
    /// Asks for the tile's place in the result, so that it is near when the sums are there.
    #[inline(always)]
    fn prefetch(&self, rows: usize) {
        for row in 0..rows {
            let start = self.target.pointer.wrapping_add(row * self.target.stride);
            // SAFETY: a prefetch touches no memory that the program could see.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(start.cast());
                _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(COLUMNS - 1).cast());
            }
        }
    }
}

#[derive(Clone, Copy)]
pub struct Tile {
    /// Rows and columns that are inside the result.
    pub size: (usize, usize),
    pub base: Base,
}

impl Tile {
    /// Writes its sums.
    ///
    /// # Safety
    /// As for [`Kernel::run`].
    #[inline(always)]
    pub unsafe fn write<const R: usize>(self, sums: &Sums<R>) {
        // SAFETY: handed on to the caller.
        unsafe {
            match self.size == (R, COLUMNS) {
                true => write(sums, self.base),
                false => write_part(sums, self),
            }
        }
    }
}

pub type Sums<const R: usize> = [[__m512; 2]; R];

/// [`Kernel::run`] for up to R rows.
///
/// # Safety
/// As for [`Kernel::run`].
#[inline(always)]
unsafe fn run_rows<W: Words, const BY_ROWS: bool, const R: usize>(
    words: usize,
    a: *const f32,
    b: *const f32,
    tile: Tile,
    ahead: &mut Ahead,
) {
    // SAFETY: handed on to the caller.
    unsafe {
        tile.base.prefetch(R);
        tile.write(&sum::<W, BY_ROWS, R>(words, a, b, ahead));
    }
}

#[inline(always)]
unsafe fn sum<W: Words, const BY_ROWS: bool, const R: usize>(
    words: usize,
    mut a: *const f32,
    mut b: *const f32,
    ahead: &mut Ahead,
) -> Sums<R> {
    let (row_step, word_step) = if BY_ROWS { (A_STRIDE, 1) } else { (1, ROWS) };
    let mut left = words;
    // SAFETY: handed on to the caller: `words` steps stay inside both panels.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); 2]; R];
        while left > 0 {
            ahead.ask();
            let now = left.min(STRETCH);
            for _ in 0..now {
                let (first, second) = (_mm512_load_ps(b), _mm512_load_ps(b.add(16)));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let a = _mm512_set1_ps(*a.add(row * row_step));
                    sums[0] = W::multiply_add(a, first, sums[0]);
                    sums[1] = W::multiply_add(a, second, sums[1]);
                }
                a = a.add(word_step);
                b = b.add(COLUMNS);
            }
            left -= now;
        }
        sums
    }
}

/// Of a whole tile.
#[inline(always)]
unsafe fn write<const R: usize>(sums: &Sums<R>, base: Base) {
    let Base { target, scale, bias, addend: (addend, stride) } = base;
    // SAFETY: handed on to the caller.
    unsafe {
        let scale = _mm512_set1_ps(scale);
        for (row, sums) in sums.iter().enumerate() {
            for (half, &sum) in sums.iter().enumerate() {
                let mut value = _mm512_mul_ps(sum, scale);
                if !bias.is_null() {
                    value = _mm512_add_ps(value, _mm512_loadu_ps(bias.add(half * 16)));
                }
                if !addend.is_null() {
                    value = _mm512_add_ps(value, _mm512_loadu_ps(addend.add(row * stride + half * 16)));
                }
                _mm512_storeu_ps(target.pointer.add(row * target.stride + half * 16), value);
            }
        }
    }
}

/// Of a tile at the edge: the same sums in the same order, element by element.
#[inline(never)]
unsafe fn write_part<const R: usize>(sums: &Sums<R>, tile: Tile) {
    let Base { target, scale, bias, addend: (addend, stride) } = tile.base;
    // SAFETY: sixteen f32 are the memory of a register; the rest is handed on to the caller.
    unsafe {
        let sums: &[[f32; COLUMNS]; R] = &*std::ptr::from_ref(sums).cast();
        for (row, sums) in sums.iter().enumerate().take(tile.size.0) {
            for (column, &sum) in sums.iter().enumerate().take(tile.size.1) {
                let mut value = sum * scale;
                if !bias.is_null() {
                    value += *bias.add(column);
                }
                if !addend.is_null() {
                    value += *addend.add(row * stride + column);
                }
                *target.pointer.add(row * target.stride + column) = value;
            }
        }
    }
}
