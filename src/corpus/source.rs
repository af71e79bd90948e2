//! Where a corpus comes from: the files below a path, in a fixed order.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use ignore::{DirEntry, WalkBuilder};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::corpus::kind::Kind;
use crate::error::{Context, Error, Result};

/// What to do with a row that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBroken {
    /// An error that names the file and the line.
    #[default]
    Refuse,
    /// The row is left out and counted.
    Skip,
}

/// Text of at most about this many bytes becomes one document; longer text is cut.
pub const PIECE_BYTES: usize = 16 << 10;
/// A file of a folder below this size is one document.
const WHOLE_FILE_BYTES: u64 = 64 << 10;
/// A single file is cut into about this many documents, so that some of them can be held out.
const PIECES_OF_A_FILE: u64 = 50;
/// No piece is aimed below this size: it would hold too little to be worth predicting.
const SMALLEST_PIECE_BYTES: u64 = 512;

/// One file of a corpus, as it was when the source was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    pub path: PathBuf,
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// When it was last written, in nanoseconds since 1970; 0 where the file system does not say.
    pub modified: u64,
    /// Text longer than about this many bytes is cut into documents of about this many bytes.
    pub piece: usize,
    /// Whether the file was named, rather than found in a folder: what is found may be skipped, what was named may not.
    pub named: bool,
}

/// A corpus: its files, and those kept apart for evaluation where the source itself tells them apart.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    files: Vec<SourceFile>,
    held_out: Option<Vec<SourceFile>>,
    on_broken: OnBroken,
}

impl Source {
    /// Lists the files of `path`: the file itself, or those below the folder in the order of their paths.
    ///
    /// Hidden files and folders are left out and links are followed, each loop once. A folder that holds a data file
    /// `train` beside a `valid` or `test` (`.txt`, `.jsonl`, `.json`) is that pair and nothing else. Errors: nothing
    /// at `path`, no right to read it, nothing that could be text in it.
    pub fn open(path: &Path) -> Result<Source> {
        let metadata = metadata(path)?;
        if !metadata.is_dir() {
            let files = vec![named(path, &metadata)?];
            return Ok(Source { path: path.into(), files, held_out: None, on_broken: OnBroken::Refuse });
        }
        if let Some((train, held_out)) = find_pair(path)? {
            return Source::pair(&train, &held_out).map(|pair| Source { path: path.into(), ..pair });
        }
        let files = walk(path)?;
        if files.is_empty() {
            return Err(Error::new(format!("the corpus {} is empty", path.display()))
                .because("no file lies in the folder or below it (hidden ones do not count)")
                .next("give a folder with text, Markdown, HTML, source code or JSONL in it"));
        }
        Ok(Source { path: path.into(), files, held_out: None, on_broken: OnBroken::Refuse })
    }

    /// A source whose held-out text is a file of its own.
    pub fn pair(train: &Path, held_out: &Path) -> Result<Source> {
        let files = vec![named(train, &metadata(train)?)?];
        let held_out = Some(vec![named(held_out, &metadata(held_out)?)?]);
        Ok(Source { path: train.into(), files, held_out, on_broken: OnBroken::Refuse })
    }

    /// Says what happens to rows that cannot be read; without it they are refused.
    pub fn on_broken(self, on_broken: OnBroken) -> Source {
        Source { on_broken, ..self }
    }

    /// Leaves texts whole as far as memory allows: one is cut only where it is longer than about 1 MiB. For
    /// evaluating a text as it stands, rather than dividing it.
    pub fn uncut(mut self) -> Source {
        let files = self.files.iter_mut().chain(self.held_out.iter_mut().flatten());
        files.for_each(|file| file.piece = usize::MAX);
        self
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files to train on, and to hold out from where there is no [`Source::held_out`].
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The files kept apart for evaluation, where the source names them.
    pub fn held_out(&self) -> Option<&[SourceFile]> {
        self.held_out.as_deref()
    }

    pub fn policy(&self) -> OnBroken {
        self.on_broken
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.all_files().map(|file| file.size).sum()
    }

    /// Changes whenever a file appears, disappears, or changes its path, size or time, or the policy changes. It
    /// matters where a file is, not how its path was typed or from which folder.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Xxh3::new();
        for file in self.all_files() {
            // Without a current folder to complete the path by, it has to do as it is.
            let path = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(&[0, file.kind as u8]);
            hash.update(&file.size.to_le_bytes());
            hash.update(&file.modified.to_le_bytes());
            hash.update(&(file.piece as u64).to_le_bytes());
        }
        hash.update(&[self.held_out.is_some() as u8, self.on_broken as u8]);
        hash.update(&(self.files.len() as u64).to_le_bytes());
        hash.digest()
    }

    /// An error when a file is no longer what it was when the source was opened.
    pub fn check_unchanged(&self) -> Result<()> {
        for file in self.all_files() {
            let now = metadata(&file.path)?;
            if now.len() != file.size || modified(&now) != file.modified {
                return Err(Error::new(format!("{} changed while it was being read", file.path.display()))
                    .next("run it again once the file is complete"));
            }
        }
        Ok(())
    }

    fn all_files(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().chain(self.held_out.iter().flatten())
    }
}

fn metadata(path: &Path) -> Result<Metadata> {
    std::fs::metadata(path)
        .what(|| format!("cannot read {}", path.display()))
        .map_err(|error| error.next("give the path of a file or folder that exists and that you may read"))
}

fn modified(metadata: &Metadata) -> u64 {
    let since_1970 = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since_1970.map_or(0, |time| time.as_nanos() as u64)
}

