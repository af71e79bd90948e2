//! The process that owns the device and the run folder: a training thread, a sampler thread, a recorder, and a loop
//! that serves clients over a Unix socket. A client can be slow, stopped or gone: training neither waits nor notices.
//!
//! ```text
//! client ══ socket ══ server (tokio) ──orders──▶ trainer ──ring of records──▶ recorder ──▶ history ──▶ server
//!                        └──────────────asks──▶ sampler, corpus
//! ```

mod answering;
mod attendance;
pub mod client;
pub mod corpus;
pub mod frame;
mod desk;
mod family;
mod history;
mod orders;
mod range_test;
mod recorder;
mod relatives;
mod reopen;
mod rewind;
pub mod sampler;
mod server;
mod service;
#[cfg(test)]
mod testing;
mod trainer;

pub use crate::run::{Holder, HostPlace, Lock};
pub use family::Family;
pub use relatives::kin;
pub use service::{Resume, Work, serve, serve_here};
