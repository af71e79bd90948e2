//! A run that went back: which of what happened still counts, and what becomes of the rest.

use super::recorder::step_of;
use crate::protocol::{Branch, BranchKind, Event, Rewound, Steered, StepRecords};

/// Branches of a kind that are kept, and steps of one; what is longer is thinned.
pub const MOST_BRANCHES: usize = 8;
pub const MOST_STEPS: usize = 20_000;

/// What the reason of a rewinding begins with where a person undid a change.
const UNDID: &str = "undid: ";

/// Which events still count after the run went back. What happened after more steps does not, and what happened after
/// fewer does. Of what happened after exactly as many: where a change was undone, the last change of that name is the one,
/// and with it goes everything since but evaluations, which measured the same weights. A guard goes back to a state and
/// takes back no change by name: everything stays, and what is changed again takes the place of what it repeats
/// ([`said_before`]).
pub fn counting(events: &[Event], rewound: &Rewound) -> Vec<bool> {
    let undone = rewound.why.strip_prefix(UNDID).and_then(|effect| {
        events.iter().rposition(|event| match event {
            Event::Steered(steered) => steered.step == rewound.to_step && steered.change.effect == effect,
            _ => false,
        })
    });
    let stays_at =
        |at: usize, event: &Event| matches!(event, Event::Evaluation(_)) || undone.is_none_or(|undone| at < undone);
    let positions = positions(events);
    let counts = events.iter().zip(positions).enumerate();
    counts
        .map(|(at, (event, position))| match position.cmp(&rewound.to_step) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => stays_at(at, event),
            std::cmp::Ordering::Greater => false,
        })
        .collect()
}

/// Where the run stood after each event: a guard names the step that went wrong, but may have gone back before it speaks,
/// and a rewinding stands where it went to.
fn positions(events: &[Event]) -> Vec<u64> {
    let mut back: Option<(u64, u64)> = None;
    let position = |event: &Event| match event {
        Event::Rewound(rewound) => {
            back = Some((rewound.step, rewound.to_step));
            rewound.to_step
        }
        Event::Guarded(guarded) => match back {
            Some((step, to_step)) if step + 1 == guarded.step => to_step,
            _ => guarded.step.saturating_sub(1),
        },
        event => step_of(event),
    };
    events.iter().map(position).collect()
}

/// The place of a change that stands before the newest rewinding, and that is said again after it without a step between:
/// a guard went back, and what a person wanted is wanted still.
pub fn said_before(events: &[Event], again: &Steered) -> Option<usize> {
    let place = events.iter().rposition(|event| matches!(event, Event::Rewound(_)))?;
    let Event::Rewound(rewound) = &events[place] else { return None };
    if rewound.to_step != again.step || rewound.why.starts_with(UNDID) {
        return None;
    }
    let is_same = |event: &Event| match event {
        Event::Steered(earlier) => {
            (earlier.step, &earlier.change.command, earlier.by) == (again.step, &again.change.command, again.by)
        }
        _ => false,
    };
    events[..place].iter().rposition(is_same)
}

/// What the run went back from.
pub fn branch(steps: &StepRecords, events: &[Event], rewound: &Rewound) -> Branch {
    let from = steps.step.partition_point(|step| *step <= rewound.to_step);
    let abandoned = |event: &Event| match event {
        Event::Evaluation(evaluation) if evaluation.step > rewound.to_step => Some(evaluation.clone()),
        _ => None,
    };
    Branch {
        name: rewound.why.clone(),
        kind: BranchKind::Undone,
        from: rewound.to_step,
        steps: StepRecords { start: 0, ..steps.slice(from, usize::MAX).thinned(MOST_STEPS) },
        evaluations: events.iter().filter_map(abandoned).collect(),
    }
}

/// Whether two are the same as far as anybody sees; a loss that is no number is the same as itself.
pub fn is_same(one: &Branch, other: &Branch) -> bool {
    let losses = |branch: &Branch| branch.steps.loss.iter().map(|loss| loss.to_bits()).collect::<Vec<_>>();
    let what = |branch: &Branch| (branch.name.clone(), branch.from, branch.evaluations.len());
    what(one) == what(other) && one.steps.step == other.steps.step && losses(one) == losses(other)
}

#[cfg(test)]
mod tests {
    use super::super::history::History;
    use super::super::testing::{evaluation, record, rewound, status, steered, welcome};
    use super::*;
    use crate::protocol::{By, Guarded, Message};

    fn history(steps: u64, events: Vec<Event>) -> History {
        let mut history = History::new(welcome(), status());
        (1..=steps).for_each(|step| history.steps.push(record(step)));
        events.into_iter().for_each(|event| history.push(event));
        history
    }

