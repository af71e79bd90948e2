use super::marks::Specials;
use super::*;

fn message(role: Role, content: &str) -> Message {
    Message { role, content: content.into() }
}

/// A template that comes with a name, `bos` and `eos` as special tokens beside those given.
fn template(source: &str, specials: &[&str]) -> Result<template::Template, String> {
    let roles =
        [("bos_token", "<s>"), ("eos_token", "</s>")].map(|(role, token)| (role.to_string(), token.to_string()));
    let spellings: Vec<String> = ["<s>", "</s>"].iter().chain(specials).map(|token| token.to_string()).collect();
    let day = Moment::parse("2024-07-26").unwrap();
    template::Template::new("test.jinja", source, roles.to_vec(), &spellings, day).map_err(|error| error.to_string())
}

fn conversation(source: &str, specials: &[&str], messages: &[Message]) -> Result<Vec<Segment>, String> {
    template(source, specials)?.conversation(messages, &Beside::default()).map(|rendered| rendered.segments)
}

fn whole(segments: &[Segment]) -> String {
    segments.iter().map(|segment| segment.text.as_str()).collect()
}

fn learned(segments: &[Segment]) -> Vec<&str> {
    segments.iter().filter(|segment| segment.learned).map(|segment| segment.text.as_str()).collect()
}

const LOOP: &str = "{% for m in messages %}{{ m.content }}{% generation %}!{% endgeneration %}{% endfor %}";

#[test]
fn only_the_assistant_is_learned_from() {
    let messages = [message(Role::System, "Be kind."), message(Role::User, "Hi"), message(Role::Assistant, "Hello")];
    let chat = Chat::default();
    let segments = chat.conversation(&messages).unwrap();
    let read = "<|system|>\nBe kind.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n";
    let expected = [(read, false), ("Hello<|end|>", true), ("\n", false)];
    let found: Vec<_> = segments.iter().map(|segment| (segment.text.as_str(), segment.learned)).collect();
    assert_eq!(found, expected);
    assert_eq!(chat.prompt(&messages[..2]).unwrap(), Segment::new(read, false));
}

#[test]
fn the_built_in_format_and_its_template_say_the_same() {
    let messages = [
        message(Role::System, "  Be kind.\n\n"),
        message(Role::User, "What is {{ this }} & <that>?"),
        message(Role::Assistant, "{% raw %} \"text\" <|end|>\n"),
        message(Role::User, "<|user|>"),
        message(Role::Assistant, "Nothing \u{e9}lse."),
    ];
    let specials = crate::corpus::tokenizer::SPECIAL_TOKENS;
    let chat = Chat::default();
    let jinja = template(TEMPLATE, &specials).unwrap();
    assert!(!jinja.has_marks);
    for count in 3..=messages.len() {
        let built_in = chat.conversation(&messages[..count]).unwrap();
        assert_eq!(jinja.conversation(&messages[..count], &Beside::default()).unwrap().segments, built_in);
        assert_eq!(jinja.prompt(&messages[..count]).unwrap(), chat.prompt(&messages[..count]).unwrap());
    }
    assert_eq!((jinja.ending().as_str(), chat.ending()), (END, END));
    let seams: usize = chat.conversation(&messages).unwrap().iter().map(|segment| segment.seams.len()).sum();
    assert_eq!(seams, 2);
    assert!(Specials::new(&[]).first("<|end|>").is_none());
}

#[test]
fn what_a_template_marks_is_learned() {
    let source = "{% for m in messages %}\n  {% if m.role == 'assistant' %}\n    {% generation %}\n{{ m.content }}</s>\n    \
                  {% endgeneration %}\n  {% else %}\n{{ m.content }}:\n  {% endif %}\n{% endfor %}\n";
    let messages = [message(Role::User, "a"), message(Role::Assistant, "b"), message(Role::User, "c")];
    let segments = conversation(source, &[], &messages).unwrap();
    assert_eq!((whole(&segments).as_str(), learned(&segments)), ("a:\nb</s>\nc:\n", vec!["b</s>\n"]));
    let torn = conversation("{% generation %}{% if true %}{% endgeneration %}{% endif %}", &[], &messages);
    assert!(torn.unwrap_err().contains("line 1"));
}

