//! The files of a source as one stretch of bytes that can be read from any place.

use super::rows::Shape;
use crate::corpus::kind::{HEAD, Kind, UTF16_BIG, UTF16_LITTLE, is_binary};
use crate::corpus::source::{Source, SourceFile};
use crate::{Error, Result};
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

/// The files, those held out after the others.
pub(super) struct Files {
    files: Vec<SourceFile>,
    /// Where each file begins, counted through all of them, and where the last one ends.
    starts: Vec<u64>,
    /// The folder that names are shown from, in bytes of the path.
    folder: usize,
    /// The file that was opened last: the next question is most likely about it too.
    last: Mutex<Option<(usize, Arc<Opened>)>>,
}

/// A place: a file, and a byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub file: usize,
    pub at: u64,
}

impl Files {
    pub fn new(source: &Source) -> Files {
        let files: Vec<SourceFile> =
            source.files().iter().chain(source.held_out().into_iter().flatten()).cloned().collect();
        let ends = files.iter().scan(0, |end, file| {
            *end += file.size;
            Some(*end)
        });
        let starts = std::iter::once(0).chain(ends).collect();
        let folder = match source.path().is_dir() {
            true => source.path().components().count(),
            false => usize::MAX,
        };
        Files { files, starts, folder, last: Mutex::new(None) }
    }

    pub fn count(&self) -> usize {
        self.files.len()
    }

    pub fn size(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    pub fn size_of(&self, file: usize) -> u64 {
        self.files.get(file).map_or(0, |file| file.size)
    }

    pub fn kind(&self, file: usize) -> Kind {
        self.files.get(file).map_or(Kind::Text, |file| file.kind)
    }

    /// The place of a byte that is counted through all files; past the end, that of the last byte.
    pub fn spot(&self, offset: u64) -> Spot {
        let offset = offset.min(self.size().saturating_sub(1));
        let file = self.starts.partition_point(|&start| start <= offset).saturating_sub(1);
        let file = file.min(self.files.len().saturating_sub(1));
        Spot { file, at: offset - self.starts.get(file).copied().unwrap_or(0).min(offset) }
    }

    pub fn offset(&self, spot: Spot) -> u64 {
        self.starts.get(spot.file).copied().unwrap_or_else(|| self.size()) + spot.at
    }

    /// What a file is called beside the others.
    pub fn name(&self, file: usize) -> String {
        let Some(path) = self.files.get(file).map(|file| &file.path) else { return String::new() };
        let inside: std::path::PathBuf = path.components().skip(self.folder).collect();
        let short =
            if inside.as_os_str().is_empty() { path.file_name().map(Path::new).unwrap_or(path) } else { &inside };
        short.to_string_lossy().into_owned()
    }

    /// Opens a file, or gives it again if it was the last one.
    pub fn open(&self, file: usize) -> Result<Arc<Opened>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((index, opened)) = &*last
            && *index == file
        {
            return Ok(opened.clone());
        }
        let opened = Arc::new(self.open_anew(file)?);
        *last = Some((file, opened.clone()));
        Ok(opened)
    }

    /// Opens a file for a reader that goes through all of them and should not disturb others.
    pub fn open_anew(&self, file: usize) -> Result<Opened> {
        let listed = self.files.get(file).ok_or_else(|| Error::new("the source has no such file"))?;
        let handle = File::open(&listed.path).map_err(|error| cannot_read(&listed.path, error))?;
        let now = handle.metadata().map_err(|error| cannot_read(&listed.path, error))?;
        check_same(listed, &now)?;
        let mut opened = Opened { handle, listed: listed.clone(), shape: Shape::Whole };
        let head = opened.read(0, HEAD as u64)?;
        opened.shape = shape(listed, &head);
        Ok(opened)
    }

    /// An error where the file changed, or is gone.
    pub fn check(&self, file: usize) -> Result<()> {
        let Some(listed) = self.files.get(file) else { return Ok(()) };
        let now = std::fs::metadata(&listed.path).map_err(|error| cannot_read(&listed.path, error))?;
        check_same(listed, &now)
    }
}

fn shape(listed: &SourceFile, head: &[u8]) -> Shape {
    if head.starts_with(&UTF16_LITTLE) || head.starts_with(&UTF16_BIG) {
        return Shape::Pieces { is_little_endian: head.starts_with(&UTF16_LITTLE) };
    }
    if !listed.named && is_binary(head) {
        return Shape::Whole;
    }
    match listed.kind {
        Kind::Jsonl => Shape::Records,
        _ => Shape::Lines,
    }
}

fn cannot_read(path: &Path, error: io::Error) -> Error {
    Error::new(format!("cannot read {}", path.display()))
        .because(error)
        .next("check that the file is there and that you may read it, then open the source again")
}

fn changed(path: &Path) -> Error {
    Error::new(format!("{} changed since it was opened", path.display())).next("open the source again")
}

fn check_same(listed: &SourceFile, now: &Metadata) -> Result<()> {
    let since_1970 = now.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = since_1970.map_or(0, |time| time.as_nanos() as u64);
    match now.len() == listed.size && modified == listed.modified {
        true => Ok(()),
        false => Err(changed(&listed.path)),
    }
}

/// An open file. It is read and never mapped: what vanishes under a reader is an error, and not a signal.
pub(super) struct Opened {
    handle: File,
    listed: SourceFile,
    pub shape: Shape,
}

impl Opened {
    pub fn size(&self) -> u64 {
        self.listed.size
    }

    /// The bytes from `at` on: `length` of them, or as many as there are.
    pub fn read(&self, at: u64, length: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_into(at, length, &mut bytes)?;
        Ok(bytes)
    }

    /// The same into `bytes`, whose memory is used again.
    pub fn read_into(&self, at: u64, length: u64, bytes: &mut Vec<u8>) -> Result<()> {
        let length = length.min(self.size().saturating_sub(at)) as usize;
        bytes.resize(length, 0);
        let mut filled = 0;
        while filled < length {
            match read_at(&self.handle, &mut bytes[filled..], at + filled as u64) {
                Ok(0) => return Err(changed(&self.listed.path)),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(cannot_read(&self.listed.path, error)),
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, at)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, at)
}
