//! Matrix products over slices: our own kernels where the processor has AVX-512, the `gemm` crate (AVX2, NEON, picked at
//! run time) elsewhere.

use super::super::Precision;
#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::gemm;
use half::{bf16, f16};

/// A read-only matrix inside a slice: element (i, j) stands at `i * row_stride + j * column_stride`, one of which is 1.
#[derive(Debug)]
pub struct Matrix<'a, E = f32> {
    data: &'a [E],
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<E> Clone for Matrix<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Matrix<'_, E> {}

impl<'a, E> Matrix<'a, E> {
    /// Rows of consecutive elements, `row_stride` apart.
    pub fn new(data: &'a [E], row_stride: usize) -> Self {
        Self { data, row_stride, column_stride: 1 }
    }

    pub fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.data.len()
    }

    /// All elements: of a matrix whose rows stand one after the other.
    pub(super) fn data(&self) -> &'a [E] {
        debug_assert!(self.column_stride == 1 && self.data.len().is_multiple_of(self.row_stride.max(1)));
        self.data
    }

    /// Whatever it lies in.
    pub(super) fn elements(&self) -> &'a [E] {
        self.data
    }

    pub(super) fn start(&self) -> *const E {
        self.data.as_ptr()
    }

    /// Where an element stands; it may be none of the matrix.
    pub(super) fn at(&self, row: usize, column: usize) -> *const E {
        self.start().wrapping_add(row * self.row_stride + column * self.column_stride)
    }
}

/// The right operand of a product, as it is stored.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    F32(Matrix<'a>),
    Bf16(Matrix<'a, bf16>),
    F16(Matrix<'a, f16>),
}

impl<'a> From<Matrix<'a>> for Operand<'a> {
    fn from(matrix: Matrix<'a>) -> Self {
        Self::F32(matrix)
    }
}

impl Operand<'_> {
    pub fn transposed(self) -> Self {
        match self {
            Self::F32(matrix) => Self::F32(matrix.transposed()),
            Self::Bf16(matrix) => Self::Bf16(matrix.transposed()),
            Self::F16(matrix) => Self::F16(matrix.transposed()),
        }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        match self {
            Self::F32(matrix) => matrix.holds(rows, columns),
            Self::Bf16(matrix) => matrix.holds(rows, columns),
            Self::F16(matrix) => matrix.holds(rows, columns),
        }
    }
}

/// The matrix that a product is written to: rows of consecutive elements, `stride` apart, from `pointer` on.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub pointer: *mut f32,
    pub stride: usize,
}

// SAFETY: a target is only a place; whoever writes there says why nobody else does.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// The first element of a row.
    pub(super) fn row(self, row: usize) -> *mut f32 {
        self.pointer.wrapping_add(row * self.stride)
    }
}

/// What a product does to the target's old content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Write {
    Replace,
    Add,
}

/// Whether a product may use all of rayon's threads, or runs inside one of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threads {
    All,
    One,
}

/// (m, n, k): the product of an m×k and a k×n matrix.
pub type Size = (usize, usize, usize);

/// What is computed, apart from the operands.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    pub(super) size: Size,
    pub(super) scale: f32,
    pub(super) write: Write,
    pub(super) threads: Threads,
    pub(super) precision: Precision,
    /// Added to every row, n.
    pub(super) bias: Option<&'a [f32]>,
    /// Added where the target is replaced, m·n.
    pub(super) residual: Option<&'a [f32]>,
}

impl<'a> Product<'a> {
    /// c = a b in f32 on all threads.
    pub fn new(size: Size) -> Self {
        Self {
            size,
            scale: 1.0,
            write: Write::Replace,
            threads: Threads::All,
            precision: Precision::F32,
            bias: None,
            residual: None,
        }
    }

    /// Multiplies the product by `scale`.
    pub fn scaled(self, scale: f32) -> Self {
        Self { scale, ..self }
    }

    /// c = a b + bias + residual; `bias` has n elements, `residual` m rows of n.
    pub fn plus(self, bias: Option<&'a [f32]>, residual: Option<&'a [f32]>) -> Self {
        Self { bias, residual, ..self }
    }

    pub fn write(self, write: Write) -> Self {
        Self { write, ..self }
    }

    /// Rounds the operands to this where the processor can.
    pub fn operands(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Runs inside the calling thread.
    pub fn here(self) -> Self {
        Self { threads: Threads::One, ..self }
    }
}

/// c = a b or c += a b, where the rows of `c` are `stride` apart.
pub fn multiply<'a>(c: &mut [f32], stride: usize, a: Matrix, b: impl Into<Operand<'a>>, product: Product) {
    let (m, n, _) = product.size;
    assert!(Matrix::new(c, stride).holds(m, n) && (m < 2 || stride >= n), "the target of a product is too small");
    // SAFETY: the assertion above says that every element of the target lies inside `c`, which is borrowed mutably.
    unsafe { multiply_into(Target { pointer: c.as_mut_ptr(), stride }, a, b, product) }
}

