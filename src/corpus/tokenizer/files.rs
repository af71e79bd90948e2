//! A tokenizer as files: `tokenizer.json` and its companions, as `transformers` reads and writes them.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::corpus::chat::{Source, TEMPLATE};
use crate::corpus::tokenizer::{END_OF_TEXT, SPECIAL_TOKENS, Tokenizer};
use crate::error::{Context, Error, Result};

/// Larger than any tokenizer known.
const MOST_BYTES: u64 = 256 << 20;
const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS_MAP: &str = "special_tokens_map.json";
const CHAT_TEMPLATE: &str = "chat_template.jinja";
/// The chat template for all purposes, among several.
const DEFAULT: &str = "default";
/// Roles that special tokens may have.
const ROLES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// What known tokenizers call the token that ends a text, for those whose files do not say.
const END_OF_TEXT_NAMES: [&str; 7] =
    [END_OF_TEXT, "<|end_of_text|>", "</s>", "<eos>", "<|end▁of▁sentence|>", "<|im_end|>", "[SEP]"];

/// The files beside `tokenizer.json`, kept as they are: name and contents.
#[derive(Debug, Clone)]
pub(super) struct Companions(Vec<(&'static str, String)>);

impl Companions {
    /// Those of a tokenizer that was trained here.
    pub(super) fn built_in() -> Companions {
        let marks = json!({
            "bos_token": END_OF_TEXT,
            "eos_token": END_OF_TEXT,
            "pad_token": END_OF_TEXT,
            "additional_special_tokens": SPECIAL_TOKENS[1..],
        });
        let mut config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": 1_000_000_000,
            "clean_up_tokenization_spaces": false,
            "chat_template": TEMPLATE,
        });
        if let (Value::Object(config), Value::Object(marks)) = (&mut config, &marks) {
            config.extend(marks.clone());
        }
        Companions(vec![(CONFIG, format!("{config:#}\n")), (SPECIAL_TOKENS_MAP, format!("{marks:#}\n"))])
    }

    /// Those found in `folder`; what is not there is not missed.
    fn read(folder: &Path) -> Result<Companions> {
        let mut companions = Vec::new();
        for name in [CONFIG, SPECIAL_TOKENS_MAP, CHAT_TEMPLATE] {
            let path = folder.join(name);
            if path.is_file() {
                companions.push((name, read(&path)?));
            }
        }
        Ok(Companions(companions))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str())
    }

    /// The chat templates by their names, the one for all purposes first: of a file of its own, or of the configuration,
    /// which holds one or a list of them. The former counts alone, as in `transformers`.
    fn chat_templates(&self) -> Result<Vec<(String, Source)>> {
        let source = |name: &str, text: &str| Source { name: name.into(), text: text.into() };
        if let Some(text) = self.text(CHAT_TEMPLATE) {
            return Ok(vec![(DEFAULT.into(), source(CHAT_TEMPLATE, text))]);
        }
        let config = self.text(CONFIG).and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
        let entry = |entry: &Value| {
            let field = |name: &str| entry.get(name).and_then(Value::as_str);
            let (name, text) = (field("name")?, field("template")?);
            Some((name.to_string(), source(&format!("\"{name}\" of {CONFIG}"), text)))
        };
        let named: Option<Vec<(String, Source)>> = match config.as_ref().and_then(|config| config.get("chat_template"))
        {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::String(text)) => Some(vec![(DEFAULT.into(), source(CONFIG, text))]),
            Some(Value::Array(entries)) => entries.iter().map(entry).collect(),
            Some(Value::Object(entries)) => {
                let entries = entries.iter();
                let of_map = |(name, text): (&String, &Value)| {
                    Some((name.clone(), source(&format!("\"{name}\" of {CONFIG}"), text.as_str()?)))
                };
                entries.map(of_map).collect()
            }
            Some(_) => None,
        };
        let mut named = named.ok_or_else(|| {
            Error::new(format!("cannot read chat_template in {CONFIG}"))
                .because("it is neither a text nor a list of names and templates")
        })?;
        named.sort_by_key(|(name, _)| name != DEFAULT);
        Ok(named)
    }

    /// The same with another chat template, in a file of its own.
    fn with_chat_template(&self, template: &str) -> Companions {
        let mut files: Vec<(&'static str, String)> = Vec::new();
        for (name, text) in self.0.iter().filter(|(name, _)| *name != CHAT_TEMPLATE) {
            let mut text = text.clone();
            if let (CONFIG, Ok(mut config)) = (*name, serde_json::from_str::<Map<String, Value>>(&text))
                && config.shift_remove("chat_template").is_some()
            {
                text = format!("{:#}\n", Value::Object(config));
            }
            files.push((name, text));
        }
        files.push((CHAT_TEMPLATE, template.to_string()));
        Companions(files)
    }

    /// What the files call the token of a role such as `eos_token`.
    fn token(&self, role: &str) -> Option<String> {
        let mentions = self.0.iter().filter_map(|(_, text)| serde_json::from_str::<Map<String, Value>>(text).ok());
        mentions.into_iter().find_map(|fields| match fields.get(role)? {
            Value::String(token) => Some(token.clone()),
            Value::Object(token) => Some(token.get("content")?.as_str()?.to_owned()),
            _ => None,
        })
    }
}

