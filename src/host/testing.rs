//! A made-up run, for tests.

use crate::protocol::{State, Status, VERSION, Welcome};

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
    }
}

pub fn status() -> Status {
    Status {
        run: "r".into(),
        state: State::Training,
        phase: None,
        step: 0,
        learning_rate: 0.0,
        rate_factor: 1.0,
        groups: Vec::new(),
        pending: Vec::new(),
        seconds_left: None,
        step_seconds: None,
        resident_bytes: None,
        sampling: 0,
        sampling_cost: None,
        clients: 0,
    }
}
