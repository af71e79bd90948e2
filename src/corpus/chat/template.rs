//! Chat templates in Jinja, rendered as `transformers` renders them, with a bound on what they may do.

use std::ops::Range;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, ErrorKind};
use serde_json::json;

use super::beside::with_texts;
use super::marks::{self, Marks, Specials};
use super::python;
use super::{Beside, Message, Moment, Role, Segment};
use crate::error::{Error, Result};

/// A render may take this many steps, of which 64 bytes of text take one too: some 64 MB, and a second at most.
const FUEL: u64 = 1_000_000;
/// And this many more for each byte of the conversation, since templates go through it again and again.
const FUEL_PER_BYTE: u64 = 4;
/// Macros, loops and blocks within each other.
const DEEPEST: usize = 100;
/// No conversation that can be trained on is longer, bytes.
const LONGEST: usize = 16 << 20;
/// No template is.
const LONGEST_SOURCE: usize = 1 << 20;
const NAME: &str = "template";

/// A compiled template.
#[derive(Debug)]
pub(super) struct Template {
    /// For people.
    name: String,
    engine: Environment<'static>,
    /// Whether it marks what is learned itself.
    pub has_marks: bool,
    /// What stands for a conversation in every render: source and special tokens.
    texts: Vec<String>,
    /// Special tokens by their roles, such as `bos_token`.
    roles: Vec<(String, String)>,
    specials: Specials,
}

/// What a template made of a conversation.
pub(super) struct Rendered {
    /// Its stretches, in order.
    pub segments: Vec<Segment>,
    /// Turns of the assistant that are not learned, since nothing tells where they lie.
    pub not_found: u64,
}

impl Template {
    /// Errors: a template that is no Jinja.
    pub fn new(
        name: &str,
        source: &str,
        roles: Vec<(String, String)>,
        spellings: &[String],
        moment: Moment,
    ) -> Result<Template> {
        let failed = |why: String| Error::new(format!("cannot read the chat template {name}")).because(why);
        if source.len() > LONGEST_SOURCE {
            return Err(failed(format!("{} bytes are more than any template has", source.len())));
        }
        let (marked, has_marks) = marks::with_marks(source);
        let mut engine = environment(moment).map_err(|error| failed(error.to_string()))?;
        engine.add_template_owned(NAME, marked).map_err(|error| failed(explained(&error)))?;
        let texts =
            [source.to_string()].into_iter().chain(roles.iter().map(|(_, spelling)| spelling.clone())).collect();
        let specials = Specials::new(spellings);
        let template = Template { name: name.into(), engine, has_marks, texts, roles, specials };
        template.check_ends().map_err(failed)?;
        Ok(template)
    }

    /// The characters that mark a render of these messages.
    fn marks(&self, messages: &[Message], beside: &Beside) -> Result<Marks, String> {
        let said = messages.iter().map(|message| message.content.as_str());
        Marks::absent_from(self.texts.iter().map(String::as_str).chain(said).chain(beside.texts()))
            .ok_or_else(|| "the conversation uses every character there is".into())
    }

    /// The conversation with its marks still in it. Errors name the template and the line.
    fn render(
        &self,
        messages: &[Message],
        beside: &Beside,
        add_generation_prompt: bool,
        marks: Marks,
    ) -> Result<String, String> {
        let guard = |text: &str| self.specials.guarded(text, marks.seam);
        let turn = |(place, message): (usize, &Message)| match beside.turns.get(place) {
            Some(turn) => with_texts(&json!(turn), &guard),
            None => json!({"role": message.role, "content": guard(&message.content)}),
        };
        let guarded: Vec<_> = messages.iter().enumerate().map(turn).collect();
        let size: usize = messages.iter().map(|message| message.content.len()).sum();
        let size = size + beside.texts().iter().map(|text| text.len()).sum::<usize>();
        let mut values = json!({
            "messages": guarded,
            "add_generation_prompt": add_generation_prompt,
            "tools": with_texts(&beside.tools, &guard),
            "documents": with_texts(&beside.documents, &guard),
            marks::BEGIN: marks.begin,
            marks::END: marks.end,
        });
        for (role, spelling) in &self.roles {
            values[role] = json!(spelling);
        }
        let failed = |why: String| format!("the chat template {} fails on it: {why}", self.name);
        let rendered = self.run(values, size).map_err(|error| failed(explained(&error)))?;
        match rendered.len() > LONGEST {
            true => Err(failed(format!("it writes {} bytes, and {LONGEST} are allowed", rendered.len()))),
            false => Ok(rendered),
        }
    }

    /// `size` are the bytes of the conversation.
    fn run(&self, values: serde_json::Value, size: usize) -> Result<String, minijinja::Error> {
        let mut engine = self.engine.clone();
        engine.set_fuel(Some(FUEL + FUEL_PER_BYTE * size as u64));
        engine.get_template(NAME).and_then(|template| template.render(Serde(values)))
    }

    /// Refuses a template that does not end even where nothing is said, before it is tried on every conversation. What else
    /// it refuses may be its right.
    fn check_ends(&self) -> Result<(), String> {
        let values = json!({"messages": [{"role": "user", "content": ""}], "add_generation_prompt": true});
        match self.run(values, 0) {
            Err(error) if error.kind() == ErrorKind::OutOfFuel => Err(explained(&error)),
            _ => Ok(()),
        }
    }

