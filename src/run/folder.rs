//! The folder of a run, and its append-only records.

use super::home::Home;
use super::journal::{Entries, Journal};
use super::plan::{Plan, is_plain_name};
use crate::protocol::{Begun, Event, Origin, Step};
use crate::{Context, Error, Result};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_128;

/// A run's folder while the run is carried out.
pub struct RunFolder {
    pub name: String,
    pub path: PathBuf,
    pub journal: Journal,
    /// `None` where someone else writes them.
    pub metrics: Option<Metrics>,
}

/// The append-only file of steps and evaluations.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Metrics {
    /// The name of the file in a run's folder.
    pub const FILE: &str = "metrics.jsonl";

    fn open(run: &Path) -> Result<Self> {
        let path = run.join(Self::FILE);
        Ok(Self { file: BufWriter::new(append_to(&path)?), path })
    }

    /// Steps are gathered and written now and then; an evaluation writes what was gathered. Figures of steps are in single
    /// precision, whoever measured them.
    pub fn record(&mut self, event: &Event) -> Result<()> {
        let written = match event {
            Event::Step(step) => write_line(&mut self.file, &Event::Step(in_single_precision(step))),
            event => write_line(&mut self.file, event),
        };
        let flushed = if matches!(event, Event::Step(_)) { Ok(()) } else { self.file.flush() };
        written.and(flushed).what(|| unrecorded(&self.path))
    }

    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().what(|| unrecorded(&self.path))
    }

    /// Has everything on the disk, and says how long the file is then, bytes.
    pub fn sync(&mut self) -> Result<u64> {
        let mut sync = || {
            self.file.flush()?;
            self.file.get_ref().sync_data()?;
            Ok(self.file.get_ref().metadata()?.len())
        };
        sync().map_err(|error: std::io::Error| Error::new(unrecorded(&self.path)).because(error))
    }

    /// Leaves out what was measured after a checkpoint, since it will be measured again: what stands behind so many bytes,
    /// or, where the checkpoint does not know, behind its step.
    pub fn cut(&mut self, bytes: Option<u64>, step: u64) -> Result<()> {
        self.flush()?;
        let cut = || {
            let file = self.file.get_ref();
            let length = file.metadata()?.len();
            let bytes = bytes.filter(|bytes| *bytes <= length && ends_a_line(file, *bytes).unwrap_or(false));
            let kept = match bytes {
                Some(bytes) => bytes,
                None => lines_up_to(&self.path, step)?,
            };
            if kept < length { file.set_len(kept) } else { Ok(()) }
        };
        cut().map_err(|error| Error::new(unrecorded(&self.path)).because(error))
    }
}

/// Figures that come from a recorder went through single precision, and so do those that do not: the same run has the same
/// figures.
fn in_single_precision(step: &Step) -> Step {
    let shortest = |value: f64| (value as f32).to_string().parse().unwrap_or(value);
    Step {
        loss: shortest(step.loss),
        learning_rate: shortest(step.learning_rate),
        gradient_norm: shortest(step.gradient_norm),
        tokens_per_second: shortest(step.tokens_per_second),
        pull: step.pull.map(shortest),
        ..step.clone()
    }
}

fn ends_a_line(mut file: &File, bytes: u64) -> std::io::Result<bool> {
    let Some(last) = bytes.checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    file.seek(SeekFrom::Start(last))?;
    file.read_exact(&mut byte)?;
    Ok(byte == *b"\n")
}

/// Bytes of the lines that come before the first of a later step.
fn lines_up_to(path: &Path, step: u64) -> std::io::Result<u64> {
    let (mut kept, mut line) = (0, Vec::new());
    let mut reader = BufReader::new(File::open(path)?);
    while reader.read_until(b'\n', &mut line)? > 0 {
        match serde_json::from_slice(&line) {
            Ok(Event::Step(own)) if own.step > step => break,
            Ok(Event::Evaluation(own)) if own.step > step => break,
            _ => kept += line.len() as u64,
        }
        line.clear();
    }
    Ok(kept)
}

