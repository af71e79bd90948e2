//! A made-up run, for tests.

use crate::protocol::{Change, Evaluation, Event, Rewound, State, Status, Steered, StepRecord, VERSION, Welcome};

pub fn welcome() -> Welcome {
    Welcome {
        version: VERSION,
        run: "r".into(),
        path: "/r".into(),
        plan: String::new(),
        phases: vec!["a".into()],
        parents: vec![None],
        sources: Vec::new(),
        device: "cpu".into(),
        process: 1,
        absence: None,
    }
}

pub fn status() -> Status {
    Status::new("r", State::Training)
}

pub fn record(step: u64) -> StepRecord {
    StepRecord {
        step,
        loss: 1.0,
        learning_rate: 0.5,
        gradient_norm: 1.0,
        tokens_per_second: 100.0,
        seconds: step as f64,
        changes: 0,
        pull: None,
    }
}

pub fn evaluation(step: u64) -> Event {
    Event::Evaluation(Evaluation {
        phase: "a".into(),
        step,
        suite: "a".into(),
        loss: 1.0,
        perplexity: 2.0,
        bits_per_byte: None,
        metric: None,
        value: None,
        metrics: Vec::new(),
        retention: None,
    })
}

pub fn steered(step: u64, effect: &str) -> Event {
    let change = Change { command: effect.into(), effect: effect.into() };
    Event::Steered(Steered { phase: "a".into(), step, change, by: Default::default() })
}

pub fn rewound(step: u64, to_step: u64, why: &str) -> Event {
    Event::Rewound(Rewound { phase: "a".into(), step, to_step, to_line: 0, why: why.into() })
}
