//! A small plan for the tests of this room.

use super::read::parse;
use super::{Overrides, Plan};
use crate::Result;

/// One phase with this objective and more `lines`.
pub fn with(objective: &str, lines: &str) -> Result<Plan> {
    let text = format!(
        "name = \"small\"\ntokenizer = {{ vocabulary = 300 }}\nmodel = {{ preset = \"llama-1m\" }}\n[[phase]]\n\
         name = \"a\"\nobjective = \"{objective}\"\ncorpus = \"a\"\nsteps = 3\n\
         optimizer = {{ learning_rate = 1e-4 }}\n{lines}"
    );
    parse("small.toml", &text, &Overrides::default())
}
