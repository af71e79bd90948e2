//! A run at a glance: for lists, without reading all of its records.

use super::folder::Metrics;
use super::{Home, plan, records};
use crate::protocol::Event;
use serde::Serialize;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The end of the metrics that is looked at, bytes.
const TAIL: u64 = 64 << 10;

/// What a list says of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overview {
    pub run: String,
    #[serde(skip)]
    pub path: PathBuf,
    /// In the order of the plan.
    pub phases: Vec<String>,
    /// The phase that began last.
    pub phase: Option<String>,
    /// Steps done.
    pub step: u64,
    /// Of the last step.
    pub loss: Option<f64>,
    pub learning_rate: Option<f64>,
    /// Whether every phase is done.
    pub is_finished: bool,
    /// Why it ended, where that was an error and nothing came after it.
    pub failure: Option<String>,
    /// When something was last recorded, seconds since 1970.
    pub changed: u64,
}

/// Every run of a home that can be read, the newest first.
pub fn all(home: &Home) -> Vec<Overview> {
    let folders = home.run_names().into_iter().map(|name| home.runs().join(name));
    let mut found: Vec<Overview> = folders.filter_map(|folder| of(&folder)).collect();
    found.sort_by(|a, b| b.changed.cmp(&a.changed).then(a.run.cmp(&b.run)));
    found
}

/// One run; `None` where its plan cannot be read.
pub fn of(folder: &Path) -> Option<Overview> {
    let plan = plan::load(&folder.join("plan.toml").to_string_lossy(), &plan::Overrides::default()).ok()?;
    let journal = records::journal(folder).unwrap_or_default();
    let last = last_step(folder);
    let phase = journal.iter().rev().find_map(|event| match event {
        Event::Phase(phase) => Some(phase.phase.clone()),
        _ => None,
    });
    Some(Overview {
        run: folder.file_name()?.to_string_lossy().into_owned(),
        path: folder.to_path_buf(),
        phases: plan.phases.iter().map(|phase| phase.name.clone()).collect(),
        phase,
        step: last.as_ref().map_or(0, |step| step.step),
        loss: last.as_ref().map(|step| step.loss),
        learning_rate: last.map(|step| step.learning_rate),
        failure: records::failure(&journal),
        is_finished: journal.iter().any(|event| matches!(event, Event::Finished(_))),
        changed: ["metrics.jsonl", "journal.jsonl", "plan.toml"]
            .iter()
            .map(|name| changed(&folder.join(name)))
            .max()?,
    })
}

fn changed(path: &Path) -> u64 {
    let time = std::fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(UNIX_EPOCH);
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The last step that was written whole and that still counts.
pub fn last_step(run: &Path) -> Option<crate::protocol::Step> {
    let mut file = File::open(run.join(Metrics::FILE)).ok()?;
    let size = file.metadata().ok()?.len();
    let mut looked_at = TAIL;
    loop {
        file.seek(SeekFrom::Start(size.saturating_sub(looked_at))).ok()?;
        let mut tail = Vec::new();
        (&mut file).take(looked_at).read_to_end(&mut tail).ok()?;
        match last_of(&tail) {
            // The run went back by more than what was looked at.
            None if looked_at < size => looked_at *= 16,
            found => return found,
        }
    }
}

fn last_of(lines: &[u8]) -> Option<crate::protocol::Step> {
    let mut counts_to = u64::MAX;
    lines.split(|&byte| byte == b'\n').rev().find_map(|line| match serde_json::from_slice(line) {
        Ok(Event::Rewound(rewound)) => {
            counts_to = counts_to.min(rewound.to_step);
            None
        }
        Ok(Event::Step(step)) if step.step <= counts_to => Some(step),
        _ => None,
    })
}
