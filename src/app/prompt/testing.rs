//! A made-up run with two lanes that have answered, for tests of the pane.

use crate::app::prompt::typed;
use crate::app::{App, Key, Pane, Scope, action};
use crate::protocol::*;

/// What base and live write; they part in the middle.
const BASE: &str = " river to fetch two pails of water. The miller's boy was there, and he laughed at her.";
const LIVE: &str = " river to fetch two pails of milk for the market, and she was so glad to see the bright stalls.";

pub fn status(state: State, step: u64) -> Status {
    Status {
        run: "owl".into(),
        state,
        phase: Some(Phase {
            name: "sentiment".into(),
            index: 1,
            first_step: 801,
            steps: 600,
            base: Some("owl@800".into()),
            objective: "sft".into(),
            context: 256,
            batch: 32,
            prefix_share: 0.0,
        }),
        step,
        learning_rate: 3e-4,
        rate_factor: 1.0,
        groups: Vec::new(),
        prefix: None,
        pending: Vec::new(),
        seconds_left: Some(130.0),
        step_seconds: Some(0.1),
        resident_bytes: None,
        sampling: 0,
        sampling_cost: Some(0.71),
        clients: 1,
        held: None,
        undo: None,
    }
}

/// Attached to a run that trains, with two checkpoints.
pub fn attached() -> App {
    let mut app = App::new();
    app.focus = Pane::Prompt;
    let saved = |phase: &str, step| {
        let path = format!("/runs/owl/checkpoints/step-{step}");
        Event::Checkpoint(CheckpointSaved { phase: phase.into(), step, path })
    };
    for message in [
        Message::Welcome(Box::new(Welcome {
            version: VERSION,
            run: "owl".into(),
            path: "/runs/owl".into(),
            plan: String::new(),
            phases: vec!["pretrain".into(), "sentiment".into()],
            parents: vec![None, Some(0)],
            sources: Vec::new(),
            device: "cpu".into(),
            process: 1,
            absence: None,
        })),
        Message::Events { start: 0, events: vec![saved("pretrain", 800), saved("sentiment", 1200)] },
        Message::Status(Box::new(status(State::Training, 1240))),
    ] {
        app.message(message);
    }
    app
}

/// Keys as a person presses them: first to an open list, then to the actions of the pane.
pub fn press(app: &mut App, keys: &str) {
    for key in keys.split_whitespace() {
        let is_editing = app.prompt.is_editing();
        let Ok(pressed) = key.parse::<Key>() else { continue };
        if app.prompt.is_typing() && typed(app, pressed) {
            continue;
        }
        let scope = if is_editing { Scope::Editing } else { Scope::In(Pane::Prompt) };
        if let Some(action) = action::all().find(|action| action.scope == scope && action.keys.contains(&key)) {
            match (action.refusal)(app) {
                Some(why) => app.refuse(why),
                None => (action.run)(app),
            }
        }
    }
}

/// The request that was sent last.
pub fn last_sample(app: &mut App) -> Option<(u64, SampleAsk)> {
    app.take_requests().into_iter().rev().find_map(|request| match request.ask {
        Ask::Sample(ask) => Some((request.id, ask)),
        _ => None,
    })
}

/// A text in tokens: words with the space before them.
pub fn tokens(text: &str) -> Vec<SampledToken> {
    let pieces = text.split_inclusive(' ').map(|word| word.trim_end_matches(' '));
    let token = |(index, word): (usize, &str)| {
        let text = if index == 0 { word.to_string() } else { format!(" {word}") };
        let probability = [0.62, 0.31, 0.93, 0.047, 0.18][index % 5];
        let others = ["the", "a", "river", "\u{1b}[2J", "水", "market", "longer than there is room", "\n"];
        let mut alternatives: Vec<(String, f32)> =
            (0..7).map(|place| (format!(" {}", others[(place + index) % 8]), 0.4 / (place + 2) as f32)).collect();
        alternatives.push((text.clone(), probability));
        alternatives.sort_by(|a, b| b.1.total_cmp(&a.1));
        let id = word.bytes().fold(7, |hash: u32, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        SampledToken { id, text, probability, entropy: 2.1, alternatives }
    };
    pieces.filter(|word| !word.is_empty()).enumerate().map(token).collect()
}

pub fn answer(app: &mut App, id: u64, answer: SampleAnswer) {
    app.message(Message::Answer { id, answer: Answer::Sample(answer) });
}

/// A lane's answer, whole or without its end.
pub fn write(app: &mut App, id: u64, lane: u32, text: &str, end: Option<LaneEnd>) {
    let weights = if lane == 0 { "owl@800" } else { "step 1240" };
    let prompt_perplexity = Some(5.1 + f64::from(lane));
    answer(
        app,
        id,
        SampleAnswer::Started(LaneStarted {
            lane,
            weights: weights.into(),
            prompt_perplexity,
            prompt_tokens: 4,
            left_out: 0,
        }),
    );
    answer(app, id, SampleAnswer::Tokens { lane, tokens: tokens(text) });
    if let Some(why) = end {
        answer(app, id, SampleAnswer::Ended(LaneEnded { lane, why, tokens_per_second: 58.1 }));
    }
}

/// Two lanes have gone on from a prompt: base to its end, live is writing.
pub fn answering() -> App {
    let mut app = attached();
    app.prompt.set_text("Mira went to the".into());
    press(&mut app, "r");
    if let Some((id, _)) = last_sample(&mut app) {
        write(&mut app, id, 0, BASE, Some(LaneEnd::EndOfText));
        write(&mut app, id, 1, LIVE, None);
    }
    app
}
