//! What a run does when something goes wrong, and what it holds so that changes can be taken back.

use super::section::Section;
use crate::Result;
use crate::protocol::Command;
use serde::Serialize;

/// Bytes of the unit that plans write budgets in.
const MEGABYTE: u64 = 1_000_000;
/// Megabytes of states in memory where the plan says nothing: several of a small model, none of one with hundreds of
/// millions of parameters.
const SNAPSHOTS: u64 = 1000;

/// What goes on when a disk is full or a folder cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDiskError {
    /// Training goes on, and says that nothing is saved; the next checkpoint is tried when it is due.
    #[default]
    Continue,
    /// Training waits until there is room.
    Pause,
}

/// What is done where a run needs more memory than there is, as far as that can be foreseen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnShortMemory {
    #[default]
    Refuse,
    Warn,
}

/// States that are kept in memory, to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotsPlan {
    /// The most that they take together, in megabytes; 0 keeps none.
    pub memory: u64,
}

impl SnapshotsPlan {
    pub fn bytes(&self) -> u64 {
        self.memory * MEGABYTE
    }
}

/// A change that the plan makes by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangePlan {
    /// Steps of the whole run done before it.
    pub step: u64,
    /// As it is typed.
    pub command: String,
}

/// What is done about a step that goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardAction {
    /// Go back to the last good state, and hold.
    #[default]
    Pause,
    /// Go back to the last good state, and go on at a lower rate.
    LowerRate,
    /// Let the batch change nothing, and go on.
    Skip,
}

/// Watches the loss and the gradient of every step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GuardPlan {
    /// What happens when they are no numbers, or the loss leaps.
    pub action: GuardAction,
    /// A loss that is so many nats above its running mean is one that leaps; 0 looks for none.
    pub spike: f64,
    /// What the rate is multiplied by where it is lowered.
    pub factor: f64,
    /// How often in a phase something is done before the run is held after all.
    pub most: u64,
    /// Steps between states that are kept in memory to go back to; 0 keeps none but those before changes.
    pub every: u64,
}

const GUARD: GuardPlan = GuardPlan { action: GuardAction::Pause, spike: 0.0, factor: 0.5, most: 3, every: 100 };

pub(super) fn read_on_disk_error(top: &Section) -> Result<OnDiskError> {
    let chosen = top.choice("on_disk_error", &["continue", "pause"])?;
    Ok(if chosen.as_deref() == Some("pause") { OnDiskError::Pause } else { OnDiskError::Continue })
}

pub(super) fn read_on_short_memory(top: &Section) -> Result<OnShortMemory> {
    let chosen = top.choice("on_short_memory", &["refuse", "warn"])?;
    Ok(if chosen.as_deref() == Some("warn") { OnShortMemory::Warn } else { OnShortMemory::Refuse })
}

pub(super) fn read_snapshots(top: &Section) -> Result<SnapshotsPlan> {
    let memory = match top.section("snapshots", &["memory"])? {
        Some(section) => section.integer("memory", 0..=1 << 30)?,
        None => None,
    };
    Ok(SnapshotsPlan { memory: memory.unwrap_or(SNAPSHOTS) })
}

pub(super) fn read_guard(phase: &Section) -> Result<GuardPlan> {
    let Some(section) = phase.section("guard", &["action", "spike", "factor", "most", "every"])? else {
        return Ok(GUARD);
    };
    let action = match section.choice("action", &["pause", "lower-rate", "skip"])?.as_deref() {
        Some("lower-rate") => GuardAction::LowerRate,
        Some("skip") => GuardAction::Skip,
        _ => GuardAction::Pause,
    };
    Ok(GuardPlan {
        action,
        spike: section.number("spike", 0.0..=1e6)?.unwrap_or(GUARD.spike),
        factor: section.number("factor", 0.001..=1.0)?.unwrap_or(GUARD.factor),
        most: section.integer("most", 0..=1 << 32)?.unwrap_or(GUARD.most),
        every: section.integer("every", 0..=1 << 40)?.unwrap_or(GUARD.every),
    })
}