/// The product a b (+ bias + residual) in new memory, m·n.
pub fn product<'a>(a: Matrix, b: impl Into<Operand<'a>>, product: Product) -> Vec<f32> {
    let (m, n, _) = product.size;
    let mut c = Vec::with_capacity(m * n);
    // SAFETY: there is room for m rows of n; a product that replaces writes each of its elements and reads none.
    unsafe {
        multiply_into(Target { pointer: c.as_mut_ptr(), stride: n }, a, b, product.write(Write::Replace));
        c.set_len(m * n);
    }
    c
}

/// [`multiply`] into memory of which other threads may be writing other elements.
///
/// # Safety
/// The m×n elements of `c` must be valid for writes (and hold numbers with [`Write::Add`]), and nobody else may touch
/// them during the call.
pub unsafe fn multiply_into<'a>(c: Target, a: Matrix, b: impl Into<Operand<'a>>, product: Product) {
    let (b, (m, n, k)) = (b.into(), product.size);
    assert!(a.holds(m, k) && b.holds(k, n), "an operand of a product is too small");
    assert!(product.bias.is_none_or(|bias| bias.len() >= n), "the bias of a product is too short");
    assert!(product.residual.is_none_or(|residual| residual.len() >= m * n), "the residual of a product is too small");
    #[cfg(target_arch = "x86_64")]
    if avx512::is_available() {
        let can_round = product.precision == Precision::F32 || avx512::has_bf16();
        let product = if can_round { product } else { product.operands(Precision::F32) };
        // SAFETY: the processor was asked, the operands were checked, the target is vouched for by the caller.
        return unsafe { avx512::multiply(c, a, b, product) };
    }
    // SAFETY: as above.
    unsafe { gemm::multiply(c, a, b, product) };
}

#[cfg(test)]
mod tests {
    use super::super::super::check;
    use super::*;

    fn values(count: usize, seed: u64) -> Vec<f32> {
        check::values(&check::random(count, seed)).into_iter().map(|x| x as f32).collect()
    }

    /// The product by its definition, in f64.
    fn defined(a: &Matrix, b: &Matrix, (m, n, k): Size) -> Vec<f64> {
        let at = |x: &Matrix, i: usize, j: usize| x.data[i * x.row_stride + j * x.column_stride] as f64;
        let element = |index: usize| (0..k).map(|p| at(a, index / n, p) * at(b, p, index % n)).sum();
        (0..m * n).map(element).collect()
    }

    const SIZES: [Size; 9] = [
        (1, 1, 1),
        (1, 7, 3),
        (5, 1, 33),
        (17, 19, 23),
        (64, 48, 0),
        (13, 33, 1030),
        (200, 400, 40),
        (12, 32, 2100),
        (97, 385, 513),
    ];

    /// Every layout of the operands, rounded to bfloat16 or not, by our own kernels where there are any and by the crate,
    /// within a tolerance relative to √k.
    #[test]
    fn agrees_with_the_definition_on_edge_shapes() {
        for ((m, n, k), layout) in SIZES.into_iter().flat_map(|size| (0..4).map(move |layout| (size, layout))) {
            let (a, b) = (values(m * k, 1), values(k * n, 2));
            let a = if layout & 1 == 0 { Matrix::new(&a, k) } else { Matrix::new(&a, m).transposed() };
            let b = if layout & 2 == 0 { Matrix::new(&b, n) } else { Matrix::new(&b, k).transposed() };
            let (bias, residual, stride) = (values(n, 3), values(m * n, 4), n + 2);
            let want = defined(&a, &b, (m, n, k));
            for (precision, tolerance) in [(Precision::F32, 1e-6), (Precision::Bf16, 1e-2)] {
                let product = Product::new((m, n, k)).scaled(0.5).operands(precision);
                let near = |got: f32, want: f64| (got as f64 - want).abs() <= tolerance * (k as f64).sqrt().max(1.0);
                let check = |added: &[f32], whole: &[f32]| {
                    for (index, want) in want.iter().enumerate() {
                        let (i, j) = (index / n, index % n);
                        let base = (bias[j] + residual[index]) as f64;
                        let is_near =
                            near(added[i * stride + j], 1.0 + 0.5 * want) && near(whole[index], base + 0.5 * want);
                        assert!(is_near, "{m}x{n}x{k} layout {layout} {precision} at {i},{j}");
                    }
                    assert!(added.chunks(stride).all(|row| row[n..] == [1.0; 2]), "something was written between rows");
                };
                let plus = product.plus(Some(&bias), Some(&residual));
                let mut added = vec![1.0; m * stride];
                multiply(&mut added, stride, a, b, product.write(Write::Add));
                check(&added, &super::product(a, b, plus));
                let (mut added, mut whole) = (vec![1.0; m * stride], vec![0.0; m * n]);
                // SAFETY: the targets have m rows of n or more.
                unsafe {
                    gemm::multiply(
                        Target { pointer: added.as_mut_ptr(), stride },
                        a,
                        b.into(),
                        product.write(Write::Add).here(),
                    );
                    gemm::multiply(Target { pointer: whole.as_mut_ptr(), stride: n }, a, b.into(), plus);
                }
                check(&added, &whole);
            }
        }
    }

