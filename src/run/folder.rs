//! The folder of a run, and its append-only records.

use super::home::Home;
use super::plan::{Plan, is_plain_name};
use crate::protocol::Event;
use crate::{Context, Error, Result};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A run's folder while the run is carried out.
pub struct RunFolder {
    pub name: String,
    pub path: PathBuf,
    journal: File,
    /// `None` where someone else writes them.
    metrics: Option<Metrics>,
}

/// The append-only file of steps and evaluations.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Metrics {
    fn open(path: PathBuf) -> Result<Self> {
        Ok(Self { file: BufWriter::new(append_to(&path)?), path })
    }

    /// Steps are gathered and written now and then; an evaluation writes what was gathered.
    pub fn record(&mut self, event: &Event) -> Result<()> {
        let written = write_line(&mut self.file, event);
        let flushed = if matches!(event, Event::Evaluation(_)) { self.file.flush() } else { Ok(()) };
        written.and(flushed).what(|| unrecorded(&self.path))
    }

    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().what(|| unrecorded(&self.path))
    }
}

fn unrecorded(path: &Path) -> String {
    format!("cannot write to the run's records in {}", path.display())
}

/// A journal line: when, and what.
#[derive(Serialize)]
struct Entry<'a> {
    /// Milliseconds since 1970.
    time: u64,
    #[serde(flatten)]
    event: &'a Event,
}

impl RunFolder {
    /// Refuses a name that cannot be had, and a home that cannot be written, before any work is done.
    pub fn check(home: &Home, wanted: Option<&str>) -> Result<()> {
        let runs = home.runs();
        std::fs::create_dir_all(&runs).map_err(|error| unwritable(&runs, error))?;
        let Some(name) = wanted else { return Ok(()) };
        if !is_plain_name(name) {
            return Err(
                Error::usage(format!("\"{name}\" cannot name a run")).next("use letters, digits, '-', '_' and '.'")
            );
        }
        if runs.join(name).exists() { Err(taken(&runs.join(name), name)) } else { Ok(()) }
    }

    /// Makes `runs/NAME` with the plan in it. A name that was asked for must be free; otherwise the plan's name gets a
    /// number where it is taken.
    pub fn create(home: &Home, wanted: Option<&str>, plan: &Plan) -> Result<Self> {
        Self::check(home, wanted)?;
        let (name, path) = claim(&home.runs(), wanted.unwrap_or(&plan.name), wanted.is_none())?;
        Self::fill(name, path.clone(), plan).inspect_err(|_| {
            let _ = std::fs::remove_dir_all(&path);
        })
    }

    /// Opens the records of a run that was made before.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
        let journal = append_to(&path.join("journal.jsonl"))?;
        let metrics = Some(Metrics::open(path.join("metrics.jsonl"))?);
        Ok(Self { name, path: path.to_path_buf(), journal, metrics })
    }

    fn fill(name: String, path: PathBuf, plan: &Plan) -> Result<Self> {
        let plan_path = path.join("plan.toml");
        std::fs::write(&plan_path, plan.to_toml()?).what(|| format!("cannot write {}", plan_path.display()))?;
        let journal = append_to(&path.join("journal.jsonl"))?;
        let metrics = Some(Metrics::open(path.join("metrics.jsonl"))?);
        Ok(Self { name, path, journal, metrics })
    }

    /// Hands the metrics over to someone who writes them from now on.
    pub fn take_metrics(&mut self) -> Option<Metrics> {
        self.metrics.take()
    }

    /// Writes the metrics itself again.
    pub fn give_metrics(&mut self, metrics: Metrics) {
        self.metrics = Some(metrics);
    }

    /// Steps and evaluations go to the metrics, unless someone else writes them; everything else to the journal, on the
    /// disk before this returns.
    pub fn record(&mut self, event: &Event) -> Result<()> {
        match (event, &mut self.metrics) {
            (Event::Step(_) | Event::Evaluation(_), Some(metrics)) => metrics.record(event),
            (Event::Step(_) | Event::Evaluation(_), None) => Ok(()),
            (event, metrics) => {
                let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let entry = Entry { time: since_1970.as_millis() as u64, event };
                let written = append_line(&mut self.journal, &entry);
                let flushed = metrics.as_mut().map_or(Ok(()), Metrics::flush);
                written.what(|| unrecorded(&self.path)).and(flushed)
            }
        }
    }
}

/// Appends a line and has it on the disk, or leaves the file as it was.
fn append_line(journal: &mut File, value: &impl Serialize) -> std::io::Result<()> {
    let before = journal.metadata()?.len();
    write_line(journal, value).and_then(|()| journal.sync_data()).inspect_err(|_| {
        let _ = journal.set_len(before);
    })
}

fn write_line(to: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Opens a file to append lines to it. A last line that a crash tore is cut off: nothing may be written behind it.
fn append_to(path: &Path) -> Result<File> {
    let open = || {
        let file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let whole = end_of_last_line(&file)?;
        if whole < file.metadata()?.len() {
            file.set_len(whole)?;
        }
        Ok(file)
    };
    open().map_err(|error: std::io::Error| Error::new(format!("cannot write {}", path.display())).because(error))
}

/// Where the last whole line ends.
fn end_of_last_line(mut file: &File) -> std::io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(4096);
        block.clear();
        file.seek(SeekFrom::Start(start))?;
        file.take(end - start).read_to_end(&mut block)?;
        if let Some(place) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Makes the folder of a new run; where the name is taken, one with a number if that is allowed.
fn claim(runs: &Path, base: &str, numbered: bool) -> Result<(String, PathBuf)> {
    for number in 1u32.. {
        let name = if number == 1 { base.to_string() } else { format!("{base}-{number}") };
        let path = runs.join(&name);
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok((name, path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && numbered => continue,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(taken(&path, &name)),
            Err(error) => return Err(unwritable(&path, error)),
        }
    }
    Err(Error::new(format!("every name like {base} is taken")).next("give another name with --run"))
}

fn taken(path: &Path, name: &str) -> Error {
    Error::new(format!("there is a run called {name} already"))
        .because(format!("{} exists", path.display()))
        .next("give another name with --run")
}

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    Error::new(format!("cannot make the folder {}", path.display()))
        .because(error)
        .next("give a folder that you may write to with --home or FROSTLINE_HOME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_tore_is_cut_before_more_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        for (before, after) in [("", ""), ("{}\n", "{}\n"), ("{}\n{\"a", "{}\n"), ("{\"a", "")] {
            std::fs::write(&path, before).unwrap();
            let mut file = append_to(&path).unwrap();
            append_line(&mut file, &1).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{after}1\n"));
        }
        let long = format!("{{}}\n{}", "x".repeat(10_000));
        std::fs::write(&path, long).unwrap();
        append_to(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n");
    }
}