/// `[[change]]`: in the order of their steps.
pub(super) fn read_changes(top: &Section, file: &str) -> Result<Vec<ChangePlan>> {
    let mut changes: Vec<ChangePlan> = Vec::new();
    for (index, value) in top.values("change").into_iter().enumerate() {
        let toml::Value::Table(table) = value else {
            return Err(top.refuse("change", "each change is a table").next("write [[change]]"));
        };
        let section = Section::new(file, format!("change.{index}"), table, &["step", "command"])?;
        let step = section.integer("step", 0..=1 << 40)?.ok_or_else(|| section.missing("step"))?;
        let text = section.text("command")?.ok_or_else(|| section.missing("command"))?;
        let command: Command = text.parse().map_err(|error: crate::Error| {
            let refused = section.refuse("command", error.what);
            error.next.into_iter().fold(refused, |refused, advice| refused.next(advice))
        })?;
        if matches!(command, Command::Undo | Command::Pause | Command::Continue) {
            return Err(section.refuse("command", format!("\"{command}\" is for a person")).next("leave it out"));
        }
        if changes.last().is_some_and(|before| before.step > step) {
            return Err(section.refuse("step", "changes stand in the order of their steps").next("move it up"));
        }
        changes.push(ChangePlan { step, command: text });
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::super::read::parse;
    use super::super::{Overrides, Plan};
    use super::*;

    fn with(top: &str, phase: &str) -> Result<Plan> {
        let text = format!(
            "name = \"small\"\n{top}\ntokenizer = {{ vocabulary = 300 }}\nmodel = {{ preset = \"llama-1m\" }}\n[[phase]]\n\
             name = \"a\"\nobjective = \"clm\"\ncorpus = \"a\"\nsteps = 3\noptimizer = {{ learning_rate = 1e-4 }}\n{phase}"
        );
        parse("small.toml", &text, &Overrides::default())
    }

    #[test]
    fn what_is_given_is_kept_and_written_out_again() {
        let plain = with("", "").unwrap();
        assert_eq!((plain.on_disk_error, plain.snapshots.memory), (OnDiskError::Continue, SNAPSHOTS));
        assert_eq!(plain.phases[0].guard, GUARD);
        let given = with(
            "on_disk_error = \"pause\"\non_short_memory = \"warn\"\nsnapshots = { memory = 5 }",
            "guard = { action = \"lower-rate\", spike = 1.5, factor = 0.25, most = 9, every = 7 }\n[[change]]\nstep = 1\n\
             command = \"freeze block.0\"\n[[change]]\nstep = 1\ncommand = \"rate x0.5\"\n",
        )
        .unwrap();
        assert_eq!(given.snapshots.bytes(), 5_000_000);
        assert_eq!(given.changes[1], ChangePlan { step: 1, command: "rate x0.5".into() });
        assert_eq!(parse("x", &given.to_toml().unwrap(), &Overrides::default()).unwrap(), given);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let change = |text: &str| format!("[[change]]\n{text}\n");
        let cases = [
            (String::from("guard = { action = \"stop\" }"), "phase.a.guard.action"),
            (String::from("guard = { factor = 2.0 }"), "phase.a.guard.factor"),
            (change("step = 1"), "change.0.command"),
            (change("step = 1\ncommand = \"melt\""), "melt"),
            (change("step = 1\ncommand = \"undo\""), "undo"),
            (change("step = 2\ncommand = \"skip\"") + &change("step = 1\ncommand = \"skip\""), "change.1.step"),
        ];
        for (lines, key) in cases {
            let error = with("", &lines).unwrap_err().to_string();
            assert!(error.contains(key), "{lines}: {error}");
        }
        assert!(with("on_disk_error = \"stop\"", "").unwrap_err().to_string().contains("on_disk_error"));
    }
}
