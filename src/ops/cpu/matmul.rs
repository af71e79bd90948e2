//! Matrix products over slices, by the `gemm` crate (AVX-512, AVX2 or NEON, picked at run time).

use gemm::Parallelism;

/// A read-only matrix inside a slice: element (i, j) stands at `i * row_stride + j * column_stride`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of consecutive elements, `row_stride` apart.
    pub fn new(data: &'a [f32], row_stride: usize) -> Self {
        Self { data, row_stride, column_stride: 1 }
    }

    pub fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.data.len()
    }
}

/// The matrix that a product is written to: rows of consecutive elements, `stride` apart, from `pointer` on.
#[derive(Clone, Copy)]
pub struct Target {
    pub pointer: *mut f32,
    pub stride: usize,
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
pub struct Product {
    size: Size,
    scale: f32,
    write: Write,
    threads: Threads,
}

impl Product {
    /// c = a b on all threads.
    pub fn new(size: Size) -> Self {
        Self { size, scale: 1.0, write: Write::Replace, threads: Threads::All }
    }

    /// Multiplies the product by `scale`.
    pub fn scaled(self, scale: f32) -> Self {
        Self { scale, ..self }
    }

    pub fn write(self, write: Write) -> Self {
        Self { write, ..self }
    }

    /// Runs inside the calling thread.
    pub fn here(self) -> Self {
        Self { threads: Threads::One, ..self }
    }
}

/// c = a b or c += a b, where the rows of `c` are `stride` apart.
pub fn multiply(c: &mut [f32], stride: usize, a: Matrix, b: Matrix, product: Product) {
    let (m, n, _) = product.size;
    assert!(Matrix::new(c, stride).holds(m, n) && (m < 2 || stride >= n), "the target of a product is too small");
    // SAFETY: the assertion above says that every element of the target lies inside `c`, which is borrowed mutably.
    unsafe { multiply_into(Target { pointer: c.as_mut_ptr(), stride }, a, b, product) }
}

/// [`multiply`] into memory of which other threads may be writing other elements.
///
/// # Safety
/// The m×n elements of `c` must be valid for writes (and for reads with [`Write::Add`]), and nobody else may touch
/// them during the call.
pub unsafe fn multiply_into(c: Target, a: Matrix, b: Matrix, product: Product) {
    let Product { size: (m, n, k), scale, write, threads } = product;
    assert!(a.holds(m, k) && b.holds(k, n), "an operand of a product is too small");
    let parallelism = match threads {
        Threads::All => Parallelism::Rayon(0),
        Threads::One => Parallelism::None,
    };
    // SAFETY: the operands were checked above, the target by the caller.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.pointer,
            1,
            c.stride as isize,
            write == Write::Add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition_on_edge_shapes() {
        for (m, n, k) in [(1, 1, 1), (1, 7, 3), (5, 1, 33), (17, 19, 23), (64, 48, 0)] {
            let a: Vec<f32> = (0..m * k).map(|i| (i % 7) as f32 - 3.0).collect();
            let b: Vec<f32> = (0..k * n).map(|i| (i % 5) as f32 - 2.0).collect();
            let stride = n + 2;
            let mut c = vec![1.0; m * stride];
            multiply(
                &mut c,
                stride,
                Matrix::new(&a, k),
                Matrix::new(&b, k).transposed(),
                Product::new((m, n, k)).scaled(0.5).write(Write::Add),
            );
            for i in 0..m {
                for j in 0..stride {
                    let product: f32 = (0..k).map(|p| a[i * k + p] * if j < n { b[j * k + p] } else { 0.0 }).sum();
                    assert_eq!(c[i * stride + j], 1.0 + 0.5 * product, "{m}x{n}x{k} at {i},{j}");
                }
            }
        }
    }
}
