//! Runs: plans, the run folder, checkpoints, the data of a phase, and carrying a plan out.

pub mod against;
pub mod chat;
pub mod bounded;
pub mod checkpoint;
pub mod data;
pub mod device;
pub mod disk;
pub mod eval_set;
pub mod execute;
pub mod folder;
pub mod fork;
pub mod home;
pub mod journal;
pub mod labelled;
pub mod lineage;
mod lock;
mod material;
pub mod memory;
mod mismatch;
mod overlap;
pub mod overview;
mod place;
pub mod plan;
pub mod suite;
pub mod range_test;
pub mod recipe;
pub mod records;
pub mod steering;
mod tokenizer;
pub mod transfer;

pub use execute::{Observer, execute};
pub use home::Home;
pub use lock::{Holder, Lock};
pub use place::HostPlace;
pub use plan::{Overrides, Plan};
