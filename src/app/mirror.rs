//! What the host said, kept: the same for every pane.

use crate::protocol::{
    Branch, Event, Group, GroupFacts, GroupReports, GroupState, Message, Status, StepRecords, Welcome,
};
use std::collections::VecDeque;

/// Reports of the groups that are kept, for small histories in the grid.
const REPORTS: usize = 240;

/// The run as this client knows it.
#[derive(Debug, Default)]
pub struct Mirror {
    /// `None` until the host answered.
    pub welcome: Option<Welcome>,
    pub status: Option<Status>,
    pub facts: Vec<GroupFacts>,
    /// Every step of the run.
    pub steps: StepRecords,
    /// Everything but steps, in order.
    pub events: Vec<Event>,
    /// The newest last.
    pub reports: VecDeque<GroupReports>,
    /// Curves beside the run's own, and how often they changed.
    pub branches: Vec<Branch>,
    pub branches_version: u64,
    /// How often histories began: they begin anew where the run went back.
    pub beginnings: u64,
    /// Why the connection ended.
    pub goodbye: Option<String>,
    /// Grows with everything that was taken in: who draws can see whether anything changed.
    pub version: u64,
}

impl Mirror {
    /// Takes in anything but answers. What does not continue what is here, after a host that said something wrong, is
    /// left out.
    pub fn take(&mut self, message: Message) {
        self.version += 1;
        match message {
            Message::Welcome(welcome) => self.begin(*welcome),
            Message::Status(status) => self.status = Some(*status),
            Message::Facts(facts) => self.facts = facts,
            Message::Steps(records) => self.append(records),
            Message::Events { start, events } if start == self.events.len() as u64 => self.events.extend(events),
            Message::Groups(report) => {
                if self.reports.len() >= REPORTS {
                    self.reports.pop_front();
                }
                self.reports.push_back(report);
            }
            Message::Branches(branches) => {
                self.branches = branches;
                self.branches_version += 1;
            }
            Message::Goodbye(why) => self.goodbye = Some(why),
            Message::Events { .. } | Message::Answer { .. } => {}
        }
    }

    /// Histories begin anew. What stands beside them is sent again too, and stays until then: nothing flickers.
    fn begin(&mut self, welcome: Welcome) {
        *self = Mirror {
            welcome: Some(welcome),
            status: self.status.take(),
            facts: std::mem::take(&mut self.facts),
            branches_version: self.branches_version + 1,
            beginnings: self.beginnings + 1,
            version: self.version,
            ..Mirror::default()
        };
    }

    /// Whether every step is here that the host has told of.
    pub fn has_caught_up(&self) -> bool {
        let newest = self.steps.step.last().copied().unwrap_or(0);
        self.status.as_ref().is_some_and(|status| newest >= status.step)
    }

    fn append(&mut self, records: StepRecords) {
        if records.start == self.steps.len() as u64 {
            (0..records.len()).filter_map(|index| records.get(index)).for_each(|record| self.steps.push(record));
        }
    }

    /// How a group is trained now; `None` before the model is there.
    pub fn group(&self, group: Group) -> Option<&GroupState> {
        self.status.as_ref()?.groups.iter().find(|state| state.group == group)
    }

    /// Whether commands can take effect; why not otherwise.
    pub fn refusal(&self) -> Option<String> {
        match (&self.goodbye, &self.status) {
            (Some(why), _) => Some(format!("the host is gone: {why}")),
            (None, None) => Some("not attached to a run yet".into()),
            (None, Some(status)) if !status.state.is_live() => Some(format!("the run is {}", status.state.name())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::StepRecord;

    fn records(start: u64, count: u64) -> StepRecords {
        let mut records = StepRecords { start, ..StepRecords::default() };
        for step in start + 1..=start + count {
            let seconds = step as f64;
            records.push(StepRecord {
                step,
                loss: 1.0,
                learning_rate: 0.1,
                gradient_norm: 1.0,
                tokens_per_second: 9.0,
                seconds,
                changes: 0,
                pull: None,
            });
        }
        records
    }

    #[test]
    fn histories_grow_without_gaps_and_start_over_with_a_welcome() {
        let mut mirror = Mirror::default();
        mirror.take(Message::Steps(records(0, 3)));
        mirror.take(Message::Steps(records(3, 2)));
        mirror.take(Message::Steps(records(9, 2)));
        assert_eq!(mirror.steps.step, [1, 2, 3, 4, 5]);
        assert!(mirror.refusal().unwrap().contains("not attached"));
        mirror.take(Message::Goodbye("it ended".into()));
        assert!(mirror.refusal().unwrap().contains("it ended"));
    }
}
