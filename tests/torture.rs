//! What nothing may lose: runs that are killed at any moment, steered by anybody, replayed, and gone on with from any
//! checkpoint, held against the run that nothing happened to.
//!
//! `FROSTLINE_KILLS=200 cargo test --release --test torture -- --nocapture` kills more often, and `FROSTLINE_SEED` at
//! other moments.

mod common;

use common::life::{self, LONG, Life};
use common::program::Bench;
use common::twins::{assert_same, check_checkpoints, check_journal, plan};
use common::words;
use frostline::protocol::{Command, GRAMMAR};
use frostline::random::Random;
use frostline::run::checkpoint;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const RUN: &str = "mixed";

fn setting(name: &str, standard: u64) -> u64 {
    std::env::var(name).ok().map_or(standard, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// A run that is killed again and again.
struct Torture {
    bench: Bench,
    random: Random,
    steps: u64,
    /// Where the run was when it was last seen.
    step: u64,
    kills: u64,
    wanted: u64,
    acknowledged: Vec<life::Acknowledged>,
    told: usize,
    refused: usize,
    /// Kills that left a checkpoint half written.
    half_written: usize,
}

/// Steps for one kill: more than one takes.
const STEPS_A_KILL: u64 = 40;
/// Steps that are left for the end: however quick they are, a process that nobody listens to does not make as many.
const REST: u64 = 200;

impl Torture {
    fn begin(wanted: u64, seed: u64) -> Self {
        let bench = Bench::new();
        let half = (wanted * STEPS_A_KILL + REST) / 2;
        bench.write("torture.toml", &plan(&bench, [half, half], "checkpoint_every = 5\nkeep = { last = 3 }"));
        // A run whose host dies before it has a folder was never begun.
        drop(Life::begin(&bench, &["host", "torture.toml"], RUN));
        let random = Random::named(seed, "torture", 0);
        let (acknowledged, told, refused, half_written) = (Vec::new(), 0, 0, 0);
        Self { bench, random, steps: 2 * half, step: 0, kills: 0, wanted, acknowledged, told, refused, half_written }
    }

    fn run(&self) -> PathBuf {
        self.bench.run_folder(RUN)
    }

    /// One process that trains the run, from its start to its end; says when that was.
    fn live(&mut self) -> String {
        let nearly_done = self.step + REST > self.steps;
        match self.random.below(100) {
            0..20 if nearly_done => self.live_and_be_told(),
            0..12 => self.live_shortly(&["host", RUN, "--resume"], "while starting"),
            12..20 => self.live_shortly(&["resume", RUN, "--json"], "without a host"),
            _ => self.live_and_be_told(),
        }
    }

    fn live_shortly(&mut self, arguments: &[&str], when: &str) -> String {
        let mut process = life::start(&self.bench, arguments);
        std::thread::sleep(Duration::from_millis(self.random.below(300) as u64));
        process.kill().unwrap();
        process.wait().unwrap();
        self.kills += 1;
        when.into()
    }

    fn live_and_be_told(&mut self) -> String {
        let mut life = Life::begin(&self.bench, &["host", RUN, "--resume"], RUN);
        let budget = (self.steps - REST).saturating_sub(life.step) / (self.wanted - self.kills);
        let goal = life.step + self.random.below(budget.min(60) as usize + 1) as u64;
        for _ in 0..self.random.below(4) {
            let on_the_way = life.step + self.random.below((goal.saturating_sub(life.step)) as usize + 1) as u64;
            life.until_step(on_the_way);
            let command = words::command(&mut self.random);
            match self.random.chance(70) {
                true => life.ask(&command),
                false => life.tell(&command),
            }
        }
        life.until_step(goal);
        let when = match self.random.chance(8) {
            true => {
                life.stop();
                "asked to stop"
            }
            false => {
                let when = self.wait_for_the_moment(&mut life);
                life.kill();
                self.kills += 1;
                when
            }
        };
        assert!(!life.is_finished, "the run was over before it was killed {} times", self.wanted);
        self.step = life.step;
        self.told += life.told;
        self.refused += life.refused;
        self.acknowledged.append(&mut life.acknowledged);
        format!("{when} after step {}", life.step)
    }

    fn wait_for_the_moment(&mut self, life: &mut Life) -> &'static str {
        let when = match self.random.below(3) {
            0 => "any time",
            1 if wait_until_it_writes(&self.run()) => "while writing",
            1 => "any time",
            _ => {
                (0..3).for_each(|_| life.tell(&words::command(&mut self.random)));
                "while told things"
            }
        };
        std::thread::sleep(Duration::from_micros(self.random.below(20_000) as u64));
        when
    }

    fn check(&mut self, when: &str) {
        let (whole, half) = check_checkpoints(&self.run());
        check_journal(&self.run(), &self.acknowledged);
        self.half_written += half;
        let half = if half > 0 { ", one half written" } else { "" };
        println!(
            "{} kills, {when}; {whole} checkpoints are whole{half}; {} commands told, {} acknowledged, {} refused",
            self.kills,
            self.told,
            self.acknowledged.len(),
            self.refused
        );
    }
}

/// A checkpoint is being written, before long.
fn wait_until_it_writes(run: &Path) -> bool {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(2) {
        let entries = std::fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
        if entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".writing-")) {
            return true;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    false
}

#[test]
fn a_run_that_is_killed_at_any_moment_ends_as_the_one_that_never_was() {
    let (seed, since) = (setting("FROSTLINE_SEED", 1), Instant::now());
    let mut torture = Torture::begin(setting("FROSTLINE_KILLS", 6), seed);
    while torture.kills < torture.wanted {
        let when = torture.live();
        torture.check(&when);
    }
    let patience = LONG + Duration::from_secs(torture.steps);
    life::carry_out(&torture.bench, &["resume", RUN, "--json"], patience);
    check_journal(&torture.run(), &torture.acknowledged);
    println!("finished after {:?}; now the same without a kill", since.elapsed());
    life::carry_out(&torture.bench, &["recipe", RUN, "--out", "twin.toml"], LONG);
    life::carry_out(&torture.bench, &["train", "twin.toml", "--run", "twin", "--json"], patience);
    assert_same(&torture.run(), &torture.bench.run_folder("twin"), torture.steps);
    println!(
        "{} kills, {} of them in a checkpoint; {} commands told, {} acknowledged, none lost; {} steps, weights, moments \
         and figures identical; {:?}",
        torture.kills,
        torture.half_written,
        torture.told,
        torture.acknowledged.len(),
        torture.steps,
        since.elapsed()
    );
}

const STEERED_STEPS: u64 = 240;
const COMMANDS: u64 = 50;

/// A run that went through random commands, each answered before the next.
fn steered(bench: &Bench, seed: u64) -> Vec<life::Acknowledged> {
    let settings = "checkpoint_every = 30\nkeep = { last = 0 }";
    bench.write("steered.toml", &plan(bench, [STEERED_STEPS * 2 / 3, STEERED_STEPS / 3], settings));
    let mut life = Life::begin(bench, &["host", "steered.toml"], RUN);
    let mut random = Random::named(seed, "steered", 0);
    for number in 0..COMMANDS {
        life.until_step(number * (STEERED_STEPS - 40) / COMMANDS);
        if life.step + 30 > STEERED_STEPS && !life.is_paused {
            // What is left to say is said while it stands.
            life.ask("pause");
        }
        life.ask(&words::command(&mut random));
    }
    life.until_step(STEERED_STEPS);
    life.until("the end", |life| life.is_finished);
    check_journal(&bench.run_folder(RUN), &life.acknowledged);
    std::mem::take(&mut life.acknowledged)
}

#[test]
fn a_steered_run_is_replayed_and_gone_on_with_from_each_checkpoint_to_the_same_bits() {
    let bench = Bench::new();
    let acknowledged = steered(&bench, setting("FROSTLINE_SEED", 1));
    let (run, patience) = (bench.run_folder(RUN), LONG + Duration::from_secs(STEERED_STEPS));
    println!("{COMMANDS} commands, {} took effect", acknowledged.len());
    life::carry_out(&bench, &["replay", RUN, "--as", "again", "--json"], patience);
    assert_same(&run, &bench.run_folder("again"), STEERED_STEPS);
    let all = checkpoint::list(&run).unwrap();
    for (_, state) in all.iter().filter(|(_, state)| state.step < STEERED_STEPS) {
        let (step, name) = (state.step.to_string(), format!("from-{}", state.step));
        let copy = bench.run_folder(&name);
        copy_folder(&run, &copy);
        life::carry_out(&bench, &["resume", &name, "--at", &step, "--json"], patience);
        assert_same(&run, &copy, STEERED_STEPS);
        std::fs::remove_dir_all(&copy).unwrap();
        println!("from step {step}: the same weights, moments and figures");
    }
}

#[test]
fn every_live_command_is_among_what_is_said() {
    let mut random = Random::named(1, "words", 0);
    let said: Vec<String> = (0..5000).map(|_| words::command(&mut random)).collect();
    for text in said.iter().map(String::as_str).chain(words::NONSENSE) {
        let command: Command = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(command.to_string(), text, "as the journal has it");
    }
    let verb = |text: &str| text.split(' ').next().unwrap_or_default().to_string();
    for (form, _) in GRAMMAR {
        let times = said.iter().filter(|text| verb(text) == verb(form)).count();
        assert!(times >= 25, "{form} was said {times} times in {}", said.len());
    }
    assert!(words::NONSENSE.iter().all(|text| said.iter().any(|own| own == text)));
}

/// A run's folder without its host's.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten().filter(|entry| entry.file_name() != "host") {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
