//! A made-up run for tests of the screen: six blocks, three phases, 1,200 steps with a spike and a step that is no
//! number.

use crate::app::App;
use crate::app::welcome::{Choices, PresetLine, RunLine, Welcome as Start};
use crate::protocol::*;

/// Steps of the first phase.
const PRETRAIN: u64 = 800;
const STEPS: u64 = 1200;
const BLOCKS: usize = 6;

/// In the second phase, at step 1,200 of the run, with the two lowest blocks frozen.
pub fn sample_app() -> App {
    let mut app = App::new();
    let evaluations =
        [(PRETRAIN, "pretrain", "stories", 1.62, None), (1_000, "sentiment", "sentiment", 0.41, Some(0.9))];
    let mut events = vec![phase("pretrain", None, 1, PRETRAIN), phase("sentiment", Some("owl@800"), PRETRAIN + 1, 600)];
    for (step, phase, suite, loss, value) in evaluations {
        events.push(evaluation(phase, step, suite, loss, value, None));
    }
    events.push(evaluation("sentiment", 1_000, "stories", 1.66, None, Some(0.04)));
    for (step, command, effect) in
        [(500, "rate x0.5", "learning rate ×0.5"), (900, "freeze block.0-1", "froze block.0–1")]
    {
        let change = Change { command: command.into(), effect: effect.into() };
        events.push(Event::Steered(Steered { phase: phase_of(step).into(), step, change, by: Default::default() }));
    }
    events.push(Event::Checkpoint(CheckpointSaved {
        phase: "pretrain".into(),
        step: PRETRAIN,
        path: "/runs/owl/checkpoints/pretrain".into(),
    }));
    for message in [
        Message::Welcome(Box::new(welcome())),
        Message::Facts(facts()),
        Message::Steps(steps(STEPS)),
        Message::Events { start: 0, events },
        Message::Groups(reports(STEPS)),
        Message::Status(Box::new(status(State::Training, STEPS, 6))),
    ] {
        app.message(message);
    }
    app.theme_names = ["frost", "paper"].map(String::from).to_vec();
    answer_corpus(&mut app);
    app
}

/// What the corpus of the made-up run says.
const STORIES: [&str; 4] = [
    "Mira the miller lived by the river near Oakham. Every morning she carried two sacks of flour to the market, and \
     every evening she came home with an empty cart.",
    "Tam had three eggs. He gave one to his sister and one to the owl. Now Tam has one egg.",
    "The ferryman asks a copper for every crossing, and two when the water is high.",
    "Once there was an owl that counted the boats, and never lost its count.",
];

/// Answers what the corpus pane asked as a host would, until it asks nothing more.
fn answer_corpus(app: &mut App) {
    for _ in 0..8 {
        for Request { id, ask } in app.take_requests() {
            let answer = match ask {
                Ask::Corpus(CorpusAsk::Page { source, .. }) => CorpusAnswer::Page(story_page(source)),
                Ask::Corpus(CorpusAsk::Tokens { source, offset, .. }) => {
                    CorpusAnswer::Tokens(RowTokens { source, offset, tokens: words(), weights: None, is_cut: false })
                }
                _ => continue,
            };
            app.message(Message::Answer { id, answer: Answer::Corpus(answer) });
        }
    }
}

fn story_page(source: String) -> CorpusPage {
    let texts = STORIES.iter().cycle().take(24);
    let bytes = |text: &str| text.len() as u64 + 14;
    let rows: Vec<CorpusRow> = texts
        .scan((0, 0), |(offset, number), text| {
            *number += 1;
            *offset += bytes(text);
            Some(CorpusRow {
                offset: *offset - bytes(text),
                bytes: bytes(text),
                number: Some(*number),
                file: "train.jsonl".into(),
                segments: vec![RowSegment { text: (*text).into(), learned: true }],
                is_cut: false,
                broken: None,
            })
        })
        .collect();
    let size = rows.last().map_or(0, |row| row.offset + row.bytes);
    let facts = SourceFacts { source, files: 1, bytes: size, rows: rows.len() as u64, indexed: size };
    CorpusPage { facts, rows, at_start: true, at_end: true }
}

/// The words of the first story, as if each were a token.
fn words() -> Vec<TokenView> {
    let words = STORIES[0].split_inclusive(' ').zip(5..);
    words
        .map(|(word, id)| TokenView {
            id,
            text: word.into(),
            surprise: None,
            learned: true,
            is_special: false,
            is_label: false,
        })
        .collect()
}

