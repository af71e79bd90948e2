//! Templates such as `Review: {text}`: fields of a row by name, `{{` and `}}` for braces.

use serde_json::{Map, Value};

use crate::corpus::documents::field_names;
use crate::corpus::examples::Example;
use crate::error::{Error, Result};

/// How a row's fields become a prompt and a completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    prompt: Vec<Part>,
    completion: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(String),
}

impl Template {
    /// Errors, which say whether it is the prompt or the completion: a brace without its partner, a field without a
    /// name, a completion without anything.
    pub fn new(prompt: &str, completion: &str) -> Result<Template> {
        if completion.is_empty() {
            return Err(Error::new("the template of the completion is empty")
                .next("write what the model should answer, such as completion = \" {label}\""));
        }
        Ok(Template { prompt: parse("prompt", prompt)?, completion: parse("completion", completion)? })
    }

    /// Of texts that are scored as a whole: `text` is a field, or a template where it has braces, and `label` a field.
    pub fn labelled(text: &str, label: &str) -> Result<Template> {
        let field = |name: &str| vec![Part::Field(name.into())];
        let text = if text.contains(['{', '}']) { parse("text", text)? } else { field(text) };
        Ok(Template { prompt: text, completion: field(label) })
    }

    /// The text and the label in a row, both without white space around them; no label where it is missing, null or
    /// empty. Why the row has neither.
    pub(super) fn fill_labelled(&self, fields: &Map<String, Value>) -> Result<(String, Option<String>), String> {
        let text = fill(&self.prompt, fields)?.trim().to_string();
        if text.is_empty() {
            return Err("its text is empty".into());
        }
        let is_there = |part: &Part| match part {
            Part::Field(name) => fields.get(name).is_some_and(|value| !value.is_null()),
            Part::Text(_) => true,
        };
        if !self.completion.iter().all(is_there) {
            return Ok((text, None));
        }
        let label = fill(&self.completion, fields)?.trim().to_string();
        Ok((text, Some(label).filter(|label| !label.is_empty())))
    }

    /// The example that a row makes; why it makes none.
    pub(super) fn fill(&self, fields: &Map<String, Value>) -> Result<Example, String> {
        let (prompt, completion) = (fill(&self.prompt, fields)?, fill(&self.completion, fields)?);
        if completion.trim().is_empty() {
            return Err("its completion is empty".into());
        }
        Ok(Example::pair(prompt, completion))
    }
}

fn fill(parts: &[Part], fields: &Map<String, Value>) -> Result<String, String> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Field(name) => match fields.get(name) {
                Some(Value::String(value)) => text.push_str(value),
                Some(value @ (Value::Number(_) | Value::Bool(_))) => text.push_str(&value.to_string()),
                Some(_) => return Err(format!("its field `{name}` is neither a string nor a number")),
                None => return Err(format!("it has no field `{name}`, only: {}", field_names(fields))),
            },
        }
    }
    Ok(text)
}

/// Takes apart the template of the prompt or the completion, as `name` says.
fn parse(name: &str, template: &str) -> Result<Vec<Part>> {
    let wrong = |why: &str| {
        Error::new(format!("cannot read the template of the {name}, {template:?}"))
            .because(why)
            .next("write fields as {name}, and braces as {{ and }}")
    };
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..];
        if brace.starts_with("{{") || brace.starts_with("}}") {
            text.push_str(&brace[..1]);
            rest = &brace[2..];
            continue;
        }
        let Some(opened) = brace.strip_prefix('{') else { return Err(wrong("a } closes nothing")) };
        let (field, after) = opened.split_once('}').ok_or_else(|| wrong("a { is not closed"))?;
        if field.is_empty() || field.contains('{') {
            return Err(wrong("a field has no name"));
        }
        parts.push(Part::Text(std::mem::take(&mut text)));
        parts.push(Part::Field(field.into()));
        rest = after;
    }
    text.push_str(rest);
    parts.push(Part::Text(text));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(prompt: &str, completion: &str, row: Value) -> Result<Example, String> {
        Template::new(prompt, completion).unwrap().fill(row.as_object().unwrap())
    }

    #[test]
    fn fields_are_filled_in_and_braces_escaped() {
        let row = json!({"text": "Fine {bread}", "label": 3, "ok": true});
        let example = filled("Review: {text}\n{{{ok}}}:", " {label}", row).unwrap();
        assert_eq!(example, Example::pair("Review: Fine {bread}\n{true}:", " 3"));
    }

    #[test]
    fn a_missing_field_is_named_with_those_there_are() {
        let why = filled("{review}", "{label}", json!({"text": "a", "label": "b"})).unwrap_err();
        assert_eq!(why, "it has no field `review`, only: text, label");
        assert!(filled("{text}", "{label}", json!({"text": "a", "label": " "})).unwrap_err().contains("empty"));
        assert!(filled("{text}", "{label}", json!({"text": ["a"], "label": "b"})).unwrap_err().contains("neither"));
    }

    #[test]
    fn a_template_that_cannot_be_read_is_refused() {
        for wrong in ["{text", "text}", "{}", "{a{b}"] {
            let prompt = Template::new(wrong, "x").unwrap_err().to_string();
            assert!(prompt.contains("template of the prompt") && prompt.contains(wrong), "{prompt}");
            let completion = Template::new("x", wrong).unwrap_err().to_string();
            assert!(completion.contains("template of the completion") && completion.contains(wrong), "{completion}");
        }
        assert!(Template::new("x", "").unwrap_err().to_string().contains("template of the completion"));
    }
}
