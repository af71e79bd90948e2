//! Texts as data: templates with slots, alternatives and rules, and what a document is made of.
//!
//! In a template file every line of a rule is one alternative (an indented line goes on with the line above):
//!
//! | notation | meaning |
//! |---|---|
//! | `[at dawn\|in the evening\|]` | one of several, possibly nothing |
//! | `{#weather}`, `{#intro:hero}` | an alternative of a rule, with `this` standing for the argument |
//! | `{hero.home.river}` | a property; `{Hero.he}` begins with a capital |
//! | `{hero.sub}`, `.obj`, `.pos` | a pronoun where it is clear who is meant, else the name |
//! | `{bird}`, `{bird\|a}`, `{bird\|s}` | any word of a list, with its article, in the plural |
//! | `{2-9\|words}` | any number of a range |
//! | `{?hero.spouse}`, `{?season=winter}`, `{!hero.pet}` | this alternative only if so |
//! | `{x = number 3 9}` | gives a name to something chosen now |
//!
//! An alternative that speaks of what is not there (the spouse of someone unmarried) is passed over for another one.

mod check;
mod discourse;
mod file;
mod parse;
mod source;
mod teller;
mod template;

pub use teller::Teller;
pub use template::Template;

use std::collections::HashMap;

use super::language::Style;
use super::lexicon::Lexicon;
use crate::error::{Error, Result};
use source::Binding;

/// All rules, documents and relations of the bundled template files.
#[derive(Debug, Default)]
pub struct Grammar {
    rules: Vec<Rule>,
    names: HashMap<String, usize>,
    pub documents: Vec<Document>,
    pub relations: Vec<Relation>,
}

/// Alternatives under a name.
#[derive(Debug)]
struct Rule {
    alternatives: Vec<Template>,
    /// A statement of a fact is told once of a subject, whatever its wording.
    once: bool,
}

/// A kind of text: who and what is in it, how it is told, and its gist in a sentence.
#[derive(Debug)]
pub struct Document {
    /// `file/name`.
    pub name: String,
    /// How often it is told, beside the others of its set.
    pub weight: usize,
    pub style: Style,
    cast: Vec<Binding>,
    text: Template,
    pub gist: Vec<Template>,
}

/// A relation of the world with its wordings: statements (those that end in the answer can be probed) and questions.
#[derive(Debug)]
pub struct Relation {
    pub name: String,
    /// person, place or event.
    pub of: String,
    /// The answer alone.
    pub answer: Template,
    pub statements: Vec<Template>,
    /// The statements that end in the answer, up to it.
    pub probes: Vec<Template>,
    pub questions: Vec<Template>,
}

impl Grammar {
    /// Reads template files, given as (namespace, TOML text), and checks every name in them.
    pub fn read(files: &[(&str, &str)], lexicon: &Lexicon) -> Result<Self> {
        let grammar = file::read(files)?;
        check::check(&grammar, lexicon)?;
        Ok(grammar)
    }

    /// The documents of one or more namespaces whose names begin with `prefix`.
    pub fn documents_of(&self, prefix: &str) -> Result<Vec<&Document>> {
        let found: Vec<&Document> =
            self.documents.iter().filter(|document| document.name.starts_with(prefix)).collect();
        if found.is_empty() {
            return Err(Error::new(format!("the bundled world has no documents named {prefix}…")));
        }
        Ok(found)
    }

    /// The alternatives of a rule, by `namespace/name`.
    pub fn rule(&self, name: &str) -> Result<&[Template]> {
        let index = self.names.get(name);
        let rule = index.and_then(|&index| self.rules.get(index));
        rule.map(|rule| rule.alternatives.as_slice())
            .ok_or_else(|| Error::new(format!("the bundled world has no rule {name}")))
    }
}