    fn effects(history: &History) -> Vec<String> {
        let effect = |event: &'_ Event| match event {
            Event::Steered(Steered { change, .. }) => Some(change.effect.clone()),
            _ => None,
        };
        history.events.iter().filter_map(effect).collect()
    }

    fn branches(history: &History) -> Vec<Branch> {
        let mut cursor = Default::default();
        let messages = std::iter::from_fn(|| history.next(&mut cursor));
        messages
            .filter_map(|message| if let Message::Branches(all) = message { Some(all) } else { None })
            .flatten()
            .collect()
    }

    #[test]
    fn of_several_changes_at_one_step_only_the_undone_one_goes() {
        let events =
            vec![steered(3, "froze a"), steered(3, "froze b"), evaluation(3), evaluation(5), steered(5, "rate ×0.5")];
        let mut history = history(6, events);
        history.push(rewound(6, 3, "undid: froze b"));
        assert_eq!(effects(&history), ["froze a"]);
        let evaluated = history.events.iter().filter(|event| matches!(event, Event::Evaluation(_))).count();
        assert_eq!((evaluated, history.steps.len(), history.status.step), (1, 3, 3));
        let branches = branches(&history);
        assert_eq!((branches[0].from, &branches[0].steps.step, branches[0].evaluations.len()), (3, &vec![4, 5, 6], 1));
        // The other one, at the same step: what the first going back left behind goes with it.
        history.push(rewound(3, 3, "undid: froze a"));
        assert!(effects(&history).is_empty());
        assert_eq!(history.events.iter().filter(|event| matches!(event, Event::Rewound(_))).count(), 1);
        assert_eq!(self::branches(&history).len(), 1, "nothing was trained between");
    }

    #[test]
    fn a_guard_changes_again_what_was_wanted_and_nothing_stands_twice() {
        let mut history = history(9, vec![steered(4, "froze a"), steered(4, "froze b"), steered(7, "froze c")]);
        let guarded =
            Guarded { phase: "a".into(), step: 10, why: "the loss is NaN".into(), effect: "went back".into() };
        for event in [rewound(9, 4, "guard: the loss is NaN"), steered(4, "froze b"), Event::Guarded(guarded)] {
            history.push(event);
        }
        assert_eq!(effects(&history), ["froze a", "froze b"]);
        (5..=8).for_each(|step| history.steps.push(record(step)));
        history.push(rewound(8, 6, "guard: the loss is NaN"));
        // It spoke after step 4, whatever step it spoke of.
        assert!(history.events.iter().any(|event| matches!(event, Event::Guarded(_))));
    }

    #[test]
    fn clients_begin_anew_and_an_absence_counts_what_is_still_there() {
        let mut history = history(9, vec![steered(4, "froze a"), steered(7, "froze b"), steered(8, "froze c")]);
        history.absence = Some(crate::protocol::Absence { since: 0, step: 7, events: 2 });
        let mut cursor = Default::default();
        while history.next(&mut cursor).is_some() {}
        history.push(rewound(9, 4, "guard: a spike"));
        assert!(matches!(history.next(&mut cursor), Some(Message::Welcome(_))));
        let Some(Message::Status(status)) = history.next(&mut cursor) else { panic!("no status") };
        assert_eq!(status.step, 4);
        let Some(Message::Events { start: 0, events }) = history.next(&mut cursor) else { panic!("no events") };
        assert_eq!((events.len(), history.absence.unwrap().events), (2, 1));
        let Event::Steered(steered) = steered(4, "froze a") else { panic!() };
        assert_eq!(steered.by, By::Person);
    }

    #[test]
    fn relatives_are_told_when_they_changed() {
        let mut history = history(2, Vec::new());
        let mut kin = branch(
            &StepRecords::default(),
            &[],
            &Rewound { phase: "a".into(), step: 2, to_step: 1, to_line: 0, why: "r-2".into() },
        );
        kin.steps.push(crate::protocol::StepRecord { loss: f32::NAN, ..record(2) });
        assert!(history.set_kin(vec![kin.clone()]));
        assert!(!history.set_kin(vec![kin.clone()]), "no number is no news");
        kin.steps.push(record(3));
        assert!(history.set_kin(vec![kin]) && history.set_kin(Vec::new()));
        assert!(branches(&history).is_empty());
    }

    #[test]
    fn old_branches_make_room() {
        let mut history = history(2, Vec::new());
        for _ in 0..12 {
            history.push(rewound(2, 1, "undid: froze a"));
            history.steps.push(record(2));
        }
        assert_eq!(branches(&history).len(), MOST_BRANCHES);
    }
}
