//! Token generation: one model reading a prompt and going on, and several side by side under the same seed.

mod choose;
mod generator;
mod ranked;
mod report;
mod writer;

pub use choose::{Sampling, choose};
pub use generator::{Ended, Generator, Task};
pub use report::Report;
pub use writer::{Writer, Written};

#[cfg(test)]
mod tests;
