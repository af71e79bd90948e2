//! The built-in chat format: how messages are spelled for a model that has none of its own.

use serde::{Deserialize, Serialize};

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
}

impl Role {
    /// The line that opens a message of this role.
    fn opening(self) -> &'static str {
        match self {
            Role::System => "<|system|>\n",
            Role::User => "<|user|>\n",
            Role::Assistant => "<|assistant|>\n",
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
}

/// The conversation as text; what the assistant writes, up to and with the end of its message, is learned.
pub fn segments(messages: &[Message]) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut read = String::new();
    for message in messages {
        read.push_str(message.role.opening());
        if message.role == Role::Assistant {
            segments.push(Segment { text: std::mem::take(&mut read), learned: false });
            segments.push(Segment { text: format!("{}{END}", message.content), learned: true });
        } else {
            read.push_str(&message.content);
            read.push_str(END);
        }
        read.push('\n');
    }
    segments.push(Segment { text: read, learned: false });
    segments
}

/// The conversation as text that the assistant is to continue.
pub fn prompt(messages: &[Message]) -> String {
    let spoken: String = segments(messages).into_iter().map(|segment| segment.text).collect();
    spoken + Role::Assistant.opening()
}

#[cfg(test)]
mod tests {
    use minijinja::syntax::SyntaxConfig;
    use minijinja::value::Serde;

    use super::*;

    #[test]
    fn only_the_assistant_is_learned_from() {
        let message = |role, content: &str| Message { role, content: content.into() };
        let messages =
            [message(Role::System, "Be kind."), message(Role::User, "Hi"), message(Role::Assistant, "Hello")];
        let segments = segments(&messages);
        let read = "<|system|>\nBe kind.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n";
        let expected = [(read, false), ("Hello<|end|>", true), ("\n", false)];
        let found: Vec<_> = segments.iter().map(|segment| (segment.text.as_str(), segment.learned)).collect();
        assert_eq!(found, expected);
        assert_eq!(prompt(&messages[..2]), read);
    }

    /// What `transformers` makes of a conversation: it renders templates with these settings.
    fn rendered(messages: &[Message], add_generation_prompt: bool) -> String {
        let mut jinja = minijinja::Environment::new();
        jinja.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().unwrap());
        let values = serde_json::json!({"messages": messages, "add_generation_prompt": add_generation_prompt});
        jinja.render_str(TEMPLATE, Serde(values)).unwrap()
    }

    #[test]
    fn the_template_renders_what_is_trained_on() {
        let message = |role, content: &str| Message { role, content: content.into() };
        let messages = [
            message(Role::System, "  Be kind.\n\n"),
            message(Role::User, "What is {{ this }} & <that>?"),
            message(Role::Assistant, "{% raw %} \"text\"\n"),
            message(Role::User, ""),
            message(Role::Assistant, "Nothing \u{e9}lse."),
        ];
        for count in 0..=messages.len() {
            let messages = &messages[..count];
            let trained: String = segments(messages).into_iter().map(|segment| segment.text).collect();
            assert_eq!(rendered(messages, false), trained);
            assert_eq!(rendered(messages, true), prompt(messages));
        }
    }
}
