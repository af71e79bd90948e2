//! Operations with a forward and a backward, each behind one face.
//!
//! A function here takes candle tensors. Where they are contiguous f32 on the CPU a fused kernel of [`cpu`] runs;
//! everywhere else (other devices, f64, f16, bf16) the plain candle expression beside the face does. The plain
//! expression is also the oracle: tests hold it against finite differences and candle's autograd in f64, and hold
//! the kernel against it.
//!
//! A backward that yields the gradient of a parameter adds it into a *slot*, an `Option<Tensor>` that is empty until
//! the first contribution: accumulation over micro-batches and tied weights need no copies.

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod cpu;
pub mod cross_entropy;
pub mod distill;
pub mod embedding;
pub mod linear;
pub mod norm;
mod precision;
pub mod reduce;
pub mod rotary;
mod sight;
mod storage;
mod threads;

#[cfg(test)]
pub(crate) mod check;

pub use precision::Precision;
pub use sight::{Sight, Visible};
pub use storage::{add_in_place, add_to_slot};
pub use threads::on_a_thread;

/// The gradient of one parameter while it is being gathered: empty until something contributes.
pub type Slot = Option<candle_core::Tensor>;