#[test]
fn messages_cannot_write_marks_or_special_tokens() {
    let marks: String = ('\u{fdd0}'..='\u{fdef}').collect();
    let said = format!("{{% generation %}}{marks}</s>");
    let messages = [message(Role::User, &said), message(Role::Assistant, "b")];
    let segments = conversation(LOOP, &[], &messages).unwrap();
    assert_eq!((whole(&segments), learned(&segments)), (format!("{said}!b!"), vec!["!", "!"]));
    assert_eq!(segments[0].pieces().last(), Some("/s>"));
}

#[test]
fn without_marks_the_turns_of_the_assistant_are_found() {
    let source = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}</s>\n{% endfor %}\
                  {% if add_generation_prompt %}[assistant]{% endif %}";
    let turns = [(Role::User, "a"), (Role::Assistant, "b"), (Role::User, "c"), (Role::Assistant, "d")];
    let messages = turns.map(|(role, content)| message(role, content));
    let segments = conversation(source, &[], &messages).unwrap();
    assert_eq!(learned(&segments), ["b</s>", "d</s>"]);
    // Only what the last turn says is kept as it is.
    let forgets = "{% for m in messages %}{% if loop.last or m.role == 'user' %}{{ m.content }}{% else %}…{% endif %}{% endfor %}";
    let rendered = template(forgets, &[]).unwrap().conversation(&messages, &Beside::default()).unwrap();
    assert_eq!((learned(&rendered.segments), rendered.not_found), (vec!["d"], 1));
    assert!(conversation("{{ messages[0].content }}", &[], &messages).unwrap_err().contains("{% generation %}"));
}

#[test]
fn templates_that_throw_loop_or_explode_are_stopped_and_named() {
    let messages = [message(Role::User, "a"), message(Role::Assistant, "b")];
    let doubling = "{% set n = namespace(x='ab') %}\n{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}";
    let nested = "{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}\n{{ n.x }}";
    let cases = [
        ("{{ raise_exception('No system!') }}", "line 1: it says: No system!"),
        (
            "\n{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "line 2: it takes more steps",
        ),
        ("{% macro m() %}{{ m() }}{% endmacro %}\n{{ m() }}", "recursion"),
        (doubling, "more steps or memory"),
        ("\n\n{{ 'x' * 999999999 }}", "line 3"),
        (nested, "deep in each other"),
        ("{% for i in range(99999) %}{{ messages[0].content * 99999 }}{% endfor %}", "more steps or memory"),
        ("{{ messages[9]['role'] }}", "undefined"),
        ("{{ 'a'.frobnicate() }}", "unknown method"),
        ("{% include 'x' %}", "template not found"),
        ("\n{{ strftime_now('%Q') }}", "line 2: strftime_now knows no %Q"),
        ("{% for %}", "line 1"),
    ];
    for (source, why) in cases {
        let error = conversation(source, &[], &messages).unwrap_err();
        assert!(error.contains(why) && error.contains("test.jinja"), "{source}: {error}");
    }
}

#[test]
fn endings_are_tokens_or_text() {
    let ending = |source: &str| template(source, &["<|im_end|>"]).unwrap().ending();
    for (name, expected) in [("chatml", "<|im_end|>"), ("llama-2", "</s>"), ("mistral", "</s>")] {
        assert_eq!(ending(known(name).unwrap()), expected);
    }
    assert_eq!(ending(known("gemma").unwrap()), "<end_of_turn>");
    assert_eq!(ending("{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}"), "\n\n");
    assert_eq!(ending("{% for m in messages %} {{ m.content }} {% endfor %}"), "");
}
