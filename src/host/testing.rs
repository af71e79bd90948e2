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
        absence: None,
    }
}

pub fn status() -> Status {
    Status::new("r", State::Training)
}
