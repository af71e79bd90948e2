//! `frostline [PLAN|RUN]` and `frostline attach RUN`: the workbench, over a host that goes on without it.

use super::host::{self, Changes};
use super::{Place, output, remote};
use crate::app::App;
use crate::app::graphs::Glyphs;
use crate::app::welcome::{Choice, Choices, PresetLine, RunLine, Welcome};
use crate::host::{Resume, Work, client, serve_here};
use crate::run::overview;
use crate::run::plan::{self, Overrides, PRESETS};
use crate::tui::{self, Entry, Exit, Link, Options, Starter};
use crate::{Context, Error, Result};
use std::io::IsTerminal;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the program is called with when it is given no command.
#[derive(clap::Args)]
pub struct Arguments {
    /// A plan's TOML file, a preset's name, or a run; without one, a welcome with what there is
    #[arg(value_name = "PLAN|RUN")]
    target: Option<String>,
    /// Train on this text, any file or folder, with a plan that suits its size
    #[arg(long, value_name = "PATH", conflicts_with = "target")]
    corpus: Option<PathBuf>,
    #[command(flatten)]
    changes: Changes,
    /// Train in this process: the run ends, saved, when the workbench is left
    #[arg(long)]
    foreground: bool,
    #[command(flatten)]
    screen: Screen,
}

impl Arguments {
    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        let Changes { run, set } = &self.changes;
        let nothing = self.target.is_none() && self.corpus.is_none() && run.is_none() && set.is_empty();
        nothing && !self.foreground && self.screen.theme.is_none()
    }
}

#[derive(clap::Args)]
pub struct Attach {
    /// A run: its name, or its folder
    run: String,
    #[command(flatten)]
    screen: Screen,
}

/// What the screen looks like.
#[derive(clap::Args)]
pub struct Screen {
    /// Colours: frost, ember, paper (light), contrast, mono, or one of your own
    #[arg(long, value_name = "NAME")]
    theme: Option<String>,
}

/// Opens the workbench.
pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    needs_terminal()?;
    let choice = match (&arguments.target, &arguments.corpus) {
        (Some(target), _) => Some(choice_of(target, &arguments.changes, place)?),
        (None, Some(path)) => {
            // Refused here, where it can be read, rather than on the screen.
            plan::for_corpus(path)?;
            Some(Choice::Corpus(path.to_string_lossy().into_owned()))
        }
        (None, None) => None,
    };
    let mut app = App::new();
    app.welcome = Some(Welcome::new(choices(place)));
    let entry = choice.map_or(Entry::Welcome, Entry::Choice);
    let changes = Changes { run: arguments.changes.run.clone(), set: arguments.changes.set.clone() };
    let hosts = arguments.foreground.then(Hosts::default);
    show(app, entry, &arguments.screen, starter(place.clone(), changes, hosts.clone()))?;
    hosts.map_or(Ok(()), |hosts| hosts.end())
}

/// The hosts in this process.
#[derive(Clone, Default)]
struct Hosts(Arc<Mutex<Vec<JoinHandle<Result<()>>>>>);

impl Hosts {
    fn add(&self, host: JoinHandle<Result<()>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(host);
    }

    /// Waits until each has finished its step and saved: they end with the workbench, which was their only client.
    fn end(&self) -> Result<()> {
        for host in std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            output::note("finishing the step and saving…");
            host.join().map_err(|_| Error::new("the host ended in a panic"))??;
        }
        Ok(())
    }
}

/// Attaches to a run that has a host, or shows one that has none as it is.
pub fn attach(arguments: &Attach, place: &Place) -> Result<()> {
    needs_terminal()?;
    remote::find(&arguments.run, place)?;
    let entry = Entry::Choice(Choice::Run(arguments.run.clone()));
    let start = starter(place.clone(), Changes::default(), None);
    show(App::new(), entry, &arguments.screen, start)
}

