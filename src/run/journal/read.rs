//! Reading a journal, and which of its lines still count.

use super::line;
use crate::protocol::Event;
use crate::{Context, Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// No honest line is longer.
const LONGEST_LINE: usize = 1 << 20;

/// One line of a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Counted from 0.
    pub line: u64,
    /// Milliseconds since 1970.
    pub time: u64,
    pub event: Event,
}

/// A journal as its file has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries {
    pub list: Vec<Entry>,
    /// Bytes of whole lines; what stands behind them was torn by a crash.
    pub whole_bytes: u64,
    pub torn_bytes: u64,
    /// The hash that the next line follows; `None` where lines have none.
    pub(super) chain: Option<u64>,
}

/// Reads the journal of a run. A last line that a crash tore is left out; anything else that is damaged is an error that
/// names the line. A file that is not there yet is empty.
pub fn read(path: &Path) -> Result<Entries> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Entries { chain: Some(line::START), ..Entries::default() });
        }
        Err(error) => return Err(Error::new(format!("cannot read {}", path.display())).because(error)),
    };
    let mut reader = BufReader::new(file);
    let mut entries = Entries { chain: Some(line::START), ..Entries::default() };
    let mut text = Vec::new();
    loop {
        text.clear();
        let limited = (&mut reader).take(LONGEST_LINE as u64).read_until(b'\n', &mut text);
        limited.what(|| format!("cannot read {}", path.display()))?;
        match text.strip_suffix(b"\n") {
            Some(whole) => entries.take(whole).map_err(|error| damaged(path, entries.list.len() + 1, error))?,
            None if text.len() < LONGEST_LINE => {
                entries.torn_bytes = text.len() as u64;
                return Ok(entries);
            }
            None => return Err(damaged(path, entries.list.len() + 1, Error::new("it is too long"))),
        }
    }
}

/// The first line alone; `None` where it cannot be read.
pub fn first(path: &Path) -> Option<Event> {
    let mut text = Vec::new();
    BufReader::new(File::open(path).ok()?).take(LONGEST_LINE as u64).read_until(b'\n', &mut text).ok()?;
    let whole = text.strip_suffix(b"\n")?;
    Some(line::read(whole, line::is_checked(whole).then_some(line::START)).ok()?.0.event)
}

impl Entries {
    fn take(&mut self, whole: &[u8]) -> Result<()> {
        if self.list.is_empty() && !line::is_checked(whole) && whole.ends_with(b"}") && !starts_checked(whole) {
            self.chain = None;
        }
        let (content, hash) = line::read(whole, self.chain)?;
        self.list.push(Entry { line: self.list.len() as u64, time: content.time, event: content.event });
        self.chain = self.chain.map(|_| hash);
        self.whole_bytes += whole.len() as u64 + 1;
        Ok(())
    }

    /// The lines that still count, in order: without what the run went back from.
    pub fn effective(&self) -> Vec<&Entry> {
        let mut kept: Vec<&Entry> = Vec::new();
        for entry in &self.list {
            match &entry.event {
                Event::Rewound(rewound) => kept.retain(|kept| kept.line < rewound.to_line),
                // It went on after all.
                Event::Resumed(_) => kept.retain(|kept| !matches!(kept.event, Event::Failed(_) | Event::Finished(_))),
                _ => {}
            }
            kept.push(entry);
        }
        kept
    }

    /// Whether the state after `step` steps and the first `lines` lines is one that the run still stands on.
    pub fn counts(&self, lines: u64, step: u64) -> bool {
        self.list.iter().filter(|entry| entry.line >= lines).all(|entry| match &entry.event {
            Event::Rewound(rewound) => lines <= rewound.to_line && step <= rewound.to_step,
            _ => true,
        })
    }

    /// Commands and goings back in all lines, whether they still count or not.
    pub fn changes(&self) -> u64 {
        self.list.iter().filter(|entry| is_change(&entry.event)).count() as u64
    }
}

/// Whether an event changed how the run goes on.
pub(super) fn is_change(event: &Event) -> bool {
    matches!(event, Event::Steered(_) | Event::Rewound(_))
}

/// Every journal with hashes begins with this event: a first line that lost its hash is damaged, not old.
fn starts_checked(line: &[u8]) -> bool {
    line.windows(8).any(|window| window == b"\"begun\":") || line.windows(8).any(|window| window == b",\"check\"")
}

fn damaged(path: &Path, number: usize, error: Error) -> Error {
    error
        .within(format!("{}:{number} is damaged", path.display()))
        .next("restore the file from a copy; or go on from a checkpoint in a new run: a plan with model.from")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{By, Change, Rewound, Steered};

    fn steered(step: u64) -> Event {
        let change = Change { command: "rate x0.5".into(), effect: "rate".into() };
        Event::Steered(Steered { phase: "a".into(), step, change, by: By::Person })
    }

    fn rewound(step: u64, to_step: u64, to_line: u64) -> Event {
        Event::Rewound(Rewound { phase: "a".into(), step, to_step, to_line, why: "undid".into() })
    }

    fn entries(events: Vec<Event>) -> Entries {
        let list = events.into_iter().enumerate().map(|(line, event)| Entry { line: line as u64, time: 0, event });
        Entries { list: list.collect(), ..Entries::default() }
    }

    #[test]
    fn what_was_taken_back_no_longer_counts() {
        // 0: change at 5; 1: change at 9; 2: back to 9 before line 1; 3: change at 9; 4: back to before line 0.
        let all = entries(vec![steered(5), steered(9), rewound(12, 9, 1), steered(9), rewound(20, 5, 0), steered(6)]);
        let kept: Vec<u64> = all.effective().iter().map(|entry| entry.line).collect();
        assert_eq!(kept, [4, 5]);
        let first = Entries { list: all.list[..4].to_vec(), ..Entries::default() };
        assert_eq!(first.effective().iter().map(|entry| entry.line).collect::<Vec<_>>(), [0, 2, 3]);
        assert!(first.counts(1, 8) && first.counts(1, 9), "before the change");
        assert!(!first.counts(1, 10) && !first.counts(2, 11), "on the stretch that was taken back");
        assert!(first.counts(3, 11) && first.counts(4, 15), "after it");
        assert!(all.counts(0, 5) && !all.counts(1, 8) && !all.counts(4, 15) && all.counts(6, 30));
    }
}
