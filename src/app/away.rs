//! What happened while nobody looked on: each entry is a place in the graphs.

use super::numbers::{counted, grouped, long_time};
use super::overlay::Overlay;
use super::spikes::{self, Spike};
use super::{App, Code, Key, Mirror, Pane};
use crate::protocol::{Absence, By, Evaluation, Event, Steered};
use std::time::{SystemTime, UNIX_EPOCH};

/// Spikes, notices and changes that are listed.
const SPIKES: usize = 5;
const NOTICES: usize = 5;
const CHANGES: usize = 10;

/// What an entry is about, in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Guard,
    /// It ended, well or not.
    End,
    Spike,
    Notice,
    Phase,
    Best,
    Saved,
    Change,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub kind: Kind,
    /// Where the graphs show it.
    pub step: u64,
    pub text: String,
}

/// The list, and which of it is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Away {
    /// How long it was, seconds.
    pub seconds: u64,
    /// Steps done when it began and when it ended.
    pub steps: (u64, u64),
    pub entries: Vec<Entry>,
    pub selected: usize,
}

impl Away {
    /// `while you were away: 3 h 12 min, steps 1 200 → 8 400`.
    pub fn title(&self) -> String {
        let (from, to) = self.steps;
        let time = long_time(self.seconds);
        format!("while you were away: {time}, steps {} → {}", grouped(from), grouped(to))
    }

    pub fn select(&mut self, entry: usize) {
        self.selected = entry.min(self.entries.len().saturating_sub(1));
    }

    /// Whether the list stays.
    pub fn key(&mut self, app: &mut App, key: Key) -> bool {
        match key.code {
            Code::Up | Code::Char('k') => self.select(self.selected.saturating_sub(1)),
            Code::Down | Code::Char('j') => self.select(self.selected + 1),
            Code::PageUp => self.select(self.selected.saturating_sub(10)),
            Code::PageDown => self.select(self.selected + 10),
            Code::Home => self.select(0),
            Code::End => self.select(usize::MAX),
            Code::Enter => {
                if let Some(entry) = self.entries.get(self.selected) {
                    app.look_at(entry.step);
                }
                return false;
            }
            _ => return false,
        }
        true
    }
}

/// What is worth telling of the time since somebody left; `None` where that is nothing.
pub fn happened(mirror: &Mirror, absence: &Absence, seconds: u64) -> Option<Away> {
    let start = (absence.events as usize).min(mirror.events.len());
    let since = &mirror.events[start..];
    let starts: Vec<u64> = mirror.events.iter().filter_map(first_step).collect();
    let mut entries: Vec<Entry> = since.iter().filter_map(plain).collect();
    entries.extend(spikes::largest(&mirror.steps, absence.step, &starts, SPIKES).iter().map(spike));
    entries.extend(last_of(since.iter().filter_map(notice), NOTICES, "notice", Kind::Notice));
    entries.extend(best(since));
    entries.extend(saved(since));
    entries.extend(last_of(since.iter().filter_map(changed), CHANGES, "change", Kind::Change));
    // What is of one kind keeps its order.
    entries.sort_by_key(|entry| entry.kind);
    let to = mirror.status.as_ref().map_or(0, |status| status.step);
    (!entries.is_empty()).then_some(Away { seconds, steps: (absence.step, to), entries, selected: 0 })
}

fn entry(kind: Kind, step: u64, text: String) -> Entry {
    Entry { kind, step, text }
}

fn first_step(event: &Event) -> Option<u64> {
    if let Event::Phase(phase) = event { Some(phase.first_step) } else { None }
}

/// What is told by itself.
fn plain(event: &Event) -> Option<Entry> {
    match event {
        Event::Guarded(guarded) => {
            Some(entry(Kind::Guard, guarded.step, format!("guard: {}; {}", guarded.why, guarded.effect)))
        }
        Event::Failed(failed) => Some(entry(Kind::End, failed.step, format!("the run failed: {}", failed.error))),
        Event::Finished(finished) => Some(entry(Kind::End, finished.steps, "the run is finished".into())),
        Event::Phase(phase) => {
            Some(entry(Kind::Phase, phase.first_step.saturating_sub(1), format!("phase {} began", phase.phase)))
        }
        _ => None,
    }
}

