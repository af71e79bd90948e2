//! Against what `transformers` makes of the same templates and conversations: `tests/fixtures/chat.py`.

use std::path::PathBuf;

use serde::Deserialize;

use super::template::Template;
use super::*;
use crate::corpus::examples::{Example, encode, of_record};
use crate::corpus::tokenizer::Tokenizer;

#[derive(Deserialize)]
struct Fixture {
    conversations: Vec<Vec<Message>>,
    templates: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    template: String,
    made: Vec<Made>,
}

/// Of one conversation.
#[derive(Deserialize)]
struct Made {
    text: Option<String>,
    /// Where the template throws.
    error: Option<String>,
    /// Without the last turn, and with the prompt for it.
    prompt: Option<String>,
    /// Characters that are learned, where the template says so.
    spans: Option<Vec<(usize, usize)>>,
    #[serde(default)]
    ids: Vec<u32>,
    #[serde(default)]
    mask: Vec<u8>,
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn read() -> (Fixture, Tokenizer) {
    let text = std::fs::read_to_string(fixtures().join("chat.json")).unwrap();
    (serde_json::from_str(&text).unwrap(), Tokenizer::load(&fixtures().join("chat-tokenizer.json")).unwrap())
}

fn template(case: &Case, tokenizer: &Tokenizer) -> Template {
    let roles = [("bos_token", "<s>"), ("eos_token", "</s>"), ("pad_token", "<pad>")];
    let roles = roles.map(|(role, token)| (role.to_string(), token.to_string())).to_vec();
    let day = Moment::parse("2024-07-26").unwrap();
    Template::new(&case.name, &case.template, roles, &tokenizer.special_spellings(), day).unwrap()
}

/// The characters of stretches that are learned, from and until.
fn spans(segments: &[Segment]) -> Vec<(usize, usize)> {
    let mut at = 0;
    let mut found = Vec::new();
    for segment in segments {
        let length = segment.text.chars().count();
        if segment.learned {
            found.push((at, at + length));
        }
        at += length;
    }
    found
}

#[test]
fn templates_render_what_transformers_renders_and_learn_what_it_masks() {
    let (fixture, tokenizer) = read();
    for case in &fixture.templates {
        let template = template(case, &tokenizer);
        for (messages, made) in fixture.conversations.iter().zip(&case.made) {
            let text = template.text(messages, &Beside::default(), false);
            if let Some(thrown) = &made.error {
                let why = text.unwrap_err();
                assert!(why.contains(thrown) && why.contains("line 1"), "{}: {why}", case.name);
                continue;
            }
            assert_eq!(text.as_deref(), made.text.as_deref().ok_or(&String::new()), "{}", case.name);
            let asked = &messages[..messages.len() - 1];
            assert_eq!(template.text(asked, &Beside::default(), true).ok(), made.prompt, "{}", case.name);
            assert_eq!(template.has_marks, made.spans.is_some(), "{}", case.name);
            if let Some(expected) = &made.spans {
                let segments = template.conversation(messages, &Beside::default()).unwrap().segments;
                assert_eq!(&spans(&segments), expected, "{}", case.name);
            }
        }
    }
}

#[test]
fn tokens_and_masks_are_those_of_transformers_where_marks_lie_between_words() {
    let (fixture, tokenizer) = read();
    let mut compared = 0;
    // In these a mark lies within white space: transformers makes other tokens of it when something follows than when the
    // model is asked to go on from there. Here they are the same both times.
    let spaced = ["llama-2", "llama-3", "mistral", "marks-in-lines", "marks-around-header"];
    for case in fixture.templates.iter().filter(|case| case.made[0].spans.is_some() && !spaced.contains(&&*case.name)) {
        let template = template(case, &tokenizer);
        for (messages, made) in fixture.conversations.iter().zip(&case.made) {
            let segments = template.conversation(messages, &Beside::default()).unwrap().segments;
            let example =
                encode(&[Example { segments, ends: false, asked: None }], &tokenizer, 4096).unwrap().examples.remove(0);
            let length = example.tokens.len();
            assert_eq!(example.tokens, made.ids[..length], "{}", case.name);
            let mask: Vec<bool> = made.mask.iter().map(|learned| *learned == 1).collect();
            assert_eq!(example.learned, mask[..length], "{}", case.name);
            assert!(!mask[length..].contains(&true), "{}", case.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 8);
}

const END_OF_TURN: &str = "<|im_end|>";

fn ends(text: &str) -> usize {
    text.matches(END_OF_TURN).count()
}

#[derive(Deserialize)]
struct Tools {
    rows: Vec<serde_json::Value>,
    templates: Vec<OfTools>,
}

#[derive(Deserialize)]
struct OfTools {
    name: String,
    template: String,
    /// One for each row.
    made: Vec<Made>,
}

#[test]
fn tools_and_documents_of_rows_are_spelled_as_transformers_spells_them() {
    let text = std::fs::read_to_string(fixtures().join("chat_tools.json")).unwrap();
    let fixture: Tools = serde_json::from_str(&text).unwrap();
    let tokenizer = Tokenizer::load(&fixtures().join("chat-tokenizer.json")).unwrap();
    let day = Moment::parse("2024-07-26").unwrap();
    let chat = |case: &OfTools| {
        let source = Source { name: case.name.clone(), text: case.template.clone() };
        Chat::new(Some(&source), &tokenizer, day).unwrap()
    };
    let mut masked = 0;
    for case in &fixture.templates {
        let chat = chat(case);
        for (row, made) in fixture.rows.iter().zip(&case.made) {
            let example = of_record(row.clone(), None, Some(&chat)).unwrap();
            let text: String = example.segments.iter().map(|segment| segment.text.as_str()).collect();
            assert_eq!(Some(text), made.text, "{}: {row}", case.name);
            // Only the template writes special tokens: one behind each turn, and behind the tools.
            let written: usize = example.segments.iter().flat_map(Segment::pieces).map(ends).sum();
            let tools = row["tools"].as_array().is_some_and(|tools| !tools.is_empty());
            let turns = row["messages"].as_array().unwrap().len() + usize::from(tools);
            assert_eq!(written, if case.template.contains(END_OF_TURN) { turns } else { 0 }, "{}: {row}", case.name);
            if let Some(expected) = &made.spans {
                assert_eq!(&spans(&example.segments), expected, "{}: {row}", case.name);
                masked += 1;
            }
        }
    }
    assert_eq!((fixture.templates.len(), masked), (2, fixture.rows.len()));
    // As JSON in a text they are the same.
    let mut row = fixture.rows[0].clone();
    row["tools"] = serde_json::Value::String(row["tools"].to_string());
    let one = &fixture.templates[0];
    let other = of_record(row.clone(), None, Some(&chat(one))).unwrap();
    let text: String = other.segments.iter().map(|segment| segment.text.as_str()).collect();
    assert_eq!(Some(&text), one.made[0].text.as_ref());
    row["tools"] = "none".into();
    assert!(of_record(row.clone(), None, Some(&chat(one))).unwrap_err().contains("`tools`"));
    // The built-in format has no words for calls.
    assert!(of_record(fixture.rows[0].clone(), None, None).unwrap_err().contains("give a chat template"));
}
