//! Against what `transformers` makes of the same templates and conversations: `tests/fixtures/chat.py`.

use std::path::PathBuf;

use serde::Deserialize;

use super::template::Template;
use super::*;
use crate::corpus::examples::{Example, encode};
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
            let text = template.text(messages, false);
            if let Some(thrown) = &made.error {
                let why = text.unwrap_err();
                assert!(why.contains(thrown) && why.contains("line 1"), "{}: {why}", case.name);
                continue;
            }
            assert_eq!(text.as_deref(), made.text.as_deref().ok_or(&String::new()), "{}", case.name);
            let asked = &messages[..messages.len() - 1];
            assert_eq!(template.text(asked, true).ok(), made.prompt, "{}", case.name);
            assert_eq!(template.has_marks, made.spans.is_some(), "{}", case.name);
            if let Some(expected) = &made.spans {
                let segments = template.conversation(messages).unwrap().segments;
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
            let segments = template.conversation(messages).unwrap().segments;
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
