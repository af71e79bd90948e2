//! Runs that never were, for tests: two phases, evaluations, changes by hand, a spike and a gap.

use crate::app::App;
use crate::protocol::{
    Change, CheckpointSaved, Evaluation, Event, Message, Notice, PhaseStarted, Steered, StepRecord, StepRecords,
};

/// Noise that is the same everywhere, from −1 to 1.
fn noise(step: u64) -> f64 {
    let mixed = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ (mixed >> 32)) & 0xffff) as f64 / 32_767.5 - 1.0
}

/// The record of a step of the made-up run whose second phase begins after step `border`.
pub fn record(step: u64, border: u64) -> StepRecord {
    let at = step as f64;
    let within = if step > border { at - border as f64 } else { at };
    let loss = match step {
        _ if step > border => 1.2 + 1.6 * (-within / 150.0).exp() + 0.12 * noise(step),
        _ => 1.7 + 6.0 / (1.0 + within / 60.0) + 0.15 * noise(step),
    };
    let peak = if step > border { 1e-4 } else { 3e-4 };
    StepRecord {
        step,
        loss: loss as f32,
        learning_rate: (peak * (within / 100.0).min(1.0)) as f32,
        gradient_norm: (0.4 + 2.0 / (1.0 + within / 40.0) + 0.1 * noise(step + 7)) as f32,
        tokens_per_second: (45_000.0 + if step > border { 18_000.0 } else { 0.0 } + 900.0 * noise(step + 3)) as f32,
        seconds: at * 0.11,
        changes: 0,
        pull: None,
    }
}

pub fn evaluation(phase: &str, step: u64, suite: &str, loss: f64) -> Evaluation {
    Evaluation {
        phase: phase.into(),
        step,
        suite: suite.into(),
        loss,
        perplexity: loss.exp(),
        bits_per_byte: Some(loss * 0.37),
        metric: None,
        value: None,
        metrics: Vec::new(),
        retention: None,
    }
}

pub fn phase(name: &str, first_step: u64, steps: u64) -> Event {
    Event::Phase(PhaseStarted {
        phase: name.into(),
        base: (first_step > 1).then(|| "runs/world/step-1200".into()),
        first_step,
        steps,
        parameters: 3_400_000,
        trainable: 2_100_000,
        precision: "f32".into(),
        data: "stories".into(),
        unfreeze: None,
        loss_unit: Default::default(),
    })
}

pub fn steered(phase: &str, step: u64, effect: &str) -> Event {
    let change = Change { command: "freeze block.0-3".into(), effect: effect.into() };
    Event::Steered(Steered { phase: phase.into(), step, change, by: Default::default() })
}

pub fn records(steps: std::ops::RangeInclusive<u64>, of: impl Fn(u64) -> StepRecord) -> StepRecords {
    let mut records = StepRecords { start: steps.start() - 1, ..StepRecords::default() };
    steps.map(of).for_each(|record| records.push(record));
    records
}

/// Everything that happened in the made-up run, in order.
fn events() -> Vec<Event> {
    let saved = |phase: &str, step| {
        Event::Checkpoint(CheckpointSaved { phase: phase.into(), step, path: format!("runs/world/step-{step}") })
    };
    let mut events = vec![phase("pretrain", 1, 1200)];
    for step in (0..=1200).step_by(100) {
        let loss = 1.75 + 5.8 / (1.0 + step as f64 / 60.0);
        events.push(Event::Evaluation(evaluation("pretrain", step, "stories", loss)));
        events.extend((step % 400 == 0 && step > 0).then(|| saved("pretrain", step)));
        events.extend((step == 500).then(|| steered("pretrain", 500, "rate x0.5")));
    }
    events.push(phase("sentiment", 1201, 800));
    for step in (1200..=2000).step_by(80) {
        let within = (step - 1200) as f64;
        let own = evaluation("sentiment", step, "reviews", 1.25 + 1.6 * (-within / 150.0).exp());
        let value = 0.9 - 0.8 * (-within / 250.0).exp();
        let task = Evaluation { metric: Some("exact_match".into()), value: Some(value), ..own };
        let forgot = 0.12 * (within / 300.0).tanh() - if within > 500.0 { 0.03 } else { 0.0 };
        let old = evaluation("sentiment", step, "stories", 2.03 + forgot);
        events.extend([Event::Evaluation(task), Event::Evaluation(Evaluation { retention: Some(forgot), ..old })]);
        events.extend((step == 1360).then(|| steered("sentiment", 1360, "froze block.0–3")));
        events.extend((step == 1600).then(|| saved("sentiment", 1600)));
    }
    let text = "2 rows are longer than the context".to_string();
    events.push(Event::Notice(Notice { phase: None, step: 1720, text }));
    events
}

/// A run of 2000 steps: pretraining, then fine-tuning from step 1201 on, with a spike at step 730 and a gap at 900.
pub fn two_phases() -> App {
    let mut app = App::new();
    let steps = records(1..=2000, |step| {
        let record = record(step, 1200);
        let loss = match step {
            730 => 6.8,
            900..=904 => f32::NAN,
            _ => record.loss,
        };
        StepRecord { loss, ..record }
    });
    app.message(Message::Steps(steps));
    app.message(Message::Events { start: 0, events: events() });
    app
}

/// A run whose losses are these.
pub fn of_losses(losses: &[f32]) -> App {
    let mut app = App::new();
    let count = losses.len() as u64;
    if count > 0 {
        let loss = |step: u64| losses[step as usize - 1];
        app.message(Message::Steps(records(1..=count, |step| StepRecord {
            loss: loss(step),
            ..record(step, u64::MAX)
        })));
    }
    app
}
