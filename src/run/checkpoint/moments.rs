//! The optimizer's side of a checkpoint: how each parameter is stored and how many steps it has made, in JSON, and the
//! moments of those that have some, in one safetensors file.

use super::checksums::{Folder, damaged, read_small};
use crate::model::folder::Files;
use crate::model::folder::tensors::{self, Entry, Mapped};
use crate::model::{Decoder, Storage};
use crate::ops::adamw::Moments;
use crate::{Context, Error, Result};
use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The moments: tensors `first.PARAMETER` and `second.PARAMETER`.
pub(super) const FILE: &str = "frostline/optimizer.safetensors";
const PARAMETERS: &str = "frostline/parameters.json";

/// A parameter beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ParameterState {
    name: String,
    storage: Storage,
    /// `None` where it never trained, and so has no moments.
    optimizer_steps: Option<u64>,
}

fn tensor_names(parameter: &str) -> [String; 2] {
    [format!("first.{parameter}"), format!("second.{parameter}")]
}

pub(super) fn write(decoder: &Decoder, moments: &[Option<Moments>], folder: &mut Folder) -> Result<()> {
    if moments.len() != decoder.parameters.len() {
        return Err(Error::new(format!("{} moments for {} parameters", moments.len(), decoder.parameters.len())));
    }
    let (mut states, mut entries) = (Vec::new(), Vec::new());
    for ((_, parameter), moments) in decoder.parameters.iter().zip(moments) {
        let (name, dtype) = (parameter.name.clone(), parameter.value.dtype());
        let storage = Storage::ALL.into_iter().find(|storage| storage.dtype() == dtype);
        let storage = storage.ok_or_else(|| Error::new(format!("{name} cannot be stored as {dtype:?}")))?;
        if let Some(Moments { first, second, .. }) = moments {
            let pair = tensor_names(&name).into_iter().zip([first, second]);
            entries.extend(pair.map(|(name, value)| Entry { name, value: value.clone(), dtype: DType::F32 }));
        }
        states.push(ParameterState { name, storage, optimizer_steps: moments.as_ref().map(|moments| moments.steps) });
    }
    let text = serde_json::to_string_pretty(&states).what(|| "cannot describe the parameters".into())?;
    folder.write_text(PARAMETERS, &(text + "\n"))?;
    folder.write(FILE, &mut |to| tensors::write(entries.clone(), to))
}

/// Stores the parameters of `decoder`, which was read in f32, as they were, and reads their moments in the fixed order.
pub(super) fn read(folder: &Path, decoder: &mut Decoder, device: &Device) -> Result<Vec<Option<Moments>>> {
    let states = read_states(folder, decoder)?;
    let wanted: HashMap<&str, Storage> = states.iter().map(|state| (state.name.as_str(), state.storage)).collect();
    for storage in Storage::ALL {
        decoder.store(storage, |parameter| wanted.get(parameter.name.as_str()) == Some(&storage))?;
    }
    let file = Mapped::open(folder.join(FILE))?;
    check(folder, decoder, &states, &file)?;
    let moments = states.iter().map(|state| {
        let Some(steps) = state.optimizer_steps else { return Ok(None) };
        let [first, second] = tensor_names(&state.name);
        Ok(Some(Moments { first: file.read(&first, device)?, second: file.read(&second, device)?, steps }))
    });
    moments.collect()
}

fn read_states(folder: &Path, decoder: &Decoder) -> Result<Vec<ParameterState>> {
    let text = read_small(folder, PARAMETERS)?.ok_or_else(|| damaged(folder, format!("{PARAMETERS} is missing")))?;
    let states: Vec<ParameterState> =
        serde_json::from_slice(&text).map_err(|error| damaged(folder, format!("{PARAMETERS}: {error}")))?;
    let names = decoder.parameters.iter().map(|(_, parameter)| parameter.name.as_str());
    match names.eq(states.iter().map(|state| state.name.as_str())) {
        true => Ok(states),
        false => Err(damaged(folder, format!("{PARAMETERS} describes other parameters than the model's"))),
    }
}

/// Holds the names and shapes against the model's before memory is taken for them.
fn check(folder: &Path, decoder: &Decoder, states: &[ParameterState], file: &Mapped) -> Result<()> {
    let mut expected = 0;
    for ((_, parameter), state) in decoder.parameters.iter().zip(states) {
        let names = tensor_names(&state.name).into_iter().filter(|_| state.optimizer_steps.is_some());
        for name in names {
            expected += 1;
            let (shape, wanted) = (file.shape(&name), parameter.value.dims());
            if shape != Some(wanted) || file.dtype(&name)? != DType::F32 {
                let found = shape.map_or("missing".into(), |shape| format!("{shape:?}"));
                let why = format!("{FILE}: {name} is {found}, and the model asks for {wanted:?} in f32");
                return Err(damaged(folder, why));
            }
        }
    }
    match file.names().len() == expected {
        true => Ok(()),
        false => Err(damaged(folder, format!("{FILE} has moments of parameters that never trained"))),
    }
}
