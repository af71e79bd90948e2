//! What lies over the bench when somebody comes back, and when runs are walked through; branches on the graphs.

use super::tests::{press, text};
use crate::app::away::happened;
use crate::app::graphs::Layout;
use crate::app::overlay::{Confirm, Overlay};
use crate::app::{App, testing};
use crate::protocol::{Absence, Answer, Event, Guarded, Message, Rewound, State, Status, Undoable};

const SIZES: [(u16, u16); 2] = [(80, 24), (120, 36)];

fn with_status(app: &mut App, change: impl FnOnce(&mut Status)) {
    let mut status = testing::status(State::Training, 1_200, 6);
    change(&mut status);
    app.message(Message::Status(Box::new(status)));
}

#[test]
fn what_happened_meanwhile_at_two_sizes() {
    let mut app = testing::sample_app();
    let guarded = Guarded {
        phase: "sentiment".into(),
        step: 1_101,
        why: "the loss is NaN".into(),
        effect: "went back to step 1050 and paused".into(),
    };
    let start = app.mirror.events.len() as u64;
    app.message(Message::Events { start, events: vec![Event::Guarded(guarded)] });
    let absence = Absence { since: 0, step: 100, events: 0 };
    let away = happened(&app.mirror, &absence, 11_520).unwrap();
    for (width, height) in SIZES {
        app.overlay = Some(Overlay::Away(away.clone()));
        insta::assert_snapshot!(format!("away_{width}x{height}"), text(&app, width, height));
    }
}

#[test]
fn a_family_at_two_sizes() {
    let mut app = testing::sample_app();
    app.message(Message::Answer { id: 1, answer: Answer::Lineage(testing::family()) });
    press(&mut app, "down down");
    for (width, height) in SIZES {
        insta::assert_snapshot!(format!("lineage_{width}x{height}"), text(&app, width, height));
    }
}

#[test]
fn branches_lie_beside_the_runs_own_curve() {
    let mut app = testing::sample_app();
    app.message(testing::branches());
    let start = app.mirror.events.len() as u64;
    let rewound = Rewound {
        phase: "sentiment".into(),
        step: 1_100,
        to_step: 1_000,
        to_line: 9,
        why: "undid: thawed block.0".into(),
    };
    app.message(Message::Events { start, events: vec![Event::Rewound(rewound)] });
    press(&mut app, "2 z");
    app.graphs.layout = Layout::One;
    insta::assert_snapshot!("branches", text(&app, 120, 36));
    press(&mut app, "B");
    app.toast = None;
    assert!(!text(&app, 120, 36).contains("owl-2"));
}

#[test]
fn what_is_asked_held_and_gone_on_with() {
    let mut app = testing::sample_app();
    let undo = Undoable { effect: "froze block.0-3".into(), step: 1_163 };
    app.overlay = Some(Overlay::Confirm(Confirm::Undo(undo)));
    insta::assert_snapshot!("confirm_undo", text(&app, 80, 24));
    app.overlay = Some(Overlay::Confirm(Confirm::Open { run: "owl-2".into(), step: 800 }));
    assert!(text(&app, 80, 24).contains("Forked as owl-2 from step 800."));
    app.overlay = None;
    with_status(&mut app, |status| {
        let held = "the loss is NaN at step 1200; went back to step 1100 and paused";
        (status.state, status.held) = (State::Paused, Some(held.into()));
    });
    let lines = text(&app, 120, 36);
    assert!(lines.lines().next().unwrap().contains("‖ held"), "{lines}");
    let foot = lines.lines().last().unwrap();
    assert!(foot.starts_with(" ‖ held: the loss is NaN at step 1200; went back to step 1100"), "{foot}");
    with_status(&mut app, |status| status.state = State::Stopped);
    let foot = text(&app, 120, 36);
    assert!(foot.lines().last().unwrap().contains("C go on"), "{foot}");
    let mut welcome = testing::welcome_app();
    assert!(!text(&welcome, 120, 36).contains("C go on"));
    press(&mut welcome, "down down down");
    assert!(text(&welcome, 120, 36).contains("C go on"));
}

#[test]
fn the_lab_at_three_sizes() {
    let mut app = testing::sample_app();
    app.message(Message::Answer { id: 1, answer: Answer::Lab(vec![testing::study("mitigations")]) });
    press(&mut app, "down down");
    for (width, height) in [SIZES[0], SIZES[1], (200, 60)] {
        insta::assert_snapshot!(format!("lab_{width}x{height}"), text(&app, width, height));
    }
    press(&mut app, "f");
    insta::assert_snapshot!("lab_findings", text(&app, 80, 24));
}
