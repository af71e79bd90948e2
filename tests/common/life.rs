//! A run in a host of its own, as a client sees it: told things, listened to, and killed.

use super::program::Bench;
use super::words;
use frostline::host::client::{self, Connection};
use frostline::protocol::{Answer, Ask, Command, Message, Request, State};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// How long anything may take that takes moments.
pub const LONG: Duration = Duration::from_secs(90);
/// The folder where the host's own words go.
const LOG: &str = "host.log";

/// A command that the host said had taken effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acknowledged {
    pub command: String,
    /// Steps done then; for `undo` those that were left.
    pub step: u64,
}

/// A host's process and a connection to it.
pub struct Life {
    process: Child,
    connection: Connection,
    log: PathBuf,
    /// As far as the host has told.
    pub step: u64,
    pub is_paused: bool,
    pub is_finished: bool,
    /// Commands that were not answered yet, by their id.
    asked: HashMap<u64, Command>,
    next: u64,
    pub told: usize,
    pub acknowledged: Vec<Acknowledged>,
    pub refused: usize,
    has_status: bool,
    /// Why nothing more comes.
    over: Option<String>,
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a command whose words go to a file.
pub fn start(bench: &Bench, arguments: &[&str]) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(bench.path(LOG)).unwrap();
    let mut command = bench.command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// Carries a command out, in no more time than this; it has to succeed.
pub fn carry_out(bench: &Bench, arguments: &[&str], patience: Duration) {
    let (mut child, since) = (start(bench, arguments), Instant::now());
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if since.elapsed() > patience {
            let _ = child.kill();
            panic!("{arguments:?} did not end in {patience:?}:\n{}", last_words(&bench.path(LOG)));
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success(), "{arguments:?}: {status}:\n{}", last_words(&bench.path(LOG)));
}

fn last_words(log: &PathBuf) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(12).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

impl Life {
    /// Starts a host for `run` and waits until it says where the run stands.
    pub fn begin(bench: &Bench, arguments: &[&str], run: &str) -> Self {
        let (mut process, since) = (start(bench, arguments), Instant::now());
        let (folder, log) = (bench.run_folder(run), bench.path(LOG));
        let connection = loop {
            match client::connect(&folder) {
                Ok(connection) => break connection,
                Err(error) => assert!(since.elapsed() < LONG, "{error}\n{}", last_words(&log)),
            }
            if let Some(status) = process.try_wait().unwrap() {
                panic!("{arguments:?} ended at once, {status}:\n{}", last_words(&log));
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut life = Self {
            process,
            connection,
            log,
            step: 0,
            is_paused: false,
            is_finished: false,
            asked: HashMap::new(),
            next: 0,
            told: 0,
            acknowledged: Vec::new(),
            refused: 0,
            has_status: false,
            over: None,
        };
        life.until("a status", |life| life.has_status);
        life
    }

    /// Says something, without waiting for the answer.
    pub fn tell(&mut self, command: &str) {
        self.next += 1;
        self.told += 1;
        let command: Command = command.parse().unwrap();
        let request = Request { id: self.next, ask: Ask::Steer(command.clone()) };
        self.asked.insert(self.next, command);
        // Nobody answers where nobody listens any more.
        let _ = self.connection.requests.send(request);
    }

    /// Says something, and waits for the answer.
    pub fn ask(&mut self, command: &str) {
        self.tell(command);
        self.until("an answer", |life| life.asked.is_empty());
    }

    /// Waits until so many steps are done; a run that stands still is told to go on.
    pub fn until_step(&mut self, step: u64) {
        while self.step < step && !self.is_finished {
            self.until("a step", |life| life.step >= step || life.is_paused || life.is_finished);
            if self.is_paused {
                self.ask("continue");
                self.is_paused = false;
            }
        }
    }

    /// Waits until something is the case.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&Life) -> bool) {
        let since = Instant::now();
        while !is_so(self) {
            self.listen(Duration::from_millis(100));
            if let Some(why) = &self.over {
                panic!("waiting for {what} after step {}: {why}\n{}", self.step, last_words(&self.log));
            }
            assert!(since.elapsed() < LONG, "waited for {what} after step {}\n{}", self.step, last_words(&self.log));
        }
    }

    fn listen(&mut self, patience: Duration) {
        match self.connection.messages.recv_timeout(patience) {
            Ok(Message::Status(status)) => {
                self.has_status = true;
                self.step = status.step;
                self.is_paused = status.state == State::Paused;
                self.is_finished = status.state == State::Finished;
                if let State::Failed(why) = status.state {
                    self.over = Some(why);
                }
            }
            Ok(Message::Answer { id, answer }) => self.take_answer(id, answer),
            Ok(Message::Goodbye(why)) => self.over = Some(why),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.over = Some("the connection ended".into()),
        }
    }

    fn take_answer(&mut self, id: u64, answer: Answer) {
        let command = self.asked.remove(&id).unwrap_or_else(|| panic!("{answer:?} was not asked for, or twice"));
        match answer {
            Answer::Applied { step, .. } => {
                assert!(!words::NONSENSE.contains(&command.to_string().as_str()), "\"{command}\" was applied");
                self.step = step;
                self.acknowledged.push(Acknowledged { command: command.to_string(), step });
            }
            Answer::Refused(_) => self.refused += 1,
            other => panic!("\"{command}\" was answered with {other:?}"),
        }
    }

    /// Ends the process without a warning, and hears what it had said by then.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.hear_the_rest();
    }

    /// Asks the process to end, as a terminal or a system does that goes down.
    pub fn stop(&mut self) {
        let process = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        self.hear_the_rest();
        let since = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < LONG, "it does not end\n{}", last_words(&self.log));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn hear_the_rest(&mut self) {
        let since = Instant::now();
        while self.over.is_none() && since.elapsed() < LONG {
            self.listen(Duration::from_millis(100));
        }
    }
}
