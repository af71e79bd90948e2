//! `ls`, `status`, `send`, `stop`: clients of a host that need no screen.

use super::output::{self, lay_out, number, table};
use super::summary::transfer_table;
use super::{Place, output::count};
use crate::host::client::{self, Connection};
use crate::model::folder;
use crate::protocol::{Answer, Ask, Command, GroupState, Message, Request, State, Status, Transfer};
pub use crate::run::lineage::resting;
use crate::run::overview::{self, Overview};
use crate::run::{checkpoint, plan, records, steering, transfer};
use crate::{Error, Result};
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a host may take for its first words.
const FIRST_WORDS: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub struct List {
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct One {
    /// A run: its name, or its folder
    run: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = grammar())]
pub struct Send {
    /// A run: its name, or its folder
    run: String,
    /// What it is told
    #[arg(num_args = 1.., required = true)]
    command: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn grammar() -> String {
    let lines: Vec<String> =
        crate::protocol::GRAMMAR.iter().map(|(form, help)| format!("  {form:<20} {help}")).collect();
    format!("Commands:\n{}", lines.join("\n"))
}

/// The folder of a run that is there.
pub fn find(run: &str, place: &Place) -> Result<PathBuf> {
    checkpoint::run_folder(run, &place.home)
        .ok_or_else(|| Error::new(format!("there is no run {run}")).next(place.home.runs_said()))
}

/// A line of the list.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    overview: Overview,
    state: &'static str,
    clients: u32,
}

fn line(overview: Overview) -> Line {
    let live = client::is_hosted(&overview.path).then(|| status_of_host(&overview.path).ok()).flatten();
    let state = match &live {
        Some(status) => status.state.name(),
        None => resting(&overview),
    };
    let clients = live.as_ref().map_or(0, |status| status.clients.saturating_sub(1));
    let step = live.map_or(overview.step, |status| status.step);
    Line { overview: Overview { step, ..overview }, state, clients }
}

pub fn list(arguments: &List, place: &Place) -> Result<()> {
    let lines: Vec<Line> = overview::all(&place.home).into_iter().map(line).collect();
    if arguments.json {
        return lines.iter().try_for_each(output::write_json);
    }
    if lines.is_empty() {
        return output::show(&format!("no runs in {}\n", place.home.runs().display()));
    }
    let mut table = table(["run", "state", "phase", "step", "loss", "clients", "changed"]);
    for Line { overview, state, clients } in lines {
        let phase = overview.phase.clone().unwrap_or_default();
        let loss = overview.loss.map_or(String::new(), number);
        let ago = ago(overview.changed);
        table.add_row([overview.run, state.into(), phase, count(overview.step), loss, clients.to_string(), ago]);
    }
    output::show(&(lay_out(table, 2) + "\n"))
}

/// Seconds since 1970 as a time ago.
pub fn ago(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match now.saturating_sub(seconds) {
        0..60 => "just now".into(),
        past @ 60..3600 => format!("{} min ago", past / 60),
        past @ 3600..86_400 => format!("{} h ago", past / 3600),
        past => format!("{} d ago", past / 86_400),
    }
}

/// What a host says of its run.
fn status_of_host(run: &Path) -> Result<Status> {
    let connection = client::connect(run)?;
    loop {
        match connection.messages.recv_timeout(FIRST_WORDS) {
            Ok(Message::Status(status)) => return Ok(*status),
            Ok(Message::Goodbye(why)) => return Err(Error::new("the host does not answer").because(why)),
            Ok(_) => {}
            Err(_) => return Err(Error::new("the host does not answer").next("look at host/log in the run's folder")),
        }
    }
}

pub fn status(arguments: &One, place: &Place) -> Result<()> {
    let folder = find(&arguments.run, place)?;
    let (state, phase, step, groups, rate, failure) = match client::is_hosted(&folder) {
        true => {
            let status = status_of_host(&folder)?;
            let phase = status.phase.map(|phase| phase.name);
            let (name, failure) = (
                status.state.name(),
                match status.state {
                    State::Failed(why) => Some(why),
                    _ => None,
                },
            );
            (name, phase, status.step, status.groups, status.learning_rate, failure)
        }
        false => {
            let overview = overview::of(&folder).ok_or_else(|| Error::new("the run's plan cannot be read"))?;
            let groups = groups_at_rest(&folder, overview.phase.as_deref(), overview.step).unwrap_or_default();
            let state = resting(&overview);
            (state, overview.phase, overview.step, groups, overview.learning_rate.unwrap_or(0.0), overview.failure)
        }
    };
    let (run, transfer) = (name_of(&folder), transfer_of(&folder));
    if arguments.json {
        let group = |state: &GroupState| {
            json!({"layer": state.group.layer.to_string(), "kind": state.group.kind.to_string(),
                "trainable": state.trainable, "multiplier": state.multiplier})
        };
        let groups: Vec<_> = groups.iter().map(group).collect();
        return output::write_json(&json!({
            "run": run, "phase": phase, "step": step, "state": state, "groups": groups, "learning_rate": rate,
            "failure": failure, "transfer": transfer
        }));
    }
    let frozen: Vec<String> = groups.iter().filter(|g| !g.trainable).map(|g| g.group.to_string()).collect();
    let frozen = if frozen.is_empty() { "nothing".into() } else { frozen.join(" ") };
    let phase = phase.unwrap_or_else(|| "no phase yet".into());
    let why = failure.map_or(String::new(), |why| format!("{why}\n"));
    output::show(&format!("{run}: {state} · {phase} · step {step} · rate {} · frozen: {frozen}\n{why}", number(rate)))?;
    transfer.iter().try_for_each(|transfer| output::show(&transfer_table(transfer, 2)))
}

