//! What models are trained on: sources of text, their split, tokens, examples and batches.
//!
//! Files are read as a stream and in constant memory ([`documents`]), turned into tokens once and kept in shards
//! ([`shards`]), and from there every batch is a pure function of a seed and a step ([`batches`]).

pub mod kind;
pub mod progress;
pub mod source;
pub mod documents;
pub mod split;
pub mod survey;
pub mod chat;
pub mod compare;
pub mod tokenizer;
pub mod shards;
pub mod examples;
pub mod batches;
pub mod view;
pub mod world;
