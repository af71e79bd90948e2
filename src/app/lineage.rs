//! The family of a run as a tree that one can walk: runs where they were forked off, and below each its phases and what
//! was changed.

use super::numbers::grouped;
use super::welcome::Choice;
use super::{App, Code, Key};
use crate::protocol::{Kin, OriginKind};

/// What a line of the tree is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Run {
        /// `forked at step 120`; empty for one that comes from none.
        origin: String,
        state: String,
        step: u64,
        loss: Option<f64>,
        /// It is the one on the screen.
        is_own: bool,
    },
    /// A phase or a change, after so many steps.
    Happened { step: u64, text: String, is_phase: bool },
}

/// A line of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The lines of the tree before it: `│  ├─ `.
    pub guides: String,
    /// The run that it belongs to.
    pub run: String,
    pub what: What,
}

/// The tree, and which line is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Lineage {
    pub rows: Vec<Row>,
    pub selected: usize,
}

impl Lineage {
    /// The run `own` is chosen at first.
    pub fn new(kin: &[Kin], own: &str) -> Self {
        let rows = rows(kin, own);
        let selected = rows.iter().position(|row| matches!(row.what, What::Run { is_own: true, .. })).unwrap_or(0);
        Self { rows, selected }
    }

    pub fn select(&mut self, row: usize) {
        self.selected = row.min(self.rows.len().saturating_sub(1));
    }

    /// Whether the tree stays.
    pub fn key(&mut self, app: &mut App, key: Key) -> bool {
        match key.code {
            Code::Up | Code::Char('k') => self.select(self.selected.saturating_sub(1)),
            Code::Down | Code::Char('j') => self.select(self.selected + 1),
            Code::Left | Code::Char('h') => self.pass_to_run(false),
            Code::Right | Code::Char('l') => self.pass_to_run(true),
            Code::PageUp => self.select(self.selected.saturating_sub(10)),
            Code::PageDown => self.select(self.selected + 10),
            Code::Home => self.select(0),
            Code::End => self.select(usize::MAX),
            Code::Enter => {
                if let Some(row) = self.rows.get(self.selected) {
                    go(app, row);
                }
                return false;
            }
            _ => return false,
        }
        true
    }

    /// To the next run, or the one before.
    fn pass_to_run(&mut self, forwards: bool) {
        let mut runs = self.rows.iter().enumerate().filter(|(_, row)| matches!(row.what, What::Run { .. }));
        let found = match forwards {
            true => runs.find(|(at, _)| *at > self.selected),
            false => runs.rfind(|(at, _)| *at < self.selected),
        };
        self.selected = found.map_or(self.selected, |(at, _)| at);
    }
}

/// Opens another run; of the one on the screen, shows the place.
fn go(app: &mut App, row: &Row) {
    let own = app.mirror.welcome.as_ref().map(|welcome| welcome.run.as_str());
    match &row.what {
        _ if own != Some(row.run.as_str()) => app.open(Choice::Run(row.run.clone())),
        What::Run { .. } => app.say(format!("{} is on the screen already", row.run)),
        What::Happened { step, .. } => app.look_at(*step),
    }
}

/// The tree from the top: runs that come from none first, in the order in which they are given.
fn rows(kin: &[Kin], own: &str) -> Vec<Row> {
    let mut tree = Tree { kin, own, rows: Vec::new(), is_drawn: vec![false; kin.len()] };
    let is_known = |run: &str| kin.iter().any(|other| other.run == run);
    let has_parent = |place: &usize| kin[*place].origin.as_ref().is_some_and(|origin| is_known(&origin.run));
    for place in (0..kin.len()).filter(|place| !has_parent(place)) {
        tree.run(place, "", "");
    }
    // Files could say that two runs come from each other.
    for place in 0..kin.len() {
        tree.run(place, "", "");
    }
    tree.rows
}

struct Tree<'a> {
    kin: &'a [Kin],
    own: &'a str,
    rows: Vec<Row>,
    is_drawn: Vec<bool>,
}

/// What stands below a run, at its step; at the same step phases first and forks last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Below {
    Phase(String),
    Change(String),
    Run(usize),
}

