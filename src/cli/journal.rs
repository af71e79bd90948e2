//! `frostline journal` and `lineage`: what happened in a run, and where it comes from.

use super::output::{self, printable};
use super::{Place, remote};
use crate::Result;
use crate::host;
use crate::protocol::{By, Event, Kin, OriginKind};
use crate::run::journal::{self, Entry};
use serde_json::json;

#[derive(clap::Args)]
pub struct Arguments {
    /// A run: its name, or its folder
    run: String,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct Lineage {
    /// A run: its name, or its folder
    run: String,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    let entries = journal::read(&remote::find(&arguments.run, place)?.join(journal::FILE))?;
    let counting: Vec<u64> = entries.effective().iter().map(|entry| entry.line).collect();
    for entry in &entries.list {
        let counts = counting.binary_search(&entry.line).is_ok();
        match arguments.json {
            true => output::write_json(&json!({
                "line": entry.line + 1, "time": entry.time, "counts": counts, "event": entry.event
            }))?,
            false => output::show(&format!("{}\n", printable(&line(entry, counts))))?,
        }
    }
    if entries.torn_bytes > 0 {
        output::note(&format!("the last line was torn by a crash: its {} bytes do not count", entries.torn_bytes));
    }
    Ok(())
}

/// A family of runs as a tree: below each run its phases and changes, then the runs that come from it.
pub fn lineage(arguments: &Lineage, place: &Place) -> Result<()> {
    let kin = host::kin(&place.home, &remote::find(&arguments.run, place)?)?;
    if arguments.json {
        return kin.iter().try_for_each(output::write_json);
    }
    kin.iter().try_for_each(|member| output::show(&tree(member, depth(member, &kin))))
}

/// How many runs stand above one.
fn depth(member: &Kin, kin: &[Kin]) -> usize {
    let parent = |of: &Kin| of.origin.as_ref().and_then(|origin| kin.iter().find(|other| other.run == origin.run));
    std::iter::successors(parent(member), |above| parent(above)).take(kin.len()).count()
}

fn tree(member: &Kin, depth: usize) -> String {
    let inset = "    ".repeat(depth);
    let from = member.origin.as_ref().map_or(String::new(), |origin| match origin.kind {
        OriginKind::Fork => format!(" · forked from {} at step {}", origin.run, origin.step),
        OriginKind::Replay => format!(" · replays {}", origin.run),
    });
    let loss = member.loss.map_or(String::new(), |loss| format!(" · loss {}", output::number(loss)));
    let mut text = format!("{inset}{} · {} · step {}{loss}{from}\n", member.run, member.state, member.step);
    for phase in &member.phases {
        let base = phase.base.as_deref().map_or("new weights", |path| path.rsplit('/').next().unwrap_or(path));
        text += &format!("{inset}  step {:<7} phase {}, from {base}\n", phase.first_step.saturating_sub(1), phase.name);
    }
    for (step, effect) in &member.changes {
        text += &format!("{inset}  step {step:<7} {effect}\n");
    }
    printable(&text)
}

/// One line for a person: when, at which step, and what. What was taken back is put in brackets.
fn line(entry: &Entry, counts: bool) -> String {
    let (step, text) = told(&entry.event);
    let text = if counts { text } else { format!("({text})") };
    format!("{}  step {step:<7} {text}", clock(entry.time))
}

/// Steps done, and what happened.
fn told(event: &Event) -> (u64, String) {
    match event {
        Event::Begun(begun) => match &begun.origin {
            Some(origin) => (0, format!("{} began, from step {} of {}", begun.run, origin.step, origin.run)),
            None => (0, format!("{} began, frostline {}", begun.run, begun.version)),
        },
        Event::Phase(phase) => {
            let from = phase.base.as_deref().unwrap_or("new weights");
            (phase.first_step.saturating_sub(1), format!("phase {}: {} steps, from {from}", phase.phase, phase.steps))
        }
        Event::Steered(steered) => {
            let by = match steered.by {
                By::Person => "",
                By::Plan => "by the plan: ",
                By::Guard => "by a guard: ",
                By::Bound => "by the bound on forgetting: ",
            };
            (steered.step, format!("{by}{} → {}", steered.change.command, steered.change.effect))
        }
        Event::Guarded(guarded) => (guarded.step, format!("guard: {}: {}", guarded.why, guarded.effect)),
        Event::Rewound(rewound) => (rewound.step, format!("{}, back to step {}", rewound.why, rewound.to_step)),
        Event::Resumed(resumed) => {
            let from = resumed.checkpoint.as_deref().unwrap_or("the beginning");
            (resumed.step, format!("resumed from {from}; {} steps are done again", resumed.again))
        }
        Event::Checkpoint(saved) => (saved.step, format!("saved {}", saved.path)),
        Event::Notice(notice) => (notice.step, notice.text.clone()),
        Event::Failed(failed) => (failed.step, format!("failed: {}", failed.error)),
        Event::Finished(finished) => (finished.steps, format!("finished, {} tokens", finished.tokens)),
        Event::Step(step) => (step.step, "a step".into()),
        Event::Evaluation(evaluation) => (evaluation.step, "an evaluation".into()),
    }
}

/// Milliseconds since 1970 as a date and a time, in UTC.
fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// The date of a day since 1970 (Hinnant, *chrono-compatible low-level date algorithms*).
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        assert_eq!(clock(0), "1970-01-01 00:00:00");
        assert_eq!(clock(951_782_399_000), "2000-02-28 23:59:59");
        assert_eq!(clock(951_868_800_000), "2000-03-01 00:00:00");
        assert_eq!(clock(1_798_761_599_000), "2026-12-31 23:59:59");
    }
}
