//! Rows of equal size that are appended and never changed: in memory up to one bound, then in a file up to another.

use memmap2::{Mmap, MmapMut};
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

/// Bytes that memory is asked for at a time. The system gives pages when they are written to, and takes them back whole:
/// rows in an allocator's blocks would stay with the process after the cache is dropped.
const MEMORY_SEGMENT: usize = 16 << 20;
/// Bytes that the file grows by.
const FILE_SEGMENT: usize = 64 << 20;

/// How much may be kept, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    pub memory: u64,
    pub disk: u64,
}

/// What came of giving the store a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is row number so many.
    At(usize),
    /// Both bounds are reached.
    Full,
}

#[derive(Debug)]
pub struct Store {
    row_bytes: usize,
    memory: InMemory,
    /// The most rows in memory and in the file.
    most: [usize; 2],
    file: Option<InFile>,
}

impl Store {
    /// For rows of `row_bytes` bytes, at least one.
    pub fn new(row_bytes: usize, budget: Budget) -> Self {
        let rows = |bytes: u64| usize::try_from(bytes / row_bytes as u64).unwrap_or(usize::MAX);
        Self {
            row_bytes,
            memory: InMemory { segments: Vec::new(), rows: 0 },
            most: [rows(budget.memory), rows(budget.disk)],
            file: None,
        }
    }

    /// Appends a row; the file is made, in `folder`, when the first row goes there. After an error the store is as it
    /// was, and another row should not be tried.
    pub fn push(&mut self, row: &[u8], folder: &Path) -> io::Result<Pushed> {
        let in_memory = self.memory.rows;
        if in_memory < self.most[0] {
            self.memory.push(row, self.most[0])?;
            return Ok(Pushed::At(in_memory));
        }
        if self.file_rows() >= self.most[1] {
            return Ok(Pushed::Full);
        }
        let file = match &mut self.file {
            Some(file) => file,
            empty => empty.insert(InFile::new(folder)?),
        };
        file.push(row)?;
        Ok(Pushed::At(in_memory + file.rows - 1))
    }

    /// The row that was given so many rows after the first; `None` past the last.
    pub fn row(&self, index: usize) -> Option<&[u8]> {
        match index.checked_sub(self.memory.rows) {
            None => self.memory.row(index, self.row_bytes),
            Some(index) => self.file.as_ref()?.row(index, self.row_bytes),
        }
    }

    fn file_rows(&self) -> usize {
        self.file.as_ref().map_or(0, |file| file.rows)
    }

    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Bytes of rows in memory and in the file.
    pub fn bytes(&self) -> Budget {
        let bytes = |rows: usize| (rows * self.row_bytes) as u64;
        Budget { memory: bytes(self.memory.rows), disk: bytes(self.file_rows()) }
    }
}

/// How many rows a segment of about `bytes` holds, at least one.
fn rows_of(bytes: usize, row_bytes: usize) -> usize {
    (bytes / row_bytes).max(1)
}

/// Where a row stands within a segment.
fn span(index: usize, per_segment: usize, row_bytes: usize) -> Range<usize> {
    let start = index % per_segment * row_bytes;
    start..start + row_bytes
}

/// Memory that no file stands behind.
#[derive(Debug)]
struct InMemory {
    segments: Vec<MmapMut>,
    rows: usize,
}

impl InMemory {
    fn push(&mut self, row: &[u8], most: usize) -> io::Result<()> {
        let per_segment = rows_of(MEMORY_SEGMENT, row.len());
        let segment = self.rows / per_segment;
        if segment == self.segments.len() {
            let rows = per_segment.min(most - self.rows);
            self.segments.push(MmapMut::map_anon(rows * row.len())?);
        }
        self.segments[segment][span(self.rows, per_segment, row.len())].copy_from_slice(row);
        self.rows += 1;
        Ok(())
    }

    fn row(&self, index: usize, row_bytes: usize) -> Option<&[u8]> {
        let per_segment = rows_of(MEMORY_SEGMENT, row_bytes);
        self.segments.get(index / per_segment)?.get(span(index, per_segment, row_bytes))
    }
}

/// A file without a name: it is gone when the process is, however that ends. Rows are written through the file, where a
/// full disk is an error, and read through maps, where it would be a signal.
#[derive(Debug)]
struct InFile {
    file: File,
    segments: Vec<Mmap>,
    rows: usize,
}

