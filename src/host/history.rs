//! What clients are told of a run: grown by the recorder, read by each client from where it stands.

use crate::protocol::{Event, GroupFacts, GroupReports, Message, Status, StepRecords, Welcome};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Steps that go into one message.
const STEPS_AT_ONCE: usize = 16_384;
/// Events that go into one message.
const EVENTS_AT_ONCE: usize = 512;
/// Reports of the groups that are kept.
const REPORTS: usize = 240;

/// Everything that was recorded.
#[derive(Debug)]
pub struct History {
    pub welcome: Welcome,
    pub status: Status,
    status_version: u64,
    pub facts: Vec<GroupFacts>,
    facts_version: u64,
    pub steps: StepRecords,
    pub events: Vec<Event>,
    reports: VecDeque<GroupReports>,
    /// Reports that there ever were.
    reports_ever: u64,
}

/// How much of a history a client has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    welcomed: bool,
    status: u64,
    facts: u64,
    steps: usize,
    events: usize,
    reports: u64,
}

impl History {
    pub fn new(welcome: Welcome, status: Status) -> Self {
        Self {
            welcome,
            status,
            status_version: 1,
            facts: Vec::new(),
            facts_version: 0,
            steps: StepRecords::default(),
            events: Vec::new(),
            reports: VecDeque::new(),
            reports_ever: 0,
        }
    }

    pub fn set_status(&mut self, status: Status) {
        if status != self.status {
            self.status = status;
            self.status_version += 1;
        }
    }

    pub fn set_facts(&mut self, facts: Vec<GroupFacts>) {
        self.facts = facts;
        self.facts_version += 1;
    }

    pub fn report(&mut self, report: GroupReports) {
        if self.reports.len() >= REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back(report);
        self.reports_ever += 1;
    }

    /// The next thing that a client at `cursor` has not got, and moves the cursor past it; `None` where it has all.
    pub fn next(&self, cursor: &mut Cursor) -> Option<Message> {
        if !cursor.welcomed {
            cursor.welcomed = true;
            return Some(Message::Welcome(Box::new(self.welcome.clone())));
        }
        if cursor.status < self.status_version {
            cursor.status = self.status_version;
            return Some(Message::Status(Box::new(self.status.clone())));
        }
        if cursor.facts < self.facts_version {
            cursor.facts = self.facts_version;
            return Some(Message::Facts(self.facts.clone()));
        }
        if cursor.events < self.events.len() {
            let start = cursor.events;
            cursor.events = self.events.len().min(start + EVENTS_AT_ONCE);
            return Some(Message::Events { start: start as u64, events: self.events[start..cursor.events].to_vec() });
        }
        if cursor.steps < self.steps.len() {
            let records = self.steps.slice(cursor.steps, STEPS_AT_ONCE);
            cursor.steps += records.len();
            return Some(Message::Steps(records));
        }
        self.next_report(cursor)
    }

    fn next_report(&self, cursor: &mut Cursor) -> Option<Message> {
        let first = self.reports_ever - self.reports.len() as u64;
        let next = cursor.reports.max(first);
        let report = self.reports.get((next - first) as usize)?;
        cursor.reports = next + 1;
        Some(Message::Groups(report.clone()))
    }
}

/// A history that threads share; whoever waits is told when it grew.
#[derive(Debug)]
pub struct Shared {
    history: Mutex<History>,
    version: watch::Sender<u64>,
}

impl Shared {
    pub fn new(history: History) -> Self {
        Self { history: Mutex::new(history), version: watch::Sender::new(0) }
    }

    /// A thread that panicked while it held the lock leaves a history that is still true line by line.
    pub fn lock(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the history grew.
    pub fn touch(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{status, welcome};
    use super::*;
    use crate::protocol::StepRecord;

    #[test]
    fn a_client_that_fell_behind_catches_up_without_gaps() {
        let mut history = History::new(welcome(), status());
        let mut cursor = Cursor::default();
        let (mut steps, mut reports) = (0, 0);
        let mut catch_up = |history: &History, cursor: &mut Cursor| {
            while let Some(message) = history.next(cursor) {
                match message {
                    Message::Steps(records) => {
                        assert_eq!(records.start, steps);
                        steps += records.len() as u64;
                    }
                    Message::Groups(_) => reports += 1,
                    _ => {}
                }
            }
            (steps, reports)
        };
        for step in 1..=40_000 {
            let record = StepRecord {
                step,
                loss: 1.0,
                learning_rate: 1.0,
                gradient_norm: 1.0,
                tokens_per_second: 1.0,
                seconds: 1.0,
                changes: 0,
            };
            history.steps.push(record);
            if step == 7 {
                assert_eq!(catch_up(&history, &mut cursor), (7, 0));
            }
        }
        (0..1000).for_each(|step| history.report(GroupReports { step, groups: Vec::new() }));
        assert_eq!(catch_up(&history, &mut cursor), (40_000, REPORTS));
        assert!(history.next(&mut cursor).is_none());
    }
}
