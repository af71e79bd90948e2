//! Token generation: one model reading a prompt and going on, and several side by side under the same seed.

mod choose;
mod generator;

pub use choose::{Sampling, choose};
pub use generator::{Ended, Generator};
