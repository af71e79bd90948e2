//! Runs that a run is related to: forks of it, and what it comes from.

use super::server::Service;
use crate::Result;
use crate::protocol::{Answer, Ask, Branch, Kin, LabReport, Status};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How often curves of related runs are looked for while somebody looks on.
const PERIOD: Duration = Duration::from_secs(5);

/// What the files of a home say of the runs that one is related to. It reads and writes files: never on a loop.
pub trait Family: Send + Sync {
    /// Makes a run that has the first steps in common; its name, and how many they are.
    fn fork(&self, at: Option<u64>, name: Option<&str>) -> Result<(String, u64)>;
    fn kin(&self) -> Result<Vec<Kin>>;
    /// What the lab found, without single trials.
    fn studies(&self) -> Vec<LabReport>;
    /// Curves of related runs, from where they part.
    fn branches(&self) -> Result<Vec<Branch>>;
}

/// Files do not say that a run is being trained.
fn as_of_now(mut kin: Vec<Kin>, status: &Status) -> Vec<Kin> {
    for own in kin.iter_mut().filter(|kin| kin.run == status.run) {
        (own.state, own.step) = (status.state.name().to_string(), status.step);
    }
    kin
}

impl Service {
    /// Says where related runs are found.
    pub fn set_family(&self, family: Arc<dyn Family>) {
        *self.family.lock().unwrap_or_else(PoisonError::into_inner) = Some(family);
    }

    fn family(&self) -> Option<Arc<dyn Family>> {
        self.family.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a question about related runs in a thread of its own; `send` is called exactly once.
    pub(super) fn ask_family(&self, ask: Ask, send: impl FnOnce(Answer) + Send + 'static) {
        let Some(family) = self.family() else {
            return send(Answer::Refused("this host does not know which runs are related".into()));
        };
        let status = self.shared.lock().status.clone();
        tokio::task::spawn_blocking(move || {
            let answer = match ask {
                Ask::Fork { at, name } => {
                    family.fork(at, name.as_deref()).map(|(run, step)| Answer::Forked { run, step })
                }
                Ask::Lab => Ok(Answer::Lab(family.studies())),
                _ => family.kin().map(|kin| Answer::Lineage(as_of_now(kin, &status))),
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
            let Some(family) = self.family().filter(|_| self.is_looked_at()) else { continue };
            // Where files cannot be read now, what was known stays.
            if let Ok(Ok(branches)) = tokio::task::spawn_blocking(move || family.branches()).await
                && self.shared.lock().set_kin(branches)
            {
                self.shared.touch();
            }
        }
    }
}
