//! Hugging Face model folders: `config.json` and `model.safetensors` (or shards with an index), as `transformers`
//! writes and reads them. No pickle is ever read.

mod bert_file;
mod config_file;
mod files;
mod names;
mod score_file;
pub mod tensors;
mod weights;

pub use config_file::read as read_config;
pub use files::{Files, Plain};

use super::config::Config;
use super::decoder::Decoder;
use super::initialize::{Initializer, Start};
use super::score::{POOLER_BIAS, POOLER_WEIGHT};
use crate::{Error, Result};
use candle_core::{D, DType, Device, Tensor};
use std::cell::RefCell;
use std::path::Path;
use tensors::Entry;
use weights::Weights;

/// Reads a model folder; half-precision weights are widened to `dtype`.
pub fn load(folder: &Path, dtype: DType, device: &Device) -> Result<Decoder> {
    let (config, weights) = open(folder)?;
    let lacks_head = lacks_head(&config, &weights.borrow());
    let (seed, width, layers) = (MISSING_HEAD_SEED, config.width, config.layers);
    let initializer = Initializer { seed, width, layers, dtype, device };
    let source = |name: &str, shape: &[usize], start: Start| match lacks_head && name.starts_with(HEAD) {
        true => initializer.draw(name, shape, start),
        false => read_parameter(&mut weights.borrow_mut(), &config, name, shape, dtype, device),
    };
    let mut decoder = Decoder::build(config.clone(), &source, dtype, device)?;
    if has_pooler(&config, &weights.borrow()) {
        let read = |(name, shape): (&str, Vec<usize>)| {
            read_parameter(&mut weights.borrow_mut(), &config, name, &shape, dtype, device)
        };
        let [weight, bias] = pooler(&config).map(read);
        decoder.pooler = Some([weight?, bias?]);
    }
    weights.into_inner().refuse_leftovers(config.tied)?;
    Ok(decoder)
}

/// What a folder says that it is, and its weights. A classifier of `transformers` has no head for tokens: where its own
/// is not there, the embedding serves as one.
fn open(folder: &Path) -> Result<(Config, RefCell<Weights>)> {
    let (mut config, weights) = (config_file::read(folder)?, Weights::open(folder)?);
    let head = if config.family.is_encoder() { "cls.predictions.decoder.weight" } else { "lm_head.weight" };
    config.tied |= config.score.is_some() && !weights.has(head);
    Ok((config, RefCell::new(weights)))
}

/// What the parameters of the head for tokens are called.
const HEAD: &str = "head.";
/// Of a head for tokens that a folder lacks: the same wherever it is read.
const MISSING_HEAD_SEED: u64 = 0;

/// Whether the weights are those of an encoder's classifier as `transformers` writes it, without the head that fills masks.
/// That head's matrix is the embedding then, and its other parameters begin anew: they change nothing of the scores.
fn lacks_head(config: &Config, weights: &Weights) -> bool {
    config.family.is_encoder() && config.score.is_some() && !weights.has_any("cls.predictions.")
}

/// The parameters of the pooler, with their shapes.
fn pooler(config: &Config) -> [(&'static str, Vec<usize>); 2] {
    [(POOLER_WEIGHT, vec![config.width, config.width]), (POOLER_BIAS, vec![config.width])]
}

/// Whether an encoder that scores nothing yet has a pooler from its pretraining, as the first BERTs do: `transformers` builds a
/// classifier on it.
fn has_pooler(config: &Config, weights: &Weights) -> bool {
    let tensors = ["bert.pooler.dense.weight", "bert.pooler.dense.bias"];
    config.family.is_encoder() && config.score.is_none() && tensors.iter().all(|name| weights.has(name))
}

/// Refuses a folder that [`load`] would refuse, without reading the weights: only their names and shapes.
pub fn check(folder: &Path) -> Result<Config> {
    let (config, weights) = open(folder)?;
    let lacks_head = lacks_head(&config, &weights.borrow());
    let source = |name: &str, shape: &[usize], _: Start| {
        let is_drawn = lacks_head && name.starts_with(HEAD);
        let pieces = if is_drawn { Vec::new() } else { pieces_of(&config, name, shape)? };
        for (piece, wanted) in pieces {
            weights.borrow_mut().find_shaped(&piece.name, &wanted)?;
        }
        // Takes the memory of one number, whatever its shape.
        Ok(Tensor::zeros((), DType::F32, &Device::Cpu)?.broadcast_as(shape)?)
    };
    Decoder::build(config.clone(), &source, DType::F32, &Device::Cpu)?;
    if has_pooler(&config, &weights.borrow()) {
        pooler(&config).iter().try_for_each(|(name, shape)| source(name, shape, Start::Zeros).map(drop))?;
    }
    weights.into_inner().refuse_leftovers(config.tied)?;
    Ok(config)
}

/// The tensors that a parameter of this shape lies in, with the shape that each must have.
fn pieces_of(config: &Config, name: &str, shape: &[usize]) -> Result<Vec<(names::Piece, Vec<usize>)>> {
    let shaped = names::pieces(config, name)?.into_iter().map(|piece| {
        let mut wanted = shape.to_vec();
        wanted[0] = piece.rows.unwrap_or(wanted[0]);
        if piece.transposed {
            wanted.reverse();
        }
        (piece, wanted)
    });
    Ok(shaped.collect())
}

/// A parameter may lie in several tensors, one below the other, or transposed.
fn read_parameter(
    weights: &mut Weights,
    config: &Config,
    name: &str,
    shape: &[usize],
    dtype: DType,
    device: &Device,
) -> Result<Tensor> {
    let mut parts = Vec::new();
    for (piece, wanted) in pieces_of(config, name, shape)? {
        let part = weights.read(&piece.name, &wanted, dtype)?;
        parts.push(if piece.transposed { part.t()?.contiguous()? } else { part });
    }
    let whole = match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(&parts, 0)?,
    };
    Ok(whole.to_device(device)?)
}

/// Writes `config.json`, `generation_config.json` and `model.safetensors` into an existing folder.
pub fn save(decoder: &Decoder, end_of_text: Option<u32>, folder: &Path) -> Result<()> {
    save_to(decoder, end_of_text, &mut Plain(folder))
}

/// The same, wherever `files` has them.
pub fn save_to(decoder: &Decoder, end_of_text: Option<u32>, files: &mut dyn Files) -> Result<()> {
    config_file::write(&decoder.config, decoder.dtype(), end_of_text, files)?;
    let entries = entries(decoder)?;
    files.write(weights::SINGLE, &mut |to| tensors::write(entries.clone(), to))
}

/// The tensors of a folder: views into the parameters, nothing copied yet.
fn entries(decoder: &Decoder) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let own = decoder.parameters.iter().map(|(_, parameter)| (parameter.name.as_str(), &parameter.value));
    let pooler = decoder.pooler.iter().flat_map(|pooler| [POOLER_WEIGHT, POOLER_BIAS].into_iter().zip(pooler));
    for (name, value) in own.chain(pooler) {
        let mut start = 0;
        for piece in names::pieces(&decoder.config, name)? {
            let rows = piece.rows.unwrap_or(value.dim(0)?);
            let part = value.narrow(0, start, rows)?;
            start += rows;
            let value = if piece.transposed { part.transpose(0, D::Minus1)? } else { part };
            entries.push(Entry { name: piece.name, value, dtype: decoder.dtype() });
        }
    }
    Ok(entries)
}

fn not_a_model(folder: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(format!("{} is no model that Frostline can read", folder.display())).because(why)
}
