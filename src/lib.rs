//! Frostline: pretrain and fine-tune language models by hand, live, in the terminal.
//!
//! The rooms, from the ground up; each imports only from those before it (`tests/tidy.rs` keeps that).
//! `ARCHITECTURE.md` is the map.

pub mod error;
#[cfg(target_os = "linux")]
mod heap;
pub mod random;

pub mod protocol;
pub mod ops;
pub mod model;
pub mod corpus;
pub mod metrics;
pub mod learn;
pub mod sample;
pub mod run;
pub mod lab;
pub mod host;
pub mod app;
pub mod tui;
pub mod cli;

pub use error::{Context, Error, Result};

#[cfg(target_os = "linux")]
#[global_allocator]
static HEAP: heap::Heap = heap::Heap;
