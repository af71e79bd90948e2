//! What a study consists of: runs, and the trials that are their phases.

use super::settings::{Settings, Study};
use super::studies;
use crate::protocol::{LabAxis, LabBetter, LabFinding, LabPoint, LabTrial};

/// A study before anything of it was carried out.
pub struct Design {
    pub x: Measured,
    pub y: Measured,
    pub runs: Vec<RunDesign>,
    /// What the figures say.
    pub findings: fn(&Settings, &[LabPoint], &[LabTrial]) -> Vec<LabFinding>,
}

/// An axis, and which value of a trial lies along it.
pub struct Measured {
    pub axis: LabAxis,
    pub value: &'static str,
}

/// One run: a plan whose first phase pretrains, and whose others are trials that start from it, or from new weights.
#[derive(Debug)]
pub struct RunDesign {
    /// `SEED`, or `FAMILY-SEED`: follows the study's name.
    pub name: String,
    pub seed: u64,
    /// TOML.
    pub plan: String,
    pub trials: Vec<Trial>,
    /// Weights between those of the base and of some trials are measured too, at these shares of the trial's.
    pub shares: Vec<f64>,
    /// The trial that the learning-rate finder is asked for.
    pub finder: Option<String>,
}

/// One phase of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The phase's name.
    pub phase: String,
    pub method: String,
    pub setting: String,
    pub rate: f64,
    pub labels: Option<u64>,
    /// Blends with the base are measured.
    pub is_blended: bool,
}

impl Design {
    pub fn new(settings: &Settings) -> Self {
        match settings.study {
            Study::Transfer => studies::transfer::design(settings),
            Study::Forgetting => studies::forgetting::design(settings),
            Study::Mitigations => studies::mitigations::design(settings),
            Study::Schedules => studies::schedules::design(settings),
            Study::Objectives => studies::objectives::design(settings),
        }
    }

    pub fn trials(&self) -> u64 {
        self.runs.iter().map(|run| run.trials.len() as u64).sum()
    }
}

/// An axis in nats per token, of which less is better.
pub fn nats(name: &str, value: &'static str) -> Measured {
    let axis = LabAxis { name: name.into(), unit: "nats/token".into(), better: LabBetter::Low, is_logarithmic: false };
    Measured { axis, value }
}

/// An axis of shares from 0 to 1, of which more is better.
pub fn share(name: &str, value: &'static str) -> Measured {
    let axis = LabAxis { name: name.into(), unit: String::new(), better: LabBetter::High, is_logarithmic: false };
    Measured { axis, value }
}

/// An axis that is set, not measured, and multiplies.
pub fn scale(name: &str, value: &'static str) -> Measured {
    let axis = LabAxis { name: name.into(), unit: String::new(), better: LabBetter::Neither, is_logarithmic: true };
    Measured { axis, value }
}

/// How rates are written in the names of phases: `2e-3`.
pub fn rate_name(rate: f64) -> String {
    format!("{rate:e}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::gather::BASE;
    use crate::run::plan::{Overrides, load};

    #[test]
    fn every_study_is_made_of_plans_that_can_be_carried_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.toml");
        for study in Study::ALL {
            let settings = Settings::standard(study);
            let design = Design::new(&settings);
            assert!(design.runs.len() >= settings.seeds.len(), "{study:?}");
            for run in &design.runs {
                std::fs::write(&path, &run.plan).unwrap();
                let plan = load(path.to_str().unwrap(), &Overrides::default()).unwrap();
                assert_eq!((plan.seed, plan.phases[0].name.as_str()), (run.seed, BASE));
                let phases: Vec<&str> = plan.phases[1..].iter().map(|phase| phase.name.as_str()).collect();
                let trials: Vec<&str> = run.trials.iter().map(|trial| trial.phase.as_str()).collect();
                assert_eq!(phases, trials, "{study:?}");
                assert!(run.finder.iter().all(|phase| trials.contains(&phase.as_str())), "{study:?}");
            }
        }
    }
}
