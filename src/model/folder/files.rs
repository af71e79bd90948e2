//! Where the files of a model folder are written to.

use crate::{Context, Result};
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Takes the files of a folder. Whoever keeps them safe decides what becomes of each: hashed, synced, counted.
pub trait Files {
    /// Makes a new file, has `content` write it once, and closes it. `name` is its path inside the folder.
    fn write(&mut self, name: &str, content: &mut dyn FnMut(&mut dyn Write) -> Result<()>) -> Result<()>;
}

/// Files in an existing folder and nothing more.
#[derive(Debug)]
pub struct Plain<'a>(pub &'a Path);

impl Files for Plain<'_> {
    fn write(&mut self, name: &str, content: &mut dyn FnMut(&mut dyn Write) -> Result<()>) -> Result<()> {
        let path = self.0.join(name);
        let failed = || format!("cannot write {}", path.display());
        let mut file = File::create(&path).what(failed)?;
        content(&mut file).what(failed)
    }
}

/// Writes a JSON document the way `transformers` does: two spaces, a newline at the end.
pub(super) fn write_json(files: &mut dyn Files, name: &str, value: &Value) -> Result<()> {
    let text = format!("{value:#}\n");
    files.write(name, &mut |to| to.write_all(text.as_bytes()).what(|| format!("cannot write {name}")))
}
