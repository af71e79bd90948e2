use super::super::folder::RunFolder;
use super::super::plan;
use super::*;
use crate::protocol::{By, Change, OriginKind, Step};
use tempfile::TempDir;

/// A home with runs made by hand.
struct Families {
    folder: TempDir,
}

impl Families {
    fn home(&self) -> Home {
        Home::find(Some(self.folder.path())).unwrap()
    }

    fn path(&self, run: &str) -> PathBuf {
        self.home().runs().join(run)
    }

    /// A run that comes from another, or from none, and has made so many steps.
    fn add(&self, name: &str, origin: Option<(&str, u64)>, steps: u64) -> RunFolder {
        let plan = plan::load("first-run", &Default::default()).unwrap();
        let origin = origin.map(|(run, step)| Origin { run: run.into(), step, kind: OriginKind::Fork, lines: 3 });
        let mut folder = RunFolder::create(&self.home(), Some(name), &plan, origin).unwrap();
        (1..=steps).for_each(|number| folder.note(&step(number)).unwrap());
        folder.metrics.as_mut().unwrap().flush().unwrap();
        folder
    }

    /// One run, two that parted from it at steps 10 and 20, and one that parted from the first of those at 15.
    fn of_four() -> Self {
        let families = Self { folder: tempfile::tempdir().unwrap() };
        families.add("root", None, 30);
        families.add("right", Some(("root", 20)), 40);
        families.add("left", Some(("root", 10)), 20);
        families.add("deep", Some(("left", 15)), 25);
        families.add("stranger", None, 5);
        families
    }

    fn kin(&self, run: &str) -> Vec<String> {
        kin(&self.home(), &self.path(run)).unwrap().into_iter().map(|kin| kin.run).collect()
    }

    /// Name, last step in common, and the first and the last step of each branch.
    fn branches(&self, branches: &mut Branches, run: &str) -> Vec<(String, u64, u64, u64)> {
        let found = branches.of(&self.home(), &self.path(run)).unwrap().into_iter();
        let ends = |branch: &Branch| [branch.steps.step.first(), branch.steps.step.last()].map(|step| *step.unwrap());
        found.map(|branch| (branch.name.clone(), branch.from, ends(&branch)[0], ends(&branch)[1])).collect()
    }
}

fn step(step: u64) -> Event {
    Event::Step(Step {
        phase: "a".into(),
        step,
        loss: 1.0,
        learning_rate: 0.1,
        gradient_norm: 1.0,
        tokens_per_second: 9.0,
        seconds: 1.0,
        changes: 0,
        pull: None,
    })
}

fn steered(step: u64, command: &str) -> Event {
    let change = Change { command: command.into(), effect: format!("did {command}") };
    Event::Steered(Steered { phase: "a".into(), step, change, by: By::Person })
}

#[test]
fn a_family_is_found_from_each_of_its_members_the_root_first() {
    let families = Families::of_four();
    for run in ["root", "left", "deep", "right"] {
        assert_eq!(families.kin(run), ["root", "left", "deep", "right"]);
    }
    assert_eq!(families.kin("stranger"), ["stranger"]);
    std::fs::write(families.path("right").join("plan.toml"), "nonsense").unwrap();
    assert_eq!(families.kin("left"), ["root", "left", "deep"], "what cannot be read is left out");
    std::fs::remove_dir_all(families.path("root")).unwrap();
    assert_eq!(families.kin("deep"), ["left", "deep"], "and what comes from a run that is gone is a root");
}

#[test]
fn a_run_says_what_made_it_another_since_it_parted() {
    let families = Families { folder: tempfile::tempdir().unwrap() };
    families.add("root", None, 30);
    let mut fork = families.add("fork", Some(("root", 10)), 20);
    // Of a fork's journal the first lines are the other's.
    for event in [
        steered(4, "rate x0.5"),
        steered(9, "thaw all"),
        steered(12, "freeze head"),
        steered(13, "pause"),
        steered(13, "continue"),
    ] {
        fork.note(&event).unwrap();
    }
    let kin = kin(&families.home(), &fork.path).unwrap().pop().unwrap();
    assert_eq!(kin.changes, [(12, "did freeze head".to_string())]);
    assert_eq!((kin.step, kin.loss, kin.state.as_str()), (20, Some(1.0), "stopped"));
}

#[test]
fn branches_begin_where_runs_part_and_are_read_again_where_they_grew() {
    let families = Families::of_four();
    let mut branches = Branches::default();
    let row = |name: &str, from, last| (name.to_string(), from, from + 1, last);
    assert_eq!(
        families.branches(&mut branches, "left"),
        [row("deep", 15, 25), row("right", 10, 40), row("root", 10, 30)]
    );
    assert_eq!(
        families.branches(&mut branches, "root"),
        [row("right", 20, 40), row("deep", 10, 25), row("left", 10, 20)]
    );
    let mut right = RunFolder::open(&families.path("right")).unwrap().0;
    right.note(&step(41)).unwrap();
    right.metrics.as_mut().unwrap().flush().unwrap();
    assert_eq!(families.branches(&mut branches, "root")[0], row("right", 20, 41));
    let first = branches.of(&families.home(), &families.path("root")).unwrap().remove(0);
    assert_eq!(first.steps.start, 20, "where its steps stand in its own history");
    std::fs::write(families.path("right").join(Metrics::FILE), "nonsense\n").unwrap();
    assert_eq!(families.branches(&mut branches, "root").len(), 2, "what cannot be read is left out");
}

#[test]
fn runs_that_come_from_each_other_in_a_circle_are_an_end_too() {
    let families = Families { folder: tempfile::tempdir().unwrap() };
    families.add("one", Some(("two", 3)), 5);
    families.add("two", Some(("one", 4)), 5);
    families.add("own", Some(("own", 4)), 5);
    assert_eq!(families.kin("one").len(), 2);
    assert_eq!(families.kin("own"), ["own"]);
    assert_eq!(families.branches(&mut Branches::default(), "one").len(), 1);
}