    #[test]
    fn half_precision_operands_are_what_they_stand_for() {
        let (m, n, k) = (30, 45, 70);
        let (a, b) = (values(m * k, 1), values(k * n, 2));
        let bf16: Vec<bf16> = b.iter().map(|&x| bf16::from_f32(x)).collect();
        let f16: Vec<f16> = b.iter().map(|&x| f16::from_f32(x)).collect();
        let wide_bf16: Vec<f32> = bf16.iter().map(|x| x.to_f32()).collect();
        let wide_f16: Vec<f32> = f16.iter().map(|x| x.to_f32()).collect();
        for precision in Precision::ALL {
            let product = Product::new((m, n, k)).operands(precision);
            let of = |b: Operand| super::product(Matrix::new(&a, k), b, product);
            let (bf16, wide_bf16) = (Operand::Bf16(Matrix::new(&bf16, k)), Operand::F32(Matrix::new(&wide_bf16, k)));
            let (f16, wide_f16) = (Operand::F16(Matrix::new(&f16, k)), Operand::F32(Matrix::new(&wide_f16, k)));
            assert_eq!(of(bf16.transposed()), of(wide_bf16.transposed()));
            assert_eq!(of(f16.transposed()), of(wide_f16.transposed()));
        }
        for precision in Precision::ALL {
            let product = Product::new((m, n, k)).operands(precision);
            let of = |b: Operand| super::product(Matrix::new(&a, k), b, product);
            let (bf16, wide_bf16) = (Operand::Bf16(Matrix::new(&bf16, n)), Operand::F32(Matrix::new(&wide_bf16, n)));
            let (f16, wide_f16) = (Operand::F16(Matrix::new(&f16, n)), Operand::F32(Matrix::new(&wide_f16, n)));
            assert_eq!(of(bf16), of(wide_bf16));
            assert_eq!(of(f16), of(wide_f16));
        }
    }

    /// On the processors that our own kernels are for.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_row_depends_neither_on_the_rows_beside_it_nor_on_the_threads() {
        if !avx512::is_available() {
            return;
        }
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // The second is wide enough that two threads pack b for themselves; both are deep enough for two blocks along k.
        for ((m, n, k), is_transposed) in [((250, 800, 700), false), ((250, 800, 700), true), ((61, 1700, 1050), false)]
        {
            let (a, b) = (values(m * k, 1), values(k * n, 2));
            let b = if is_transposed { Matrix::new(&b, k).transposed() } else { Matrix::new(&b, n) };
            for precision in Precision::ALL {
                let of = |rows: std::ops::Range<usize>| {
                    let product = Product::new((rows.len(), n, k)).operands(precision);
                    super::product(Matrix::new(&a[rows.start * k..], k), b, product)
                };
                let whole = pool(1).install(|| of(0..m));
                for threads in [2, 3, 16] {
                    assert_eq!(pool(threads).install(|| of(0..m)), whole, "{threads} threads");
                }
                for rows in [0..1, 7..8, 13..40, 49..m] {
                    assert_eq!(of(rows.clone()), whole[rows.start * n..rows.end * n], "{rows:?}");
                }
            }
        }
    }

    /// The gradient of a weight: a is read across its rows.
    #[test]
    fn columns_of_a_depend_neither_on_each_other_nor_on_the_threads() {
        let (m, n, k) = (230, 1600, 90);
        let (a, b) = (values(k * m, 1), values(k * n, 2));
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for precision in Precision::ALL {
            let of = |rows: std::ops::Range<usize>| {
                let product = Product::new((rows.len(), n, k)).operands(precision);
                super::product(Matrix::new(&a[rows.start..], m).transposed(), Matrix::new(&b, n), product)
            };
            let whole = pool(1).install(|| of(0..m));
            for threads in [2, 3, 16] {
                assert_eq!(pool(threads).install(|| of(0..m)), whole, "{threads} threads");
            }
            for rows in [0..20, 7..90, 100..m] {
                assert_eq!(of(rows.clone()), whole[rows.start * n..rows.end * n], "{rows:?}");
            }
        }
    }
}
