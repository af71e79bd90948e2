//! Made-up runs for the tests of the grid and of its drawing.

use crate::app::App;
use crate::protocol::{
    Group, GroupFacts, GroupReport, GroupReports, GroupState, Kind, Layer, Message, Phase, State, Status, StepRecord,
    StepRecords,
};

/// An embedding, blocks of attention, MLP and norm, a norm, and a head unless it is tied.
pub fn groups(blocks: usize, has_head: bool) -> Vec<Group> {
    let mut groups = vec![Group::new(Layer::Embedding, Kind::Embedding)];
    for index in 0..blocks {
        groups.extend([Kind::Attention, Kind::Mlp, Kind::Norm].map(|kind| Group::new(Layer::Block(index), kind)));
    }
    groups.push(Group::new(Layer::Norm, Kind::Norm));
    groups.extend(has_head.then(|| Group::new(Layer::Head, Kind::Head)));
    groups
}

/// Costs of a small model in the right proportions.
pub fn facts(groups: &[Group]) -> Vec<GroupFacts> {
    let of = |group: &Group| {
        let parameters: u64 = match group.kind {
            Kind::Embedding | Kind::Head => 1_048_576,
            Kind::Attention => 262_144,
            Kind::Mlp => 524_288,
            Kind::Norm | Kind::Score => 512,
        };
        let looks_up = group.kind == Kind::Embedding;
        let work = if looks_up { 0.0 } else { 2.0 * parameters as f64 };
        GroupFacts {
            group: *group,
            parameters,
            forward: work,
            backward_input: work,
            backward_weight: work,
            recomputed: 0.0,
            kept_bytes: if looks_up { 0 } else { 4_000_000 },
            training_bytes: parameters * 12,
        }
    };
    groups.iter().map(of).collect()
}

pub fn status(groups: &[Group], step: u64, trains: impl Fn(Group) -> bool) -> Status {
    let phase = Phase {
        name: "pretrain".into(),
        index: 0,
        first_step: 1,
        steps: 4000,
        base: None,
        objective: "clm".into(),
        context: 256,
        batch: 8,
        prefix_share: 0.0,
    };
    let state = |group: &Group| GroupState { group: *group, trainable: trains(*group), multiplier: 1.0 };
    Status {
        run: "tinyworld".into(),
        state: State::Training,
        phase: Some(phase),
        step,
        learning_rate: 3e-4,
        rate_factor: 1.0,
        groups: groups.iter().map(state).collect(),
        prefix: None,
        pending: Vec::new(),
        seconds_left: Some(130.0),
        step_seconds: Some(0.1),
        resident_bytes: None,
        sampling: 0,
        sampling_cost: None,
        clients: 1,
        held: None,
        undo: None,
    }
}

/// Norms that differ by layer and rise and fall with the step.
pub fn reports(groups: &[Group], step: u64, trains: impl Fn(Group) -> bool) -> GroupReports {
    let report = |(index, group): (usize, &Group)| {
        let wave = ((step as f32 / 40.0 + index as f32).sin() + 1.5) / 2.5;
        let trains = trains(*group);
        let measured = |value: f32| if trains { value } else { f32::NAN };
        GroupReport {
            gradient_norm: measured(wave * 0.3 / (1.0 + index as f32 / 8.0)),
            update_ratio: measured(1.2e-3 * wave),
            drift: if trains { 0.002 * (index + 1) as f32 } else { 0.0 },
            steps: if trains { step } else { 0 },
        }
    };
    GroupReports { step, groups: groups.iter().enumerate().map(report).collect() }
}

/// Steps `start + 1` to `start + count` at this rate.
pub fn steps(start: u64, count: u64, tokens_per_second: f32) -> StepRecords {
    let mut records = StepRecords { start, ..StepRecords::default() };
    for step in start + 1..=start + count {
        records.push(StepRecord {
            step,
            loss: 2.0,
            learning_rate: 3e-4,
            gradient_norm: 0.5,
            tokens_per_second,
            seconds: step as f64 / 10.0,
            changes: 0,
            pull: None,
        });
    }
    records
}

/// A workbench attached to a run of a model in which these groups train.
pub fn app(blocks: usize, has_head: bool, trains: impl Fn(Group) -> bool) -> App {
    let groups = groups(blocks, has_head);
    let mut app = App::new();
    app.focus = crate::app::Pane::Layers;
    app.message(Message::Facts(facts(&groups)));
    app.message(Message::Status(Box::new(status(&groups, 1240, &trains))));
    for step in (40..=1240).step_by(40) {
        app.message(Message::Groups(reports(&groups, step, &trains)));
    }
    app.layers.cursor = crate::app::layers::Place::FIRST;
    app
}