impl Tree<'_> {
    /// A run and everything below it; `guides` stand before its own line, `below` before those below it.
    fn run(&mut self, place: usize, guides: &str, below: &str) {
        if std::mem::replace(&mut self.is_drawn[place], true) {
            return;
        }
        let kin = &self.kin[place];
        let origin = kin.origin.as_ref().map_or_else(String::new, |origin| match origin.kind {
            OriginKind::Fork => format!("forked at step {}", grouped(origin.step)),
            OriginKind::Replay => format!("replay of {}", origin.run),
        });
        let is_own = kin.run == self.own;
        let what = What::Run { origin, state: kin.state.clone(), step: kin.step, loss: kin.loss, is_own };
        self.rows.push(Row { guides: guides.to_string(), run: kin.run.clone(), what });
        let all = self.below(place);
        let last = all.len().saturating_sub(1);
        for (at, (step, item)) in all.into_iter().enumerate() {
            let (own, further) = if at == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let guides = format!("{below}{own}");
            match item {
                Below::Run(child) => self.run(child, &guides, &format!("{below}{further}")),
                Below::Phase(text) => self.happened(place, guides, step, text, true),
                Below::Change(text) => self.happened(place, guides, step, text, false),
            }
        }
    }

    fn happened(&mut self, place: usize, guides: String, step: u64, text: String, is_phase: bool) {
        self.rows.push(Row { guides, run: self.kin[place].run.clone(), what: What::Happened { step, text, is_phase } });
    }

    fn below(&self, place: usize) -> Vec<(u64, Below)> {
        let kin = &self.kin[place];
        // A fork has the other's first phases and changes too.
        let parted =
            kin.origin.as_ref().filter(|origin| origin.kind == OriginKind::Fork).map_or(0, |origin| origin.step);
        let own = kin.phases.iter().filter(|phase| phase.first_step.saturating_sub(1) >= parted);
        let phases = own.map(|phase| {
            let base = phase.base.as_deref().map_or("new weights", last_part);
            (phase.first_step.saturating_sub(1), Below::Phase(format!("phase {} from {base}", phase.name)))
        });
        let own = kin.changes.iter().filter(|(step, _)| *step >= parted);
        let changes = own.map(|(step, text)| (*step, Below::Change(text.clone())));
        let is_child = |(at, other): &(usize, &Kin)| {
            !self.is_drawn[*at] && other.origin.as_ref().is_some_and(|origin| origin.run == kin.run)
        };
        let children = self.kin.iter().enumerate().filter(is_child);
        let children =
            children.map(|(at, other)| (other.origin.as_ref().map_or(0, |origin| origin.step), Below::Run(at)));
        let rank = |below: &Below| match below {
            Below::Phase(_) => 0,
            Below::Change(_) => 1,
            Below::Run(_) => 2,
        };
        let mut all: Vec<(u64, Below)> = phases.chain(changes).chain(children).collect();
        // What happened at one step keeps its order.
        all.sort_by_key(|(step, below)| (*step, rank(below)));
        all
    }
}

/// Of a path, its last part.
fn last_part(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::overlay::Overlay;
    use crate::app::{Effect, Pane, testing};
    use crate::protocol::{Answer, Ask, Message, Origin};

    fn lines(rows: &[Row]) -> Vec<String> {
        let text = |what: &What| match what {
            What::Run { origin, .. } if origin.is_empty() => String::new(),
            What::Run { origin, .. } => format!(" {origin}"),
            What::Happened { step, text, .. } => format!("@{step} {text}"),
        };
        let name = |row: &Row| if matches!(row.what, What::Run { .. }) { row.run.clone() } else { String::new() };
        rows.iter().map(|row| format!("{}{}{}", row.guides, name(row), text(&row.what))).collect()
    }

    #[test]
    fn forks_stand_where_they_were_forked_off() {
        let rows = rows(&testing::family(), "owl");
        assert_eq!(
            lines(&rows),
            [
                "owl",
                "├─ @0 phase pretrain from new weights",
                "├─ @500 learning rate ×0.5",
                "├─ owl-2 forked at step 640",
                "│  ├─ @700 froze block.0–3",
                "│  └─ owl-3 forked at step 700",
                "│     └─ @720 learning rate ×2",
                "├─ @800 phase sentiment from step-800",
                "├─ @900 froze block.0–1",
                "└─ owl-again replay of owl",
            ]
        );
        assert_eq!(Lineage::new(&testing::family(), "owl-2").selected, 3);
    }

    #[test]
    fn whatever_files_say_every_run_is_there_once() {
        let mut family = testing::family();
        let kind = OriginKind::Fork;
        // Two that come from each other, and one that comes from a run that is no longer there.
        family[0].origin = Some(Origin { run: "owl-2".into(), step: 1, kind, lines: 0 });
        family[2].origin = Some(Origin { run: "gone".into(), step: 1, kind, lines: 0 });
        let rows = rows(&family, "owl");
        let mut runs: Vec<&str> =
            rows.iter().filter(|row| matches!(row.what, What::Run { .. })).map(|row| row.run.as_str()).collect();
        runs.sort_unstable();
        assert_eq!(runs, ["owl", "owl-2", "owl-3", "owl-again"]);
        assert!(Lineage::new(&[], "owl").rows.is_empty());
    }

    fn press(app: &mut App, keys: &str) {
        for key in keys.split(' ') {
            app.key(key.parse().unwrap());
        }
    }

    #[test]
    fn a_walk_through_the_tree_opens_a_run_or_shows_a_place() {
        let mut app = testing::sample_app();
        press(&mut app, "K");
        let request = app.take_requests().pop().unwrap();
        assert_eq!(request.ask, Ask::Lineage);
        let answer = || Answer::Lineage(testing::family());
        app.message(Message::Answer { id: request.id, answer: answer() });
        press(&mut app, "down down enter");
        assert_eq!((app.graphs.cursor, app.focus), (Some(500), Pane::Graphs));
        app.message(Message::Answer { id: request.id, answer: answer() });
        assert!(matches!(app.overlay, Some(Overlay::Lineage(_))));
        press(&mut app, "right enter");
        assert_eq!(app.take_effects(), [Effect::Start(Choice::Run("owl-2".into()))]);
        assert!(app.overlay.is_none());
        // One after the other.
        app.message(Message::Answer { id: request.id, answer: answer() });
        press(&mut app, "end enter");
        assert!(app.take_effects().is_empty() && app.toast.as_ref().unwrap().is_refusal);
    }
}