    /// The conversation, and what of it is learned: what the template marks, or where it marks nothing, what each turn of
    /// the assistant adds.
    pub fn conversation(&self, messages: &[Message], beside: &Beside) -> Result<Rendered, String> {
        let marks = self.marks(messages, beside)?;
        let rendered = self.render(messages, beside, false, marks)?;
        let (segments, not_found) = match self.has_marks {
            true => {
                let torn = || format!("the chat template {} tears its generation marks apart", self.name);
                (marks.segments(&rendered).ok_or_else(torn)?, 0)
            }
            false => {
                let (found, not_found) = self.added_by_turns(messages, beside, &rendered, marks)?;
                (marks.segments_of(&rendered, &found), not_found)
            }
        };
        match segments.iter().any(|segment| segment.learned) {
            true => Ok(Rendered { segments, not_found }),
            false => Err(format!(
                "the chat template {} shows nothing of it that could be learned: put what the assistant writes between \
                 {{% generation %}} and {{% endgeneration %}}",
                self.name
            )),
        }
    }

    /// Where in the rendered conversation what the assistant adds lies, and how many of its turns cannot be found: those
    /// whose beginning looks different without what comes later.
    fn added_by_turns(
        &self,
        messages: &[Message],
        beside: &Beside,
        rendered: &str,
        marks: Marks,
    ) -> Result<(Vec<Range<usize>>, u64), String> {
        let (mut found, mut not_found) = (Vec::new(), 0);
        for (index, _) in messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant) {
            // A template may refuse a conversation that stops here; then the turn cannot be found.
            let before = self.render(&messages[..index], beside, true, marks);
            let until = match index + 1 == messages.len() {
                true => Ok(rendered.to_string()),
                false => self.render(&messages[..=index], beside, false, marks),
            };
            match (before, until) {
                (Ok(before), Ok(until)) if until.starts_with(&before) && rendered.starts_with(&until) => {
                    let end = before.len() + self.end_of_turn(&until[before.len()..]);
                    found.push(before.len()..end);
                }
                _ => not_found += 1,
            }
        }
        found.retain(|range| !range.is_empty());
        Ok((found, not_found))
    }

    /// White space behind the token that ends a turn is no part of it.
    fn end_of_turn(&self, turn: &str) -> usize {
        match self.specials.last_end(turn) {
            Some(end) if turn[end..].trim().is_empty() => end,
            _ => turn.len(),
        }
    }

    /// What the assistant is to go on from.
    pub fn prompt(&self, messages: &[Message]) -> Result<Segment, String> {
        let none = Beside::default();
        let marks = self.marks(messages, &none)?;
        let rendered = self.render(messages, &none, true, marks)?;
        let learned_too = marks.segments(&rendered).unwrap_or_default();
        let mut prompt = Segment::new("", false);
        for segment in learned_too {
            prompt.seams.extend(segment.seams.iter().map(|seam| prompt.text.len() + seam));
            prompt.text.push_str(&segment.text);
        }
        Ok(prompt)
    }

    /// The conversation as text.
    #[cfg(test)]
    pub fn text(&self, messages: &[Message], beside: &Beside, add_generation_prompt: bool) -> Result<String, String> {
        let marks = self.marks(messages, beside)?;
        Ok(marks.stripped(&self.render(messages, beside, add_generation_prompt, marks)?))
    }

    /// What ends a turn of the assistant: the first special token behind what it says, or else all that stands there.
    pub fn ending(&self) -> String {
        const SAID: &str = "frostline";
        let message = |role, content: &str| Message { role, content: content.into() };
        let messages = [message(Role::User, "Hello"), message(Role::Assistant, SAID)];
        let none = Beside::default();
        let rendered = self.marks(&messages, &none).and_then(|marks| {
            let rendered = self.render(&messages, &none, false, marks)?;
            Ok(marks.stripped(&rendered))
        });
        let rendered = rendered.unwrap_or_default();
        let after = rendered.rsplit_once(SAID).map_or("", |(_, after)| after);
        match self.specials.first(after) {
            Some(found) => after[found].to_string(),
            // A space is no end: words have them too.
            None if after.trim().is_empty() => after.find('\n').map_or("", |at| &after[at..]).to_string(),
            None => after.trim().to_string(),
        }
    }
}

fn environment(moment: Moment) -> Result<Environment<'static>, minijinja::Error> {
    let mut engine = Environment::new();
    engine.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    engine.set_recursion_limit(DEEPEST);
    engine.set_unknown_method_callback(python::method);
    engine.set_formatter(python::write);
    engine.add_filter("tojson", python::tojson);
    let failed = |why: String| minijinja::Error::new(ErrorKind::InvalidOperation, why);
    engine.add_function("raise_exception", move |why: String| Err::<Value, _>(failed(format!("it says: {why}"))));
    engine.add_function("strftime_now", move |format: &str| moment.format(format).map_err(failed));
    Ok(engine)
}

/// What went wrong, and in which line.
fn explained(error: &minijinja::Error) -> String {
    let why = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => {
            "it takes more steps or memory than any conversation needs; does it ever end?".into()
        }
        (ErrorKind::InvalidOperation, Some(detail)) => detail.to_string(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    error.line().map_or(why.clone(), |line| format!("line {line}: {why}"))
}