fn spike(spike: &Spike) -> Entry {
    let text = match spike.loss.is_finite() {
        true => format!("the loss rose to {:.2}, from about {:.2}", spike.loss, spike.usual),
        false => format!("the loss was no number, after about {:.2}", spike.usual),
    };
    entry(Kind::Spike, spike.step, text)
}

fn notice(event: &Event) -> Option<Entry> {
    if let Event::Notice(notice) = event { Some(entry(Kind::Notice, notice.step, notice.text.clone())) } else { None }
}

/// The lowest loss of each suite.
fn best(events: &[Event]) -> Vec<Entry> {
    let mut found: Vec<&Evaluation> = Vec::new();
    for event in events {
        let Event::Evaluation(evaluation) = event else { continue };
        match found.iter_mut().find(|known| known.suite == evaluation.suite) {
            Some(known) if evaluation.loss < known.loss => *known = evaluation,
            Some(_) => {}
            None => found.push(evaluation),
        }
    }
    let told = |best: &Evaluation| {
        let task = best.metric.as_ref().zip(best.value).map(|(name, value)| (name.replace('_', " "), value));
        let task = task.map_or_else(String::new, |(name, value)| format!(", {name} {value:.3}"));
        entry(Kind::Best, best.step, format!("best of {}: loss {:.3}{task}", best.suite, best.loss))
    };
    found.into_iter().filter(|best| best.loss.is_finite()).map(told).collect()
}

fn saved(events: &[Event]) -> Option<Entry> {
    let saved =
        events.iter().filter_map(|event| if let Event::Checkpoint(saved) = event { Some(saved.step) } else { None });
    let (count, last) = saved.fold((0, None), |(count, _), step| (count + 1, Some(step)));
    Some(entry(Kind::Saved, last?, counted(count, "checkpoint") + ", the last here"))
}

fn changed(event: &Event) -> Option<Entry> {
    let (step, text) = match event {
        // What came of these is told by itself.
        Event::Steered(Steered { change, .. }) if ["checkpoint", "evaluate"].contains(&change.command.as_str()) => {
            return None;
        }
        Event::Steered(Steered { step, change, by, .. }) => {
            let by = match by {
                By::Person => "",
                By::Plan => "the plan: ",
                By::Guard => "a guard: ",
                By::Bound => "the bound on forgetting: ",
            };
            (*step, format!("{by}{}", change.effect))
        }
        Event::Rewound(back) => (back.to_step, format!("{}: back from step {}", back.why, grouped(back.step))),
        Event::Resumed(resumed) => (resumed.step, "somebody went on with the run".to_string()),
        _ => return None,
    };
    Some(entry(Kind::Change, step, text))
}

/// The newest, and how many there were before them.
fn last_of(all: impl Iterator<Item = Entry>, most: usize, what: &str, kind: Kind) -> Vec<Entry> {
    let mut all: Vec<Entry> = all.collect();
    let surplus = all.len().saturating_sub(most);
    let first = all.first().map(|first| first.step);
    all.drain(..surplus);
    if let Some(first) = first.filter(|_| surplus > 0) {
        all.insert(0, entry(kind, first, format!("{} from here on, and then", counted(surplus as u64, what))));
    }
    all
}

impl App {
    /// Tells what happened, once everything is here; where something lies over the screen, only that there is news.
    pub(super) fn tell_absence(&mut self) {
        let Some(absence) = self.absence.take_if(|_| self.mirror.has_caught_up()) else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.away = happened(&self.mirror, &absence, now.saturating_sub(absence.since));
        let Some(away) = self.away.clone() else { return };
        if self.overlay.is_none() && !self.wants_text() {
            self.overlay = Some(Overlay::Away(away));
        } else {
            let key = self.keymap.keys_text("away");
            self.say(format!("something happened while you were away: {key} shows it"));
        }
    }

