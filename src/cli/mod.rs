//! The command line: arguments, progress on a terminal, JSON for scripts, exit codes.

mod corpus;
mod eval;
mod inspect;
mod output;
mod progress;
mod sample;
mod side_by_side;
mod summary;
mod train;

use crate::run::memory;
use crate::{Error, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Pretrain and fine-tune language models by hand, and see what they learn and forget.
///
/// Without a command, the plan `first-run` is carried out on the bundled world.
#[derive(Parser)]
#[command(name = "frostline", version, max_term_width = 100)]
struct Arguments {
    /// The folder that holds runs and caches [default: FROSTLINE_HOME, else the platform's data folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    home: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Carry out a plan: a TOML file, or a preset by its name
    Train(train::Arguments),
    /// Measure the loss of a checkpoint on text
    Eval(eval::Arguments),
    /// Let one or several checkpoints go on from a prompt, side by side
    Sample(sample::Arguments),
    /// Say what a checkpoint or a run is
    Inspect(inspect::Arguments),
    /// Say what a corpus is
    Corpus(corpus::Arguments),
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
            eprintln!("error: {}", output::printable(&error.to_string()));
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let home = || crate::run::Home::open(arguments.home.as_deref());
    match &arguments.command {
        None => train::run(&train::Arguments::first_run(), &home()?),
        Some(Command::Train(train)) => train::run(train, &home()?),
        Some(Command::Eval(eval)) => eval::run(eval, &home()?),
        Some(Command::Sample(sample)) => sample::run(sample, &home()?),
        Some(Command::Inspect(inspect)) => inspect::run(inspect, &home()?),
        Some(Command::Corpus(corpus)) => corpus::run(corpus, &home()?),
    }
}

/// A flag that Ctrl-C and SIGTERM set; a second one ends the process at once.
fn interruption() -> Result<std::sync::Arc<std::sync::atomic::AtomicBool>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone())
            .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
            .map_err(|error| Error::new("cannot listen for Ctrl-C").because(error))?;
    }
    Ok(flag)
}
