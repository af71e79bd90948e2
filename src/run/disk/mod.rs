//! The few operations that change what is on the disk. What must survive a crash is written through these, so that tests
//! can let every single one of them fail.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

#[cfg(test)]
pub(crate) mod testing;

/// Where a test may have an operation on `path` fail; nothing elsewhere.
#[inline]
fn pass(_path: &Path) -> Result<()> {
    #[cfg(test)]
    testing::pass(_path)?;
    Ok(())
}

/// What was written to a file, all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub bytes: u64,
    /// XXH3 of 128 bits.
    pub checksum: u128,
}

/// A new file, which is hashed while it is written.
pub struct Sink {
    file: File,
    path: PathBuf,
    hash: Xxh3,
    bytes: u64,
}

impl Sink {
    /// Makes the file, and refuses one that is there already.
    pub fn create(path: &Path) -> Result<Self> {
        pass(path)?;
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Self { file, path: path.to_path_buf(), hash: Xxh3::new(), bytes: 0 })
    }

    /// Returns when everything is on the disk.
    pub fn finish(self) -> Result<Written> {
        sync(&self.file, &self.path)?;
        Ok(Written { bytes: self.bytes, checksum: self.hash.digest128() })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = write(&mut self.file, &self.path, bytes)?;
        self.hash.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fn write(file: &mut File, path: &Path, bytes: &[u8]) -> Result<usize> {
    #[cfg(test)]
    testing::pass_write(file, path, bytes)?;
    let _ = path;
    file.write(bytes)
}

/// Opens a file to append to it, and makes it where it is not there yet.
pub fn open_to_append(path: &Path) -> Result<File> {
    pass(path)?;
    OpenOptions::new().create(true).append(true).read(true).open(path)
}

/// Appends all of `bytes` to a file that was opened so. Where that fails, a part of them may stand there.
pub fn append(file: &mut File, path: &Path, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match write(file, path, bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Cuts a file off after `length` bytes.
pub fn cut(file: &File, path: &Path, length: u64) -> Result<()> {
    pass(path)?;
    file.set_len(length)
}

/// Returns when what was written to a file is on the disk.
pub fn sync(file: &File, path: &Path) -> Result<()> {
    pass(path)?;
    file.sync_all()
}

/// Returns when the names in a folder are on the disk: new files, renamed and removed ones.
pub fn sync_folder(path: &Path) -> Result<()> {
    pass(path)?;
    File::open(path)?.sync_all()
}

pub fn rename(from: &Path, to: &Path) -> Result<()> {
    pass(from)?;
    std::fs::rename(from, to)
}

/// Makes a folder; one that is there already is left as it is. Says whether it is new.
pub fn make_folder(path: &Path) -> Result<bool> {
    if path.is_dir() {
        return Ok(false);
    }
    pass(path)?;
    std::fs::create_dir(path).map(|()| true)
}

/// The names in a folder, in order; none where there is no such folder.
pub fn names(path: &Path) -> Result<Vec<String>> {
    pass(path)?;
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let name = |entry: Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let mut names = entries.map(name).collect::<Result<Vec<String>>>()?;
    names.sort();
    Ok(names)
}

/// Removes a folder with everything in it, or a file. What is not there is not missed.
pub fn remove(path: &Path) -> Result<()> {
    let kind = match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => metadata?.file_type(),
    };
    if !kind.is_dir() {
        pass(path)?;
        return std::fs::remove_file(path);
    }
    for entry in std::fs::read_dir(path)? {
        remove(&entry?.path())?;
    }
    pass(path)?;
    std::fs::remove_dir(path)
}

#[cfg(test)]
mod tests {
    use super::testing::{Fault, watch};
    use super::*;

    fn everything(folder: &Path) -> Result<Written> {
        let inner = folder.join("inner");
        make_folder(&inner)?;
        let mut sink = Sink::create(&inner.join("a"))?;
        sink.write_all(b"one")?;
        sink.write_all(b" two")?;
        let written = sink.finish()?;
        rename(&inner.join("a"), &inner.join("b"))?;
        let mut file = open_to_append(&inner.join("b"))?;
        append(&mut file, &inner.join("b"), b" three")?;
        cut(&file, &inner.join("b"), 9)?;
        sync_folder(&inner)?;
        assert_eq!(names(&inner)?, ["b"]);
        Ok(written)
    }

    #[test]
    fn a_sink_hashes_what_it_writes() {
        let folder = tempfile::tempdir().unwrap();
        let written = everything(folder.path()).unwrap();
        assert_eq!(written, Written { bytes: 7, checksum: xxhash_rust::xxh3::xxh3_128(b"one two") });
        assert_eq!(std::fs::read(folder.path().join("inner/b")).unwrap(), b"one two t");
        assert!(Sink::create(&folder.path().join("inner/b")).is_err(), "nothing is written over");
        assert!(!make_folder(&folder.path().join("inner")).unwrap());
        remove(&folder.path().join("inner")).unwrap();
        remove(&folder.path().join("inner")).unwrap();
        assert!(names(&folder.path().join("inner")).unwrap().is_empty());
    }

    #[test]
    fn every_operation_can_be_made_to_fail_and_others_go_on() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let watched = watch(folder.path());
        everything(folder.path()).unwrap();
        let count = watched.count();
        drop(watched);
        assert_eq!(count, 11);
        for at in 0..count {
            std::fs::remove_dir_all(folder.path().join("inner")).unwrap_or_default();
            let watched = watch(folder.path());
            watched.fail(Fault { at, errno: libc::ENOSPC, is_lasting: false, is_short: true });
            let error = everything(folder.path()).unwrap_err();
            assert_eq!((error.raw_os_error(), watched.has_failed()), (Some(libc::ENOSPC), true), "{at}");
            everything(other.path()).unwrap();
            remove(&other.path().join("inner")).unwrap();
            if at == 2 {
                assert_eq!(std::fs::read(folder.path().join("inner/a")).unwrap(), b"o", "half of it");
            }
        }
    }
}
