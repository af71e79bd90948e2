//! The search for a learning rate, as it is seen.

use super::tests::{press, text};
use crate::app::testing;
use crate::protocol::{Answer, Ask, Message, RangeAnswer, RangeEnd, Request};

#[test]
fn a_range_test_at_three_sizes() {
    let mut app = testing::sample_app();
    app.take_requests();
    press(&mut app, "f5");
    let [Request { id, ask: Ask::RangeTest(_) }] = app.take_requests()[..] else { panic!("no test") };
    let messages = testing::range_test(id);
    messages[..60].iter().for_each(|message| app.message(message.clone()));
    insta::assert_snapshot!("range_test_running", text(&app, 120, 36));
    messages[60..].iter().for_each(|message| app.message(message.clone()));
    for (width, height) in [(80, 24), (120, 36), (200, 60)] {
        insta::assert_snapshot!(format!("range_test_{width}x{height}"), text(&app, width, height));
    }
}

#[test]
fn a_test_that_cannot_be_made_says_why() {
    let mut app = testing::sample_app();
    app.take_requests();
    press(&mut app, "f5");
    let id = app.take_requests()[0].id;
    let why = "no rate can be looked for: nothing trains\n  because: every layer is frozen\n  next: thaw a layer";
    let answer = Answer::RangeTest(RangeAnswer::Ended(RangeEnd::Failed(why.into())));
    app.message(Message::Answer { id, answer });
    insta::assert_snapshot!("range_test_failed", text(&app, 80, 24));
}