impl InFile {
    fn new(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self::over(tempfile::tempfile_in(folder)?))
    }

    fn over(file: File) -> Self {
        Self { file, segments: Vec::new(), rows: 0 }
    }

    fn push(&mut self, row: &[u8]) -> io::Result<()> {
        let per_segment = rows_of(FILE_SEGMENT, row.len());
        if self.rows == self.segments.len() * per_segment {
            self.grow(per_segment * row.len())?;
        }
        self.file.write_all(row)?;
        self.rows += 1;
        Ok(())
    }

    /// Makes the file longer by a segment, of which the disk holds nothing yet.
    fn grow(&mut self, bytes: usize) -> io::Result<()> {
        let start = (self.segments.len() * bytes) as u64;
        self.file.set_len(start + bytes as u64)?;
        // SAFETY: the file has no name, so nobody else can cut it short or write to it, and it is at least as long as the
        // map. Bytes change only in `push`, which nobody who holds a row can call, and only where no row is yet.
        let map = unsafe { memmap2::MmapOptions::new().offset(start).len(bytes).map(&self.file)? };
        self.segments.push(map);
        Ok(())
    }

    fn row(&self, index: usize, row_bytes: usize) -> Option<&[u8]> {
        if index >= self.rows {
            return None;
        }
        let per_segment = rows_of(FILE_SEGMENT, row_bytes);
        self.segments.get(index / per_segment)?.get(span(index, per_segment, row_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Store {
        /// A store whose file can only be read.
        pub fn on_a_failing_disk(row_bytes: usize, budget: Budget) -> Self {
            let file = InFile::over(File::open("/dev/null").unwrap());
            Self { file: Some(file), ..Self::new(row_bytes, budget) }
        }
    }

    fn row(index: usize, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (index * 31 + at) as u8).collect()
    }

    #[test]
    fn rows_go_to_memory_then_to_the_file_then_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::new(100, Budget { memory: 350, disk: 299 });
        for index in 0..5 {
            assert_eq!(store.push(&row(index, 100), folder.path()).unwrap(), Pushed::At(index));
        }
        assert_eq!(store.push(&row(5, 100), folder.path()).unwrap(), Pushed::Full);
        assert_eq!(store.bytes(), Budget { memory: 300, disk: 200 });
        assert!((0..5).all(|index| store.row(index).unwrap() == row(index, 100)));
        assert!(store.row(5).is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn rows_larger_than_a_segment_and_segments_of_several_rows_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        for row_bytes in [MEMORY_SEGMENT + 1, MEMORY_SEGMENT / 2 - 3, FILE_SEGMENT / 2 + 5] {
            let budget = Budget { memory: 3 * row_bytes as u64, disk: 3 * row_bytes as u64 };
            let mut store = Store::new(row_bytes, budget);
            for index in 0..6 {
                let mut bytes = vec![0; row_bytes];
                (bytes[0], bytes[row_bytes - 1]) = (index, index + 100);
                assert_eq!(store.push(&bytes, folder.path()).unwrap(), Pushed::At(index as usize));
            }
            for index in 0..6 {
                let bytes = store.row(index as usize).unwrap();
                assert_eq!((bytes[0], bytes[row_bytes - 1]), (index, index + 100), "{row_bytes}");
            }
        }
    }

    #[test]
    fn no_budget_keeps_nothing_and_a_disk_that_fails_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut nothing = Store::new(8, Budget::default());
        assert_eq!(nothing.push(&row(0, 8), folder.path()).unwrap(), Pushed::Full);
        let mut failing = Store::on_a_failing_disk(8, Budget { memory: 8, disk: 80 });
        assert_eq!(failing.push(&row(0, 8), folder.path()).unwrap(), Pushed::At(0));
        assert!(failing.push(&row(1, 8), folder.path()).is_err());
        assert_eq!(failing.row(0).unwrap(), row(0, 8));
        assert!(failing.row(1).is_none());
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let mut nowhere = Store::new(8, Budget { memory: 0, disk: 80 });
        assert!(nowhere.push(&row(0, 8), &file).is_err(), "the folder cannot be made");
    }
}
