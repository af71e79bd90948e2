//! The formats of rows that are recognised without being told.

use serde_json::{Map, Value, json};

use crate::corpus::chat::{Beside, Chat, Message, Role};
use crate::corpus::documents::field_names;
use crate::corpus::examples::Example;

/// Which rows are examples, for messages to people.
pub(super) const ADVICE: &str = "rows may hold prompt and completion, messages, conversations, or instruction and \
                                 output; for other fields give a template";

type Fields = Map<String, Value>;

/// The example in a row, by the fields it has.
pub(super) fn recognise(fields: Fields, chat: &Chat) -> Result<Example, String> {
    if let Some(messages) = fields.get("messages") {
        return messages_of(messages, Beside::of_row(&fields)?, chat);
    }
    if let Some(turns) = fields.get("conversations") {
        return shared(system(&fields)?, turns, &Beside::of_row(&fields)?, chat);
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
    spoken(messages, &Beside::default(), chat)
}

/// A list of turns with `role` and `content`, as `transformers` takes them: whoever calls tools may say nothing besides.
fn messages_of(turns: &Value, mut beside: Beside, chat: &Chat) -> Result<Example, String> {
    let turns = turns.as_array().ok_or("its conversation is not a list")?;
    let mut messages = Vec::new();
    for (order, turn) in turns.iter().enumerate() {
        let role = role(turn, "role", order)?;
        let mut fields = turn.as_object().cloned().unwrap_or_default();
        fields.insert("role".into(), json!(role));
        beside.turns.push(fields);
        let content = match turn.get("content") {
            None | Some(Value::Null) if role == Role::Assistant && beside.calls_tools(order) => String::new(),
            _ => field(turn, "content", order)?.into(),
        };
        messages.push(Message { role, content });
    }
    spoken(messages, &beside, chat)
}

/// A list of turns with `from` and `value`.
fn shared(first: Option<Message>, turns: &Value, beside: &Beside, chat: &Chat) -> Result<Example, String> {
    let turns = turns.as_array().ok_or("its conversation is not a list")?;
    let mut messages: Vec<Message> = first.into_iter().collect();
    for (order, turn) in turns.iter().enumerate() {
        messages.push(Message { role: role(turn, "from", order)?, content: field(turn, "value", order)?.into() });
    }
    spoken(messages, beside, chat)
}

fn field<'t>(turn: &'t Value, name: &str, order: usize) -> Result<&'t str, String> {
    turn.get(name).and_then(Value::as_str).ok_or_else(|| format!("turn {} has no string `{name}`", order + 1))
}

fn role(turn: &Value, name: &str, order: usize) -> Result<Role, String> {
    match field(turn, name, order)? {
        "system" => Ok(Role::System),
        "user" | "human" => Ok(Role::User),
        "assistant" | "gpt" => Ok(Role::Assistant),
        "tool" => Ok(Role::Tool),
        other => Err(format!("turn {} is by {other:?}, not system, user, assistant or tool", order + 1)),
    }
}

/// A conversation as an example; the assistant has to say something in it.
fn spoken(messages: Vec<Message>, beside: &Beside, chat: &Chat) -> Result<Example, String> {
    let mut said = messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant).peekable();
    if said.peek().is_none() {
        return Err("the assistant says nothing in it".into());
    }
    if said.any(|(place, message)| message.content.is_empty() && !beside.calls_tools(place)) {
        return Err("an answer of the assistant is empty".into());
    }
    let asked = asked(&messages);
    Ok(Example { segments: chat.conversation_with(&messages, beside)?, ends: false, asked: Some(asked) })
}

/// What the system and then the user said last before the last answer.
fn asked(messages: &[Message]) -> String {
    let answer = messages.iter().rposition(|message| message.role == Role::Assistant).unwrap_or(messages.len());
    let last = |role| messages[..answer].iter().rfind(|message| message.role == role);
    let said = [Role::System, Role::User].into_iter().filter_map(last).map(|message| message.content.as_str());
    said.collect::<Vec<_>>().join("\n")
}
