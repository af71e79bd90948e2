//! Bits flip and files are cut at random places: a checkpoint is then refused with the name of the file, or read as it was
//! written.

use super::testing::*;
use super::*;
use crate::random::Random;
use std::path::PathBuf;

/// Every file of a folder, by its path inside it.
fn files(folder: &Path, inside: &str) -> Vec<String> {
    let names = super::super::disk::names(&folder.join(inside)).unwrap();
    let paths = names.into_iter().map(|name| if inside.is_empty() { name } else { format!("{inside}/{name}") });
    let nested = paths.map(|path| match folder.join(&path).is_dir() {
        true => files(folder, &path),
        false => vec![path],
    });
    nested.flatten().collect()
}

/// Reads a checkpoint of which `name` is damaged. Returns whether that was found.
fn is_found(path: &Path, name: &str, written: &Snapshot, damage: &str) -> bool {
    let is_moments = name == moments::FILE;
    match (read(path, &Device::Cpu), open(path, &Device::Cpu), verify(path)) {
        (Ok(read), Ok(_), Ok(())) => {
            assert_same(&read, written);
            false
        }
        (Err(error), opened, Err(verified)) => {
            let opened = opened.err().map(|error| error.to_string());
            assert_eq!(opened.is_none(), is_moments, "{damage}: {opened:?}");
            for text in [Some(error.to_string()), opened, Some(verified.to_string())].into_iter().flatten() {
                assert!(text.contains(name) && text.contains("next:"), "{damage}: {text}");
            }
            true
        }
        (read, _, _) => panic!("{damage}: verify and read do not agree ({:?})", read.err()),
    }
}

#[test]
fn damage_of_any_file_is_found_and_named() {
    let run = tempfile::tempdir().unwrap();
    let written = with_halves(small(1), crate::model::Storage::Bf16);
    let path: PathBuf = save(run.path(), &written, &tokenizer()).unwrap();
    let (mut random, mut unfound) = (Random::new(5, 0), 0);
    let all = files(&path, "");
    assert!(all.len() >= 9, "{all:?}");
    for name in &all {
        let file = path.join(name);
        let whole = std::fs::read(&file).unwrap();
        for round in 0..60 {
            let (place, bit) = (random.below(whole.len()), random.below(8));
            let mut bytes = whole.clone();
            let damage = match round % 4 {
                0 => {
                    bytes.truncate(if round == 0 { 0 } else { place });
                    format!("{name} cut to {} bytes", bytes.len())
                }
                1 => {
                    bytes.extend_from_slice(&whole[..=place]);
                    format!("{name} longer by {}", place + 1)
                }
                _ => {
                    bytes[place] ^= 1 << bit;
                    format!("bit {bit} of byte {place} of {name}")
                }
            };
            std::fs::write(&file, &bytes).unwrap();
            unfound += usize::from(!is_found(&path, name, &written, &damage));
        }
        std::fs::write(&file, whole).unwrap();
        assert_reads(&path, &written);
    }
    // Of the list, spaces may change: what it says does not.
    assert!(unfound <= 10, "{unfound} were not found");
}

#[test]
fn every_bit_of_the_list_and_of_the_state_counts() {
    let run = tempfile::tempdir().unwrap();
    let written = small(1);
    let path = save(run.path(), &written, &tokenizer()).unwrap();
    for name in [STATE, checksums::FILE] {
        let whole = std::fs::read(path.join(name)).unwrap();
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            std::fs::write(path.join(name), &bytes).unwrap();
            let found = state(&path);
            assert!(found.is_none() || found.as_ref() == Some(&written.state), "byte {place} of {name}");
        }
        std::fs::write(path.join(name), whole).unwrap();
    }
}
