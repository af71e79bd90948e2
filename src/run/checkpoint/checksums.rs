//! The list of a checkpoint's files with their sizes and checksums: written beside them, and what is read is held against
//! it.

use super::super::disk::{Sink, Written};
use crate::model::folder::Files;
use crate::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Component, Path};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// The list itself, which it does not name.
pub(super) const FILE: &str = "frostline/checksums.json";
/// No honest state, description or list is larger.
const MOST_BYTES: u64 = 64 << 20;
/// Read at once while a file is hashed.
const PIECE: usize = 1 << 20;

/// One file of the folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Listed {
    path: String,
    bytes: u64,
    xxh3_128: String,
}

/// The list, and a checksum over it, so that damage to the list is found too.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checksums {
    files: Vec<Listed>,
    xxh3_128: String,
}

fn hexadecimal(checksum: u128) -> String {
    format!("{checksum:032x}")
}

/// What holds for the list is taken over its files written without any space.
fn checksum_of(files: &[Listed]) -> Result<String> {
    let text = serde_json::to_string(files).what(|| "cannot list the checkpoint's files".into())?;
    Ok(hexadecimal(xxh3_128(text.as_bytes())))
}

/// An error about a file of a checkpoint.
pub(super) fn damaged(folder: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(format!("the checkpoint {} is damaged", folder.display()))
        .because(why)
        .next("restore it from a copy, or use another checkpoint of the run: `frostline inspect RUN` lists them")
}

/// A new folder whose files are synced, and listed, as they are written.
pub(super) struct Folder<'a> {
    path: &'a Path,
    listed: Vec<Listed>,
}

impl<'a> Folder<'a> {
    pub fn new(path: &'a Path) -> Self {
        Self { path, listed: Vec::new() }
    }

    pub fn write_text(&mut self, name: &str, text: &str) -> Result<()> {
        self.write(name, &mut |to| to.write_all(text.as_bytes()).what(|| format!("cannot write {name}")))
    }

    /// Writes the list, when everything else is there.
    pub fn finish(mut self) -> Result<()> {
        let files = std::mem::take(&mut self.listed);
        let checksums = Checksums { xxh3_128: checksum_of(&files)?, files };
        let text = serde_json::to_string_pretty(&checksums).what(|| "cannot list the checkpoint's files".into())?;
        self.write_text(FILE, &(text + "\n"))
    }
}

impl Files for Folder<'_> {
    fn write(&mut self, name: &str, content: &mut dyn FnMut(&mut dyn Write) -> Result<()>) -> Result<()> {
        let path = self.path.join(name);
        let failed = || format!("cannot write {}", path.display());
        let mut sink = Sink::create(&path).what(failed)?;
        content(&mut sink).what(failed)?;
        let Written { bytes, checksum } = sink.finish().what(failed)?;
        self.listed.push(Listed { path: name.into(), bytes, xxh3_128: hexadecimal(checksum) });
        Ok(())
    }
}

impl Checksums {
    /// The list of a folder; `None` where it has none.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let Some(text) = read_small(folder, FILE)? else { return Ok(None) };
        let parsed = serde_json::from_slice::<Self>(&text);
        let list = parsed.map_err(|error| damaged(folder, format!("{FILE}: {error}")))?;
        let is_plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        if checksum_of(&list.files)? != list.xxh3_128 {
            return Err(damaged(folder, format!("{FILE} does not have the checksum that it was written with")));
        }
        match list.files.iter().find(|listed| !is_plain(Path::new(&listed.path))) {
            Some(listed) => Err(damaged(folder, format!("{FILE} names {:?}, outside the folder", listed.path))),
            None => Ok(Some(list)),
        }
    }

    /// Holds the files that `which` says against the list.
    pub fn verify(&self, folder: &Path, which: impl Fn(&str) -> bool) -> Result<()> {
        for listed in self.files.iter().filter(|listed| which(&listed.path)) {
            let path = folder.join(&listed.path);
            let unreadable = || format!("cannot read {}", path.display());
            let size = match path.metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing(folder, &listed.path)),
                metadata => metadata.what(unreadable)?.len(),
            };
            check_size(folder, listed, size)?;
            check_content(folder, listed, measure(&path).what(unreadable)?)?;
        }
        Ok(())
    }

    /// Holds what was read of one file against the list; `None` where it was not there.
    pub fn check(&self, folder: &Path, name: &str, content: Option<&[u8]>) -> Result<()> {
        let listed = self.files.iter().find(|listed| listed.path == name);
        let listed = listed.ok_or_else(|| damaged(folder, format!("{FILE} does not name {name}")))?;
        let content = content.ok_or_else(|| missing(folder, name))?;
        check_size(folder, listed, content.len() as u64)?;
        check_content(folder, listed, xxh3_128(content))
    }
}

fn missing(folder: &Path, name: &str) -> Error {
    damaged(folder, format!("{name} is missing"))
}

fn check_size(folder: &Path, listed: &Listed, size: u64) -> Result<()> {
    match size == listed.bytes {
        true => Ok(()),
        false => Err(damaged(folder, format!("{} has {size} bytes, and {} were written", listed.path, listed.bytes))),
    }
}

fn check_content(folder: &Path, listed: &Listed, checksum: u128) -> Result<()> {
    match hexadecimal(checksum) == listed.xxh3_128 {
        true => Ok(()),
        false => Err(damaged(folder, format!("{} does not have the checksum that it was written with", listed.path))),
    }
}

fn measure(path: &Path) -> std::io::Result<u128> {
    let (mut file, mut hash, mut piece) = (File::open(path)?, Xxh3::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hash.digest128()),
            Ok(count) => hash.update(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// One of the small files of a checkpoint; `None` where it is not there.
pub(super) fn read_small(folder: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let path = folder.join(name);
    let failed = || format!("cannot read {}", path.display());
    let file = match File::open(&path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        file => file.what(failed)?,
    };
    let mut content = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut content).what(failed)?;
    match content.len() as u64 > MOST_BYTES {
        true => Err(damaged(folder, format!("{name} is larger than any such file"))),
        false => Ok(Some(content)),
    }
}
