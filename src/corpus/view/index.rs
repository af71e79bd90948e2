//! How many rows lie before a place: counted once, in the background, and kept for a bounded number of places.

use super::files::{Files, Opened, Spot};
use super::rows::Shape;
use crate::Result;
use memchr::memchr_iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes read at a time; a multiple of every shape's block.
const READ: u64 = 1 << 20;
/// About this many bytes lie between two entries at first.
const STRIDE: u64 = 1 << 20;
/// What opening one more file costs, in bytes that could be counted instead.
const FILE_COST: u64 = 4 << 10;
/// Entries that are kept; when there are more, every second one goes. 24 bytes each.
const MOST_ENTRIES: usize = 1 << 15;

/// Up to a place at a multiple of the block, how many rows have begun: one begins right there, or before and goes over
/// it, and that is the last one counted.
#[derive(Clone, Copy, Debug)]
struct Entry {
    spot: Spot,
    rows: u64,
}

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub bytes: u64,
    pub rows: u64,
}

impl Counted {
    /// Rows in `bytes` if the rest is like what was counted; exact where nothing is left.
    pub fn estimate(self, bytes: u64) -> u64 {
        match self.bytes {
            0 => 0,
            counted if counted >= bytes => self.rows,
            counted => (self.rows as f64 * (bytes as f64 / counted as f64)).round() as u64,
        }
    }
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    stride: u64,
    most_entries: usize,
    counted: Counted,
    /// Nothing more will be counted: everything was, or a file could not be read.
    ended: bool,
}

struct Shared {
    state: Mutex<State>,
    ended: Condvar,
    /// Nobody asks any more.
    dropped: AtomicBool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The index of a view. Counting ends when it is dropped.
pub(super) struct Index {
    files: Arc<Files>,
    shared: Arc<Shared>,
}

impl Index {
    /// Begins to count. Without a thread to count in, places have no numbers.
    pub fn begin(files: Arc<Files>) -> Index {
        Self::begin_with(files, STRIDE, MOST_ENTRIES)
    }

    pub fn begin_with(files: Arc<Files>, stride: u64, most_entries: usize) -> Index {
        let state = State { stride, most_entries, ..State::default() };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), ended: Condvar::new(), dropped: AtomicBool::new(false) });
        let (counting, counted) = (shared.clone(), files.clone());
        let thread = std::thread::Builder::new().name("corpus index".into());
        let spawned = thread.spawn(move || {
            // What cannot be read is reported to whoever looks at it; here it only ends the count.
            let _ = count(&counted, &counting);
            counting.state().ended = true;
            counting.ended.notify_all();
        });
        shared.state().ended |= spawned.is_err();
        Index { files, shared }
    }

    pub fn counted(&self) -> Counted {
        self.shared.state().counted
    }

    /// Waits for the count to end, but not longer than this.
    pub fn wait(&self, most: Duration) {
        let state = self.shared.state();
        let _ = self.shared.ended.wait_timeout_while(state, most, |state| !state.ended);
    }

    #[cfg(test)]
    pub fn entries(&self) -> usize {
        self.shared.state().entries.len()
    }

    /// The number of the row that begins at `start`, from 1; `None` where nothing was counted yet.
    pub fn number(&self, start: Spot) -> Result<Option<u64>> {
        let opened = self.files.open(start.file)?;
        let nominal = Spot { file: start.file, at: opened.nominal(start.at)? };
        let Some(entry) = self.before(|entry| entry.spot <= nominal, self.files.offset(nominal)) else {
            return Ok(None);
        };
        let mut rows = entry.rows;
        walk(&self.files, entry.spot, nominal, |_, stretch| {
            rows += stretch.rows();
            Ok(true)
        })?;
        Ok(Some(rows))
    }

    /// Where row `number` begins, nominally; `None` where the count has not come so far, or there is no such row.
    pub fn find(&self, number: u64) -> Result<Option<Spot>> {
        let entry = self.before(|entry| entry.rows <= number, 0).filter(|_| number <= self.counted().rows);
        let Some(entry) = entry else { return Ok(None) };
        let (mut left, mut found) = (number - entry.rows, Some(entry.spot));
        if left > 0 {
            found = None;
            let last = self.files.count().saturating_sub(1);
            let end = Spot { file: last, at: self.files.size_of(last) };
            walk(&self.files, entry.spot, end, |file, stretch| {
                match stretch.rows() {
                    rows if rows < left => left -= rows,
                    _ => found = stretch.start_of(left).map(|at| Spot { file, at }),
                }
                Ok(found.is_none())
            })?;
        }
        Ok(found)
    }

    /// The last entry that `is_before` holds for, if the count has come as far as `offset`.
    fn before(&self, is_before: impl Fn(&Entry) -> bool, offset: u64) -> Option<Entry> {
        let state = self.shared.state();
        let past = state.entries.partition_point(is_before);
        let is_known = offset < state.counted.bytes || state.counted.bytes >= self.files.size();
        state.entries.get(past.checked_sub(1)?).filter(|_| is_known).copied()
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.shared.dropped.store(true, Ordering::Relaxed);
    }
}

