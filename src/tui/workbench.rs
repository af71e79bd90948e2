//! The app on a screen: what happens goes in, what changed is drawn.

use super::frame::{self, Drawn};
use super::input::{self, Input};
use super::panes::prompt;
use super::run::{Exit, Link};
use super::screen::Screen;
use super::settings::Settings;
use crate::app::welcome::Choice;
use crate::app::{App, Gesture, Pointer, Spot};
use crate::protocol::Request;
use ratatui::layout::{Position, Rect};
use ratatui_textarea::TextArea;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Between two frames that show nothing but what the host said.
const FRAME: Duration = Duration::from_millis(100);

/// Everything but the threads that feed it.
pub struct Workbench<W: Write> {
    pub app: App,
    pub screen: Screen<W>,
    pub settings: Settings,
    pub(super) editor: TextArea<'static>,
    pub(super) drawn: Drawn,
    size: (u16, u16),
    /// Where the mouse was pressed and is held.
    held: Option<(Rect, Spot)>,
    /// What is asked of the host; `None` while there is none.
    pub(super) requests: Option<Sender<Request>>,
    /// Grows with every link, so that what an old one says is known as old.
    pub link_number: u64,
    /// Files are written into it.
    pub folder: PathBuf,
    /// What was chosen and is to be started, by whoever has the means.
    pub to_start: Vec<Choice>,
    pub is_suspended: bool,
    pub exit: Option<Exit>,
    /// Whether something changed that the screen does not show: not at all, when there is time, at once.
    stale: Stale,
    last_frame: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stale {
    No,
    Soon,
    Now,
}

impl<W: Write> Workbench<W> {
    pub fn new(app: App, writer: W, settings: Settings, size: (u16, u16), folder: PathBuf) -> Self {
        Self {
            app,
            screen: Screen::new(writer),
            settings,
            editor: TextArea::default(),
            drawn: Drawn::default(),
            size,
            held: None,
            requests: None,
            link_number: 0,
            folder,
            to_start: Vec::new(),
            is_suspended: false,
            exit: None,
            stale: Stale::Now,
            last_frame: Duration::ZERO,
        }
    }

    /// Takes in what happened, and carries out what follows from it.
    pub fn take(&mut self, input: Input, now: Duration) {
        self.pass_time(now);
        let stale = match input {
            Input::Host(number, message) if number == self.link_number => {
                self.app.message(message);
                Stale::Soon
            }
            Input::HostGone(number) if number == self.link_number => {
                self.requests = None;
                self.app.lost();
                Stale::Soon
            }
            Input::Host(..) | Input::HostGone(_) => Stale::No,
            // Links are attached by whoever holds the threads that read them.
            Input::Started(Ok(_)) => Stale::No,
            Input::Started(Err(error)) => {
                self.app.failed_to_start(error);
                Stale::Now
            }
            Input::Signal(signal) => {
                self.exit = Some(Exit::Signal(signal));
                Stale::No
            }
            Input::TerminalGone => {
                self.exit = Some(Exit::TerminalGone);
                Stale::No
            }
            Input::Key(event) => self.key(event),
            Input::Mouse { gesture, x, y } => self.mouse(gesture, x, y),
            Input::Paste(text) => {
                if !self.app.paste(&text) {
                    prompt::type_paste(&mut self.app, &mut self.editor, &text);
                }
                Stale::Now
            }
            Input::Resize(width, height) => {
                self.size = (width, height);
                self.screen.forget();
                Stale::Now
            }
        };
        self.stale = self.stale.max(stale);
        self.follow_up();
    }

    /// A new host is on the line; returns its number.
    pub fn attach(&mut self, link: &Link) -> u64 {
        self.link_number += 1;
        self.requests = Some(link.requests.clone());
        self.app.started();
        self.stale = Stale::Now;
        self.link_number
    }

    /// Lets time pass: lines at the foot go, and what was to be asked in a moment is asked.
    pub fn pass_time(&mut self, now: Duration) {
        if self.app.tick(now) {
            self.stale = self.stale.max(Stale::Now);
            self.follow_up();
        }
    }

    /// Looks whether themes or keymap changed.
    pub fn look(&mut self) {
        if self.settings.look(&mut self.app) {
            self.stale = Stale::Now;
        }
    }

    fn key(&mut self, event: crossterm::event::KeyEvent) -> Stale {
        let Some(key) = input::key(event) else { return Stale::No };
        if !self.app.key(key) {
            prompt::type_key(&mut self.app, &mut self.editor, event);
        }
        Stale::Now
    }

    fn mouse(&mut self, gesture: Gesture, x: u16, y: u16) -> Stale {
        let found = self.drawn.spots.iter().rev().find(|(area, _)| area.contains(Position { x, y })).copied();
        let held = self.held.filter(|_| matches!(gesture, Gesture::Drag | Gesture::Release));
        // What began in a pane stays in it.
        let found = match (held, found) {
            (Some((_, held)), Some((area, spot))) if held.pane() == spot.pane() => Some((area, spot)),
            (Some(held), _) => Some(held),
            (None, found) => found,
        };
        match gesture {
            Gesture::Press => self.held = found,
            Gesture::Release => self.held = None,
            _ => {}
        }
        let Some((area, spot)) = found else { return Stale::No };
        let within = |at: u16, start: u16, length: u16| at.saturating_sub(start).min(length.saturating_sub(1));
        self.app.pointed(Pointer {
            gesture,
            spot,
            x: within(x, area.x, area.width),
            y: within(y, area.y, area.height),
            width: area.width,
            height: area.height,
        });
        Stale::Now
    }

    /// Sends what is asked, and carries out what the app wants of the world.
    pub(super) fn follow_up(&mut self) {
        if self.settings.follow(&mut self.app) {
            self.stale = Stale::Now;
        }
        for effect in self.app.take_effects() {
            self.carry_out(effect);
            self.stale = Stale::Now;
        }
        for request in self.app.take_requests() {
            let is_sent = self.requests.as_ref().is_some_and(|requests| requests.send(request).is_ok());
            if !is_sent {
                self.app.refuse("nobody to ask: the host is gone, or not there yet");
                self.stale = Stale::Now;
            }
        }
    }

    /// When something has to be done even if nothing happens; `None`: never.
    pub fn deadline(&self, now: Duration) -> Option<Duration> {
        let frame = match self.stale {
            Stale::No => None,
            Stale::Soon => Some(self.last_frame + FRAME),
            Stale::Now => Some(now),
        };
        [frame, self.app.next_tick()].into_iter().flatten().min()
    }

    /// Draws where something changed, and it is time.
    pub fn draw(&mut self, now: Duration) -> io::Result<()> {
        let is_time = match self.stale {
            Stale::No => false,
            Stale::Soon => now >= self.last_frame + FRAME,
            Stale::Now => true,
        };
        if !is_time || self.is_suspended {
            return Ok(());
        }
        prompt::sync(&self.app, &mut self.editor);
        self.drawn = frame::draw(&self.app, &self.settings.theme, &self.editor, self.size);
        self.last_frame = now;
        self.stale = Stale::No;
        self.screen.show(&self.drawn)
    }

    /// Columns and rows of the terminal.
    pub fn size(&self) -> (u16, u16) {
        self.size
    }

    /// The screen was given away and is back; it may have another size.
    pub fn come_back(&mut self, size: (u16, u16)) {
        self.is_suspended = false;
        self.size = size;
        self.screen.forget();
        self.stale = Stale::Now;
    }
}
