//! The command line: arguments, progress on a terminal, JSON for scripts, exit codes.

mod bench;
mod between;
mod blend;
mod classify;
mod corpus;
mod eval;
pub mod figure;
mod host;
mod inspect;
mod journal;
mod lab;
mod lr_find;
mod output;
mod progress;
mod remote;
mod resume;
mod sample;
mod side_by_side;
mod summary;
mod train;
mod workbench;

use crate::run::{Home, device, memory};
use crate::{Error, Result};
use candle_core::Device;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Pretrain and fine-tune language models by hand, and see what they learn and forget.
///
/// Without a command the workbench opens: a terminal that shows and steers a model while it trains.
#[derive(Parser)]
#[command(name = "frostline", version, max_term_width = 100)]
struct Arguments {
    /// The folder that holds runs and caches [default: FROSTLINE_HOME, else the platform's data folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    home: Option<PathBuf>,
    /// Where models live: cpu, cuda:N or metal
    #[arg(long, global = true, default_value = "cpu", value_name = "DEVICE")]
    device: String,
    #[command(flatten)]
    workbench: workbench::Arguments,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command is given besides its own arguments.
#[derive(Clone)]
struct Place {
    home: Home,
    device: Device,
    /// As it was given.
    device_name: String,
}

#[derive(Subcommand)]
enum Command {
    /// Carry out a plan: a TOML file, or a preset by its name
    Train(train::Arguments),
    /// Measure the loss of a checkpoint on text
    Eval(eval::Arguments),
    /// Say how likely each label of a checkpoint is for texts, or the number that it gives them
    Classify(classify::Arguments),
    /// Let one or several checkpoints go on from a prompt, side by side
    Sample(sample::Arguments),
    /// Write a model whose weights lie between those of two checkpoints
    Blend(blend::Blend),
    /// Write a model whose weights are the mean of several checkpoints'
    Average(blend::Average),
    /// Find a learning rate: a range test on a copy of a phase's first weights
    LrFind(lr_find::Arguments),
    /// Put single layers back to the base's, and see in which of them forgetting lives
    Graft(between::Graft),
    /// Walk from a base to what was tuned from it, and see what each share keeps and learns
    Wise(between::Wise),
    /// Say what a checkpoint or a run is
    Inspect(inspect::Arguments),
    /// Say what a corpus is
    Corpus(corpus::Arguments),
    /// Compare methods over seeds and rates: transfer, forgetting, mitigations, schedules, objectives
    Lab(lab::Arguments),
    /// Measure how fast this machine trains, generates and prepares text
    Bench(bench::Arguments),
    /// Train a run and serve its clients, without a screen
    Host(host::Arguments),
    /// Open the workbench on a run
    Attach(workbench::Attach),
    /// List the runs
    Ls(remote::List),
    /// Say where a run stands
    Status(remote::One),
    /// Tell a running run something: freeze, thaw, rate, pause…
    Send(remote::Send),
    /// Finish the step, save, and end a run's host
    Stop(remote::One),
    /// Print a run's journal: every phase, change, checkpoint and notice
    Journal(journal::Arguments),
    /// Go on with a run that was stopped, killed, or failed, as if nothing had happened
    Resume(resume::Resume),
    /// Carry a run's plan and journal out again, to the same weights
    Replay(resume::Replay),
    /// Write a run down as a plan that anybody can carry out
    Recipe(resume::Recipe),
    /// Make a run that has another's first steps, and goes on by itself
    Fork(resume::Fork),
    /// Show which runs come from which
    Lineage(journal::Lineage),
}

/// Runs the program and returns its exit code: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted.
pub fn main() -> ExitCode {
    memory::keep_freed_blocks();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no failures; clap knows where each belongs.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let (home, device) = (Home::find(arguments.home.as_deref())?, device::open(&arguments.device)?);
    let place = Place { home, device, device_name: arguments.device.clone() };
    if arguments.command.is_some() && !arguments.workbench.is_empty() {
        return Err(Error::usage("arguments of the workbench stand before a command")
            .next("give them after it, or leave it out"));
    }
    match &arguments.command {
        None => workbench::run(&arguments.workbench, &place),
        Some(Command::Train(train)) => train::run(train, &place),
        Some(Command::Eval(eval)) => eval::run(eval, &place),
        Some(Command::Classify(classify)) => classify::run(classify, &place),
        Some(Command::Sample(sample)) => sample::run(sample, &place),
        Some(Command::Blend(blend)) => blend::blend(blend, &place),
        Some(Command::Average(average)) => blend::average(average, &place),
        Some(Command::LrFind(find)) => lr_find::run(find, &place),
        Some(Command::Graft(graft)) => between::graft(graft, &place),
        Some(Command::Wise(wise)) => between::wise(wise, &place),
        Some(Command::Inspect(inspect)) => inspect::run(inspect, &place),
        Some(Command::Corpus(corpus)) => corpus::run(corpus, &place),
        Some(Command::Lab(lab)) => lab::run(lab, &place),
        Some(Command::Bench(bench)) => bench::run(bench, &place),
        Some(Command::Host(host)) => host::run(host, &place),
        Some(Command::Attach(attach)) => workbench::attach(attach, &place),
        Some(Command::Ls(list)) => remote::list(list, &place),
        Some(Command::Status(status)) => remote::status(status, &place),
        Some(Command::Send(send)) => remote::send(send, &place),
        Some(Command::Stop(stop)) => remote::stop(stop, &place),
        Some(Command::Journal(journal)) => journal::run(journal, &place),
        Some(Command::Resume(resume)) => resume::resume(resume, &place),
        Some(Command::Replay(replay)) => resume::replay(replay, &place),
        Some(Command::Recipe(recipe)) => resume::recipe(recipe, &place),
        Some(Command::Fork(fork)) => resume::fork(fork, &place),
        Some(Command::Lineage(lineage)) => journal::lineage(lineage, &place),
    }
}

/// A flag that Ctrl-C, SIGTERM and a lost terminal set; a second Ctrl-C ends the process at once.
fn interruption() -> Result<std::sync::Arc<std::sync::atomic::AtomicBool>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let failed = |error: std::io::Error| Error::new("cannot listen for Ctrl-C").because(error);
    // A terminal that goes away may say so twice: only a person's second Ctrl-C is meant.
    signal_hook::flag::register_conditional_shutdown(SIGINT, 130, flag.clone()).map_err(failed)?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, flag.clone()).map_err(failed)?;
    }
    Ok(flag)
}