/// Some bytes of a file that begin at a multiple of its block; or none, for the beginning of the file.
struct Stretch<'a> {
    shape: Shape,
    bytes: &'a [u8],
    at: u64,
    size: u64,
    begins_file: bool,
}

impl Stretch<'_> {
    fn rows(&self) -> u64 {
        self.begins_file as u64 + self.shape.count(self.bytes, self.at, self.size)
    }

    /// Where row `number` of these begins, from 1.
    fn start_of(&self, number: u64) -> Option<u64> {
        let mut left = number;
        if self.begins_file {
            if left == 1 {
                return Some(self.at);
            }
            left -= 1;
        }
        let mut found = None;
        self.shape.blocks(self.bytes, self.at, self.size, |begin, bytes, is_cut| {
            let starts = if is_cut { 1 } else { memchr_iter(b'\n', bytes).count() as u64 };
            if starts < left {
                left -= starts;
                return true;
            }
            found = match is_cut {
                true => Some(begin + self.shape.block()),
                false => memchr_iter(b'\n', bytes).nth(left as usize - 1).map(|newline| begin + newline as u64 + 1),
            };
            false
        });
        found
    }
}

/// Goes through everything from `from`, which is counted already, to `to`, for as long as `each` wants.
fn walk(files: &Files, from: Spot, to: Spot, mut each: impl FnMut(usize, Stretch) -> Result<bool>) -> Result<()> {
    let mut bytes = Vec::new();
    for file in from.file..=to.file {
        let opened = files.open_anew(file)?;
        let begin = if file == from.file { from.at } else { 0 };
        let end = if file == to.file { to.at } else { opened.size() };
        let goes_on = walk_file(&opened, begin..end, file > from.file, &mut bytes, |stretch| each(file, stretch))?;
        if !goes_on {
            break;
        }
    }
    Ok(())
}

fn walk_file(
    opened: &Opened,
    range: std::ops::Range<u64>,
    begins_file: bool,
    bytes: &mut Vec<u8>,
    mut each: impl FnMut(Stretch) -> Result<bool>,
) -> Result<bool> {
    let (shape, size) = (opened.shape, opened.size());
    if begins_file && !each(Stretch { shape, bytes: &[], at: 0, size, begins_file })? {
        return Ok(false);
    }
    let mut at = range.start;
    while at < range.end && shape != Shape::Whole {
        opened.read_into(at, READ.min(range.end - at), bytes)?;
        if !each(Stretch { shape, bytes, at, size, begins_file: false })? {
            return Ok(false);
        }
        at += bytes.len() as u64;
    }
    Ok(true)
}

/// Counts all rows, leaving an entry every so often.
fn count(files: &Files, shared: &Shared) -> Result<()> {
    let (mut rows, mut cost, mut bytes) = (0, u64::MAX, Vec::new());
    for file in 0..files.count() {
        let opened = files.open_anew(file)?;
        cost = cost.saturating_add(FILE_COST);
        let mut is_alive = true;
        walk_file(&opened, 0..opened.size(), true, &mut bytes, |stretch| {
            let counted = Counted { bytes: files.offset(Spot { file, at: stretch.at }), rows };
            // An entry counts what begins at its own place too: at the beginning of a file, after that was counted.
            if !stretch.begins_file {
                cost = shared.enter(Entry { spot: Spot { file, at: stretch.at }, rows }, counted, cost);
            }
            rows += stretch.rows();
            cost = cost.saturating_add(stretch.bytes.len() as u64);
            is_alive = !shared.dropped.load(Ordering::Relaxed);
            Ok(is_alive)
        })?;
        if opened.shape == Shape::Whole {
            let spot = Spot { file, at: 0 };
            cost = shared.enter(Entry { spot, rows }, Counted { bytes: files.offset(spot), rows }, cost);
        }
        if !is_alive {
            return Ok(());
        }
    }
    shared.state().counted = Counted { bytes: files.size(), rows };
    Ok(())
}

impl Shared {
    /// Takes in how far the count is, and the entry if the last one is far enough away; gives back the distance.
    fn enter(&self, entry: Entry, counted: Counted, distance: u64) -> u64 {
        let mut state = self.state();
        state.counted = counted;
        if distance < state.stride {
            return distance;
        }
        if state.entries.len() >= state.most_entries {
            let mut index = 0;
            state.entries.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            state.stride *= 2;
        }
        state.entries.push(entry);
        0
    }
}
