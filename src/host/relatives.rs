//! Runs that are related to the one that is hosted, read from their files.

use super::client;
use super::family::Family;
use crate::Result;
use crate::lab;
use crate::protocol::{Branch, Kin, LabReport};
use crate::run::{Home, fork, lineage};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The run of a host among the runs of its home.
pub struct Relatives {
    home: Home,
    run: PathBuf,
    branches: Mutex<lineage::Branches>,
}

impl Relatives {
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

impl Family for Relatives {
    fn fork(&self, at: Option<u64>, name: Option<&str>) -> Result<(String, u64)> {
        fork::fork(&self.home, &self.run, at, name).map(|forked| (forked.run, forked.step))
    }

    fn kin(&self) -> Result<Vec<Kin>> {
        kin(&self.home, &self.run)
    }

    fn studies(&self) -> Vec<LabReport> {
        let without_trials = |report| LabReport { trials: Vec::new(), ..report };
        lab::all(&self.home).into_iter().map(without_trials).collect()
    }

    fn branches(&self) -> Result<Vec<Branch>> {
        self.branches.lock().unwrap_or_else(PoisonError::into_inner).of(&self.home, &self.run)
    }
}
