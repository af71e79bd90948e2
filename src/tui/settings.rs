//! A person's own themes and keymap, read again when they change.

use super::theme::Theme;
use super::themes::{self, Depth};
use crate::app::{App, Keymap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The configuration folder: `keymap.toml`, and `themes/NAME.toml`.
pub struct Settings {
    folder: Option<PathBuf>,
    depth: Depth,
    pub theme: Theme,
    /// The name of the theme that was asked for last, whether or not it could be read.
    asked: String,
    seen: Vec<(PathBuf, Option<SystemTime>)>,
}

impl Settings {
    /// Nothing is read before [`Settings::reload`]: until then everything is as it comes with the program.
    pub fn new(folder: Option<PathBuf>, depth: Depth) -> Self {
        let theme = themes::load(themes::DEFAULT, None, depth).unwrap_or_default();
        Self { folder, depth, theme, asked: String::new(), seen: Vec::new() }
    }

    fn themes(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("themes"))
    }

    fn keymap(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("keymap.toml"))
    }

    /// Reads the theme that the app wants, where it is not the one that was read last; whether it tried.
    pub fn follow(&mut self, app: &mut App) -> bool {
        if app.theme == self.asked {
            return false;
        }
        self.asked = app.theme.clone();
        match themes::load(&app.theme, self.themes().as_deref(), self.depth) {
            Ok(theme) => self.theme = theme,
            Err(why) => app.refuse(why),
        }
        true
    }

    /// Reads everything; what is wrong is said, and what was there stays.
    pub fn reload(&mut self, app: &mut App) {
        self.seen = self.stamps();
        app.theme_names = themes::names(self.themes().as_deref());
        self.asked.clear();
        self.follow(app);
        match read_keymap(self.keymap().as_deref()) {
            Ok(keymap) => app.keymap = keymap,
            Err(why) => app.refuse(why),
        }
    }

    /// Reads everything again if any file changed; whether it did. Costs a few looks at the folder.
    pub fn look(&mut self, app: &mut App) -> bool {
        let changed = self.folder.is_some() && self.stamps() != self.seen;
        if changed {
            app.say("themes and keymap read again");
            self.reload(app);
        }
        changed
    }

    pub fn has_folder(&self) -> bool {
        self.folder.is_some()
    }

    fn stamps(&self) -> Vec<(PathBuf, Option<SystemTime>)> {
        let entries = self.themes().and_then(|themes| std::fs::read_dir(themes).ok());
        let mut files: Vec<PathBuf> = entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.extend(self.keymap());
        files.sort();
        let stamp = |path: &PathBuf| std::fs::metadata(path).and_then(|data| data.modified()).ok();
        files.into_iter().map(|path| (stamp(&path), path)).map(|(stamp, path)| (path, stamp)).collect()
    }
}

fn read_keymap(path: Option<&Path>) -> Result<Keymap, String> {
    let Some(path) = path else { return Ok(Keymap::default()) };
    match std::fs::read_to_string(path) {
        Ok(text) => Keymap::read(&text).map_err(|why| format!("keymap.toml: {why}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Keymap::default()),
        Err(error) => Err(format!("keymap.toml cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn changes_are_seen_and_mistakes_leave_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let keymap = folder.path().join("keymap.toml");
        let write = |text: &str, second: u64| {
            std::fs::write(&keymap, text).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            std::fs::File::options().write(true).open(&keymap).unwrap().set_modified(time).unwrap();
        };
        let mut app = App::new();
        app.theme = "paper".into();
        let mut settings = Settings::new(Some(folder.path().to_path_buf()), Depth::Full);
        settings.reload(&mut app);
        let paper = settings.theme.clone();
        assert!(app.toast.is_none() && !settings.look(&mut app));

        write("[everywhere]\n\"Z\" = \"zoom\"", 1);
        assert!(settings.look(&mut app));
        assert_eq!(app.keymap.keys_text("zoom"), "z Z");
        write("[everywhere]\n\"Z\" = \"zom\"", 2);
        assert!(settings.look(&mut app));
        assert!(app.toast.as_ref().unwrap().text.contains("keymap.toml: line 2"));
        assert_eq!(app.keymap.keys_text("zoom"), "z Z");

        app.theme = "none such".into();
        assert!(settings.follow(&mut app));
        assert!(!settings.follow(&mut app), "it is asked for once");
        assert_eq!(settings.theme, paper);
    }
}