/// A file that a person named.
fn named(path: &Path, metadata: &Metadata) -> Result<SourceFile> {
    if !metadata.is_file() {
        return Err(Error::new(format!("cannot read {}", path.display()))
            .because("it is neither a file nor a folder")
            .next("write its contents to a file and give that"));
    }
    if metadata.len() == 0 {
        return Err(Error::new(format!("the corpus {} is empty", path.display()))
            .because("the file has no bytes")
            .next("give a file with text in it"));
    }
    let piece = (metadata.len() / PIECES_OF_A_FILE).clamp(SMALLEST_PIECE_BYTES, PIECE_BYTES as u64) as usize;
    let (size, modified) = (metadata.len(), modified(metadata));
    Ok(SourceFile { path: path.into(), kind: Kind::of(path), size, modified, piece, named: true })
}

/// A file that was found in a folder.
fn found(entry: DirEntry, metadata: &Metadata) -> SourceFile {
    let kind = Kind::of(entry.path());
    let piece = if metadata.len() < WHOLE_FILE_BYTES { usize::MAX } else { PIECE_BYTES };
    let (size, modified) = (metadata.len(), modified(metadata));
    SourceFile { path: entry.into_path(), kind, size, modified, piece, named: false }
}

/// The regular files below `folder` that have any bytes, in the order of their paths.
fn walk(folder: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    let walk = WalkBuilder::new(folder)
        .standard_filters(false)
        .hidden(true)
        .follow_links(true)
        .sort_by_file_name(OsStr::cmp)
        .build();
    for entry in walk {
        match entry {
            Ok(entry) => {
                let metadata = metadata(entry.path())?;
                if metadata.is_file() && metadata.len() > 0 {
                    files.push(found(entry, &metadata));
                }
            }
            Err(error) if is_dead_link(&error) => {}
            Err(error) => {
                return Err(Error::new(format!("cannot walk the folder {}", folder.display()))
                    .because(error)
                    .next("give yourself the right to read it, or move it out of the folder"));
            }
        }
    }
    Ok(files)
}

/// A link to nowhere, or one that leads back to a folder above it: what it stands for is not lost by passing it over.
fn is_dead_link(error: &ignore::Error) -> bool {
    match error {
        ignore::Error::Loop { .. } => true,
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithPath { err, .. } => is_dead_link(err),
        ignore::Error::Io(io) => io.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// The names that the held-out file of a pair goes by, the likeliest first.
const HELD_OUT_NAMES: [&str; 6] = ["validation", "valid", "val", "dev", "eval", "test"];

/// The `train` file of a folder and the one held out beside it, if it holds such a pair.
fn find_pair(folder: &Path) -> Result<Option<(PathBuf, PathBuf)>> {
    for extension in ["jsonl", "ndjson", "json", "txt"] {
        let file = |name: &str| Some(folder.join(format!("{name}.{extension}"))).filter(|path| path.is_file());
        let held_out = HELD_OUT_NAMES.iter().find_map(|name| file(name));
        if let (Some(train), Some(held_out)) = (file("train"), held_out) {
            return Ok(Some((train, held_out)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(source: &Source) -> Vec<String> {
        source.files().iter().map(|file| file.path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_folder_is_walked_in_order_without_what_is_hidden() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.txt", "a/z.md", "a/b.html", ".git/config", ".hidden", "c.rs"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        fs::write(folder.path().join("empty"), "").unwrap();
        let source = Source::open(folder.path()).unwrap();
        assert_eq!(names(&source), ["b.html", "z.md", "b.txt", "c.rs"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_loops_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/a.txt"), "text").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("inner/up")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
        std::os::unix::fs::symlink("inner/a.txt", folder.path().join("b.txt")).unwrap();
        assert_eq!(names(&Source::open(folder.path()).unwrap()), ["b.txt", "a.txt"]);
    }

    #[test]
    fn a_train_and_a_test_file_are_a_pair() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["train.jsonl", "test.jsonl", "README.md"] {
            fs::write(folder.path().join(name), "{\"text\":\"a\"}\n").unwrap();
        }
        let source = Source::open(folder.path()).unwrap();
        assert_eq!(names(&source), ["train.jsonl"]);
        assert!(source.held_out().unwrap()[0].path.ends_with("test.jsonl"));
    }

    #[test]
    fn what_cannot_be_a_corpus_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Source::open(&folder.path().join("missing")).unwrap_err().to_string();
        assert!(missing.contains("missing") && missing.contains("next:"), "{missing}");
        assert!(Source::open(folder.path()).unwrap_err().to_string().contains("is empty"));
        fs::write(folder.path().join("empty.txt"), "").unwrap();
        let empty = Source::open(&folder.path().join("empty.txt")).unwrap_err().to_string();
        assert!(empty.contains("no bytes"), "{empty}");
        #[cfg(unix)]
        assert!(Source::open(Path::new("/dev/zero")).unwrap_err().to_string().contains("neither a file nor a folder"));
    }

    #[test]
    fn the_fingerprint_follows_the_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), "one").unwrap();
        let before = Source::open(folder.path()).unwrap();
        assert_eq!(before.fingerprint(), Source::open(folder.path()).unwrap().fingerprint());
        fs::write(folder.path().join("a.txt"), "longer").unwrap();
        assert_ne!(before.fingerprint(), Source::open(folder.path()).unwrap().fingerprint());
        assert!(before.check_unchanged().unwrap_err().to_string().contains("changed"));
    }

    #[test]
    fn the_fingerprint_is_of_the_place_and_not_of_what_was_typed() {
        // Tests run in the folder of the package.
        let fingerprint = |path: &Path| Source::open(path).unwrap().fingerprint();
        let absolute = fingerprint(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
        assert_eq!(fingerprint(Path::new("Cargo.toml")), absolute);
        assert_eq!(fingerprint(Path::new("./Cargo.toml")), absolute);
    }
}
