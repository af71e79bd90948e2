//! Chat formats: how the messages of a conversation are spelled for a model, and what of them it learns to write.
//!
//! A model's own format is a template in Jinja, as Hugging Face's folders hold it; the built-in one is for models that
//! have none. What a *message* spells never becomes a special token: only the format writes those. `transformers` lets
//! messages write them too, and gives other tokens there.

mod beside;
mod dates;
mod format;
mod known;
mod marks;
mod python;
mod template;

use serde::{Deserialize, Serialize};

pub use beside::Beside;
pub use dates::Moment;
pub use format::{Chat, Source};
pub use known::{BUILT_IN, known, names};

/// The same format as a template that `transformers` renders.
pub const TEMPLATE: &str = "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + \
                            '<|end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
    /// What a tool answered that the assistant had called.
    Tool,
}

impl Role {
    /// The line that opens a message of this role.
    fn opening(self) -> &'static str {
        match self {
            Role::System => "<|system|>\n",
            Role::User => "<|user|>\n",
            Role::Assistant => "<|assistant|>\n",
            Role::Tool => "<|tool|>\n",
        }
    }
}

/// What ends a message; the assistant learns to write it.
pub const END: &str = "<|end|>";

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

/// A stretch of an example's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub text: String,
    /// Whether the model learns to write it, rather than only reads it.
    pub learned: bool,
    /// Bytes at which the text is cut before it is turned into tokens, so that nothing in it that looks like a special
    /// token becomes one; in order.
    pub seams: Vec<usize>,
}

impl Segment {
    /// One in which whatever looks like a special token is one.
    pub fn new(text: impl Into<String>, learned: bool) -> Segment {
        Segment { text: text.into(), learned, seams: Vec::new() }
    }

    /// The text, cut at its seams; each piece is turned into tokens by itself.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.seams.iter().copied());
        let ends = self.seams.iter().copied().chain([self.text.len()]);
        starts.zip(ends).map(|(start, end)| &self.text[start..end]).filter(|piece| !piece.is_empty())
    }
}

/// The conversation in the built-in format; what the assistant writes, up to and with the end of its message, is
/// learned.
fn built_in(messages: &[Message], specials: &marks::Specials) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut read = Segment::new("", false);
    for message in messages {
        read.text.push_str(message.role.opening());
        let mut learned = Segment::new("", true);
        let target = if message.role == Role::Assistant { &mut learned } else { &mut read };
        let start = target.text.len();
        target.seams.extend(specials.seams(&message.content).iter().map(|seam| start + seam));
        target.text.push_str(&message.content);
        target.text.push_str(END);
        if message.role == Role::Assistant {
            segments.push(std::mem::replace(&mut read, Segment::new("", false)));
            segments.push(learned);
        }
        read.text.push('\n');
    }
    segments.push(read);
    segments
}

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod tests;
