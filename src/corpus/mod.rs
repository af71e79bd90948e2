//! corpus
pub mod world;
