use std::fs;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;
use crate::corpus::documents::Reader;
use crate::corpus::progress::Silent;
use crate::corpus::source::Source;
use crate::corpus::split::Split;

const TALE: &str = "The miller's daughter carried eleven eggs to the market, and the miller carried none. \
                    She sold seven eggs at the market; how many eggs were left? Four eggs were left.\n\n";

fn train() -> Tokenizer {
    Tokenizer::train([TALE.repeat(5)], 400).unwrap()
}

fn trained() -> &'static Tokenizer {
    static TRAINED: LazyLock<Tokenizer> = LazyLock::new(train);
    &TRAINED
}

/// The tokens that the `tokenizers` crate itself gives.
fn reference(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.inner.encode(text, false).unwrap().get_ids().to_vec()
}

#[test]
fn training_gives_the_special_tokens_the_first_ids_and_learns_words() {
    let tokenizer = trained();
    for (id, token) in SPECIAL_TOKENS.iter().enumerate() {
        assert_eq!(tokenizer.id(token), Some(id as u32));
        assert!(tokenizer.is_special(id as u32));
    }
    assert_eq!(tokenizer.end_of_text(), Some(0));
    assert!(tokenizer.vocabulary_size() <= 400 && tokenizer.vocabulary_size() > 300);
    assert_eq!(tokenizer.encode(" market").unwrap().len(), 1);
}

#[test]
fn the_same_corpus_gives_the_same_tokenizer_and_another_gives_another() {
    assert_eq!(train().inner.to_string(false).unwrap(), trained().inner.to_string(false).unwrap());
    let other = Tokenizer::train(["another corpus, another corpus"], 400).unwrap();
    assert_ne!(trained().fingerprint(), other.fingerprint());
}

#[test]
fn training_on_files_is_training_on_their_texts() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.txt", "b.txt"] {
        fs::write(folder.path().join(name), TALE.repeat(3)).unwrap();
    }
    let source = Source::open(folder.path()).unwrap();
    let never = AtomicBool::new(false);
    let from_files = Tokenizer::train_on(&source, &Split::none(), 400, &Silent, &never).unwrap();
    let from_texts = Tokenizer::train([TALE.repeat(3), TALE.repeat(3)], 400).unwrap();
    assert_eq!(from_files.fingerprint(), from_texts.fingerprint());
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    assert!(Tokenizer::train([TALE], 260).unwrap_err().to_string().contains("between 261"));
    assert!(Tokenizer::train([""; 0], 400).unwrap_err().to_string().contains("no text"));
}

#[test]
fn special_tokens_in_text_are_recognised() {
    let tokenizer = trained();
    let text = "<|user|>\nHow many eggs?<|end|>\n<|endoftext|>";
    let tokens = tokenizer.encode(text).unwrap();
    assert_eq!(tokens, reference(tokenizer, text));
    assert!(tokens.starts_with(&[2]) && tokens.ends_with(&[0]));
    assert_eq!(tokenizer.decode(&tokens), text);
    let bytes: usize = tokens.iter().map(|&id| tokenizer.token_bytes(id)).sum();
    assert_eq!(bytes, "\nHow many eggs?\n".len());
}

#[test]
fn saved_and_loaded_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained();
    tokenizer.save(folder.path()).unwrap();
    for path in [folder.path().to_owned(), folder.path().join("tokenizer.json")] {
        let loaded = Tokenizer::load(&path).unwrap();
        assert_eq!(loaded.fingerprint(), tokenizer.fingerprint());
        assert_eq!(loaded.end_of_text(), Some(0));
        assert!(loaded.quick.is_some());
    }
    let config = fs::read_to_string(folder.path().join("tokenizer_config.json")).unwrap();
    assert!(config.contains("PreTrainedTokenizerFast") && config.contains("chat_template"));
}

#[test]
fn files_that_are_no_tokenizer_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Tokenizer::load(folder.path()).unwrap_err().to_string();
    assert!(missing.contains("tokenizer.json") && missing.contains("next:"), "{missing}");
    let path = folder.path().join("tokenizer.json");
    fs::write(&path, "{\"version\": \"1.0\", \"model\": {}}").unwrap();
    assert!(Tokenizer::load(&path).is_err());
    let model = r#"{"type": "WordLevel", "vocab": {"a": 0, "b": 4000000000}, "unk_token": "a"}"#;
    fs::write(&path, format!("{{\"version\": \"1.0\", \"added_tokens\": [], \"model\": {model}}}")).unwrap();
    let lying = Tokenizer::load(&path).unwrap_err().to_string();
    assert!(lying.contains("only 2 tokens"), "{lying}");
}

