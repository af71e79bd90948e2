//! What is told when a run is over.

use super::Run;
use crate::protocol::Transfer;
use crate::run::{records, transfer};
use std::time::Duration;

/// How long the observer's writing of the metrics is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

impl Run<'_> {
    /// What later phases made of earlier ones, by the run's records; nothing where these cannot be read.
    pub(super) fn transfer(&mut self) -> Vec<Transfer> {
        match &mut self.folder.metrics {
            // What could not be written is said where it happens.
            Some(metrics) => drop(metrics.flush()),
            None => {
                let written = self.observer.as_mut().and_then(|observer| observer.metrics_on_disk());
                written.map(|written| written.recv_timeout(PATIENCE));
            }
        }
        let events = records::read(&self.folder.path).map(|records| records.events).unwrap_or_default();
        transfer::of(self.request.plan, &events)
    }
}
