//! The weights of a folder: one safetensors file, or shards named by an index.

use super::not_a_model;
use super::tensors::Mapped;
use crate::{Context, Error, Result};
use candle_core::{DType, Device, Tensor};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

pub(super) const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Buffers that older folders hold beside the weights.
const BUFFERS: [&str; 5] = [
    ".attn.bias",
    ".attn.masked_bias",
    "rotary_emb.inv_freq",
    "rotary_emb.original_inv_freq",
    "embeddings.position_ids",
];
/// What a BERT has besides: the parts of its other pretraining objective, and second names of the vocabulary's bias.
const BESIDE_MASKS: [&str; 4] =
    ["bert.pooler.", "cls.seq_relationship.", "cls.predictions.decoder.bias", "cls.predictions.bias"];
/// A folder of the bare model lacks these.
const PREFIXES: [&str; 3] = ["transformer.", "model.", "bert."];

/// The tensors of a folder, mapped into memory.
pub(super) struct Weights {
    files: Vec<Mapped>,
    /// Which file each tensor stands in.
    places: BTreeMap<String, usize>,
    read: BTreeSet<String>,
}

impl Weights {
    /// Opens the files and checks their headers: a size or an offset that lies is refused here.
    pub fn open(folder: &Path) -> Result<Self> {
        let names = file_names(folder)?;
        let mut weights = Self { files: Vec::new(), places: BTreeMap::new(), read: BTreeSet::new() };
        for name in names {
            let file = Mapped::open(folder.join(name))?;
            let index = weights.files.len();
            weights.places.extend(file.names().into_iter().map(|name| (name, index)));
            weights.files.push(file);
        }
        Ok(weights)
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether the name of any tensor begins with this.
    pub fn has_any(&self, prefix: &str) -> bool {
        self.places.keys().any(|name| name.starts_with(prefix))
    }

    /// A tensor of exactly this shape, in f32 or whatever `dtype` says.
    pub fn read(&mut self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let found = self.find_shaped(name, shape)?;
        Ok(self.files[self.places[&found]].read(&found, &Device::Cpu)?.to_dtype(dtype)?)
    }

    /// The name under which a tensor of exactly this shape, and of a type that can be read, is stored.
    pub fn find_shaped(&mut self, name: &str, shape: &[usize]) -> Result<String> {
        let found = self.find(name).ok_or_else(|| self.missing(name))?;
        let file = &self.files[self.places[&found]];
        let stored = file.shape(&found).unwrap_or_default();
        if stored != shape {
            return Err(Error::new(format!("{found} in {} has the wrong shape", file.path().display()))
                .because(format!("it is {stored:?}, and config.json asks for {shape:?}"))
                .next("use the config.json that belongs to these weights"));
        }
        file.dtype(&found)?;
        self.read.insert(found.clone());
        Ok(found)
    }

    fn find(&self, name: &str) -> Option<String> {
        let bare = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
        let found = [Some(name), bare].into_iter().flatten().find(|n| self.places.contains_key(*n)).map(str::to_string);
        found.or_else(|| self.find_by_old_name(name))
    }

    /// The first BERTs called the weight and the bias of a norm gamma and beta, and had one bias at the head.
    fn find_by_old_name(&self, name: &str) -> Option<String> {
        let renamed = [
            ("LayerNorm.weight", "LayerNorm.gamma"),
            ("LayerNorm.bias", "LayerNorm.beta"),
            ("predictions.decoder.bias", "predictions.bias"),
        ];
        let mut old = renamed.iter().filter_map(|(new, old)| Some(format!("{}{old}", name.strip_suffix(new)?)));
        old.find(|old| self.places.contains_key(old))
    }

    fn missing(&self, name: &str) -> Error {
        let files: Vec<String> = self.files.iter().map(|file| file.path().display().to_string()).collect();
        Error::new(format!("the weight {name} is missing"))
            .because(format!("{} holds {} other tensors", files.join(", "), self.places.len()))
            .next("check that config.json names the architecture of these weights, and that no shard is missing")
    }

    /// Weights that nothing asked for mean that this is another architecture than it says.
    pub fn refuse_leftovers(&self, tied: bool) -> Result<()> {
        let expected = |name: &str| {
            self.read.contains(name)
                || BUFFERS.iter().any(|buffer| name.ends_with(buffer))
                || BESIDE_MASKS.iter().any(|part| name.starts_with(part))
                || (tied && ["lm_head.weight", "cls.predictions.decoder.weight"].contains(&name))
        };
        let leftovers: Vec<&str> = self.places.keys().map(String::as_str).filter(|n| !expected(n)).collect();
        match leftovers.first() {
            None => Ok(()),
            Some(first) => Err(Error::new("the folder holds weights that its architecture does not have")
                .because(format!("{} of them, the first is {first}", leftovers.len()))
                .next("only plain Llama and GPT-2 decoders and BERT encoders can be read so far")),
        }
    }
}

/// The weight files of a folder. Names in an index are file names, never paths that lead elsewhere.
fn file_names(folder: &Path) -> Result<Vec<String>> {
    if folder.join(SINGLE).is_file() {
        return Ok(vec![SINGLE.into()]);
    }
    let path = folder.join(INDEX);
    if !path.is_file() {
        return Err(not_a_model(folder, format!("it has neither {SINGLE} nor {INDEX}")));
    }
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: HashMap<String, String>,
    }
    let text = std::fs::read_to_string(&path).what(|| format!("cannot read {}", path.display()))?;
    let index: Index = serde_json::from_str(&text).what(|| format!("cannot understand {}", path.display()))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    match names.iter().find(|name| Path::new(name).file_name().is_none_or(|file| file != name.as_str())) {
        Some(name) => Err(not_a_model(folder, format!("{INDEX} names \"{name}\", which is no plain file name"))),
        None => Ok(names.into_iter().collect()),
    }
}
