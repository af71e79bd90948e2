//! What changes a run without anybody saying so now: what was said before, of steps that are being done again, and what
//! the plan says.

use crate::protocol::{By, Steered};
use crate::run::plan::ChangePlan;
use std::collections::VecDeque;

/// A change that is due at a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Scripted {
    /// Steps of the whole run done before it.
    pub step: u64,
    pub command: String,
    pub by: By,
    /// Its line of the journal, where it stands there already.
    pub line: Option<u64>,
}

/// Changes to come.
#[derive(Debug, Default)]
pub struct Script {
    /// In the journal: whoever did them once is not asked again.
    recorded: VecDeque<Scripted>,
    /// In the plan, and not in the journal.
    planned: VecDeque<ChangePlan>,
}

impl Script {
    /// `recorded` are commands of the journal that are still to be done again, each with its line.
    pub fn new(recorded: Vec<(u64, Steered)>) -> Self {
        let scripted = |(line, steered): (u64, Steered)| Scripted {
            step: steered.step,
            command: steered.change.command,
            by: steered.by,
            line: Some(line),
        };
        Self { recorded: recorded.into_iter().map(scripted).collect(), planned: VecDeque::new() }
    }

    /// What is left of the plan's changes, apart from those that were `done` and those that a person took back.
    pub fn plan(&mut self, planned: &[ChangePlan], done: impl Iterator<Item = ChangePlan>) {
        let mut left: Vec<ChangePlan> = planned.to_vec();
        let recorded = self.recorded.iter().filter(|scripted| scripted.by == By::Plan);
        let recorded = recorded.map(|scripted| ChangePlan { step: scripted.step, command: scripted.command.clone() });
        for change in done.chain(recorded) {
            if let Some(place) = left.iter().position(|other| is_same(other, &change)) {
                left.remove(place);
            }
        }
        self.planned = left.into();
    }

    /// The next change that is due after so many steps, taken out.
    pub fn next(&mut self, step: u64) -> Option<Scripted> {
        if let Some(recorded) = self.recorded.front() {
            return if recorded.step <= step { self.recorded.pop_front() } else { None };
        }
        if self.planned.front()?.step > step {
            return None;
        }
        let planned = self.planned.pop_front()?;
        Some(Scripted { step: planned.step, command: planned.command, by: By::Plan, line: None })
    }

    /// What the journal has no longer counts: it is written down anew when it is done.
    pub fn unrecord(&mut self) {
        self.recorded.iter_mut().for_each(|scripted| scripted.line = None);
    }

    /// Whether there are commands in the journal that are still to be done again: what is said now comes after them.
    pub fn is_catching_up(&self) -> bool {
        self.next_line().is_some()
    }

    /// The line of the first command that is to be done again.
    pub fn next_line(&self) -> Option<u64> {
        self.recorded.front().and_then(|scripted| scripted.line)
    }
}

/// The text of a command may be spelled in several ways.
fn is_same(one: &ChangePlan, other: &ChangePlan) -> bool {
    let plain = |text: &str| text.parse::<crate::protocol::Command>().map(|command| command.to_string()).ok();
    one.step == other.step && (one.command == other.command || plain(&one.command) == plain(&other.command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Change;

    fn steered(step: u64, command: &str, by: By) -> Steered {
        Steered { phase: "a".into(), step, change: Change { command: command.into(), effect: "e".into() }, by }
    }

    fn change(step: u64, command: &str) -> ChangePlan {
        ChangePlan { step, command: command.into() }
    }

    #[test]
    fn what_was_recorded_comes_before_the_plan_and_nothing_comes_twice() {
        let recorded = vec![(3, steered(5, "freeze  head", By::Plan)), (4, steered(7, "rate x0.5", By::Person))];
        let mut script = Script::new(recorded);
        let planned = [change(2, "skip"), change(5, "freeze head"), change(7, "skip"), change(9, "skip")];
        script.plan(&planned, std::iter::once(change(2, "skip")));
        assert!(script.next(4).is_none() && script.is_catching_up());
        assert_eq!(script.next(5).unwrap().line, Some(3));
        assert!(script.next(6).is_none());
        assert_eq!(script.next(7).unwrap().command, "rate x0.5");
        assert!(!script.is_catching_up());
        assert_eq!(script.next(7), Some(Scripted { step: 7, command: "skip".into(), by: By::Plan, line: None }));
        assert!(script.next(8).is_none());
        assert_eq!(script.next(9).unwrap().step, 9);
    }
}
