//! A monkey at the keys: whatever is pressed, clicked, pasted and resized, in any order, nothing panics.

use super::input::Input;
use super::tests::workbench;
use crate::app::guide::Guide;
use crate::app::{App, Gesture, action, testing};
use crate::protocol::{Absence, Answer, Message, Undoable, Welcome};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

const INPUTS: u64 = 100_000;

/// Numbers that look random and are the same every time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

fn key(numbers: &mut Numbers) -> KeyEvent {
    use KeyCode::*;
    let named =
        [Enter, Esc, Tab, BackTab, Up, Down, Left, Right, Home, End, PageUp, PageDown, Backspace, Delete, F(1), F(2)];
    let code = match numbers.below(10) {
        0..4 => numbers.pick(&named),
        4..9 => Char(numbers.pick(&(' '..='~').collect::<Vec<_>>())),
        _ => Char(numbers.pick(&['é', '日', '\u{301}', '👩', '\u{200d}', '\u{1b}', '\u{7f}', '\u{202e}'])),
    };
    let modifiers = match numbers.below(12) {
        0 => KeyModifiers::CONTROL,
        1 => KeyModifiers::ALT,
        2 => KeyModifiers::SHIFT,
        _ => KeyModifiers::NONE,
    };
    KeyEvent::new(code, modifiers)
}

/// What a host may say at any moment: it goes back, tells of a family, of a fork, of an absence.
fn message(numbers: &mut Numbers) -> Message {
    let answer = |answer| Message::Answer { id: 1, answer };
    match numbers.below(12) {
        0 => answer(Answer::Lineage(testing::family())),
        1 => answer(Answer::Forked { run: "owl-2".into(), step: 800 }),
        2 => testing::branches(),
        3 => testing::undoable(Some(Undoable { effect: "froze block.0".into(), step: 1_100 })),
        4 => {
            let absence = Some(Absence { since: 9, step: numbers.below(1_300), events: numbers.below(12) });
            Message::Welcome(Box::new(Welcome { absence, ..testing::welcome() }))
        }
        5 => Message::Steps(testing::steps(numbers.below(1_300))),
        _ => testing::sample_status(),
    }
}

fn input(numbers: &mut Numbers) -> Input {
    use Gesture::*;
    match numbers.below(20) {
        0..13 => Input::Key(key(numbers)),
        13..18 => {
            let gesture = numbers.pick(&[Press, Drag, Release, WheelUp, WheelDown]);
            Input::Mouse { gesture, x: numbers.below(320) as u16, y: numbers.below(110) as u16 }
        }
        18 => Input::Paste(numbers.pick(&["", "freeze all", "a\nb\t\u{1b}[2J", "日本語", "9e99"]).to_string()),
        _ => Input::Host(0, message(numbers)),
    }
}

fn play(app: App, seed: u64, inputs: u64) {
    let mut numbers = Numbers(seed);
    let (mut bench, _) = workbench(app, (80, 24));
    // Nothing the monkey exports is to be found anywhere.
    bench.folder = "/there/is/no/such/folder".into();
    for count in 0..inputs {
        let now = Duration::from_millis(count);
        bench.take(input(&mut numbers), now);
        if count % 64 == 0 {
            let sizes = [(80, 24), (120, 36), (60, 16), (200, 60), (1, 1), (0, 0), (300, 100)];
            let odd = (numbers.below(301) as u16, numbers.below(101) as u16);
            let (width, height) = if numbers.below(4) == 0 { odd } else { numbers.pick(&sizes[..6]) };
            bench.take(Input::Resize(width, height), now);
        }
        if count % 16 == 8 {
            bench.is_suspended = false;
            bench.draw(now).unwrap();
        }
    }
}

#[test]
fn any_inputs_in_any_order_at_any_size() {
    let guided = |mut app: App| {
        app.guide = Some(Guide::default());
        app
    };
    let apps = [
        App::new(),
        testing::welcome_app(),
        testing::preparing_app(),
        guided(testing::first_phase_app()),
        testing::sample_app(),
    ];
    let share = INPUTS / apps.len() as u64;
    for (seed, app) in (1..).zip(apps) {
        play(app, seed, share);
    }
}

#[test]
fn every_action_runs_or_refuses_on_every_screen() {
    for action in action::all() {
        for app in [App::new(), testing::welcome_app(), testing::preparing_app(), testing::sample_app()] {
            let (mut bench, _) = workbench(app, (100, 30));
            bench.folder = "/there/is/no/such/folder".into();
            bench.app.run(action);
            bench.come_back((100, 30));
            bench.draw(Duration::ZERO).unwrap();
        }
    }
}
