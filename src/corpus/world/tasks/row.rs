//! Rows as they are written to JSON Lines.

use serde::Serialize;

/// One line of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Row {
    Text { text: String },
    Labelled { text: String, label: &'static str },
    Pair { prompt: String, completion: String },
    Preference { prompt: String, chosen: String, rejected: String },
    Messages { messages: Vec<Message> },
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    pub role: String,
    pub content: String,
}

/// The two halves of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    pub train: Vec<Row>,
    pub test: Vec<Row>,
}

impl Row {
    /// What must not be in train and test both: the text or the prompt; of a conversation its first request.
    pub fn key(&self) -> &str {
        match self {
            Row::Text { text } | Row::Labelled { text, .. } => text,
            Row::Pair { prompt, .. } | Row::Preference { prompt, .. } => prompt,
            Row::Messages { messages } => {
                messages.iter().find(|message| message.role == "user").map_or("", |message| &message.content)
            }
        }
    }
}
