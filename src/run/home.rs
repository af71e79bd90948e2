//! Where runs and caches live.

use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The folder that holds runs and caches: `--home`, else `FROSTLINE_HOME`, else the platform's data folder.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// Finds the folder; it is made when something is written there.
    pub fn find(given: Option<&Path>) -> Result<Self> {
        let path = match given.map(Path::to_path_buf).or_else(|| std::env::var_os("FROSTLINE_HOME").map(PathBuf::from))
        {
            Some(path) => path,
            None => directories::ProjectDirs::from("", "", "frostline")
                .map(|dirs| dirs.data_dir().to_path_buf())
                .ok_or_else(|| {
                    Error::new("no folder for runs can be found").next("set FROSTLINE_HOME, or give --home")
                })?,
        };
        let path = std::path::absolute(&path).unwrap_or(path);
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn runs(&self) -> PathBuf {
        self.path.join("runs")
    }

    pub fn cache(&self) -> PathBuf {
        self.path.join("cache")
    }

    /// The names of the runs there are, sorted.
    pub fn run_names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.runs()).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    /// Which runs there are, in words: what can be named instead of one that there is not.
    pub fn runs_said(&self) -> String {
        let (folder, names) = (self.runs(), self.run_names());
        match std::fs::read_dir(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                format!("{} cannot be read: {error}", folder.display())
            }
            _ if names.is_empty() => format!("there are no runs in {} yet", folder.display()),
            _ => format!("the runs are {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_named_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::find(Some(folder.path())).unwrap();
        assert!(home.runs_said().starts_with("there are no runs in "));
        std::fs::write(home.runs(), "a file where the folder of the runs should be").unwrap();
        assert!(home.runs_said().contains("cannot be read: "), "{}", home.runs_said());
        std::fs::remove_file(home.runs()).unwrap();
        ["b", "a"].iter().for_each(|run| std::fs::create_dir_all(home.runs().join(run)).unwrap());
        assert_eq!(home.runs_said(), "the runs are a, b");
    }
}
