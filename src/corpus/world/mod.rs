//! The bundled world: a river valley whose people, places and past are built from a seed, and the data sets told of it.
//!
//! Words, templates and grammar are data (`data/world/`); `facts` builds the entities, `grammar` tells texts of them,
//! `tasks` makes the rows of each set. What is written depends on nothing but those files, the code and the seed.

mod conlang;
mod expand;
mod facts;
mod grammar;
mod language;
mod lexicon;
mod set;
mod sources;
mod tasks;

pub use expand::{VERSION, expand};
pub use language::{TENS, UP_TO_NINETEEN};
pub use set::Set;

#[cfg(test)]
mod tests;
