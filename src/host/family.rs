//! Runs that a run is related to: forks of it, and what it comes from.

use super::client;
use super::server::Service;
use crate::Result;
use crate::protocol::{Answer, Ask, Branch, Kin};
use crate::run::{Home, fork, lineage};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often curves of related runs are looked for while somebody looks on.
const PERIOD: Duration = Duration::from_secs(5);

/// What the files of a home say of the runs that one is related to. It reads and writes files: never on a loop.
pub trait Family: Send + Sync {
    /// Makes a run that has the first steps in common; its name, and how many they are.
    fn fork(&self, at: Option<u64>, name: Option<&str>) -> Result<(String, u64)>;
    fn kin(&self) -> Result<Vec<Kin>>;
    /// Curves of related runs, from where they part.
    fn branches(&self) -> Result<Vec<Branch>>;
}

/// The runs beside one in its home.
pub struct InHome {
    home: Home,
    run: PathBuf,
    branches: Mutex<lineage::Branches>,
}

impl InHome {
    pub fn new(home: Home, run: PathBuf) -> Self {
        Self { home, run, branches: Mutex::default() }
    }
}

/// All runs that are related to one, and which of them have a host now.
pub fn kin(home: &Home, run: &Path) -> Result<Vec<Kin>> {
    let mut kin = lineage::kin(home, run)?;
    for member in kin.iter_mut().filter(|member| client::is_hosted(&home.runs().join(&member.run))) {
        member.state = "live".into();
    }
    Ok(kin)
}

impl Family for InHome {
    fn fork(&self, at: Option<u64>, name: Option<&str>) -> Result<(String, u64)> {
        fork::fork(&self.home, &self.run, at, name).map(|forked| (forked.run, forked.step))
    }

    fn kin(&self) -> Result<Vec<Kin>> {
        kin(&self.home, &self.run)
    }

    fn branches(&self) -> Result<Vec<Branch>> {
        self.branches.lock().unwrap_or_else(PoisonError::into_inner).of(&self.home, &self.run)
    }
}

impl Service {
    /// Answers a question about related runs in a thread of its own; `send` is called exactly once.
    pub(super) fn ask_family(&self, ask: Ask, send: impl FnOnce(Answer) + Send + 'static) {
        let family = self.family.clone();
        tokio::task::spawn_blocking(move || {
            let answer = match ask {
                Ask::Fork { at, name } => {
                    family.fork(at, name.as_deref()).map(|(run, step)| Answer::Forked { run, step })
                }
                _ => family.kin().map(Answer::Lineage),
            };
            send(answer.unwrap_or_else(|error| Answer::Refused(error.to_string())));
        });
    }

    /// Keeps the curves of related runs as they are now, for as long as it is not dropped.
    pub(super) async fn follow_family(self: Arc<Self>) {
        let mut period = tokio::time::interval(PERIOD);
        period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            period.tick().await;
            if !self.is_looked_at() {
                continue;
            }
            let family = self.family.clone();
            // Where files cannot be read now, what was known stays.
            if let Ok(Ok(branches)) = tokio::task::spawn_blocking(move || family.branches()).await
                && self.shared.lock().set_kin(branches)
            {
                self.shared.touch();
            }
        }
    }
}
