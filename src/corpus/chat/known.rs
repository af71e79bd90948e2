//! Chat templates that have a name here, in the style of known families, with marks of what is learned.

/// The name of the built-in format: the special tokens of a tokenizer that is trained here.
pub const BUILT_IN: &str = "frostline";

const TEMPLATES: [(&str, &str); 5] = [
    ("chatml", include_str!("../../../data/chat/chatml.jinja")),
    ("llama-2", include_str!("../../../data/chat/llama-2.jinja")),
    ("llama-3", include_str!("../../../data/chat/llama-3.jinja")),
    ("gemma", include_str!("../../../data/chat/gemma.jinja")),
    ("mistral", include_str!("../../../data/chat/mistral.jinja")),
];

/// The template with a name.
pub fn known(name: &str) -> Option<&'static str> {
    if name == BUILT_IN {
        return Some(super::TEMPLATE);
    }
    TEMPLATES.iter().find(|(known, _)| *known == name).map(|(_, source)| *source)
}

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(BUILT_IN).chain(TEMPLATES.iter().map(|(name, _)| *name))
}
