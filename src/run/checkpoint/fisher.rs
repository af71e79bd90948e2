//! The Fisher information of elastic weight consolidation beside a checkpoint: one f32 for each weight, and what they
//! follow from. Whoever goes on from the checkpoint, and a later phase that asks for the same, need not measure it again.

use super::checksums::{Checksums, Folder, damaged, read_small};
use crate::learn::Fisher;
use crate::model::folder::Files;
use crate::model::folder::tensors::{self, Entry, Mapped};
use crate::model::{Decoder, Parameters};
use crate::{Context, Result};
use candle_core::DType;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The diagonals, by the names of their parameters.
pub(super) const FILE: &str = "frostline/fisher.safetensors";
const ABOUT: &str = "frostline/fisher.json";

/// What the diagonals follow from.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    /// Rows that they are the mean over.
    rows: usize,
    /// The checksum of weights and rows, hexadecimal.
    key: String,
}

fn hexadecimal(key: u128) -> String {
    format!("{key:032x}")
}

pub(super) fn write(parameters: &Parameters, fisher: &Fisher, folder: &mut Folder) -> Result<()> {
    let entry = |(id, parameter): (_, &crate::model::Parameter)| Entry {
        name: parameter.name.clone(),
        value: fisher.diagonal(id).clone(),
        dtype: DType::F32,
    };
    let entries: Vec<Entry> = parameters.iter().map(entry).collect();
    let about = About { rows: fisher.rows(), key: hexadecimal(fisher.key()) };
    let text = serde_json::to_string_pretty(&about).what(|| "cannot describe the Fisher information".into())?;
    folder.write_text(ABOUT, &(text + "\n"))?;
    folder.write(FILE, &mut |to| tensors::write(entries.clone(), to))
}

/// The Fisher information with this key beside a checkpoint, for a model with the parameters of `decoder`; `None` where
/// there is none, or another. Damage is an error.
pub fn fisher(folder: &Path, decoder: &Decoder, key: u128) -> Result<Option<Fisher>> {
    let Some(text) = read_small(folder, ABOUT)? else { return Ok(None) };
    let about: About = serde_json::from_slice(&text).map_err(|error| damaged(folder, format!("{ABOUT}: {error}")))?;
    if about.key != hexadecimal(key) {
        return Ok(None);
    }
    let Some(checksums) = Checksums::read(folder)? else { return Ok(None) };
    checksums.verify(folder, |name| name == FILE || name == ABOUT)?;
    let file = Mapped::open(folder.join(FILE))?;
    let diagonals = decoder.parameters.iter().map(|(_, parameter)| {
        let name = &parameter.name;
        // Before memory is taken for it.
        if file.shape(name) != Some(parameter.value.dims()) || file.dtype(name)? != DType::F32 {
            return Err(damaged(folder, format!("{FILE}: {name} has not the shape that the model asks for, in f32")));
        }
        file.read(name, decoder.device())
    });
    Ok(Some(Fisher::stored(diagonals.collect::<Result<_>>()?, about.rows, key)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{forge, small, tokenizer};
    use super::super::{open, save, verify};
    use super::*;
    use crate::model::ParameterId;
    use candle_core::Device;
    use std::sync::Arc;

    #[test]
    fn what_was_measured_is_read_again_where_it_fits_and_damage_is_found() {
        let run = tempfile::tempdir().unwrap();
        let mut written = small(1);
        let parameters = &written.decoder.parameters;
        // Any numbers: the weights themselves.
        let diagonals: Vec<_> = parameters.iter().map(|(_, parameter)| parameter.value.clone()).collect();
        let key = 0xfeed << 100 | 7;
        written.fisher = Some(Arc::new(Fisher::stored(diagonals.clone(), 32, key)));
        let path = save(run.path(), &written, &tokenizer()).unwrap();
        verify(&path).unwrap();
        let read = fisher(&path, &written.decoder, key).unwrap().unwrap();
        assert_eq!((read.rows(), read.key()), (32, key));
        let bits = |tensor: &candle_core::Tensor| {
            let numbers = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            numbers.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        for (index, diagonal) in diagonals.iter().enumerate() {
            assert_eq!(bits(read.diagonal(ParameterId(index))), bits(diagonal));
        }
        assert!(fisher(&path, &written.decoder, key + 1).unwrap().is_none(), "it is of something else");
        let other = super::super::testing::snapshot("llama-1m", true, 2, written.state.clone());
        assert!(fisher(&path, &other.decoder, key).is_err(), "a model of another shape");
        forge(&path, ABOUT, b"{\"rows\": 1, \"key\": 3}");
        assert!(fisher(&path, &written.decoder, key).unwrap_err().to_string().contains(ABOUT));
        let whole = std::fs::read(path.join(FILE)).unwrap();
        std::fs::write(path.join(FILE), &whole[..whole.len() - 1]).unwrap();
        assert!(verify(&path).unwrap_err().to_string().contains(FILE));
        open(&path, &Device::Cpu).unwrap();
        let without = save(run.path(), &small(2), &tokenizer()).unwrap();
        assert!(fisher(&without, &written.decoder, key).unwrap().is_none());
    }
}
