//! The host from outside: a run trained in a process of its own, steered, watched and stopped through its socket.

mod common;

use common::program::Bench;
use frostline::host::client::{self, Connection};
use frostline::protocol::{
    Answer, Ask, BranchKind, Event, Lane, LaneEnd, Message, RangeAnswer, RangeAsk, RangeEnd, Request, SampleAnswer,
    SampleAsk, SampleSettings, State,
};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

/// A host in a process of its own; killed when the test ends.
struct Hosted {
    bench: Bench,
    process: Child,
}

impl Drop for Hosted {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Hosted {
    /// Trains a small model on a few sentences, for as long as the test needs.
    fn start() -> Self {
        let bench = Bench::new();
        // Small steps, and more of them than any test waits for.
        bench.write("long.toml", &bench.plan("").replace("steps = 6", "steps = 1000000"));
        let process = Self::host(&bench, "long.toml");
        let hosted = Self { bench, process };
        hosted.wait_for_step(1);
        hosted
    }

    fn host(bench: &Bench, target: &str) -> Child {
        let mut command = bench.command(&["host", target]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn run(&self) -> std::path::PathBuf {
        self.bench.run_folder("small")
    }

    fn connect(&self) -> Connection {
        let since = Instant::now();
        loop {
            match client::connect(&self.run()) {
                Ok(connection) => return connection,
                Err(error) => assert!(since.elapsed() < LONG, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for_step(&self, step: u64) -> u64 {
        let connection = self.connect();
        steps(&connection, step)
    }

    fn send(&self, command: &str) -> serde_json::Value {
        self.bench.json(&["send", "small", command, "--json"]).remove(0)
    }

    fn status(&self) -> serde_json::Value {
        self.bench.json(&["status", "small", "--json"]).remove(0)
    }
}

/// Waits until the run has made so many steps.
fn steps(connection: &Connection, step: u64) -> u64 {
    loop {
        match connection.messages.recv_timeout(LONG).unwrap() {
            Message::Status(status) if status.step >= step => return status.step,
            Message::Goodbye(why) => panic!("{why}"),
            _ => {}
        }
    }
}

fn ask(connection: &Connection, id: u64, ask: Ask) {
    connection.requests.send(Request { id, ask }).unwrap();
}

fn answer(connection: &Connection, id: u64) -> Answer {
    loop {
        match connection.messages.recv_timeout(LONG).unwrap() {
            Message::Answer { id: own, answer } if own == id => return answer,
            Message::Goodbye(why) => panic!("{why}"),
            _ => {}
        }
    }
}

#[test]
fn commands_take_effect_between_steps_and_are_answered_and_journaled() {
    let hosted = Hosted::start();
    let froze = hosted.send("freeze block.0");
    let step = froze["applied_at_step"].as_u64().unwrap();
    assert_eq!(froze["effect"], "froze block.0");
    let status = hosted.status();
    let frozen: Vec<&str> = status["groups"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|group| group["trainable"] == false)
        .map(|group| group["kind"].as_str().unwrap())
        .collect();
    assert_eq!(frozen, ["attention", "mlp", "norm"]);
    assert!(hosted.bench.fails(&["send", "small", "freeze all"]).contains("nothing would be left to train"));
    assert!(hosted.bench.fails(&["send", "small", "freeze block.9"]).contains("names nothing"));
    hosted.send("rate x0.5");
    hosted.send("undo");
    hosted.send("undo");
    assert!(hosted.bench.fails(&["send", "small", "undo"]).contains("nothing to undo"));
    let journal = std::fs::read_to_string(hosted.run().join("journal.jsonl")).unwrap();
    let steered: Vec<Event> =
        journal.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()).map(|l| l.event).collect();
    let steered: Vec<String> = steered
        .into_iter()
        .filter_map(|event| match event {
            Event::Steered(steered) => {
                assert!(steered.step >= step);
                Some(steered.change.command)
            }
            Event::Rewound(_) => Some("undo".into()),
            _ => None,
        })
        .collect();
    assert_eq!(steered, ["freeze block.0", "rate x0.5", "undo", "undo"]);
}

#[test]
fn whoever_has_the_answer_to_a_change_knows_that_it_can_be_undone() {
    let hosted = Hosted::start();
    let connection = hosted.connect();
    let (froze, slower) = (Some("froze block.0"), Some("rate ×0.5, peak 1.50e-3"));
    let commands = [("freeze block.0", froze), ("rate x0.5", slower), ("undo", froze), ("undo", None)];
    let mut newest = None;
    for (id, (command, expected)) in (1..).zip(commands) {
        ask(&connection, id, Ask::Steer(command.parse().unwrap()));
        loop {
            match connection.messages.recv_timeout(LONG).unwrap() {
                Message::Status(status) => newest = Some(status),
                Message::Answer { id: own, answer } if own == id => {
                    assert!(matches!(answer, Answer::Applied { .. }), "{answer:?}");
                    break;
                }
                _ => {}
            }
        }
        let undo = newest.as_ref().and_then(|status| status.undo.as_ref()).map(|undo| undo.effect.as_str());
        assert_eq!(undo, expected, "{command}");
    }
}

#[derive(serde::Deserialize)]
struct Line {
    #[serde(flatten)]
    event: Event,
}

#[test]
fn a_paused_run_stands_still_until_it_goes_on() {
    let hosted = Hosted::start();
    let at = hosted.send("pause")["applied_at_step"].as_u64().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    let status = hosted.status();
    assert_eq!((status["state"].as_str(), status["step"].as_u64()), (Some("paused"), Some(at)));
    // Commands work while it stands.
    assert_eq!(hosted.send("freeze embedding")["applied_at_step"].as_u64(), Some(at));
    hosted.send("continue");
    hosted.wait_for_step(at + 3);
}

#[test]
fn several_clients_see_the_same_and_a_late_one_sees_it_all() {
    let hosted = Hosted::start();
    let early = hosted.connect();
    steps(&early, 5);
    hosted.send("freeze embedding");
    let late = hosted.connect();
    let (mut welcomed, mut history, mut marks) = (false, Vec::new(), Vec::new());
    let until = hosted.wait_for_step(12);
    while history.len() < until as usize || marks.is_empty() {
        match late.messages.recv_timeout(LONG).unwrap() {
            Message::Welcome(welcome) => {
                assert_eq!((welcome.run.as_str(), welcomed), ("small", false));
                welcomed = true;
            }
            Message::Steps(records) => {
                assert_eq!(records.start as usize, history.len());
                history.extend(records.step);
            }
            Message::Events { events, .. } => {
                marks.extend(events.into_iter().filter(|event| matches!(event, Event::Steered(_))));
            }
            Message::Goodbye(why) => panic!("{why}"),
            _ => {}
        }
    }
    assert!(welcomed);
    assert_eq!(history, (1..=history.len() as u64).collect::<Vec<_>>());
    steps(&early, 12);
}

#[test]
fn lanes_answer_while_training_goes_on() {
    let hosted = Hosted::start();
    let connection = hosted.connect();
    let settings = SampleSettings { max_tokens: 20, temperature: 0.0, ..SampleSettings::default() };
    let lanes = vec![Lane::Base, Lane::Live, Lane::Checkpoint("nobody".into())];
    ask(&connection, 7, Ask::Sample(SampleAsk { prompt: "the cat".into(), lanes, settings }));
    let (mut written, mut ends) = ([0, 0, 0], [None, None, None]);
    while ends.iter().any(Option::is_none) {
        match answer(&connection, 7) {
            Answer::Sample(SampleAnswer::Tokens { lane, tokens }) => written[lane as usize] += tokens.len(),
            Answer::Sample(SampleAnswer::Ended(end)) => ends[end.lane as usize] = Some(end.why),
            Answer::Sample(SampleAnswer::Started(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(written[0] > 0 && written[1] > 0 && written[2] == 0, "{written:?} {ends:?}");
    assert!(matches!(&ends[2], Some(LaneEnd::Failed(why)) if why.contains("nobody")), "{ends:?}");
}

#[test]
fn a_second_host_is_refused_and_a_killed_ones_lock_is_no_hindrance() {
    let mut hosted = Hosted::start();
    let refused = hosted.bench.fails(&["host", "small"]);
    assert!(refused.contains("has a host already") && refused.contains(&hosted.process.id().to_string()), "{refused}");
    hosted.process.kill().unwrap();
    hosted.process.wait().unwrap();
    let status = hosted.status();
    assert_eq!(status["state"], "stopped");
    assert!(hosted.bench.fails(&["send", "small", "pause"]).contains("has no host"));
}

#[test]
fn a_client_that_does_not_read_or_talks_nonsense_costs_training_nothing() {
    use std::io::Write;
    let hosted = Hosted::start();
    let silent = hosted.connect();
    for id in 0..300 {
        ask(&silent, id, Ask::Steer("evaluate".parse().unwrap()));
    }
    let socket = frostline::host::HostPlace::of(&hosted.run()).socket();
    for bytes in [&[0xff; 64][..], &[0, 0, 0, 2, 0xc1, 0xc1], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        stream.write_all(bytes).unwrap();
    }
    let now = hosted.wait_for_step(2);
    hosted.wait_for_step(now + 3);
    drop(silent);
}

#[test]
fn stopping_saves_and_ends_the_host_and_the_run_can_be_seen_again() {
    let mut hosted = Hosted::start();
    hosted.wait_for_step(4);
    let stopped = hosted.bench.json(&["stop", "small", "--json"]).remove(0);
    let step = stopped["step"].as_u64().unwrap();
    assert_eq!(stopped["state"], "stopped");
    assert!(hosted.process.wait().unwrap().success());
    assert!(hosted.run().join(format!("checkpoints/step-{step}/model.safetensors")).is_file());
    // A host of a run that was stopped shows it, and answers, and trains nothing.
    hosted.process = Hosted::host(&hosted.bench, "small");
    let connection = hosted.connect();
    assert_eq!(steps(&connection, step), step);
    ask(&connection, 1, Ask::Steer("freeze all".parse().unwrap()));
    assert!(matches!(answer(&connection, 1), Answer::Refused(why) if why.contains("stopped")));
}

#[test]
fn going_back_begins_anew_and_leaves_a_branch() {
    let hosted = Hosted::start();
    hosted.send("freeze block.0");
    let connection = hosted.connect();
    let undone = steps(&connection, 0) + 5;
    steps(&connection, undone);
    hosted.send("undo");
    let (mut welcomed, mut rewound) = (false, false);
    let branches = loop {
        match connection.messages.recv_timeout(LONG).unwrap() {
            Message::Welcome(welcome) => {
                assert!(welcome.absence.is_none());
                welcomed = true;
            }
            Message::Events { events, .. } if welcomed => {
                rewound |= events.iter().any(|event| matches!(event, Event::Rewound(_)));
                assert!(!events.iter().any(|event| matches!(event, Event::Steered(_))), "{events:?}");
            }
            Message::Branches(branches) if !branches.is_empty() => break branches,
            _ => {}
        }
    };
    assert!(welcomed && rewound);
    assert_eq!((branches[0].kind, branches[0].name.as_str()), (BranchKind::Undone, "undid: froze block.0"));
    assert_eq!(branches[0].steps.step.first(), Some(&(branches[0].from + 1)));
}

#[test]
fn a_run_is_forked_and_knows_its_family() {
    let hosted = Hosted::start();
    let connection = hosted.connect();
    ask(&connection, 1, Ask::Fork { at: None, name: None });
    assert!(matches!(answer(&connection, 1), Answer::Refused(why) if why.contains("checkpoint")));
    hosted.send("checkpoint");
    ask(&connection, 2, Ask::Fork { at: None, name: Some("other".into()) });
    let Answer::Forked { run, step } = answer(&connection, 2) else { panic!("not forked") };
    assert!(run == "other" && step > 0);
    ask(&connection, 3, Ask::Lineage);
    let Answer::Lineage(family) = answer(&connection, 3) else { panic!("no family") };
    let known: Vec<(&str, &str)> = family.iter().map(|kin| (kin.run.as_str(), kin.state.as_str())).collect();
    assert_eq!(known, [("small", "training"), ("other", "stopped")]);
    assert_eq!(family[1].origin.as_ref().unwrap().step, step);
}

#[test]
fn whoever_comes_back_is_told_where_the_run_stood() {
    let hosted = Hosted::start();
    let absence = |connection: &Connection| match connection.messages.recv_timeout(LONG).unwrap() {
        Message::Welcome(welcome) => welcome.absence,
        other => panic!("{other:?} before the welcome"),
    };
    let first = client::look_on(&hosted.run()).unwrap();
    assert_eq!(absence(&first), None);
    let seen = steps(&first, 3);
    drop(first);
    let written = hosted.run().join("host/seen.json");
    let since = Instant::now();
    while !written.exists() {
        assert!(since.elapsed() < LONG, "nothing is written down");
        // Whoever only asks does not count.
        hosted.status();
    }
    let next = client::look_on(&hosted.run()).unwrap();
    assert!(absence(&next).is_some_and(|absence| absence.step >= seen && absence.since > 0));
    assert_eq!(absence(&client::look_on(&hosted.run()).unwrap()), None, "the other is still there");
}

/// Asks for a range test and waits for its end: the step that was forked, how many points came, and the end.
fn range_test(connection: &Connection, id: u64, steps: u64) -> (Option<u64>, usize, RangeEnd) {
    ask(connection, id, Ask::RangeTest(RangeAsk { steps, ..RangeAsk::default() }));
    let (mut forked, mut points) = (None, 0);
    loop {
        match answer(connection, id) {
            Answer::RangeTest(RangeAnswer::Started(started)) => forked = Some(started.step),
            Answer::RangeTest(RangeAnswer::Point(_)) => points += 1,
            Answer::RangeTest(RangeAnswer::Ended(end)) => return (forked, points, end),
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until the copy of the weights that serves all questions for a second is too old to serve one more.
fn grow_old() {
    std::thread::sleep(std::time::Duration::from_millis(1500));
}

#[test]
fn a_range_test_leaves_the_run_as_it_is() {
    let bench = Bench::new();
    bench.write("watched.toml", &bench.plan("").replace("steps = 6", "steps = 60"));
    let process = Hosted::host(&bench, "watched.toml");
    let hosted = Hosted { bench, process };
    let connection = hosted.connect();
    steps(&connection, 1);
    let (forked, points, end) = range_test(&connection, 3, 12);
    assert!(forked.is_some() && (6..=12).contains(&points), "{forked:?} {points} {end:?}");
    assert!(matches!(end, RangeEnd::Done(_) | RangeEnd::Diverged(_)), "{end:?}");
    // Memory is shared while the run is paused; the first step after it must not see what the test did.
    let at = hosted.send("pause")["applied_at_step"].as_u64().unwrap();
    grow_old();
    let (forked, _, end) = range_test(&connection, 4, 12);
    assert!(forked == Some(at) && !matches!(end, RangeEnd::Failed(_)), "{forked:?} {at} {end:?}");
    let (_, points, end) = range_test(&connection, 5, 5000);
    assert!(points == 0 && matches!(&end, RangeEnd::Failed(why) if why.contains("too many")), "{end:?}");
    hosted.send("continue");
    let last = loop {
        match connection.messages.recv_timeout(LONG).unwrap() {
            Message::Status(status) if status.state == State::Finished => break status.step,
            Message::Goodbye(why) => panic!("{why}"),
            _ => {}
        }
    };
    // Over, it is tested from where it ended.
    grow_old();
    let (forked, _, end) = range_test(&connection, 6, 12);
    assert!(forked == Some(last) && !matches!(end, RangeEnd::Failed(_)), "{forked:?} {last} {end:?}");
    hosted.bench.json(&["train", "watched.toml", "--run", "alone", "--json"]);
    common::twins::assert_same(&hosted.run(), &hosted.bench.run_folder("alone"), last);
}
