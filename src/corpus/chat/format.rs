//! The chat format of a model: the built-in one, or a template.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::marks::Specials;
use super::template::{Rendered, Template};
use super::{Beside, END, Message, Moment, Role, Segment, TEMPLATE, built_in, known, names};
use crate::corpus::tokenizer::{SPECIAL_TOKENS, Tokenizer};
use crate::error::{Context, Error, Result};

/// Larger than any template.
const MOST_BYTES: u64 = 1 << 20;

/// A chat template as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it comes from, for people.
    pub name: String,
    pub text: String,
}

impl Source {
    /// The template that a person names: one that is known here, or a file.
    pub fn find(name: &str) -> Result<Source> {
        if let Some(text) = known(name) {
            return Ok(Source { name: name.into(), text: text.into() });
        }
        let path = Path::new(name);
        let failed = || format!("cannot read the chat template {name}");
        let advice = || format!("give a file in Jinja, or one of {}", names().collect::<Vec<_>>().join(", "));
        let size = fs::metadata(path).what(failed).map_err(|error| error.next(advice()))?.len();
        if size > MOST_BYTES {
            return Err(Error::new(failed()).because(format!("{size} bytes are more than any template has")));
        }
        let text = fs::read_to_string(path).what(failed).map_err(|error| error.next(advice()))?;
        Ok(Source { name: name.into(), text })
    }
}

/// How conversations are spelled.
#[derive(Debug)]
pub struct Chat {
    kind: Kind,
    /// What ends a turn of the assistant.
    ending: OnceLock<String>,
    /// Turns of the assistant that were not learned, so far.
    not_found: AtomicU64,
}

#[derive(Debug)]
enum Kind {
    BuiltIn(Specials),
    Template(Box<Template>),
}

impl Default for Chat {
    fn default() -> Self {
        Self::built_in(&SPECIAL_TOKENS.map(String::from))
    }
}

impl Chat {
    fn of_kind(kind: Kind) -> Chat {
        Chat { kind, ending: OnceLock::new(), not_found: AtomicU64::new(0) }
    }

    /// The built-in format, for a tokenizer with these special tokens.
    fn built_in(spellings: &[String]) -> Chat {
        Chat::of_kind(Kind::BuiltIn(Specials::new(spellings)))
    }

    /// The format of `source`, or else of the tokenizer, or else the built-in one. `moment` is what templates take for now.
    /// Errors: a template that is no Jinja.
    pub fn new(source: Option<&Source>, tokenizer: &Tokenizer, moment: Moment) -> Result<Chat> {
        let own = if source.is_none() { tokenizer.chat_template()? } else { None };
        match source.or(own.as_ref()) {
            Some(source) if source.text != TEMPLATE => {
                let (roles, spellings) = (tokenizer.special_roles(), tokenizer.special_spellings());
                let template = Template::new(&source.name, &source.text, roles, &spellings, moment)?;
                Ok(Chat::of_kind(Kind::Template(Box::new(template))))
            }
            _ => Ok(Chat::built_in(&tokenizer.special_spellings())),
        }
    }

    /// The format of `source` before there is a tokenizer, as one that is trained here will have it.
    pub fn before_tokenizer(source: Option<&Source>, moment: Moment) -> Result<Chat> {
        let Some(source) = source.filter(|source| source.text != TEMPLATE) else { return Ok(Chat::default()) };
        let spellings = SPECIAL_TOKENS.map(String::from);
        let roles = ["bos_token", "eos_token", "pad_token"].map(|role| (role.to_string(), spellings[0].clone()));
        let template = Template::new(&source.name, &source.text, roles.to_vec(), &spellings, moment)?;
        Ok(Chat::of_kind(Kind::Template(Box::new(template))))
    }

    /// The conversation as stretches of text that are read or learned. The error says why there is none.
    pub fn conversation(&self, messages: &[Message]) -> Result<Vec<Segment>, String> {
        self.conversation_with(messages, &Beside::default())
    }

    /// The same with what a template is given beside the messages. The built-in format has no words for tools and documents.
    pub fn conversation_with(&self, messages: &[Message], beside: &Beside) -> Result<Vec<Segment>, String> {
        match &self.kind {
            Kind::BuiltIn(_) if (0..messages.len()).any(|place| beside.calls_tools(place)) => Err(
                "the assistant calls tools in it, and the built-in format has no words for that: give a chat template \
                     that has"
                    .into(),
            ),
            Kind::BuiltIn(specials) => Ok(built_in(messages, specials)),
            Kind::Template(template) => {
                let Rendered { segments, not_found } = template.conversation(messages, beside)?;
                self.not_found.fetch_add(not_found, Ordering::Relaxed);
                Ok(segments)
            }
        }
    }

    /// The conversation as text that the assistant is to continue.
    pub fn prompt(&self, messages: &[Message]) -> Result<Segment> {
        match &self.kind {
            Kind::BuiltIn(specials) => {
                let mut prompt = Segment::new("", false);
                for segment in built_in(messages, specials) {
                    prompt.seams.extend(segment.seams.iter().map(|seam| prompt.text.len() + seam));
                    prompt.text.push_str(&segment.text);
                }
                prompt.text.push_str(Role::Assistant.opening());
                Ok(prompt)
            }
            Kind::Template(template) => {
                template.prompt(messages).map_err(|why| Error::new("cannot spell the conversation").because(why))
            }
        }
    }

    /// What ends a turn of the assistant: a special token where there is one, or text; empty where the format ends none.
    pub fn ending(&self) -> &str {
        self.ending.get_or_init(|| match &self.kind {
            Kind::BuiltIn(_) => END.into(),
            Kind::Template(template) => template.ending(),
        })
    }

    /// What a turn of the assistant says, without what ends it.
    pub fn spoken<'t>(&self, text: &'t str) -> &'t str {
        let ending = self.ending();
        let said = if ending.is_empty() { text } else { text.split(ending).next().unwrap_or_default() };
        said.trim()
    }

    /// What an answer stops at: a token where the ending is one, or else a text.
    pub fn stop(&self, tokenizer: &Tokenizer) -> (Option<u32>, Option<String>) {
        let ending = self.ending();
        match tokenizer.id(ending) {
            Some(id) => (Some(id), None),
            None => (None, Some(ending.to_string()).filter(|ending| !ending.is_empty())),
        }
    }

    /// Turns of the assistant in all conversations so far that are only read, since nothing tells where they lie.
    pub fn turns_not_found(&self) -> u64 {
        self.not_found.load(Ordering::Relaxed)
    }

    /// Whether it is the format that models have which bring none.
    pub fn is_built_in(&self) -> bool {
        matches!(self.kind, Kind::BuiltIn(_))
    }
}