#[test]
fn a_tokenizer_of_another_kind_takes_the_long_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let text = r###"{"version": "1.0", "added_tokens": [], "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"}, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": false},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "snow": 1, "##ing": 2, "ice": 3, "[SEP]": 4}}}"###;
    fs::write(&path, text).unwrap();
    let tokenizer = Tokenizer::load(&path).unwrap();
    assert!(tokenizer.quick.is_none());
    let tokens = tokenizer.encode("Snowing ice").unwrap();
    assert_eq!(tokens, [1, 2, 3]);
    assert_eq!(tokenizer.decode(&tokens), "snowing ice");
    assert_eq!(tokens.iter().map(|&id| tokenizer.token_bytes(id)).collect::<Vec<_>>(), [5, 3, 4]);
    assert_eq!(tokenizer.end_of_text(), Some(4));
    let mut decoder = Decoder::new();
    let streamed: String = tokens.iter().map(|&id| decoder.push(&tokenizer, id).unwrap()).collect();
    assert_eq!(streamed, "snowing ice");
}

#[test]
fn a_stream_holds_back_half_a_character() {
    let tokenizer = trained();
    let text = "eggs 雪 🜂 é";
    let mut decoder = Decoder::new();
    let tokens = tokenizer.encode(text).unwrap();
    let parts: Vec<String> = tokens.iter().map(|&id| decoder.push(tokenizer, id).unwrap()).collect();
    assert!(parts.iter().all(|part| !part.contains('\u{fffd}')));
    assert_eq!(parts.concat() + &decoder.finish(), text);
    decoder.push(tokenizer, tokenizer.encode("雪").unwrap()[0]).unwrap();
    assert_eq!(decoder.finish(), "\u{fffd}");
}

#[test]
fn the_pieces_of_a_text_have_the_tokens_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let text: String =
        (0..900).map(|line| format!("eggs  {line}.{}\tthe\n", ["", "\n\n", "\r\n  "][line % 3])).collect();
    fs::write(folder.path().join("a.txt"), &text).unwrap();
    let source = Source::open(&folder.path().join("a.txt")).unwrap();
    let mut pieces = Vec::new();
    for raw in Reader::new(source.files()) {
        let documents = raw.unwrap().parse(source.files(), source.policy()).unwrap().documents;
        pieces.extend(documents.iter().map(|document| trained().encode(&document.text).unwrap()));
    }
    assert!(pieces.len() > 20);
    assert_eq!(pieces.concat(), trained().encode(&text).unwrap());
    let whole = source.uncut();
    let raw = Reader::new(whole.files()).next().unwrap().unwrap();
    assert_eq!(raw.parse(whole.files(), whole.policy()).unwrap().documents[0].text, text);
}

proptest! {
    #[test]
    fn the_quick_way_gives_the_same_tokens_and_they_decode(text in r"([a-z 'é雪\n\t]|\PC|<\|end\|>|eggs| the){0,80}") {
        let tokenizer = trained();
        prop_assert!(tokenizer.quick.is_some());
        let tokens = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(&tokens, &reference(tokenizer, &text));
        prop_assert_eq!(tokenizer.decode(&tokens), text);
        let ids = tokens.iter().all(|&id| (id as usize) < tokenizer.vocabulary_size());
        prop_assert!(ids);
    }
}

#[test]
fn chat_templates_are_found_where_transformers_looks_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let tokenizer = Tokenizer::train(["a"], 300).unwrap();
    tokenizer.save(folder.path()).unwrap();
    let loaded = || Tokenizer::load(folder.path()).unwrap();
    assert_eq!(loaded().chat_template().unwrap().unwrap().text, crate::corpus::chat::TEMPLATE);
    write(
        "tokenizer_config.json",
        r#"{"chat_template": [{"name": "tools", "template": "t"}, {"name": "default", "template": "d"}]}"#,
    );
    assert_eq!(loaded().chat_template().unwrap().unwrap().text, "d");
    assert_eq!(loaded().named_chat_template("tools").unwrap().unwrap().text, "t");
    assert_eq!(loaded().named_chat_template("none").unwrap(), None);
    write("chat_template.jinja", "own");
    let own = loaded().chat_template().unwrap().unwrap();
    assert_eq!((own.name.as_str(), own.text.as_str()), ("chat_template.jinja", "own"));
    let other = loaded().with_chat_template("other").unwrap();
    assert_eq!(other.fingerprint(), tokenizer.fingerprint());
    other.save(folder.path()).unwrap();
    assert_eq!(loaded().chat_template().unwrap().unwrap().text, "other");
    assert!(!fs::read_to_string(folder.path().join("tokenizer_config.json")).unwrap().contains("chat_template"));
    fs::remove_file(folder.path().join("chat_template.jinja")).unwrap();
    assert_eq!(loaded().chat_template().unwrap(), None);
    write("tokenizer_config.json", r#"{"chat_template": 3}"#);
    assert!(loaded().chat_template().unwrap_err().to_string().contains("chat_template"));
}