/// In the first phase, 300 steps in, nothing frozen.
pub fn first_phase_app() -> App {
    let mut app = App::new();
    for message in [
        Message::Welcome(Box::new(welcome())),
        Message::Facts(facts()),
        Message::Steps(steps(300)),
        Message::Events { start: 0, events: vec![phase("pretrain", None, 1, PRETRAIN)] },
        Message::Status(Box::new(status(State::Training, 300, 0))),
    ] {
        app.message(message);
    }
    app
}

/// Attached, while text is tokenised.
pub fn preparing_app() -> App {
    let mut app = App::new();
    app.message(Message::Welcome(Box::new(welcome())));
    let what = Preparation {
        what: "tokenising stories".into(),
        progress: Some(Progress { done: 3_400_000, total: 8_000_000 }),
    };
    let status = Status { phase: None, groups: Vec::new(), ..status(State::Preparing(what), 0, 0) };
    app.message(Message::Status(Box::new(status)));
    app
}

/// Before any run.
pub fn welcome_app() -> App {
    let mut app = App::new();
    let preset = |name: &str, about: &str| PresetLine { name: name.into(), about: about.into() };
    let run = |name: &str, state: &str, step, loss, age| RunLine {
        name: name.into(),
        state: state.into(),
        is_live: state == "training",
        phases: vec!["pretrain".into(), "sentiment".into()],
        step,
        loss,
        age,
    };
    app.welcome = Some(Start::new(Choices {
        presets: vec![
            preset("first-run", "a small model learns a small world, then a task: four minutes on two cores"),
            preset("retention", "the same task learnt in five ways, and what each one forgets"),
        ],
        runs: vec![
            run("owl", "training", 1_240, Some(1.834), 4.0),
            run("first-run-2", "finished", 2_400, Some(0.412), 7_300.0),
            run("réseau", "stopped", 12, None, 260_000.0),
        ],
    }));
    app
}

pub fn welcome() -> Welcome {
    Welcome {
        version: VERSION,
        run: "owl".into(),
        path: "/runs/owl".into(),
        plan: "name = \"owl\"\nseed = 7\n".into(),
        phases: ["pretrain", "sentiment", "preference"].map(String::from).to_vec(),
        parents: vec![None, Some(0), Some(1)],
        sources: vec![("world:stories".into(), "pretrain".into()), ("world:sentiment".into(), "sentiment".into())],
        device: "cpu, 2 threads".into(),
        process: 4242,
        absence: None,
    }
}

/// From the embedding up.
pub fn groups() -> Vec<Group> {
    let block = |index| [Kind::Attention, Kind::Mlp, Kind::Norm].map(|kind| Group::new(Layer::Block(index), kind));
    let mut groups = vec![Group::new(Layer::Embedding, Kind::Embedding)];
    groups.extend((0..BLOCKS).flat_map(block));
    groups.extend([Group::new(Layer::Norm, Kind::Norm), Group::new(Layer::Head, Kind::Head)]);
    groups
}

pub fn facts() -> Vec<GroupFacts> {
    let size = |group: Group| match group.kind {
        Kind::Embedding | Kind::Head => 262_144,
        Kind::Attention => 65_536,
        Kind::Mlp => 131_072,
        Kind::Norm | Kind::Score => 256,
    };
    let facts = |group| {
        let parameters = size(group);
        let work = 2.0 * parameters as f64;
        GroupFacts {
            group,
            parameters,
            forward: work,
            backward_input: work,
            backward_weight: work,
            recomputed: 0.0,
            kept_bytes: parameters * 2,
            training_bytes: parameters * 12,
        }
    };
    groups().into_iter().map(facts).collect()
}

pub fn phase_of(step: u64) -> &'static str {
    if step <= PRETRAIN { "pretrain" } else { "sentiment" }
}

fn phase(name: &str, base: Option<&str>, first_step: u64, steps: u64) -> Event {
    Event::Phase(PhaseStarted {
        phase: name.into(),
        base: base.map(String::from),
        first_step,
        steps,
        parameters: 1_704_960,
        trainable: 1_704_960,
        precision: "f32".into(),
        data: "14.2k rows".into(),
        unfreeze: None,
        loss_unit: Default::default(),
    })
}

fn evaluation(phase: &str, step: u64, suite: &str, loss: f64, value: Option<f64>, retention: Option<f64>) -> Event {
    Event::Evaluation(Evaluation {
        phase: phase.into(),
        step,
        suite: suite.into(),
        loss,
        perplexity: loss.exp(),
        bits_per_byte: Some(loss / 2.8),
        metric: value.map(|_| "accuracy".into()),
        value,
        metrics: Vec::new(),
        retention,
    })
}

