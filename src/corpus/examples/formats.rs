//! The formats of rows that are recognised without being told.

use serde_json::{Map, Value};

use crate::corpus::chat::{Chat, Message, Role};
use crate::corpus::documents::field_names;
use crate::corpus::examples::Example;

/// Which rows are examples, for messages to people.
pub(super) const ADVICE: &str = "rows may hold prompt and completion, messages, conversations, or instruction and \
                                 output; for other fields give a template";

type Fields = Map<String, Value>;

/// The example in a row, by the fields it has.
pub(super) fn recognise(fields: Fields, chat: &Chat) -> Result<Example, String> {
    if let Some(messages) = fields.get("messages") {
        return conversation(None, messages, "role", "content", chat);
    }
    if let Some(turns) = fields.get("conversations") {
        return conversation(system(&fields)?, turns, "from", "value", chat);
    }
    if fields.contains_key("prompt") && fields.contains_key("completion") {
        let (prompt, completion) = (text(&fields, "prompt")?, text(&fields, "completion")?);
        return match completion.is_empty() {
            true => Err("its completion is empty".into()),
            false => Ok(Example::pair(prompt, completion)),
        };
    }
    if fields.contains_key("instruction") && fields.contains_key("output") {
        return alpaca(&fields, chat);
    }
    Err(format!("its fields are {}", field_names(&fields)))
}

fn text<'f>(fields: &'f Fields, name: &str) -> Result<&'f str, String> {
    fields.get(name).and_then(Value::as_str).ok_or_else(|| format!("its field `{name}` is not a string"))
}

/// A string that may be missing, null or empty.
fn optional<'f>(fields: &'f Fields, name: &str) -> Result<Option<&'f str>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => text(fields, name).map(|text| Some(text).filter(|text| !text.is_empty())),
    }
}

fn system(fields: &Fields) -> Result<Option<Message>, String> {
    let system = optional(fields, "system")?;
    Ok(system.map(|content| Message { role: Role::System, content: content.into() }))
}

/// `instruction`, perhaps with `input`, answered by `output`; earlier turns in `history`.
fn alpaca(fields: &Fields, chat: &Chat) -> Result<Example, String> {
    let mut messages: Vec<Message> = system(fields)?.into_iter().collect();
    if let Some(Value::Array(turns)) = fields.get("history") {
        for turn in turns {
            let turn = turn.as_array().map(Vec::as_slice);
            let Some([Value::String(asked), Value::String(answered)]) = turn else {
                return Err("its history is not a list of pairs of strings".into());
            };
            messages.push(Message { role: Role::User, content: asked.clone() });
            messages.push(Message { role: Role::Assistant, content: answered.clone() });
        }
    }
    let instruction = text(fields, "instruction")?;
    let asked = match optional(fields, "input")? {
        Some(input) => format!("{instruction}\n\n{input}"),
        None => instruction.to_owned(),
    };
    messages.push(Message { role: Role::User, content: asked });
    messages.push(Message { role: Role::Assistant, content: text(fields, "output")?.into() });
    spoken(messages, chat)
}

/// A list of turns whose fields are called `role` and `content`.
fn conversation(
    first: Option<Message>,
    turns: &Value,
    role: &str,
    content: &str,
    chat: &Chat,
) -> Result<Example, String> {
    let turns = turns.as_array().ok_or("its conversation is not a list")?;
    let mut messages: Vec<Message> = first.into_iter().collect();
    for (order, turn) in turns.iter().enumerate() {
        let field = |name: &str| {
            turn.get(name).and_then(Value::as_str).ok_or_else(|| format!("turn {} has no string `{name}`", order + 1))
        };
        let role = match field(role)? {
            "system" => Role::System,
            "user" | "human" => Role::User,
            "assistant" | "gpt" => Role::Assistant,
            other => return Err(format!("turn {} is by {other:?}, not system, user or assistant", order + 1)),
        };
        messages.push(Message { role, content: field(content)?.into() });
    }
    spoken(messages, chat)
}

/// A conversation as an example; the assistant has to say something in it.
fn spoken(messages: Vec<Message>, chat: &Chat) -> Result<Example, String> {
    let mut said = messages.iter().filter(|message| message.role == Role::Assistant).peekable();
    if said.peek().is_none() {
        return Err("the assistant says nothing in it".into());
    }
    if said.any(|message| message.content.is_empty()) {
        return Err("an answer of the assistant is empty".into());
    }
    let asked = asked(&messages);
    Ok(Example { segments: chat.conversation(&messages)?, ends: false, asked: Some(asked) })
}

/// What the system and then the user said last before the last answer.
fn asked(messages: &[Message]) -> String {
    let answer = messages.iter().rposition(|message| message.role == Role::Assistant).unwrap_or(messages.len());
    let last = |role| messages[..answer].iter().rfind(|message| message.role == role);
    let said = [Role::System, Role::User].into_iter().filter_map(last).map(|message| message.content.as_str());
    said.collect::<Vec<_>>().join("\n")
}
