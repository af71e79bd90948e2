//! The whole program in a terminal: keys go in, the screen comes out.

mod common;

use common::program::Bench;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(90);

/// How a lane's answer may end: at its length, or where the model ends its text.
const ENDS: [&str; 2] = ["─ complete ─", "─ ended its text ─"];

/// The program in a terminal of its own.
struct Terminal {
    /// Kept, so that the terminal stays.
    _master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    child: Box<dyn Child + Send + Sync>,
}

impl Terminal {
    fn open(bench: &Bench, arguments: &[&str]) -> Self {
        let size = PtySize { rows: 36, cols: 120, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_frostline"));
        command.args(arguments);
        command.cwd(bench.path("."));
        command.env("FROSTLINE_HOME", bench.path("home"));
        command.env("XDG_CONFIG_HOME", bench.path("config"));
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen =
            Arc::new(Mutex::new(vt100::Parser::new(size.rows.try_into().unwrap(), size.cols.try_into().unwrap(), 0)));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let seen = screen.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                seen.lock().unwrap().process(&bytes[..count]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { _master: pair.master, writer, screen, child }
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn keys(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    /// Waits until the screen shows this.
    fn until(&self, what: &str) {
        self.until_true(what, |text| text.contains(what));
    }

    fn until_true(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let since = Instant::now();
        while !is_so(&self.text()) {
            assert!(since.elapsed() < LONG, "\"{what}\" does not come:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the program has ended, and says how.
    fn ended(&mut self) -> portable_pty::ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(since.elapsed() < LONG, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: i32) {
        let id = self.child.process_id().unwrap() as i32;
        // SAFETY: kill takes plain numbers, and the process is our own child.
        assert_eq!(unsafe { libc::kill(id, signal) }, 0);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends the host of a run when the test is over.
struct Stopping<'a>(&'a Bench, &'a str);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        let _ = self.0.run(&["stop", self.1]);
    }
}

#[test]
fn from_the_welcome_to_a_frozen_layer_and_two_lanes_and_back_again() {
    let bench = Bench::new();
    let mut terminal = Terminal::open(&bench, &[]);
    terminal.until("guided first run");
    terminal.keys("\r");
    let _stopping = Stopping(&bench, "first-run");
    terminal.until("● training");
    terminal.until_true("a step", |text| text.contains("train 7") || text.contains("train 6"));
    // Freeze what the cursor is on, and see that it is so.
    terminal.keys("3");
    terminal.until("space freeze");
    terminal.keys(" ");
    terminal.until("after step");
    let status = &bench.json(&["status", "first-run", "--json"])[0];
    assert!(status["groups"].as_array().unwrap().iter().any(|group| group["trainable"] == false), "{status}");
    // It is asked first where steps go back with it.
    terminal.keys("u");
    terminal.until_true("undone, or asked", |text| text.contains("undid") || text.contains("Undo «"));
    if !terminal.text().contains("undid") {
        terminal.keys("y");
        terminal.until("undid");
    }
    // Two lanes answer.
    terminal.keys("4i");
    terminal.keys("The miller");
    terminal.until("The miller");
    terminal.keys("\r");
    terminal.until_true("two ends", |text| ENDS.iter().map(|end| text.matches(end).count()).sum::<usize>() >= 2);
    // Leave; training goes on; come back, and see the whole history.
    terminal.keys("q");
    assert!(terminal.ended().success());
    let before = bench.json(&["status", "first-run", "--json"])[0]["step"].as_u64().unwrap();
    let mut terminal = Terminal::open(&bench, &["attach", "first-run"]);
    terminal.until("● training");
    terminal.until("undid");
    terminal.until_true("more steps", |text| step_of(text).is_some_and(|step| step > before));
    terminal.keys("q");
    assert!(terminal.ended().success());
    assert_eq!(bench.json(&["stop", "first-run", "--json"])[0]["state"], "stopped");
}

/// The step that the header shows.
fn step_of(text: &str) -> Option<u64> {
    let header = text.lines().next()?;
    let after = header.split("step").nth(1)?;
    after.split('/').next()?.replace(' ', "").parse().ok()
}

#[test]
fn a_lost_or_killed_client_leaves_the_host_training() {
    let bench = Bench::new();
    bench.write("long.toml", &bench.plan("").replace("steps = 6", "steps = 1000000"));
    let mut terminal = Terminal::open(&bench, &["long.toml"]);
    let _stopping = Stopping(&bench, "small");
    terminal.until("● training");
    terminal.signal(libc::SIGHUP);
    terminal.ended();
    let step = || bench.json(&["status", "small", "--json"])[0]["step"].as_u64().unwrap();
    let mut terminal = Terminal::open(&bench, &["small"]);
    terminal.until("● training");
    terminal.signal(libc::SIGKILL);
    terminal.ended();
    let before = step();
    let since = Instant::now();
    while step() < before + 3 {
        assert!(since.elapsed() < LONG);
    }
    let state = bench.json(&["status", "small", "--json"])[0]["state"].as_str().unwrap().to_string();
    assert!(["training", "evaluating", "saving"].contains(&state.as_str()), "{state}");
}

#[test]
fn the_terminal_is_left_as_it_was() {
    let bench = Bench::new();
    let mut terminal = Terminal::open(&bench, &[]);
    terminal.until("guided first run");
    assert!(terminal.screen.lock().unwrap().screen().alternate_screen());
    terminal.signal(libc::SIGTERM);
    terminal.ended();
    std::thread::sleep(Duration::from_millis(100));
    let screen = terminal.screen.lock().unwrap();
    let screen = screen.screen();
    assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
}

#[test]
fn without_a_terminal_the_commands_that_need_none_are_named() {
    let bench = Bench::new();
    let said = bench.fails(&[]);
    assert!(said.contains("needs a terminal") && said.contains("frostline train"), "{said}");
    let said = bench.fails(&["--corpus", "text.txt"]);
    assert!(said.contains("needs a terminal"), "{said}");
}

#[test]
fn what_cannot_be_opened_is_said_before_the_screen_is_touched() {
    let bench = Bench::new();
    let mut terminal = Terminal::open(&bench, &["nothing.toml"]);
    assert!(!terminal.ended().success());
    terminal.until("cannot read the plan nothing.toml");
}

#[test]
fn a_run_in_the_foreground_is_saved_when_the_workbench_is_left() {
    let bench = Bench::new();
    bench.write("long.toml", &bench.plan("").replace("steps = 6", "steps = 1000000"));
    let mut terminal = Terminal::open(&bench, &["long.toml", "--foreground"]);
    terminal.until("● training");
    terminal.keys("q");
    assert!(terminal.ended().success());
    let status = &bench.json(&["status", "small", "--json"])[0];
    assert_eq!(status["state"], "stopped");
    let saved = bench.run_folder("small").join(format!("checkpoints/step-{}", status["step"]));
    assert!(saved.join("model.safetensors").is_file(), "{}", saved.display());
}