fn show(mut app: App, entry: Entry, screen: &Screen, start: Starter) -> Result<()> {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    app.graphs.glyphs = Glyphs::for_locale(&locale.unwrap_or_default());
    let folder = std::env::current_dir().what(|| "cannot find the current folder".into())?;
    let config = directories::ProjectDirs::from("", "", "frostline").map(|dirs| dirs.config_dir().to_path_buf());
    let exit = tui::run(app, entry, Options { config, theme: screen.theme.clone(), folder, start })?;
    match exit {
        Exit::Detached | Exit::Signal(_) | Exit::TerminalGone => Ok(()),
    }
}

fn needs_terminal() -> Result<()> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Error::new("the workbench needs a terminal").because("standard input or output is none").next(
        "without one, use `frostline train PLAN`, or `frostline host PLAN` with `ls`, `status`, `send` and `stop`",
    ))
}

/// A run that is there, or a plan that can be read.
fn choice_of(target: &str, changes: &Changes, place: &Place) -> Result<Choice> {
    match crate::run::checkpoint::run_folder(target, &place.home) {
        Some(_) => Ok(Choice::Run(target.to_string())),
        None => {
            plan::load(target, &Overrides { set: changes.set.clone(), ..Overrides::default() })?;
            Ok(Choice::Plan(target.to_string()))
        }
    }
}

/// What the welcome offers.
fn choices(place: &Place) -> Choices {
    let preset =
        |(name, about, _): &(&str, &str, &str)| PresetLine { name: name.to_string(), about: about.to_string() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let run = |overview: overview::Overview| {
        let is_live = client::is_hosted(&overview.path);
        RunLine {
            state: if is_live { "live".into() } else { remote::resting(&overview).into() },
            name: overview.run,
            is_live,
            phases: overview.phases,
            step: overview.step,
            loss: overview.loss,
            age: now.saturating_sub(overview.changed) as f64,
        }
    };
    Choices {
        presets: PRESETS.iter().map(preset).collect(),
        runs: overview::all(&place.home).into_iter().map(run).collect(),
    }
}

/// Opens what is chosen: finds its host, or starts one.
fn starter(place: Place, changes: Changes, hosts: Option<Hosts>) -> Starter {
    Box::new(move |choice| {
        let folder = match choice {
            Choice::Plan(name) => {
                let overrides = Overrides { set: changes.set.clone(), ..Overrides::default() };
                host::create(&plan::load(&name, &overrides)?, &changes, &place)?
            }
            Choice::Corpus(path) => host::create(&plan::for_corpus(Path::new(&path))?, &changes, &place)?,
            Choice::Run(name) => remote::find(&name, &place)?,
            Choice::Resume(name) => {
                let folder = remote::find(&name, &place)?;
                let connection = resumed(&folder, &place, hosts.as_ref())?;
                return Ok(Link { requests: connection.requests, messages: connection.messages });
            }
        };
        let connection = match hosts.as_ref().filter(|_| !client::is_hosted(&folder)) {
            Some(hosts) => in_this_process(&folder, &place, hosts, None)?,
            None => host::start(&folder, &place)?,
        };
        Ok(Link { requests: connection.requests, messages: connection.messages })
    })
}

/// A host that goes on with a run that had ended; where one trains it already, that one.
fn resumed(folder: &Path, place: &Place, hosts: Option<&Hosts>) -> Result<client::Connection> {
    if host::let_go(folder)? {
        return host::start(folder, place);
    }
    match hosts {
        Some(hosts) => in_this_process(folder, place, hosts, Some(Resume::default())),
        None => host::resume(folder, place),
    }
}

/// A host in a thread of this process, over a pair of sockets.
fn in_this_process(folder: &Path, place: &Place, hosts: &Hosts, resume: Option<Resume>) -> Result<client::Connection> {
    let failed = || "cannot start a host in this process".to_string();
    let (own, theirs) = UnixStream::pair().what(failed)?;
    let work = Work { resume, ..host::work(folder, place, Default::default()) };
    let serving = std::thread::Builder::new().name("host".into()).spawn(move || serve_here(&work, theirs));
    hosts.add(serving.what(failed)?);
    client::over(own)
}
