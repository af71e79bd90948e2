//! Token generation: one model reading prompts and going on, several answers in one pass.

mod answer;
mod choose;
mod fill;
mod generator;
mod ranked;
mod report;
mod writer;

pub use answer::{Answer, Ended, Task};
pub use choose::{Sampling, choose};
pub use fill::{Filled, Piece, fill};
pub use generator::Generator;
pub use report::Report;
pub use writer::{Writer, Written};

#[cfg(test)]
mod tests;
