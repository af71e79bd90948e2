//! What clients are told of a run: grown by the recorder, read by each client from where it stands.

use super::rewind;
use crate::protocol::{
    Absence, Branch, Event, GroupFacts, GroupReports, Message, Rewound, Status, StepRecords, Welcome,
};
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
    /// Grows whenever something that clients have got is taken back: they begin anew.
    generation: u64,
    pub steps: StepRecords,
    pub events: Vec<Event>,
    /// Stretches that were taken back, the newest last, and runs that this one is related to.
    undone: Vec<Branch>,
    kin: Vec<Branch>,
    branches_version: u64,
    /// Where the run stood when the last person who looked on left.
    pub absence: Option<Absence>,
    reports: VecDeque<GroupReports>,
    /// Reports that there ever were.
    reports_ever: u64,
}

/// How much of a history a client has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    /// The generation of the welcome that it has got.
    welcomed: Option<u64>,
    /// What its first welcome is to say was missed.
    absence: Option<Absence>,
    branches: u64,
    status: u64,
    facts: u64,
    steps: usize,
    events: usize,
    reports: u64,
}

impl Cursor {
    /// Of a client that has nothing yet.
    pub fn of(absence: Option<Absence>) -> Self {
        Self { absence, ..Self::default() }
    }
}

impl History {
    pub fn new(welcome: Welcome, status: Status) -> Self {
        Self {
            welcome,
            status,
            status_version: 1,
            facts: Vec::new(),
            facts_version: 0,
            generation: 0,
            steps: StepRecords::default(),
            events: Vec::new(),
            undone: Vec::new(),
            kin: Vec::new(),
            branches_version: 0,
            absence: None,
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

    /// Something happened. What takes back what happened before does so here.
    pub fn push(&mut self, event: Event) {
        match &event {
            Event::Rewound(rewound) => self.rewind(rewound),
            Event::Steered(steered) => {
                if let Some(place) = rewind::said_before(&self.events, steered) {
                    self.forget_events(|at, _| at == place);
                }
            }
            _ => {}
        }
        self.events.push(event);
    }

    /// The run went back: what came of the stretch between stays as a branch.
    fn rewind(&mut self, rewound: &Rewound) {
        let undone = rewind::branch(&self.steps, &self.events, rewound);
        self.keep_undone(undone);
        let counts = rewind::counting(&self.events, rewound);
        self.forget_events(|at, _| counts.get(at) == Some(&false));
        self.steps.cut_after(rewound.to_step);
        self.generation += 1;
        let mut status = self.status.clone();
        status.step = rewound.to_step;
        self.set_status(status);
    }

    /// Keeps a stretch that was taken back, now or before this host began; the oldest make room.
    pub fn keep_undone(&mut self, undone: Branch) {
        if undone.steps.is_empty() {
            return;
        }
        let surplus = (self.undone.len() + 1).saturating_sub(rewind::MOST_BRANCHES);
        self.undone.drain(..surplus);
        self.undone.push(undone);
        self.branches_version += 1;
    }

    fn forget_events(&mut self, is_forgotten: impl Fn(usize, &Event) -> bool) {
        let seen = self.absence.map_or(0, |absence| absence.events) as usize;
        let (mut at, mut seen_still) = (0, 0);
        self.events.retain(|event| {
            let stays = !is_forgotten(at, event);
            seen_still += u64::from(stays && at < seen);
            at += 1;
            stays
        });
        if let Some(absence) = &mut self.absence {
            absence.events = seen_still;
        }
        self.generation += 1;
    }

    /// What is known of related runs now; returns whether that is news.
    pub fn set_kin(&mut self, branches: Vec<Branch>) -> bool {
        let thinned = |branch: Branch| Branch { steps: branch.steps.thinned(rewind::MOST_STEPS), ..branch };
        let kin: Vec<Branch> = branches.into_iter().take(rewind::MOST_BRANCHES).map(thinned).collect();
        let is_known = |one: &Branch| self.kin.iter().any(|other| rewind::is_same(one, other));
        let is_news = kin.len() != self.kin.len() || !kin.iter().all(is_known);
        if is_news {
            self.kin = kin;
            self.branches_version += 1;
        }
        is_news
    }

    /// The next thing that a client at `cursor` has not got, and moves the cursor past it; `None` where it has all.
    pub fn next(&self, cursor: &mut Cursor) -> Option<Message> {
        if cursor.welcomed != Some(self.generation) {
            let absence = cursor.absence.take();
            *cursor = Cursor { welcomed: Some(self.generation), ..Cursor::default() };
            return Some(Message::Welcome(Box::new(Welcome { absence, ..self.welcome.clone() })));
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
        if cursor.branches < self.branches_version {
            cursor.branches = self.branches_version;
            return Some(Message::Branches(self.undone.iter().chain(&self.kin).cloned().collect()));
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
                pull: None,
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