/// A record that depends on nothing but its step.
pub fn step_record(step: u64) -> StepRecord {
    let within = if step <= PRETRAIN { step } else { step - PRETRAIN } as f32;
    let wiggle = ((step * 2_654_435_761) % 1_000) as f32 / 1_000.0 - 0.5;
    let (start, floor) = if step <= PRETRAIN { (7.6, 1.6) } else { (2.1, 0.4) };
    let loss = match step {
        400 => 9.5,
        640 => f32::NAN,
        _ => floor + (start - floor) * (-within / 120.0).exp() + 0.12 * wiggle,
    };
    StepRecord {
        step,
        loss,
        learning_rate: 4e-3 * (1.0 - within / 1_000.0) * if step > 500 { 0.5 } else { 1.0 },
        gradient_norm: 0.6 + 0.3 * wiggle + if step == 400 { 8.0 } else { 0.0 },
        tokens_per_second: 41_000.0 + 900.0 * wiggle + if step > 900 { 9_000.0 } else { 0.0 },
        seconds: step as f64 * 0.05,
        changes: 0,
        pull: None,
    }
}

pub fn steps(count: u64) -> StepRecords {
    let mut records = StepRecords::default();
    (1..=count).for_each(|step| records.push(step_record(step)));
    records
}

pub fn reports(step: u64) -> GroupReports {
    let is_frozen = |at: usize| (1..7).contains(&at);
    let report = |at: usize| GroupReport {
        gradient_norm: if is_frozen(at) { 0.0 } else { 0.05 * (at + 1) as f32 },
        update_ratio: if is_frozen(at) { 0.0 } else { 2e-4 * (at + 1) as f32 },
        drift: 0.01 * (at + 1) as f32,
        steps: if is_frozen(at) { 900 } else { step },
    };
    GroupReports { step, groups: (0..groups().len()).map(report).collect() }
}

/// `frozen` groups from the bottom up, after the embedding, do not train.
pub fn status(state: State, step: u64, frozen: usize) -> Status {
    let is_first = step <= PRETRAIN;
    let group_state = |(at, group)| GroupState { group, trainable: at == 0 || at > frozen, multiplier: 1.0 };
    Status {
        run: "owl".into(),
        state,
        phase: Some(Phase {
            name: phase_of(step).into(),
            index: usize::from(!is_first),
            first_step: if is_first { 1 } else { PRETRAIN + 1 },
            steps: if is_first { PRETRAIN } else { 600 },
            base: (!is_first).then(|| "owl@800".into()),
            objective: if is_first { "clm" } else { "sft" }.into(),
            context: 128,
            batch: 16,
            prefix_share: 0.0,
        }),
        step,
        learning_rate: f64::from(step_record(step.max(1)).learning_rate),
        rate_factor: if step > 500 { 0.5 } else { 1.0 },
        groups: groups().into_iter().enumerate().map(group_state).collect(),
        prefix: None,
        pending: Vec::new(),
        seconds_left: Some(10.0),
        step_seconds: Some(0.05),
        resident_bytes: Some(212_000_000),
        sampling: 0,
        sampling_cost: None,
        clients: 1,
        held: None,
        undo: None,
    }
}

/// What the host says when that many groups are frozen, in the first phase.
pub fn status_with_frozen(frozen: usize) -> Message {
    Message::Status(Box::new(status(State::Training, 310, frozen)))
}

/// The status that [`sample_app`] has.
pub fn sample_status() -> Message {
    Message::Status(Box::new(status(State::Training, STEPS, 6)))
}

/// The family of the made-up run: two forks, one of the other, and a replay.
pub fn family() -> Vec<Kin> {
    let kin =
        |run: &str, origin: Option<(&str, u64, OriginKind)>, changes: &[(u64, &str)], step, loss, state: &str| Kin {
            run: run.into(),
            origin: origin.map(|(run, step, kind)| Origin { run: run.into(), step, kind, lines: 0 }),
            phases: Vec::new(),
            changes: changes.iter().map(|(step, text)| (*step, (*text).to_string())).collect(),
            step,
            loss,
            state: state.into(),
        };
    let phase = |name: &str, first_step, base: Option<&str>| KinPhase {
        name: name.into(),
        first_step,
        base: base.map(String::from),
    };
    let own = kin("owl", None, &[(500, "learning rate ×0.5"), (900, "froze block.0–1")], STEPS, Some(0.44), "training");
    let phases =
        vec![phase("pretrain", 1, None), phase("sentiment", PRETRAIN + 1, Some("/runs/owl/checkpoints/step-800"))];
    vec![
        Kin { phases, ..own },
        kin("owl-2", Some(("owl", 640, OriginKind::Fork)), &[(700, "froze block.0–3")], 1_100, Some(1.71), "stopped"),
        kin("owl-3", Some(("owl-2", 700, OriginKind::Fork)), &[(720, "learning rate ×2")], 760, None, "failed"),
        kin("owl-again", Some(("owl", 1_200, OriginKind::Replay)), &[], STEPS, Some(0.44), "finished"),
    ]
}

