//! The folder of a study: `lab/NAME` of the home, with its settings, the plan of each run, what its finished runs came to,
//! and the report.

use super::settings::Settings;
use crate::protocol::{LabReport, LabTrial};
use crate::run::Home;
use crate::{Context, Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The file of a study that scripts read.
pub const REPORT: &str = "report.json";
const SETTINGS: &str = "settings.json";

/// Where a study keeps its files.
#[derive(Clone, Debug)]
pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    /// Makes the folder of a study, or goes on with it. Settings other than those that it was begun with are refused, but
    /// for seeds that are added.
    pub fn open(home: &Home, name: &str, settings: &Settings) -> Result<Self> {
        if !crate::run::plan::is_plain_name(name) {
            return Err(
                Error::usage(format!("\"{name}\" cannot name a study")).next("use letters, digits, '-', '_' and '.'")
            );
        }
        let folder = Self { path: root(home).join(name) };
        std::fs::create_dir_all(&folder.path).what(|| format!("cannot make {}", folder.path.display()))?;
        let path = folder.path.join(SETTINGS);
        let differences = read_json::<Settings>(&path)?.map_or(Vec::new(), |begun| settings.differences(&begun));
        if differences.is_empty() {
            return Ok(folder);
        }
        Err(Error::new(format!("the study {name} was begun with other settings"))
            .because(differences.join("; "))
            .next(format!("give the same again, another --name, or remove {}", folder.path.display())))
    }

    /// Writes down what the study is begun with: from now on nothing else will do.
    pub fn begin(&self, settings: &Settings) -> Result<()> {
        write_json(&self.path.join(SETTINGS), settings)
    }

    /// Writes a run's plan down, and says where.
    pub fn write_plan(&self, run: &str, plan: &str) -> Result<PathBuf> {
        let path = self.path.join(format!("{run}.toml"));
        replace(&path, plan.as_bytes())?;
        Ok(path)
    }

    /// What a run came to; `None` before all of it was done.
    pub fn trials(&self, run: &str) -> Result<Option<Vec<LabTrial>>> {
        read_json(&self.trials_path(run))
    }

    pub fn write_trials(&self, run: &str, trials: &[LabTrial]) -> Result<()> {
        write_json(&self.trials_path(run), trials)
    }

    fn trials_path(&self, run: &str) -> PathBuf {
        self.path.join(format!("{run}.json"))
    }

    pub fn write_report(&self, report: &LabReport) -> Result<()> {
        write_json(&self.path.join(REPORT), report)
    }
}

fn root(home: &Home) -> PathBuf {
    home.path().join("lab")
}

/// The report of a study; `None` where there is none of that name.
pub fn read(home: &Home, name: &str) -> Result<Option<LabReport>> {
    read_json(&root(home).join(name).join(REPORT))
}

/// The studies of a home that can be read, by name.
pub fn all(home: &Home) -> Vec<LabReport> {
    let entries = std::fs::read_dir(root(home)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.iter().filter_map(|name| read(home, name).ok().flatten()).collect()
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::new(format!("cannot read {}", path.display())).because(error)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::new(format!("{} is damaged", path.display()))
            .because(error)
            .next("remove it: what it holds is worked out again from the runs")
    })
}

fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).what(|| format!("cannot write {}", path.display()))?;
    text.push(b'\n');
    replace(path, &text)
}

/// Writes a file whole or not at all.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error: std::io::Error| Error::new(format!("cannot write {}", path.display())).because(error))
}
