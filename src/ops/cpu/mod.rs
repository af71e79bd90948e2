//! Fused kernels on plain slices of f32, vectorised for the machine they run on and spread over rayon's threads.
//!
//! Every reduction has a fixed order that does not depend on the number of threads. In vector loops it does not depend on
//! the instruction set either: sums run in sixteen lanes, and partial sums of chunks are added in the order of the chunks.
//! Products take their order from the kernel that the processor has.

pub mod activation;
pub mod adamw;
pub mod attention;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod cross_entropy;
pub mod distill;
pub mod few_rows;
pub mod fresh;
mod gemm;
pub mod linear;
pub mod matmul;
mod narrow;
pub mod norm;
pub mod rotary;
mod shared;
pub mod vector;

pub(crate) use vector::simd;

/// Whether products can round their operands to bfloat16 here.
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return avx512::has_bf16();
    #[cfg(not(target_arch = "x86_64"))]
    false
}