/// Curves beside that of the made-up run: one that was undone, and a fork.
pub fn branches() -> Message {
    let branch = |name: &str, kind, from: u64, steps: std::ops::RangeInclusive<u64>, above: f32| {
        let mut records = StepRecords::default();
        for step in steps {
            let record = step_record(step);
            records.push(StepRecord { loss: record.loss + above, ..record });
        }
        Branch { name: name.into(), kind, from, steps: records, evaluations: Vec::new() }
    };
    Message::Branches(vec![
        branch("undid: thawed block.0", BranchKind::Undone, 1_000, 1_001..=1_100, 0.8),
        branch("owl-2", BranchKind::Run, 640, 641..=1_100, 0.4),
    ])
}

/// The status that [`sample_app`] has, with a change that can be undone.
pub fn undoable(undo: Option<Undoable>) -> Message {
    Message::Status(Box::new(Status { undo, ..status(State::Training, STEPS, 6) }))
}

/// What a host says of a range test: 80 points of 100, and where it diverged.
pub fn range_test(id: u64) -> Vec<Message> {
    let say = |answer| Message::Answer { id, answer: Answer::RangeTest(answer) };
    let started = RangeStarted { phase: "sentiment".into(), step: STEPS, planned: 4e-3, peak: 2e-3 };
    let point = |step: u32| {
        let power = -7.0 + 7.0 * f64::from(step) / 99.0;
        // Level, then down to its lowest at 10^-2, then up.
        let smoothed = 2.1 - 1.3 / (1.0 + (-2.5 * (power + 3.2)).exp()) + 1.4 * (power + 2.0).max(0.0).powi(3);
        let wiggle = f64::from(step * 7 % 5) * 0.02 - 0.04;
        RangePoint { rate: 10f64.powf(power), loss: smoothed + wiggle, smoothed }
    };
    let found = RangeFound { steepest: Some(6.3e-4), valley: Some(1.2345e-3), minimum_tenth: Some(1e-3) };
    let points = (0..80).map(|step| say(RangeAnswer::Point(point(step))));
    let end = say(RangeAnswer::Ended(RangeEnd::Diverged(found)));
    std::iter::once(say(RangeAnswer::Started(started))).chain(points).chain([end]).collect()
}

/// A study of the lab, on its way.
pub fn study(name: &str) -> LabReport {
    let axis = |name: &str| LabAxis {
        name: name.into(),
        unit: "nats/token".into(),
        better: LabBetter::Low,
        is_logarithmic: false,
    };
    let spread = |mean: f64| LabSpread { mean, deviation: 0.02, count: 3 };
    let point =
        |method: &str, setting: &str, (rate, is_best_rate): (f64, bool), (x, y): (f64, f64), is_front| LabPoint {
            method: method.into(),
            setting: setting.into(),
            rate,
            labels: None,
            x: spread(x),
            y: spread(y),
            is_front,
            is_best_rate,
            runs: (1..4).map(|seed| format!("{name}-{seed}@{method}")).collect(),
        };
    let finding = |claim: &str, holds| LabFinding { claim: claim.into(), holds, evidence: "3 seeds of 3".into() };
    LabReport {
        name: name.into(),
        study: name.into(),
        question: "Which remedy learns most of the new for the least of the old?".into(),
        setup: "llama-1m · 600 steps of 16 rows on world:stories, then 150 of 8 · rows of 128 tokens · 3 seeds".into(),
        seeds: vec![1, 2, 3],
        progress: LabProgress { done: 15, total: 45, seconds_left: Some(300.0) },
        x: axis("forgetting of the old text"),
        y: axis("loss on the new text"),
        points: vec![
            point("base", "", (0.0, true), (0.0, 6.1), true),
            point("plain", "", (1e-3, false), (3.2, 1.4), false),
            point("plain", "", (2e-3, true), (4.7, 1.08), true),
            point("replay", "0.05", (2e-3, true), (0.95, 1.16), true),
            point("EWC", "300", (2e-3, true), (2.53, 1.2), false),
        ],
        findings: vec![
            finding("replay 0.05 forgets less than plain fine-tuning at its best rate", Some(true)),
            finding("combinations reach what no single remedy does", Some(false)),
            finding("the frontier of blends bows beyond the straight line", None),
        ],
        trials: Vec::new(),
    }
}