impl Tokenizer {
    /// Loads a `tokenizer.json`, or the one in a Hugging Face folder.
    pub fn load(path: &Path) -> Result<Tokenizer> {
        let (folder, file) = match path.is_dir() {
            true => (path.to_owned(), path.join(TOKENIZER)),
            false => (path.parent().map_or_else(PathBuf::new, Path::to_owned), path.to_owned()),
        };
        let failed = || format!("cannot load the tokenizer {}", file.display());
        let advice = "give a tokenizer.json, or a folder with one: `transformers` writes it with save_pretrained";
        let text = read(&file).map_err(|error| error.within(failed()).next(advice))?;
        let inner = tokenizers::Tokenizer::from_bytes(text).what(failed).map_err(|error| error.next(advice))?;
        check_ids(&inner).what(failed)?;
        let companions = Companions::read(&folder).what(failed)?;
        let named = companions.token("eos_token").and_then(|token| inner.token_to_id(&token));
        let end_of_text = named.or_else(|| END_OF_TEXT_NAMES.iter().find_map(|name| inner.token_to_id(name)));
        Tokenizer::from_parts(inner, end_of_text, companions)
    }

    /// The chat template that its files bring: the one called `default`, or the first. Errors: one that is no text.
    pub fn chat_template(&self) -> Result<Option<Source>> {
        Ok(self.companions.chat_templates()?.into_iter().next().map(|(_, source)| source))
    }

    /// The chat template of this name that its files bring.
    pub fn named_chat_template(&self, name: &str) -> Result<Option<Source>> {
        let named = self.companions.chat_templates()?.into_iter().find(|(known, _)| known == name);
        Ok(named.map(|(_, source)| source))
    }

    /// The same tokenizer, whose files bring this chat template alone.
    pub fn with_chat_template(&self, template: &str) -> Result<Tokenizer> {
        Tokenizer::from_parts(self.inner.clone(), self.end_of_text, self.companions.with_chat_template(template))
    }

    /// Special tokens by their roles: `bos_token` and the like.
    pub fn special_roles(&self) -> Vec<(String, String)> {
        let token = |role: &&str| Some((role.to_string(), self.companions.token(role)?));
        ROLES.iter().filter_map(token).collect()
    }

    /// How all special tokens are spelled.
    pub fn special_spellings(&self) -> Vec<String> {
        let added = self.inner.get_added_tokens_decoder();
        let mut special: Vec<(u32, String)> =
            added.into_iter().filter(|(_, token)| token.special).map(|(id, token)| (id, token.content)).collect();
        special.sort_unstable();
        special.into_iter().map(|(_, spelling)| spelling).collect()
    }

    /// Writes `tokenizer.json` and its companions into an existing folder.
    pub fn save(&self, folder: &Path) -> Result<()> {
        for (name, text) in self.files()? {
            let path = folder.join(name);
            fs::write(&path, text.as_bytes()).what(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// The files that [`Tokenizer::save`] writes: name and contents.
    pub fn files(&self) -> Result<Vec<(&'static str, Cow<'_, str>)>> {
        let json = self.inner.to_string(true).what(|| "cannot write the tokenizer".into())?;
        let companions = self.companions.0.iter().map(|(name, text)| (*name, Cow::Borrowed(text.as_str())));
        Ok([(TOKENIZER, Cow::Owned(json))].into_iter().chain(companions).collect())
    }
}

fn read(path: &Path) -> Result<String> {
    let failed = || format!("cannot read {}", path.display());
    let size = fs::metadata(path).what(failed)?.len();
    if size > MOST_BYTES {
        return Err(Error::new(failed()).because(format!("{size} bytes are more than any tokenizer has")));
    }
    fs::read_to_string(path).what(failed)
}

/// Ids index tables, so a file may not name ids far beyond the number of its tokens.
fn check_ids(tokenizer: &tokenizers::Tokenizer) -> Result<()> {
    let vocabulary = tokenizer.get_vocab(true);
    let last = vocabulary.values().max().copied().unwrap_or_default() as usize;
    match vocabulary.len() {
        0 => Err(Error::new("the tokenizer has no tokens")),
        count if last > 2 * count + (1 << 16) => {
            Err(Error::new(format!("the ids go up to {last}, though there are only {count} tokens")))
        }
        _ => Ok(()),
    }
}