/// What later phases made of earlier ones so far; nothing where the records cannot be read.
fn transfer_of(run: &Path) -> Vec<Transfer> {
    let plan = plan::load(&run.join("plan.toml").to_string_lossy(), &plan::Overrides::default());
    let events = records::read(run).map(|records| records.events);
    plan.ok().zip(events.ok()).map(|(plan, events)| transfer::of(&plan, &events)).unwrap_or_default()
}

/// What trained in the end in a run that nobody trains.
fn groups_at_rest(run: &Path, phase: Option<&str>, step: u64) -> Option<Vec<GroupState>> {
    let (path, _) = checkpoint::list(run).ok()?.pop()?;
    let plan = plan::load(&run.join("plan.toml").to_string_lossy(), &plan::Overrides::default()).ok()?;
    let phase = plan.phases.iter().find(|own| Some(own.name.as_str()) == phase)?;
    let groups = folder::read_config(&path).ok()?.groups();
    Some(steering::from_records(groups, phase, &records::journal(run).ok()?, step).states())
}

/// Connects to a run that must be hosted.
fn connect(run: &str, place: &Place) -> Result<Connection> {
    let folder = find(run, place)?;
    match client::is_hosted(&folder) {
        true => client::connect(&folder),
        false => Err(Error::new(format!("the run {run} has no host"))
            .because("nobody trains it or shows it now")
            .next(format!("open it with `frostline {run}`"))),
    }
}

/// Asks, and waits for the answer; also says what the run's status was by then.
fn ask(connection: &Connection, ask: Ask) -> Result<(Answer, Option<Status>)> {
    let mut status = None;
    let gone = || Error::new("the host went away before it answered");
    connection.requests.send(Request { id: 1, ask }).map_err(|_| gone())?;
    loop {
        match connection.messages.recv() {
            Ok(Message::Answer { answer, .. }) => return Ok((answer, status)),
            Ok(Message::Status(new)) => status = Some(*new),
            Ok(Message::Goodbye(why)) => return Err(gone().because(why)),
            Ok(_) => {}
            Err(_) => return Err(gone()),
        }
    }
}

pub fn send(arguments: &Send, place: &Place) -> Result<()> {
    let text = arguments.command.join(" ");
    let command: Command = text.parse()?;
    let (answer, _) = ask(&connect(&arguments.run, place)?, Ask::Steer(command))?;
    match answer {
        Answer::Applied { step, effect } if arguments.json => {
            output::write_json(&json!({"applied_at_step": step, "effect": effect}))
        }
        Answer::Applied { step, effect } => output::show(&format!("after step {step}: {effect}\n")),
        Answer::Refused(why) => {
            if arguments.json {
                output::write_json(&json!({"refused": why}))?;
            }
            Err(Error::new(format!("\"{text}\" was refused")).because(why))
        }
        _ => Err(Error::new("the host answered something else")),
    }
}

pub fn stop(arguments: &One, place: &Place) -> Result<()> {
    let folder = find(&arguments.run, place)?;
    let connection = connect(&arguments.run, place)?;
    let (_, mut status) = ask(&connection, Ask::Stop)?;
    // The host's last words come after everything that it recorded.
    for message in connection.messages.iter() {
        match message {
            Message::Status(new) => status = Some(*new),
            Message::Goodbye(_) => break,
            _ => {}
        }
    }
    let since = Instant::now();
    while client::is_hosted(&folder) && since.elapsed() < FIRST_WORDS {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (step, state) = status.map_or((0, "stopped"), |status| (status.step, status.state.name()));
    let run = name_of(&folder);
    if arguments.json {
        return output::write_json(&json!({"run": run, "step": step, "state": state}));
    }
    output::show(&format!("{run} {state} after step {step}\n"))
}

fn name_of(run: &Path) -> String {
    run.file_name().map_or_else(|| run.display().to_string(), |name| name.to_string_lossy().into_owned())
}
