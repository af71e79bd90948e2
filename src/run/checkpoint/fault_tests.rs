//! Every single operation of writing a checkpoint fails in turn: what was there before stays whole, nothing half bears a
//! checkpoint's name, and when the disk is well again the next checkpoint is written.

use super::super::disk::testing::{Fault, Watched, watch};
use super::testing::*;
use super::*;

/// What a fault meets, by its name in a failed assertion.
struct Case<'a> {
    run: &'a Path,
    earlier: &'a Snapshot,
    /// What stands under the new one's name already.
    old: Option<&'a Snapshot>,
    new: &'a Snapshot,
}

impl Case<'_> {
    fn target(&self) -> std::path::PathBuf {
        self.run.join(CHECKPOINTS).join(format!("step-{}", self.new.state.step))
    }

    /// As it is before: the earlier one, and perhaps the old one.
    fn prepare(&self) {
        super::super::disk::remove(&self.target()).unwrap();
        if let Some(old) = self.old {
            save(self.run, old, &tokenizer()).unwrap();
        }
    }

    fn check(&self, fault: Fault, watched: &Watched) -> bool {
        self.prepare();
        watched.fail(fault);
        let outcome = save(self.run, self.new, &tokenizer());
        let has_failed = watched.has_failed();
        watched.heal();
        assert_nothing_half(self.run);
        let left = [".writing-step-2", ".replaced-step-2"].map(|name| self.run.join(CHECKPOINTS).join(name).exists());
        tidy(self.run).unwrap();
        assert_nothing_half(self.run);
        assert_reads(&self.run.join(CHECKPOINTS).join("step-1"), self.earlier);
        match (&outcome, self.old) {
            (Ok(path), _) => assert_reads(path, self.new),
            (Err(error), old) => {
                let text = error.to_string();
                assert!(text.contains("step-2") && text.contains("because:"), "{fault:?}: {text}");
                assert!(fault.is_lasting || left == [false, old.is_some() && left[1]], "{fault:?}: {left:?}");
                assert!(old.is_none() || self.target().exists(), "{fault:?}: both are lost");
                // Where only the last sync failed it is the new one already.
                let is = |one: &Snapshot| state(&self.target()).as_ref() == Some(&one.state);
                assert!(!self.target().exists() || is(self.new) || old.is_some_and(is), "{fault:?}");
            }
        }
        assert_reads(&save(self.run, self.new, &tokenizer()).unwrap(), self.new);
        let mut names = super::super::disk::names(&self.run.join(CHECKPOINTS)).unwrap();
        names.retain(|name| name != "step-1");
        assert_eq!(names, ["step-2"], "{fault:?}");
        has_failed
    }
}

/// Lets each operation fail in turn; returns how many there are.
fn fail_each(errno: i32, is_replacing: bool) -> u64 {
    let run = tempfile::tempdir().unwrap();
    let (earlier, new) = (small(1), small(2));
    let mut old = small(3);
    (old.state.step, old.state.loss) = (2, Some(1.0));
    let old = is_replacing.then_some(&old);
    let case = Case { run: run.path(), earlier: &earlier, old, new: &new };
    save(run.path(), &earlier, &tokenizer()).unwrap();
    let watched = watch(run.path());
    let mut at = 0;
    loop {
        let faults = [(false, true), (true, false)];
        let fail = |(is_lasting, is_short)| case.check(Fault { at, errno, is_lasting, is_short }, &watched);
        if !faults.map(fail).contains(&true) {
            return at;
        }
        at += 1;
    }
}

#[test]
fn a_full_disk_damages_nothing() {
    let operations = fail_each(libc::ENOSPC, false);
    assert!(operations > 50, "only {operations} operations failed");
}

#[test]
fn a_broken_disk_damages_nothing() {
    assert!(fail_each(libc::EIO, false) > 50);
}

#[test]
fn a_folder_that_may_not_be_written_is_not_damaged() {
    assert!(fail_each(libc::EACCES, false) > 50);
}

#[test]
fn one_that_is_replaced_is_there_until_the_new_one_is() {
    for errno in [libc::ENOSPC, libc::EIO, libc::EACCES] {
        assert!(fail_each(errno, true) > 50);
    }
}

#[test]
fn the_first_of_a_run_can_fail_too() {
    let run = tempfile::tempdir().unwrap();
    let watched = watch(run.path());
    for at in 0..4 {
        let run = run.path().join(at.to_string());
        std::fs::create_dir(&run).unwrap();
        watched.fail(Fault { at, errno: libc::EACCES, is_lasting: true, is_short: false });
        assert!(save(&run, &small(1), &tokenizer()).is_err());
        watched.heal();
        assert!(list(&run).unwrap().is_empty());
        assert_reads(&save(&run, &small(1), &tokenizer()).unwrap(), &small(1));
    }
}

#[test]
fn removing_and_clearing_up_can_fail_at_any_operation() {
    let run = tempfile::tempdir().unwrap();
    let keep = Keep { last: 1, every: 0, best: 0 };
    let watched = watch(run.path());
    let mut at = 0;
    loop {
        let steps = [1, 2, 3].map(small);
        steps.iter().for_each(|step| drop(save(run.path(), step, &tokenizer()).unwrap()));
        watched.fail(Fault { at, errno: libc::EIO, is_lasting: true, is_short: false });
        let (removed, _) = (remove_old(run.path(), &keep, |_| true), tidy(run.path()));
        let has_failed = watched.has_failed();
        watched.heal();
        assert_nothing_half(run.path());
        assert_reads(&run.path().join(CHECKPOINTS).join("step-3"), &steps[2]);
        remove_old(run.path(), &keep, |_| true).unwrap();
        tidy(run.path()).unwrap();
        assert_eq!(super::super::disk::names(&run.path().join(CHECKPOINTS)).unwrap(), ["step-3"]);
        if !has_failed {
            assert_eq!(removed.unwrap(), [1, 2]);
            return assert!(at > 20, "only {at} operations failed");
        }
        at += 1;
    }
}
