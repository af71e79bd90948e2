//! Runs that come from each other, read from their files.

use super::folder::Metrics;
use super::home::Home;
use super::{journal, overview, records};
use crate::Result;
use crate::protocol::{Branch, BranchKind, Command, Evaluation, Event, Kin, KinPhase, Origin, State, Steered};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Curves beside a run's own.
const MOST_BRANCHES: usize = 8;
/// Steps of a branch.
const MOST_STEPS: usize = 20_000;

/// All runs that are related to one: the run that all come from first, and each before those that come from it.
pub fn kin(home: &Home, run: &Path) -> Result<Vec<Kin>> {
    let family = Family::of(home, name_of(run));
    Ok(family.members.iter().filter_map(|name| of(&home.runs().join(name), family.origin(name))).collect())
}

/// A run at a glance; `None` where it cannot be read.
fn of(run: &Path, origin: Option<&Origin>) -> Option<Kin> {
    let overview = overview::of(run)?;
    let entries = journal::read(&run.join(journal::FILE)).unwrap_or_default();
    let events = entries.effective();
    // What it has of the other's journal is told there.
    let own = events.iter().filter(|entry| entry.line >= origin.map_or(0, |origin| origin.lines));
    let phases = events.iter().filter_map(|entry| match &entry.event {
        Event::Phase(phase) => {
            let (name, first_step) = (phase.phase.clone(), phase.first_step);
            Some(KinPhase { name, first_step, base: phase.base.clone() })
        }
        _ => None,
    });
    let changes = own.filter_map(|entry| match &entry.event {
        Event::Steered(steered) if is_change(steered) => Some((steered.step, steered.change.effect.clone())),
        Event::Rewound(rewound) => Some((rewound.to_step, rewound.why.clone())),
        _ => None,
    });
    Some(Kin {
        run: overview.run.clone(),
        origin: origin.cloned(),
        phases: phases.collect(),
        changes: changes.collect(),
        step: overview.step,
        loss: overview.loss,
        state: resting(&overview).to_string(),
    })
}

/// Whether a command made the run another.
fn is_change(steered: &Steered) -> bool {
    let command = steered.change.command.parse();
    !matches!(command, Ok(Command::Pause | Command::Continue | Command::Evaluate | Command::Checkpoint))
}

/// The state of a run without a host.
pub fn resting(overview: &overview::Overview) -> &'static str {
    match (overview.is_finished, &overview.failure, overview.step) {
        (true, ..) => State::Finished.name(),
        (false, Some(_), _) => "failed",
        (false, None, 0) => "not begun",
        (false, None, _) => State::Stopped.name(),
    }
}

fn name_of(run: &Path) -> String {
    run.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Where the runs of a family come from.
struct Family {
    origins: HashMap<String, Option<Origin>>,
    /// From the root down, those that parted earlier first.
    members: Vec<String>,
}

impl Family {
    fn of(home: &Home, run: String) -> Self {
        let names = home.run_names();
        let origins = names.iter().map(|name| (name.clone(), origin(&home.runs().join(name))));
        let mut family = Self { origins: origins.collect(), members: Vec::new() };
        let mut root = run;
        // A chain longer than there are runs goes round in a circle: somebody wrote it by hand.
        for _ in 0..names.len() {
            match family.parent(&root) {
                Some(parent) => root = parent,
                None => break,
            }
        }
        family.add(root);
        family
    }

    fn origin(&self, run: &str) -> Option<&Origin> {
        self.origins.get(run)?.as_ref()
    }

    /// The run that one comes from, where it is still there.
    fn parent(&self, run: &str) -> Option<String> {
        self.origin(run).map(|origin| origin.run.clone()).filter(|parent| self.origins.contains_key(parent))
    }

    fn add(&mut self, run: String) {
        if self.members.contains(&run) {
            return;
        }
        let is_child = |(_, origin): &(&String, &Option<Origin>)| origin.as_ref().is_some_and(|o| o.run == run);
        let step = |origin: &Option<Origin>| origin.as_ref().map_or(0, |origin| origin.step);
        let children = self.origins.iter().filter(is_child).map(|(name, origin)| (step(origin), name.clone()));
        let mut children: Vec<(u64, String)> = children.collect();
        children.sort();
        self.members.push(run);
        children.into_iter().for_each(|(_, child)| self.add(child));
    }

    /// The last step that two runs have in common.
    fn common(&self, one: &str, other: &str) -> u64 {
        let (one, other) = (self.line(one), self.line(other));
        // Each line leads from a run to the root, with the step up to which it has what comes next.
        for (name, until) in &one {
            if let Some((_, other_until)) = other.iter().find(|(own, _)| own == name) {
                return (*until).min(*other_until);
            }
        }
        0
    }

    /// A run and those that it comes from, each with the last step that the run has of it.
    fn line(&self, run: &str) -> Vec<(String, u64)> {
        let (mut line, mut until) = (vec![(run.to_string(), u64::MAX)], u64::MAX);
        let mut last = run.to_string();
        while let Some(parent) = self.parent(&last)
            && line.len() <= self.origins.len()
        {
            until = until.min(self.origin(&last).map_or(0, |origin| origin.step));
            line.push((parent.clone(), until));
            last = parent;
        }
        line
    }
}

/// Where a run says that it comes from.
fn origin(run: &Path) -> Option<Origin> {
    match journal::first(&run.join(journal::FILE))? {
        Event::Begun(begun) => begun.origin,
        _ => None,
    }
}

/// Reads the curves of related runs, and again only where their files changed.
#[derive(Default)]
pub struct Branches {
    read: HashMap<PathBuf, (Option<(SystemTime, u64)>, Branch)>,
}

impl Branches {
    /// The curves of the runs that are related to one, from where they part; those with most steps in common first.
    pub fn of(&mut self, home: &Home, run: &Path) -> Result<Vec<Branch>> {
        let own = name_of(run);
        let family = Family::of(home, own.clone());
        let others = family.members.iter().filter(|name| **name != own);
        let mut others: Vec<(u64, &String)> = others.map(|name| (family.common(&own, name), name)).collect();
        others.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        let nearest = others.into_iter().take(MOST_BRANCHES);
        Ok(nearest.filter_map(|(from, name)| self.branch(&home.runs().join(name), from)).collect())
    }

    fn branch(&mut self, run: &Path, from: u64) -> Option<Branch> {
        let metadata = std::fs::metadata(run.join(Metrics::FILE)).ok();
        let stamp = metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len())));
        if let Some((then, branch)) = self.read.get(run)
            && *then == stamp
            && branch.from == from
        {
            return Some(branch.clone());
        }
        let records = records::read(run).ok()?;
        let evaluations = records.events.into_iter().filter_map(|event| match event {
            Event::Evaluation(evaluation) if evaluation.step > from => Some(evaluation),
            _ => None,
        });
        let evaluations: Vec<Evaluation> = evaluations.collect();
        let start = records.steps.step.partition_point(|step| *step <= from);
        let steps = records.steps.slice(start, records.steps.len()).thinned(MOST_STEPS);
        let branch = Branch { name: name_of(run), kind: BranchKind::Run, from, steps, evaluations };
        self.read.insert(run.to_path_buf(), (stamp, branch.clone()));
        Some(branch)
    }
}

#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
