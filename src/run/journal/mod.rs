//! The journal of a run: append-only, and on the disk before what it says takes effect. Together with the plan it is a
//! recipe for the run's weights.

mod line;
mod read;

pub use read::{Entries, Entry, first, read};

use super::disk;
use crate::protocol::Event;
use crate::{Error, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The name of the file in a run's folder.
pub const FILE: &str = "journal.jsonl";

/// A journal that is being written.
pub struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    lines: u64,
    changes: u64,
    chain: Option<u64>,
    /// Half a line stands at the end, which the disk did not let go of.
    is_torn: bool,
    /// What happened while the disk would not take it, with its time.
    waiting: Vec<(u64, Event)>,
    /// What the file says already of steps that are being done again: it is not written twice.
    known: Vec<Event>,
}

impl Journal {
    /// Opens the journal of a run's folder to add to it; a last line that a crash tore is cut off. Also says what
    /// stands in it.
    pub fn open(run: &Path) -> Result<(Self, Entries)> {
        let path = run.join(FILE);
        let entries = read(&path)?;
        let open = || {
            let file = disk::open_to_append(&path)?;
            if entries.torn_bytes > 0 {
                disk::cut(&file, &path, entries.whole_bytes)?;
            }
            Ok(file)
        };
        let file = open()
            .map_err(|error: std::io::Error| Error::new(format!("cannot write {}", path.display())).because(error))?;
        let (bytes, lines) = (entries.whole_bytes, entries.list.len() as u64);
        let (changes, chain) = (entries.changes(), entries.chain);
        Ok((
            Self { path, file, bytes, lines, changes, chain, is_torn: false, waiting: Vec::new(), known: Vec::new() },
            entries,
        ))
    }

    /// Lines on the disk.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Commands and goings back among them.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// These stand in the file already, and will happen again: each is passed over once.
    pub fn pass_over(&mut self, known: Vec<Event>) {
        self.known = known;
    }

    /// Has an event on the disk, behind everything that waits, when it returns; or leaves the file as it was.
    pub fn record(&mut self, event: &Event) -> Result<()> {
        self.catch_up()?;
        match self.takes_known(event) {
            true => Ok(()),
            false => self.append(now(), event),
        }
    }

    /// The same for what has happened anyway: where the disk does not take it, it waits in memory, in order, for the next
    /// line. The error says that it does.
    pub fn note(&mut self, event: &Event) -> Result<()> {
        if self.takes_known(event) {
            return Ok(());
        }
        self.waiting.push((now(), event.clone()));
        self.catch_up()
    }

    /// Writes what waits.
    pub fn catch_up(&mut self) -> Result<()> {
        while let Some((time, event)) = self.waiting.first().cloned() {
            self.append(time, &event)?;
            self.waiting.remove(0);
        }
        Ok(())
    }

    fn takes_known(&mut self, event: &Event) -> bool {
        let place = self.known.iter().position(|known| is_same(known, event));
        place.map(|place| self.known.remove(place)).is_some()
    }

    fn append(&mut self, time: u64, event: &Event) -> Result<()> {
        if self.is_torn {
            disk::cut(&self.file, &self.path, self.bytes).map_err(|error| self.unwritable(error))?;
            self.is_torn = false;
        }
        let (text, hash) = match self.chain {
            Some(chain) => line::write(time, event, chain)?,
            None => return Err(self.unwritable("it was begun by an older version, whose lines have no checks")),
        };
        let written = disk::append(&mut self.file, &self.path, &text);
        if let Err(error) = written.and_then(|()| disk::sync(&self.file, &self.path)) {
            // Half a line would be taken for one that a crash tore, and what follows it for damage.
            self.is_torn = disk::cut(&self.file, &self.path, self.bytes).is_err();
            return Err(self.unwritable(error));
        }
        self.bytes += text.len() as u64;
        self.lines += 1;
        self.changes += u64::from(read::is_change(event));
        self.chain = Some(hash);
        Ok(())
    }

