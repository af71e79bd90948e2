//! Writes the logits that a checkpoint gives, for `tests/fixtures/check_export.py` to hold against transformers':
//! `cargo run --release --example logits -- CHECKPOINT_FOLDER` writes `expected.safetensors` beside the folder.

use candle_core::{DType, Device, Tensor};
use frostline::model::{Input, folder};
use frostline::random::Random;
use frostline::{Context, Error, Result};
use std::collections::HashMap;
use std::path::PathBuf;

const ROWS: usize = 2;
const COLUMNS: usize = 33;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).ok_or_else(|| Error::usage("which checkpoint?").next("give its folder"))?;
    let path = PathBuf::from(path).canonicalize().what(|| "cannot find the checkpoint".into())?;
    let decoder = folder::load(&path, DType::F32, &Device::Cpu)?;
    let mut random = Random::new(1, 0);
    let tokens: Vec<u32> = (0..ROWS * COLUMNS).map(|_| random.below(decoder.config.vocabulary) as u32).collect();
    let positions: Vec<u32> = (0..ROWS * COLUMNS).map(|i| (i % COLUMNS) as u32).collect();
    let input = Input { rows: ROWS, columns: COLUMNS, tokens: &tokens, positions: &positions, first_visible: None };
    let logits = decoder.logits(&decoder.forward(&input, None)?.hidden)?;
    let ids: Vec<i64> = tokens.iter().map(|&id| id as i64).collect();
    let tensors = HashMap::from([
        ("input_ids", Tensor::from_vec(ids, (ROWS, COLUMNS), &Device::Cpu)?),
        ("logits", logits.reshape((ROWS, COLUMNS, decoder.config.vocabulary))?),
    ]);
    let target = path.parent().unwrap_or(&path).join("expected.safetensors");
    candle_core::safetensors::save(&tensors, &target)?;
    println!("{}", target.display());
    Ok(())
}
