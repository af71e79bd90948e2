//! What the app wants of the world around it.

use super::run::Exit;
use super::svg;
use super::workbench::Workbench;
use crate::app::{App, Effect};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Terminals take about this much by OSC 52; more is cut off or ignored by them without a word.
const LONGEST_COPY: usize = 74_994;

/// Exports that a folder may hold.
const EXPORTS: usize = 10_000;

impl<W: Write> Workbench<W> {
    /// Carries out one wish; what cannot be done is said at the foot.
    pub(super) fn carry_out(&mut self, effect: Effect) {
        let done = match &effect {
            Effect::Quit => {
                self.exit = Some(Exit::Detached);
                Ok(())
            }
            Effect::Suspend => {
                self.is_suspended = true;
                Ok(())
            }
            Effect::Copy(text) => self.copy(text, "copied"),
            Effect::CopyScreen => {
                let text = self.screen.shown().map(svg::plain).unwrap_or_default();
                self.copy(&text, "the screen is copied")
            }
            Effect::WriteFile { name, text } => {
                let is_plain = !name.contains(['/', '\\']) && !name.starts_with('.');
                let written = if is_plain {
                    std::fs::write(self.folder.join(name), text)
                } else {
                    Err(ErrorKind::InvalidInput.into())
                };
                if written.is_ok() {
                    self.app.say(format!("wrote {name}"));
                }
                written.map_err(|error| error.to_string())
            }
            Effect::ExportScreen => self.export(),
            Effect::Start(choice) => {
                self.to_start.push(choice.clone());
                Ok(())
            }
            Effect::Reload => {
                self.app.say("themes and keymap read again");
                self.settings.reload(&mut self.app);
                Ok(())
            }
        };
        if let Err(why) = done {
            self.app.failed(&effect, &why);
        }
    }

    fn copy(&mut self, text: &str, said: &str) -> Result<(), String> {
        if text.len().div_ceil(3) * 4 > LONGEST_COPY {
            return Err("it is longer than a terminal's clipboard takes".into());
        }
        self.screen.copy(text).map_err(|error| error.to_string())?;
        self.app.say(said);
        Ok(())
    }

    fn export(&mut self) -> Result<(), String> {
        let Some(buffer) = self.screen.shown() else { return Err("nothing is drawn yet".into()) };
        let (picture, text) = (svg::render(buffer, &self.settings.theme), svg::plain(buffer));
        let name = write_new(&self.folder, &picture, &text).map_err(|error| error.to_string())?;
        say_written(&mut self.app, &name);
        Ok(())
    }
}

fn say_written(app: &mut App, name: &str) {
    app.say(format!("wrote {name}.svg and {name}.txt"));
}

/// Writes under the first number that is free, and returns the name.
fn write_new(folder: &Path, picture: &str, text: &str) -> std::io::Result<String> {
    for number in 1..=EXPORTS {
        let name = format!("frostline-screen-{number}");
        match File::create_new(folder.join(format!("{name}.svg"))) {
            Ok(mut file) => {
                file.write_all(picture.as_bytes())?;
                std::fs::write(folder.join(format!("{name}.txt")), text)?;
                return Ok(name);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::other(format!("{EXPORTS} exports are here already; move some away")))
}
