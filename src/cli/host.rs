//! `frostline host`: the process that trains a run and serves its clients; and how other commands start one.

use super::{Place, interruption, output};
use crate::host::{HostPlace, Resume, Work, client, serve};
use crate::protocol::{Ask, Message, Request};
use crate::run::execute::check_names;
use crate::run::folder::RunFolder;
use crate::run::plan::{self, Overrides};
use crate::run::{Plan, checkpoint};
use crate::{Context, Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// How long a host with nothing left to do waits for clients.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a host may take until it can be reached: it does nothing else before.
const START: Duration = Duration::from_secs(20);

#[derive(clap::Args)]
pub struct Arguments {
    /// A plan's TOML file, a preset's name, or a run
    #[arg(value_name = "PLAN|RUN")]
    target: String,
    #[command(flatten)]
    changes: Changes,
    /// Go on with a run that has begun, from its newest whole checkpoint
    #[arg(long)]
    resume: bool,
    /// Leave the terminal's session, as hosts do that `frostline` starts
    #[arg(long, hide = true)]
    detached: bool,
}

/// What a new run may have otherwise than its plan.
#[derive(clap::Args, Default)]
pub struct Changes {
    /// The new run's name [default: the plan's, numbered where it is taken]
    #[arg(long, value_name = "NAME")]
    pub run: Option<String>,
    /// Change a setting of the plan, such as phase.pretrain.steps=100
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    if arguments.detached {
        // It fails only for the leader of a session, which is detached already.
        let _ = rustix::process::setsid();
    }
    let folder = open_or_create(&arguments.target, &arguments.changes, place)?;
    output::note(&format!("host of {}, process {}", folder.display(), std::process::id()));
    let resume = arguments.resume.then(Resume::default);
    serve(&Work { resume, ..work(&folder, place, interruption()?) })
}

/// What a host of this process works on.
pub fn work(folder: &Path, place: &Place, stop: Arc<AtomicBool>) -> Work {
    Work {
        home: place.home.clone(),
        device: place.device.clone(),
        device_name: place.device_name.clone(),
        run: folder.to_path_buf(),
        resume: None,
        patience: PATIENCE,
        stop,
    }
}

/// The folder of a run that is there, or of a new one that follows a plan.
pub fn open_or_create(target: &str, changes: &Changes, place: &Place) -> Result<PathBuf> {
    match checkpoint::run_folder(target, &place.home) {
        Some(_) if changes.run.is_some() || !changes.set.is_empty() => {
            Err(Error::usage(format!("{target} is a run already, and its plan stays as it is"))
                .next("leave out --run and --set, or name a plan"))
        }
        Some(folder) => std::path::absolute(&folder).what(|| format!("cannot find {}", folder.display())),
        None => create(
            &plan::load(target, &Overrides { set: changes.set.clone(), ..Overrides::default() })?,
            changes,
            place,
        ),
    }
}

/// Makes the folder of a new run, once everything that it names can be opened.
pub fn create(plan: &Plan, changes: &Changes, place: &Place) -> Result<PathBuf> {
    check_names(plan, &place.home)?;
    Ok(RunFolder::create(&place.home, changes.run.as_deref(), plan, None)?.path)
}

/// Connects to the host of a run; where it has none, one is started in a session of its own.
pub fn start(folder: &Path, place: &Place) -> Result<client::Connection> {
    reach(folder, place, false)
}

/// The same, for a run that has begun: the host that is started goes on with it.
pub fn resume(folder: &Path, place: &Place) -> Result<client::Connection> {
    reach(folder, place, true)
}

/// Ends a host that only shows its run; returns whether there is one that trains it, which is left alone.
pub fn let_go(folder: &Path) -> Result<bool> {
    if !client::is_hosted(folder) {
        return Ok(false);
    }
    let connection = client::connect(folder)?;
    let since = Instant::now();
    let is_live = connection.messages.iter().find_map(|message| match message {
        Message::Status(status) => Some(status.state.is_live()),
        _ => None,
    });
    if is_live == Some(true) {
        return Ok(true);
    }
    // It may be ending by itself.
    let _ = connection.requests.send(Request { id: 1, ask: Ask::Stop });
    connection.messages.iter().for_each(drop);
    while client::is_hosted(folder) {
        if since.elapsed() > START {
            return Err(Error::new("the host that shows the run does not end")
                .next("end it with `frostline stop`, then go on with the run"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(false)
}

fn reach(folder: &Path, place: &Place, resumes: bool) -> Result<client::Connection> {
    let since = Instant::now();
    let mut started: Option<(Child, PathBuf)> = None;
    loop {
        let failed = match client::look_on(folder) {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        match &mut started {
            // A host that is about to end holds the run for a moment still.
            None if !client::is_hosted(folder) => started = Some(launch(folder, place, resumes)?),
            None => {}
            Some((child, log)) => {
                if let Ok(Some(status)) = child.try_wait()
                    && !client::is_hosted(folder)
                {
                    return Err(ended_at_once(status, log));
                }
            }
        }
        if since.elapsed() > START {
            return Err(failed);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn ended_at_once(status: std::process::ExitStatus, log: &Path) -> Error {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.trim().lines().rev().take(12).collect();
    let said: Vec<&str> = lines.into_iter().rev().collect();
    Error::new("the host ended at once").because(format!("{status}: {}", said.join("\n")))
}

/// Starts a host that outlives this process; what it says goes to its log.
fn launch(folder: &Path, place: &Place, resumes: bool) -> Result<(Child, PathBuf)> {
    let host_place = HostPlace::of(folder);
    host_place.create()?;
    let log_path = host_place.log();
    let failed = || format!("cannot start a host for {}", folder.display());
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&log_path).what(failed)?;
    let program = std::env::current_exe().what(failed)?;
    let child = Command::new(program)
        .args(["--device", &place.device_name, "--home"])
        .arg(place.home.path())
        .args(["host", "--detached"])
        .args(resumes.then_some("--resume"))
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().what(failed)?)
        .stderr(log)
        .spawn()
        .what(failed)?;
    Ok((child, log_path))
}
