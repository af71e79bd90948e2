//! Tensors in safetensors files: one file, or shards named by an index.

use super::not_a_model;
use crate::{Context, Error, Result};
use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors, View};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Buffers that older folders hold beside the weights.
const BUFFERS: [&str; 4] = [".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq", "rotary_emb.original_inv_freq"];
/// A folder of the bare model lacks these.
const PREFIXES: [&str; 2] = ["transformer.", "model."];

/// The tensors of a folder, mapped into memory.
pub(super) struct Weights {
    files: Vec<(PathBuf, Mmap)>,
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
            let path = folder.join(name);
            let file = File::open(&path).what(|| format!("cannot open {}", path.display()))?;
            // SAFETY: the map is read-only and only copied from. A process that changes the file meanwhile could give
            // us mixed weights, and one that cuts it short ends us by SIGBUS: no worse than a file damaged before. Ours
            // never do either: checkpoints are written under another name and renamed.
            let map = unsafe { Mmap::map(&file) }.what(|| format!("cannot read {}", path.display()))?;
            let header = parse(&path, &map)?;
            let index = weights.files.len();
            weights.places.extend(header.names().into_iter().map(|name| (name.to_string(), index)));
            weights.files.push((path, map));
        }
        Ok(weights)
    }

    /// A tensor of exactly this shape, in f32 or whatever `dtype` says.
    pub fn read(&mut self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let (found, stored) = self.find_shaped(name, shape)?;
        let (path, map) = &self.files[self.places[&found]];
        let tensors = parse(path, map)?;
        let view = tensors.tensor(&found).what(|| format!("cannot read {found} in {}", path.display()))?;
        Ok(Tensor::from_raw_buffer(view.data(), stored, shape, &Device::Cpu)?.to_dtype(dtype)?)
    }

    /// The name and type under which a tensor of exactly this shape is stored.
    pub fn find_shaped(&mut self, name: &str, shape: &[usize]) -> Result<(String, DType)> {
        let found = self.find(name).ok_or_else(|| self.missing(name))?;
        let (path, map) = &self.files[self.places[&found]];
        let tensors = parse(path, map)?;
        let view = tensors.tensor(&found).what(|| format!("cannot read {found} in {}", path.display()))?;
        if view.shape() != shape {
            return Err(Error::new(format!("{found} in {} has the wrong shape", path.display()))
                .because(format!("it is {:?}, and config.json asks for {shape:?}", view.shape()))
                .next("use the config.json that belongs to these weights"));
        }
        let stored = candle_type(view.dtype()).ok_or_else(|| {
            Error::new(format!("{found} in {} has a type that cannot be trained", path.display()))
                .because(format!("{:?}; f32, f16, bf16 and f64 can be read", view.dtype()))
        })?;
        self.read.insert(found.clone());
        Ok((found, stored))
    }

    fn find(&self, name: &str) -> Option<String> {
        let bare = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
        [Some(name), bare].into_iter().flatten().find(|n| self.places.contains_key(*n)).map(str::to_string)
    }

    fn missing(&self, name: &str) -> Error {
        let files: Vec<String> = self.files.iter().map(|(path, _)| path.display().to_string()).collect();
        Error::new(format!("the weight {name} is missing"))
            .because(format!("{} holds {} other tensors", files.join(", "), self.places.len()))
            .next("check that config.json names the architecture of these weights, and that no shard is missing")
    }

    /// Weights that nothing asked for mean that this is another architecture than it says.
    pub fn refuse_leftovers(&self, tied: bool) -> Result<()> {
        let expected = |name: &str| {
            self.read.contains(name)
                || BUFFERS.iter().any(|buffer| name.ends_with(buffer))
                || (tied && name == "lm_head.weight")
        };
        let leftovers: Vec<&str> = self.places.keys().map(String::as_str).filter(|n| !expected(n)).collect();
        match leftovers.first() {
            None => Ok(()),
            Some(first) => Err(Error::new("the folder holds weights that its architecture does not have")
                .because(format!("{} of them, the first is {first}", leftovers.len()))
                .next("only plain Llama and GPT-2 decoders can be read so far")),
        }
    }
}

fn parse<'a>(path: &Path, map: &'a Mmap) -> Result<SafeTensors<'a>> {
    SafeTensors::deserialize(map).map_err(|error| {
        Error::new(format!("{} is damaged", path.display()))
            .because(error)
            .next("copy the file again: its header and its size do not agree")
    })
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

fn candle_type(dtype: Dtype) -> Option<DType> {
    match dtype {
        Dtype::F64 => Some(DType::F64),
        Dtype::F32 => Some(DType::F32),
        Dtype::F16 => Some(DType::F16),
        Dtype::BF16 => Some(DType::BF16),
        _ => None,
    }
}

/// A tensor whose bytes are made when the file is written, one after the other.
struct Row<'a> {
    tensor: Tensor,
    /// Set where the bytes could not be made: the trait has no room for an error.
    failure: &'a RefCell<Option<candle_core::Error>>,
}

impl View for Row<'_> {
    fn dtype(&self) -> Dtype {
        match self.tensor.dtype() {
            DType::F64 => Dtype::F64,
            DType::F16 => Dtype::F16,
            DType::BF16 => Dtype::BF16,
            _ => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        self.tensor.dims()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let bytes = little_endian(&self.tensor).unwrap_or_else(|error| {
            self.failure.replace(Some(error));
            vec![0; self.data_len()]
        });
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.tensor.elem_count() * self.tensor.dtype().size_in_bytes()
    }
}

fn little_endian(tensor: &Tensor) -> candle_core::Result<Vec<u8>> {
    let flat = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        DType::F64 => flat.to_vec1::<f64>()?.iter().flat_map(|x| x.to_le_bytes()).collect(),
        DType::F16 => flat.to_vec1::<half::f16>()?.iter().flat_map(|x| x.to_le_bytes()).collect(),
        DType::BF16 => flat.to_vec1::<half::bf16>()?.iter().flat_map(|x| x.to_le_bytes()).collect(),
        _ => flat.to_dtype(DType::F32)?.to_vec1::<f32>()?.iter().flat_map(|x| x.to_le_bytes()).collect(),
    })
}

/// Writes named CPU tensors into one safetensors file, as PyTorch expects it.
pub(super) fn write(tensors: Vec<(String, Tensor)>, path: &Path) -> Result<()> {
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    let failure = RefCell::new(None);
    let rows = tensors.into_iter().map(|(name, tensor)| (name, Row { tensor, failure: &failure }));
    let failed = || format!("cannot write {}", path.display());
    safetensors::serialize_to_file(rows, Some(metadata), path).what(failed)?;
    match failure.into_inner() {
        Some(error) => Err(error).what(failed),
        None => Ok(()),
    }
}
