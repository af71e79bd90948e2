//! Everything that can happen, in one channel: keys and mouse, messages of the host, signals, and what was started.

use super::run::Link;
use crate::app::{Code, Gesture, Key};
use crate::protocol::Message;
use crate::{Error, Result};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

/// Inputs that wait at most; a host that says more has to wait itself.
pub const WAITING: usize = 1024;

/// Something that happened.
pub enum Input {
    Key(KeyEvent),
    Mouse {
        gesture: Gesture,
        x: u16,
        y: u16,
    },
    Paste(String),
    Resize(u16, u16),
    /// From link number so-and-so: one that was left may still speak.
    Host(u64, Message),
    HostGone(u64),
    /// What was chosen was started, or why not.
    Started(Result<Link>),
    Signal(i32),
    /// The terminal can no longer be read.
    TerminalGone,
}

/// The key as the app knows it; `None` for releases and keys that no action can have.
pub fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let has = |modifier| event.modifiers.contains(modifier);
    let (control, alt, mut shift) = (has(KeyModifiers::CONTROL), has(KeyModifiers::ALT), has(KeyModifiers::SHIFT));
    let code = match event.code {
        KeyCode::Char(character) => {
            // Shift is part of the character.
            shift = false;
            Code::Char(if control { character.to_ascii_lowercase() } else { character })
        }
        KeyCode::BackTab => {
            shift = true;
            Code::Tab
        }
        KeyCode::F(number) => Code::Function(number),
        KeyCode::Enter => Code::Enter,
        KeyCode::Esc => Code::Escape,
        KeyCode::Tab => Code::Tab,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Delete => Code::Delete,
        KeyCode::Insert => Code::Insert,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        _ => return None,
    };
    Some(Key { code, control, alt, shift })
}

fn of_terminal(event: Event) -> Option<Input> {
    match event {
        Event::Key(key) => Some(Input::Key(key)),
        Event::Paste(text) => Some(Input::Paste(text)),
        Event::Resize(width, height) => Some(Input::Resize(width, height)),
        Event::Mouse(mouse) => {
            let gesture = match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => Gesture::Press,
                MouseEventKind::Drag(MouseButton::Left) => Gesture::Drag,
                MouseEventKind::Up(MouseButton::Left) => Gesture::Release,
                MouseEventKind::ScrollUp => Gesture::WheelUp,
                MouseEventKind::ScrollDown => Gesture::WheelDown,
                _ => return None,
            };
            Some(Input::Mouse { gesture, x: mouse.column, y: mouse.row })
        }
        Event::FocusGained | Event::FocusLost => None,
    }
}

/// Reads the terminal until nobody listens.
pub fn read_terminal(inputs: &SyncSender<Input>) {
    loop {
        let input = match event::read() {
            Ok(event) => of_terminal(event),
            Err(_) => Some(Input::TerminalGone),
        };
        let is_gone = matches!(input, Some(Input::TerminalGone));
        if input.is_some_and(|input| inputs.send(input).is_err()) || is_gone {
            return;
        }
    }
}

/// Hands on what a host says, until it or the listener is gone.
pub fn read_host(number: u64, messages: &Receiver<Message>, inputs: &SyncSender<Input>) {
    for message in messages {
        if inputs.send(Input::Host(number, message)).is_err() {
            return;
        }
    }
    // If nobody listens, nobody misses it.
    let _ = inputs.send(Input::HostGone(number));
}

/// Hands on the signals that end the program.
pub fn read_signals(inputs: SyncSender<Input>) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGTERM, SIGINT])
        .map_err(|error| Error::new("cannot listen for signals").because(error))?;
    spawn("signals", move || {
        for signal in &mut signals {
            if inputs.send(Input::Signal(signal)).is_err() {
                return;
            }
        }
    })
}

/// A thread with a name; it ends by itself when the program does.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().name(name.to_string()).spawn(work);
    thread.map(drop).map_err(|error| Error::new(format!("cannot start the thread for {name}")).because(error))
}

/// Between two looks at whether themes and keymap changed.
pub const LOOK: Duration = Duration::from_secs(1);