    /// Puts the graphs' cursor on a step, and looks there.
    pub fn look_at(&mut self, step: u64) {
        self.graphs.read(&self.mirror, step);
        self.focus = Pane::Graphs;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing;
    use crate::protocol::{CheckpointSaved, Finished, Guarded, Message, Rewound, Welcome};

    fn absence(step: u64, events: u64) -> Absence {
        Absence { since: 0, step, events }
    }

    fn told(app: &App, absence: Absence) -> Vec<(Kind, u64, String)> {
        let away = happened(&app.mirror, &absence, 11_520).unwrap();
        away.entries.into_iter().map(|entry| (entry.kind, entry.step, entry.text)).collect()
    }

    #[test]
    fn what_happened_is_told_in_order_of_weight() {
        let app = testing::sample_app();
        let all = told(&app, absence(100, 0));
        let texts: Vec<&str> = all.iter().map(|(.., text)| text.as_str()).collect();
        assert!(all.is_sorted_by_key(|(kind, ..)| *kind));
        assert!(texts[0].starts_with("the loss rose to 9.50, from about") && all[0].1 == 400, "{texts:?}");
        assert!(texts[1].starts_with("the loss was no number") && all[1].1 == 640, "{texts:?}");
        for expected in [
            "phase sentiment began",
            "best of stories: loss 1.620",
            "best of sentiment: loss 0.410, accuracy 0.900",
            "1 checkpoint, the last here",
            "froze block.0–1",
        ] {
            assert!(texts.contains(&expected), "{expected}: {texts:?}");
        }
        let events = app.mirror.events.len() as u64;
        assert_eq!(happened(&app.mirror, &absence(1_200, events), 9), None);
    }

    #[test]
    fn guards_ends_and_many_of_a_kind() {
        let mut app = testing::sample_app();
        let start = app.mirror.events.len() as u64;
        let saved = |step| Event::Checkpoint(CheckpointSaved { phase: "sentiment".into(), step, path: String::new() });
        let phase = || "sentiment".to_string();
        let mut events: Vec<Event> = (1_010..1_022).map(saved).collect();
        events.extend([
            Event::Rewound(Rewound { phase: phase(), step: 1_150, to_step: 1_100, to_line: 3, why: "undid: x".into() }),
            Event::Guarded(Guarded { phase: phase(), step: 1_150, why: "a spike".into(), effect: "held".into() }),
            Event::Finished(Finished {
                run: "owl".into(),
                path: String::new(),
                steps: 1_200,
                seconds: 1.0,
                tokens: 9,
                peak_rss_bytes: None,
                transfer: Vec::new(),
            }),
        ]);
        app.message(Message::Events { start, events });
        let all = told(&app, absence(1_000, start));
        assert_eq!(all[0], (Kind::Guard, 1_150, "guard: a spike; held".into()));
        assert_eq!(all[1].2, "the run is finished");
        assert!(all.contains(&(Kind::Saved, 1_021, "12 checkpoints, the last here".into())), "{all:?}");
        assert!(all.contains(&(Kind::Change, 1_100, "undid: x: back from step 1 150".into())), "{all:?}");
        let many = (0..13).map(|step| entry(Kind::Change, step, "froze".into()));
        let last = last_of(many, 10, "change", Kind::Change);
        assert_eq!((last.len(), last[0].text.as_str()), (11, "3 changes from here on, and then"));
    }

    #[test]
    fn a_return_shows_it_once_everything_is_here_and_an_entry_is_a_jump() {
        let complete = testing::sample_app();
        let mut app = App::new();
        let welcome = Welcome { absence: Some(absence(100, 0)), ..testing::welcome() };
        app.message(Message::Welcome(Box::new(welcome)));
        app.message(testing::sample_status());
        app.message(Message::Events { start: 0, events: complete.mirror.events.clone() });
        assert!(app.overlay.is_none(), "the steps are not here yet");
        app.message(Message::Steps(complete.mirror.steps.clone()));
        assert!(matches!(app.overlay, Some(Overlay::Away(_))));
        app.focus = Pane::Prompt;
        app.key("down".parse().unwrap());
        app.key("enter".parse().unwrap());
        assert_eq!((app.graphs.cursor, app.focus, app.overlay.is_none()), (Some(640), Pane::Graphs, true));
        // It can be looked at again, and is not told again where the run goes back.
        app.message(Message::Welcome(Box::new(testing::welcome())));
        assert!(app.overlay.is_none());
        app.key("W".parse().unwrap());
        assert!(matches!(app.overlay, Some(Overlay::Away(_))));
    }
}
