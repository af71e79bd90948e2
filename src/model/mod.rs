//! Models: a stack of units (embedding, blocks, norm, head), each with its own forward and backward; their
//! parameters by group; and the Hugging Face folders that they are read from and written to.

pub mod blend;
pub mod cache;
pub mod config;
pub mod cost;
pub mod decoder;
pub mod folder;
pub mod group;
mod initialize;
pub mod parameters;
pub mod preset;
mod recompute;
pub mod score;
mod storage;
pub mod units;

pub use cache::Cache;
pub use config::{Config, Family};
pub use decoder::{Decoder, Input, Pass};
pub use group::{Group, Kind, Layer, Selector};
pub use parameters::{Gradients, Parameter, ParameterId, Parameters, Thaw};
pub use recompute::Recompute;
pub use score::{Answers, Pooled, Score, Target};
pub use storage::Storage;