fn unrecorded(path: &Path) -> String {
    format!("cannot write to the run's records in {}", path.display())
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
    pub fn create(home: &Home, wanted: Option<&str>, plan: &Plan, origin: Option<Origin>) -> Result<Self> {
        Self::check(home, wanted)?;
        let (name, path) = claim(&home.runs(), wanted.unwrap_or(&plan.name), wanted.is_none())?;
        Self::fill(name, path.clone(), plan, origin).inspect_err(|_| {
            let _ = std::fs::remove_dir_all(&path);
        })
    }

    fn fill(name: String, path: PathBuf, plan: &Plan, origin: Option<Origin>) -> Result<Self> {
        let (plan_path, text) = (path.join(PLAN), plan.to_toml()?);
        let failed = || format!("cannot write {}", plan_path.display());
        let mut file = File::create(&plan_path).what(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).what(failed)?;
        let (mut journal, _) = Journal::open(&path)?;
        journal.record(&Event::Begun(Begun {
            run: name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            plan: hash(text.as_bytes()),
            origin,
        }))?;
        File::open(&path).and_then(|folder| folder.sync_all()).what(failed)?;
        let metrics = Some(Metrics::open(&path)?);
        Ok(Self { name, path, journal, metrics })
    }

    /// Opens the records of a run that was made before, to go on with it, and says what stands in its journal. A plan that
    /// is no longer the one that the run began with is refused.
    pub fn open(path: &Path) -> Result<(Self, Entries)> {
        let name = path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
        let (journal, entries) = Journal::open(path)?;
        check_plan(path, &entries)?;
        let metrics = Some(Metrics::open(path)?);
        Ok((Self { name, path: path.to_path_buf(), journal, metrics }, entries))
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
    /// disk before this returns. What the disk does not take of the journal waits for the next line.
    pub fn note(&mut self, event: &Event) -> Result<()> {
        match (event, &mut self.metrics) {
            (Event::Step(_) | Event::Evaluation(_), Some(metrics)) => metrics.record(event),
            (Event::Step(_) | Event::Evaluation(_), None) => Ok(()),
            (event, metrics) => {
                let written = self.journal.note(event);
                let flushed = metrics.as_mut().map_or(Ok(()), Metrics::flush);
                written.and(flushed)
            }
        }
    }
}

/// The name of the plan's file in a run's folder.
pub const PLAN: &str = "plan.toml";

fn hash(text: &[u8]) -> String {
    format!("{:032x}", xxh3_128(text))
}

/// What was recorded belongs to one plan: with another, going on would not be the same run.
pub fn check_plan(run: &Path, entries: &Entries) -> Result<()> {
    let Some(Event::Begun(begun)) = entries.list.first().map(|entry| &entry.event) else { return Ok(()) };
    let path = run.join(PLAN);
    let text = std::fs::read(&path).what(|| format!("cannot read {}", path.display()))?;
    match hash(&text) == begun.plan {
        true => Ok(()),
        false => Err(Error::new(format!("{} is not the plan that the run began with", path.display()))
            .because("its hash is not the one in the journal: it was changed, or it is damaged")
            .next("restore it from a copy; to go on in another way, start a new run from a checkpoint")),
    }
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
    use crate::protocol::Evaluation;

    fn step(step: u64, loss: f64) -> Event {
        Event::Step(Step {
            phase: "a".into(),
            step,
            loss,
            learning_rate: 0.1,
            gradient_norm: 1.0,
            tokens_per_second: 9.0,
            seconds: 1.0,
            changes: 0,
            pull: None,
        })
    }

    fn evaluation(step: u64) -> Event {
        Event::Evaluation(Evaluation {
            phase: "a".into(),
            step,
            suite: "a".into(),
            loss: 1.0,
            perplexity: 2.0,
            bits_per_byte: None,
            metric: None,
            value: None,
            metrics: Vec::new(),
            retention: None,
        })
    }

    #[test]
    fn what_a_crash_tore_is_cut_before_more_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        for (before, after) in [("", ""), ("{}\n", "{}\n"), ("{}\n{\"a", "{}\n"), ("{\"a", "")] {
            std::fs::write(&path, before).unwrap();
            let mut file = append_to(&path).unwrap();
            write_line(&mut file, &1).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{after}1\n"));
        }
        let long = format!("{{}}\n{}", "x".repeat(10_000));
        std::fs::write(&path, long).unwrap();
        append_to(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n");
    }

    #[test]
    fn metrics_are_cut_where_a_checkpoint_was_or_after_its_step() {
        let folder = tempfile::tempdir().unwrap();
        let mut metrics = Metrics::open(folder.path()).unwrap();
        [step(1, 2.0), step(2, 1.0), evaluation(2)].iter().for_each(|event| metrics.record(event).unwrap());
        let bytes = metrics.sync().unwrap();
        [step(3, 2.0), evaluation(3), step(4, 0.1)].iter().for_each(|event| metrics.record(event).unwrap());
        metrics.sync().unwrap();
        let whole = std::fs::read(folder.path().join(Metrics::FILE)).unwrap();
        for known in [Some(bytes), None, Some(bytes + 1), Some(1 << 40)] {
            metrics.cut(known, 2).unwrap();
            assert_eq!(std::fs::read(folder.path().join(Metrics::FILE)).unwrap(), whole[..bytes as usize]);
            std::fs::write(folder.path().join(Metrics::FILE), &whole).unwrap();
        }
    }

    #[test]
    fn a_changed_plan_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::find(Some(folder.path())).unwrap();
        let plan = super::super::plan::load("first-run", &Default::default()).unwrap();
        let run = RunFolder::create(&home, Some("one"), &plan, None).unwrap().path;
        RunFolder::open(&run).unwrap();
        let text = std::fs::read_to_string(run.join(PLAN)).unwrap();
        std::fs::write(run.join(PLAN), text.replace("seed = 7", "seed = 8")).unwrap();
        let Err(error) = RunFolder::open(&run) else { panic!("taken") };
        assert!(error.to_string().contains("not the plan that the run began with"), "{error}");
    }
}
