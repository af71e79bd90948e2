//! From the first frame to the last: the threads that feed the workbench, and its loop.

use super::input::{self, Input, LOOK, WAITING, spawn};
use super::settings::Settings;
use super::terminal::{self, Session};
use super::themes::{self, Depth};
use super::workbench::Workbench;
use crate::app::App;
use crate::app::welcome::Choice;
use crate::protocol::{Message, Request};
use crate::{Context, Result};
use std::io::{Stdout, stdout};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::time::{Duration, Instant};

/// A host on the line, wherever it is. It has been told that this client is there: its first message is the welcome.
pub struct Link {
    pub requests: Sender<Request>,
    /// Ends when the host is gone.
    pub messages: Receiver<Message>,
}

/// What is on the screen first.
pub enum Entry {
    /// What [`App::welcome`] holds.
    Welcome,
    /// Starts this at once; that it cannot be started is the error of [`run`].
    Choice(Choice),
    Link(Link),
}

/// Starts or finds a host for what was chosen. It may take its time.
pub type Starter = Box<dyn FnMut(Choice) -> Result<Link> + Send>;

pub struct Options {
    /// Holds `keymap.toml` and `themes/`; need not be there.
    pub config: Option<PathBuf>,
    /// A theme's name; otherwise the default, or the one without colours where `NO_COLOR` is set.
    pub theme: Option<String>,
    /// Screens and data are written into it.
    pub folder: PathBuf,
    pub start: Starter,
}

/// Why the workbench ended. The host goes on in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Detached,
    Signal(i32),
    /// The terminal went away.
    TerminalGone,
}

/// Shows the app until it is left. The first frame is drawn before anything else is looked at.
pub fn run(mut app: App, entry: Entry, options: Options) -> Result<Exit> {
    let began = Instant::now();
    terminal::tell_panics_on_a_clean_screen();
    let variable = |name| std::env::var(name).unwrap_or_default();
    let wanted = if variable("NO_COLOR").is_empty() { themes::DEFAULT } else { themes::WITHOUT_COLOURS };
    app.theme = options.theme.unwrap_or_else(|| wanted.to_string());
    let mut settings = Settings::new(options.config, Depth::detect(&variable("COLORTERM"), &variable("TERM")));
    settings.reload(&mut app);
    let must_start = matches!(entry, Entry::Choice(_));
    if let Entry::Choice(choice) = &entry {
        app.starting(choice.clone());
    }

    let session = Session::begin().what(|| "cannot set up the terminal".into())?;
    let size = crossterm::terminal::size().what(|| "cannot ask the terminal for its size".into())?;
    let mut workbench = Workbench::new(app, stdout(), settings, size, options.folder);
    if workbench.draw(Duration::ZERO).is_err() {
        return Ok(Exit::TerminalGone);
    }

    let (inputs, happened) = mpsc::sync_channel(WAITING);
    let (choices, chosen) = mpsc::channel();
    let terminal_inputs = inputs.clone();
    spawn("keys", move || input::read_terminal(&terminal_inputs))?;
    input::read_signals(inputs.clone())?;
    spawn("starter", starter(options.start, chosen, inputs.clone()))?;
    let mut bench = Bench { workbench, inputs, choices, began, must_start };
    if let Entry::Link(link) = entry {
        bench.attach(link)?;
    }
    let exit = bench.until_left(&happened)?;
    drop(session);
    Ok(exit)
}

/// Starts what is chosen, one after the other, away from the loop: the screen never waits for a host.
fn starter(mut start: Starter, chosen: Receiver<Choice>, inputs: SyncSender<Input>) -> impl FnOnce() + Send {
    move || {
        for choice in chosen {
            if inputs.send(Input::Started(start(choice))).is_err() {
                return;
            }
        }
    }
}

/// The workbench with the threads that feed it.
struct Bench {
    workbench: Workbench<Stdout>,
    inputs: SyncSender<Input>,
    choices: Sender<Choice>,
    began: Instant,
    /// There is nothing to go back to if the start fails.
    must_start: bool,
}

impl Bench {
    fn until_left(&mut self, happened: &Receiver<Input>) -> Result<Exit> {
        self.start_what_was_chosen();
        let mut looked = self.began.elapsed();
        loop {
            let now = self.began.elapsed();
            let look = self.workbench.settings.has_folder().then_some(looked + LOOK);
            let deadline = [self.workbench.deadline(now), look].into_iter().flatten().min();
            let input = match deadline {
                Some(deadline) => happened.recv_timeout(deadline.saturating_sub(now)),
                None => happened.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            // Everything that waits is taken in before the next frame: a burst is drawn once.
            for input in input.into_iter().chain(happened.try_iter().take(WAITING)) {
                self.take(input)?;
            }
            let now = self.began.elapsed();
            self.workbench.pass_time(now);
            if look.is_some_and(|look| look <= now) {
                looked = now;
                self.workbench.look();
            }
            if let Some(exit) = self.workbench.exit {
                return Ok(exit);
            }
            if self.workbench.is_suspended {
                terminal::suspend().what(|| "cannot set up the terminal again".into())?;
                self.workbench.come_back(crossterm::terminal::size().unwrap_or(self.workbench.size()));
            }
            if self.workbench.draw(self.began.elapsed()).is_err() {
                return Ok(Exit::TerminalGone);
            }
        }
    }

    fn take(&mut self, input: Input) -> Result<()> {
        let now = self.began.elapsed();
        match input {
            Input::Started(Ok(link)) => self.attach(link)?,
            Input::Started(Err(error)) if self.must_start => return Err(error),
            input => self.workbench.take(input, now),
        }
        self.start_what_was_chosen();
        Ok(())
    }

    fn attach(&mut self, link: Link) -> Result<()> {
        // From now on there is a screen to go back to.
        self.must_start = false;
        let number = self.workbench.attach(&link);
        let inputs = self.inputs.clone();
        spawn("host", move || input::read_host(number, &link.messages, &inputs))
    }

    fn start_what_was_chosen(&mut self) {
        self.workbench.follow_up();
        for choice in self.workbench.to_start.drain(..) {
            // The starter ends with the loop.
            let _ = self.choices.send(choice);
        }
    }
}
