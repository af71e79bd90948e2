//! A plan for a text that someone has at hand.

use super::read::parse;
use super::{Overrides, Plan};
use crate::Result;
use crate::corpus::source::Source;
use std::path::Path;
use toml::Value;

/// Bytes that a token stands for, about.
const BYTES_PER_TOKEN: u64 = 4;
/// How often a short text is seen.
const EPOCHS: u64 = 4;

/// What suits a corpus of up to so many bytes.
struct Size {
    up_to: u64,
    preset: &'static str,
    vocabulary: u64,
    context: u64,
    batch: u64,
}

const SIZES: [Size; 4] = [
    Size { up_to: 1 << 20, preset: "llama-1m", vocabulary: 1024, context: 128, batch: 16 },
    Size { up_to: 16 << 20, preset: "llama-1m", vocabulary: 2048, context: 128, batch: 16 },
    Size { up_to: 256 << 20, preset: "llama-3m", vocabulary: 4096, context: 128, batch: 16 },
    Size { up_to: u64::MAX, preset: "llama-8m", vocabulary: 8192, context: 256, batch: 16 },
];

/// A plan that pretrains a small model on `path`, with a shape and a length that suit its size. A path that holds no
/// text is an error.
pub fn for_corpus(path: &Path) -> Result<Plan> {
    let path = std::path::absolute(path).unwrap_or(path.to_path_buf());
    let bytes: u64 = Source::open(&path)?.files().iter().map(|file| file.size).sum();
    let size = SIZES.iter().find(|size| bytes <= size.up_to).unwrap_or(&SIZES[0]);
    let tokens_per_step = size.context * size.batch;
    let steps = (EPOCHS * bytes / BYTES_PER_TOKEN / tokens_per_step).clamp(300, 5000);
    let (corpus, name) = (Value::String(path.to_string_lossy().into_owned()), Value::String(name_of(&path)));
    let Size { preset, vocabulary, context, batch, .. } = size;
    let text = format!(
        r#"name = {name}
[tokenizer]
vocabulary = {vocabulary}
[model]
preset = "{preset}"
context = {context}
[[phase]]
name = "pretrain"
objective = "clm"
corpus = {corpus}
skip_broken = true
steps = {steps}
batch = {batch}
context = {context}
optimizer = {{ learning_rate = 3e-3 }}
schedule = {{ kind = "cosine", warmup = 30, floor = 0.05 }}
evaluation = {{ every = 100, tokens = 20_000 }}
checkpoint_every = 500
"#
    );
    parse(&format!("for {}", path.display()), &text, &Overrides::default())
}

/// The file's name, as far as it can name a run.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().map_or("corpus".into(), |stem| stem.to_string_lossy().into_owned());
    let plain: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    match plain.trim_matches('-') {
        "" => "corpus".into(),
        plain => plain.chars().take(40).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_has_a_plan_that_suits_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my \"texts\" é.txt");
        std::fs::write(&path, "word ".repeat(1000)).unwrap();
        let plan = for_corpus(&path).unwrap();
        assert_eq!((plan.name.as_str(), plan.model.preset.as_deref()), ("my--texts", Some("llama-1m")));
        assert_eq!(plan.phases[0].corpus[0].path, path.to_string_lossy());
        assert!(for_corpus(&folder.path().join("missing")).is_err());
    }
}