    fn unwritable(&self, why: impl std::fmt::Display) -> Error {
        Error::new(format!("cannot write to the run's records in {}", self.path.display())).because(why)
    }
}

/// Whether two events are the same thing happening, once and once again.
fn is_same(one: &Event, other: &Event) -> bool {
    match (one, other) {
        (Event::Phase(one), Event::Phase(other)) => (&one.phase, one.first_step) == (&other.phase, other.first_step),
        (Event::Checkpoint(one), Event::Checkpoint(other)) => one.step == other.step,
        (one, other) => one == other,
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Notice;
    use crate::run::disk::testing::Fault;

    fn notice(text: &str) -> Event {
        Event::Notice(Notice { phase: None, step: 3, text: text.into() })
    }

    fn texts(run: &Path) -> Vec<String> {
        let list = read(&run.join(FILE)).unwrap().list;
        list.into_iter().map(|entry| if let Event::Notice(n) = entry.event { n.text } else { String::new() }).collect()
    }

    #[test]
    fn lines_are_added_behind_those_that_are_there_and_a_torn_one_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, entries) = Journal::open(folder.path()).unwrap();
        assert!(entries.list.is_empty());
        journal.record(&notice("one")).unwrap();
        journal.record(&notice("two")).unwrap();
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut journal, entries) = Journal::open(folder.path()).unwrap();
            let left = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!((entries.list.len(), journal.lines()), (left, left as u64), "cut at {cut}");
            journal.record(&notice("three")).unwrap();
            assert_eq!(texts(folder.path())[left..], ["three"]);
        }
    }

    #[test]
    fn damage_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        ["one", "two", "three"].iter().for_each(|text| journal.record(&notice(text)).unwrap());
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let cases = [
            (text.replace("two", "owt"), 2),
            (format!("{}\n{}\n", lines[0], lines[2]), 2),
            (format!("{}\n{}\n{}\n", lines[1], lines[0], lines[2]), 1),
            (format!("\n{text}"), 1),
        ];
        for (damaged, number) in cases {
            std::fs::write(&path, damaged).unwrap();
            let Err(error) = Journal::open(folder.path()) else { panic!("taken") };
            assert!(error.to_string().contains(&format!("journal.jsonl:{number} is damaged")), "{error}");
        }
    }

    /// Two lines and one that may wait; the disk fails at operation `at`. Says whether it did.
    fn survives(fault: Fault) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.record(&notice("one")).unwrap();
        let watched = disk::testing::watch(folder.path());
        watched.fail(fault);
        let is_recorded = journal.record(&notice("two")).is_ok();
        let lines = if is_recorded { vec!["one", "two"] } else { vec!["one"] };
        assert_eq!(journal.lines(), lines.len() as u64, "{fault:?}");
        let is_noted = journal.note(&notice("three")).is_ok();
        watched.heal();
        if !is_noted {
            journal.catch_up().unwrap();
        }
        journal.record(&notice("four")).unwrap();
        assert_eq!(texts(folder.path()), [&lines[..], &["three", "four"]].concat(), "{fault:?}");
        watched.has_failed()
    }

    #[test]
    fn a_line_that_the_disk_did_not_take_is_not_there_and_one_that_may_wait_comes_later() {
        for errno in [libc::ENOSPC, libc::EIO, libc::EACCES] {
            for (is_lasting, is_short) in [(false, false), (false, true), (true, false), (true, true)] {
                let faults = (0..20).map(|at| Fault { at, errno, is_lasting, is_short });
                let met = faults.filter(|fault| survives(*fault)).count();
                assert!((3..20).contains(&met), "every operation failed in turn, and there were no more: {met}");
            }
        }
    }

    #[test]
    fn what_is_known_is_not_written_twice() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.record(&notice("one")).unwrap();
        journal.pass_over(vec![notice("one")]);
        ["one", "one", "two"].iter().for_each(|text| journal.note(&notice(text)).unwrap());
        assert_eq!(texts(folder.path()), ["one", "one", "two"]);
    }
}
