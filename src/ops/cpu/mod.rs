//! Fused f32 kernels on plain slices, vectorised for the machine they run on and spread over rayon's threads.
//!
//! Every reduction has a fixed order that depends neither on the number of threads nor on the instruction set:
//! sums run in sixteen lanes, and partial sums of chunks are added in the order of the chunks.

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod cross_entropy;
pub mod few_rows;
pub mod linear;
pub mod matmul;
pub mod norm;
pub mod rotary;
pub mod vector;

pub use vector::simd;
