//! Conversations as a chat template spells them, with what is learned marked.

use crate::corpus::chat::{Chat, Moment};
use crate::corpus::examples::Example;
use crate::corpus::tokenizer::Tokenizer;
use crate::run::chat;
use crate::{Error, Result};
use serde::Serialize;
use std::sync::Arc;

/// How many conversations are shown.
const SHOWN: usize = 3;
/// What is learned stands between these, for people.
const MARKS: [char; 2] = ['⟦', '⟧'];

/// The first conversations of a corpus.
#[derive(Serialize)]
pub(super) struct Rendered {
    template: String,
    conversations: Vec<Conversation>,
    /// What ends a turn of the assistant; empty where nothing does.
    ends_with: String,
    notices: Vec<String>,
}

#[derive(Serialize)]
struct Conversation {
    segments: Vec<Piece>,
}

#[derive(Serialize)]
struct Piece {
    text: String,
    learned: bool,
}

/// The format that is named, or else that of the base; `None` for the built-in one.
pub(super) fn chat(name: Option<&str>, tokenizer: Option<&Tokenizer>) -> Result<Option<Arc<Chat>>> {
    let source = name.map(|name| chat::find(name, tokenizer)).transpose()?;
    let chat = match tokenizer {
        Some(tokenizer) => Chat::new(source.as_ref(), tokenizer, Moment::now())?,
        None if source.is_none() => return Ok(None),
        None => Chat::before_tokenizer(source.as_ref(), Moment::now())?,
    };
    Ok(Some(Arc::new(chat)))
}

impl Rendered {
    /// Of the examples that are conversations; there have to be some.
    pub fn of(
        template: &str,
        examples: &[Example],
        chat: Option<&Chat>,
        tokenizer: Option<&Tokenizer>,
    ) -> Result<Self> {
        let talks: Vec<&Example> = examples.iter().filter(|example| example.asked.is_some()).take(SHOWN).collect();
        if talks.is_empty() {
            return Err(Error::new("there is no conversation that a template could spell")
                .because("the rows are prompts and completions, which are learned as they stand")
                .next("leave --chat-template out, or give rows of messages"));
        }
        let pieces = |example: &&Example| {
            let pieces = example.segments.iter();
            let pieces = pieces.map(|segment| Piece { text: segment.text.clone(), learned: segment.learned });
            Conversation { segments: pieces.collect() }
        };
        let notices = match (chat, tokenizer) {
            (Some(chat), Some(tokenizer)) => chat::notices(chat, tokenizer),
            (Some(chat), None) => chat::about_turns(chat).into_iter().collect(),
            (None, _) => Vec::new(),
        };
        let ends_with = chat.map_or("", Chat::ending).into();
        Ok(Self { template: template.into(), conversations: talks.iter().map(pieces).collect(), ends_with, notices })
    }

    pub fn render(&self) -> String {
        let [begin, end] = MARKS;
        let mut text = format!("as {} spells them, with what is learned between {begin} and {end}:\n", self.template);
        for (conversation, number) in self.conversations.iter().zip(1..) {
            text += &format!("── conversation {number}\n");
            for Piece { text: piece, learned } in &conversation.segments {
                text += &if *learned { format!("{begin}{piece}{end}") } else { piece.clone() };
            }
            text += if text.ends_with('\n') { "" } else { "\n" };
        }
        self.notices.iter().for_each(|said| text += &format!("note: {said}\n"));
        text
    }
}
