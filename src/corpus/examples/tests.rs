use std::fs;

use super::*;
use crate::corpus::source::Source;
use crate::corpus::tokenizer::Tokenizer;

static NEVER: AtomicBool = AtomicBool::new(false);

fn read_rows(rows: impl AsRef<[u8]>, options: &Options) -> Result<Examples> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    fs::write(&path, rows).unwrap();
    read(Source::open(&path).unwrap().files(), options, &NEVER)
}

fn one(row: &str) -> Result<Example> {
    read_rows(row, &Options::default()).map(|read| read.examples[0].clone())
}

fn numbered(count: usize) -> String {
    (0..count).map(|row| format!("{{\"prompt\": \"p{row}\", \"completion\": \"c{row}\"}}\n")).collect()
}

#[test]
fn known_formats_are_recognised() {
    assert_eq!(one(r#"{"prompt": "a", "completion": " b"}"#).unwrap(), Example::pair("a", " b"));
    let chat = one(r#"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}"#);
    let chat = chat.unwrap();
    assert_eq!(chat.prompt(), "<|user|>\nHi<|end|>\n<|assistant|>\n");
    assert_eq!((chat.completion(), chat.ends), ("Hello<|end|>", false));
    let shared = r#"{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}"#;
    assert_eq!(one(shared).unwrap(), chat);
    assert_eq!(one(r#"{"instruction": "Hi", "input": "", "output": "Hello"}"#).unwrap(), chat);
    assert_eq!(chat.request(), "Hi");
    let alpaca =
        one(r#"{"instruction": "Add", "input": "1, 2", "output": "3", "history": [["a", "b"]], "system": "s"}"#);
    let prompt = "<|system|>\ns<|end|>\n<|user|>\na<|end|>\n<|assistant|>\nb<|end|>\n<|user|>\nAdd\n\n1, 2<|end|>\n";
    let alpaca = alpaca.unwrap();
    assert_eq!(alpaca.prompt(), format!("{prompt}<|assistant|>\n"));
    assert_eq!(alpaca.request(), "s\nAdd\n\n1, 2");
}

#[test]
fn what_is_no_example_is_named_by_file_line_and_fields() {
    let refused = |rows: &str| read_rows(rows, &Options::default()).unwrap_err().to_string();
    let unknown = refused("{\"prompt\": \"a\", \"completion\": \"b\"}\n\n{\"text\": \"a\", \"label\": \"b\"}\n");
    assert!(unknown.contains("rows.jsonl:3 ") && unknown.contains("text, label"), "{unknown}");
    assert!(unknown.contains("skip_broken = true") && unknown.contains("--skip-broken"), "{unknown}");
    let empty = refused(r#"{"prompt": "a", "completion": ""}"#);
    assert!(empty.contains("rows.jsonl:1 ") && empty.contains("completion is empty"), "{empty}");
    assert!(refused(r#"{"messages": [{"role": "user", "content": "Hi"}]}"#).contains("says nothing"));
    assert!(refused(r#"{"messages": [{"role": "robot", "content": "Hi"}]}"#).contains("\"robot\""));
    assert!(refused("[1, 2]").contains("not a JSON object"));
    assert!(refused("{\"prompt\": ").contains("rows.jsonl:1 "));
}

#[test]
fn broken_rows_are_skipped_where_the_plan_says_so() {
    let options = Options { on_broken: OnBroken::Skip, ..Options::default() };
    let read = read_rows(numbered(3) + "broken\n", &options).unwrap();
    assert_eq!((read.examples.len(), read.broken_rows), (3, 1));
    let none = read_rows("broken\n", &options).unwrap_err().to_string();
    assert!(none.contains("no examples") && !none.contains("skip_broken"), "{none}");
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_and_counted() {
    let rows = [numbered(1).as_bytes(), b"{\"prompt\": \"a\xff\xfe\", \"completion\": \"b\"}\n"].concat();
    let read = read_rows(rows, &Options::default()).unwrap();
    assert_eq!((read.replaced_bytes, read.examples[1].prompt()), (2, "a\u{fffd}\u{fffd}".into()));
}

#[test]
fn a_template_makes_examples_of_other_rows() {
    let options = Options { template: Some(Template::new("{text}:", " {label}").unwrap()), ..Options::default() };
    let read = read_rows("{\"text\": \"good\", \"label\": \"yes\"}", &options).unwrap();
    assert_eq!(read.examples, [Example::pair("good:", " yes")]);
}

#[test]
fn a_larger_limit_keeps_what_a_smaller_one_chose() {
    let chosen = |limit, seed| {
        let options = Options { limit: Some(limit), seed, ..Options::default() };
        read_rows(numbered(50), &options).unwrap().examples
    };
    assert_eq!(chosen(10, 1), chosen(20, 1)[..10]);
    assert_ne!(chosen(10, 1), chosen(10, 2));
    assert_eq!(chosen(500, 1).len(), 50);
}

#[test]
fn examples_held_out_are_not_trained_on() {
    let examples = read_rows(numbered(40) + &numbered(40), &Options::default()).unwrap().examples;
    let (train, held_out) = hold_out(examples.clone(), 0.25, 3);
    assert_eq!((train.len(), held_out.len()), (60, 20));
    assert!(held_out.iter().all(|example| !train.contains(example)));
    assert_eq!(hold_out(examples[..2].to_vec(), 0.001, 3).1.len(), 1);
    assert_eq!(hold_out(examples[..1].to_vec(), 0.5, 3).1.len(), 0);
    assert_eq!(hold_out(examples, 0.0, 3).1.len(), 0);
}

#[test]
fn only_the_completion_and_the_end_are_learned() {
    let tokenizer = Tokenizer::train(["prompt and completion ".repeat(9)], 300).unwrap();
    let examples = [Example::pair("prompt", " completion"), Example::pair("", "completion")];
    let encoded = encode(&examples, &tokenizer, 64).unwrap();
    assert_eq!((encoded.cut_prompts, encoded.cut_completions), (0, 0));
    let learned = |example: &EncodedExample| {
        let tokens = example.tokens.iter().zip(&example.learned);
        tokenizer.decode(&tokens.filter(|(_, learned)| **learned).map(|(&token, _)| token).collect::<Vec<_>>())
    };
    assert_eq!(learned(&encoded.examples[0]), " completion<|endoftext|>");
    assert_eq!(tokenizer.decode(&encoded.examples[0].tokens), "prompt completion<|endoftext|>");
    assert_eq!(tokenizer.decode(&encoded.examples[1].tokens), "<|endoftext|>completion<|endoftext|>");
    assert_eq!(learned(&encoded.examples[1]), "completion<|endoftext|>");
    let cut =
        encode(&[Example::pair("prompt ".repeat(50), "completion"), examples[0].clone()], &tokenizer, 20).unwrap();
    assert_eq!((cut.cut_prompts, cut.cut_completions), (1, 0));
    assert_eq!(cut.examples[0].tokens.len(), 21);
}

#[test]
fn a_text_file_holds_no_examples() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "text").unwrap();
    let source = Source::open(folder.path()).unwrap();
    let error = read(source.files(), &Options::default(), &NEVER).unwrap_err().to_string();
    assert!(error.contains("a.txt holds no examples"), "{error}");
}
