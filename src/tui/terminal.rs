//! The terminal's state: set up for the workbench, and put back however it ends.

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::style::{Print, ResetColor};
use crossterm::terminal::{
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, style};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Presses, drags and the wheel. crossterm's own switch also turns on ?1003, which sends every movement.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// Whether the terminal is set up now.
static IS_SET_UP: AtomicBool = AtomicBool::new(false);

/// What threads panicked with while the screen was up; said when it is gone.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The terminal as the workbench needs it, for as long as this lives.
pub struct Session(());

impl Session {
    pub fn begin() -> io::Result<Self> {
        // Themes know NO_COLOR themselves; crossterm would turn it into resets in the middle of a line.
        style::force_color_output(true);
        set_up()?;
        Ok(Self(()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        put_back();
        let panics = std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner));
        for text in panics {
            // Where standard error is gone too, nobody is left to tell.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

fn set_up() -> io::Result<()> {
    enable_raw_mode()?;
    IS_SET_UP.store(true, Ordering::SeqCst);
    let done = execute!(io::stdout(), EnterAlternateScreen, Hide, Print(MOUSE_ON), EnableBracketedPaste);
    if done.is_err() {
        put_back();
    }
    done
}

/// Does nothing where it was done already. A terminal that is gone cannot be put back, and need not be.
fn put_back() {
    if IS_SET_UP.swap(false, Ordering::SeqCst) {
        let _ = execute!(
            io::stdout(),
            EndSynchronizedUpdate,
            DisableBracketedPaste,
            Print(MOUSE_OFF),
            ResetColor,
            Show,
            LeaveAlternateScreen
        );
        let _ = disable_raw_mode();
    }
}

/// Gives the terminal back to the shell until the person says `fg`.
pub fn suspend() -> io::Result<()> {
    put_back();
    signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
    set_up()
}

/// A panic of this thread puts the terminal back before it is told; one of another thread is told when the screen is
/// gone.
pub fn tell_panics_on_a_clean_screen() {
    let own = std::thread::current().id();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == own {
            put_back();
        }
        if IS_SET_UP.load(Ordering::SeqCst) {
            PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
        } else {
            before(panic);
        }
    }));
}
