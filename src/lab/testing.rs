//! Made-up trials.

use super::design::Design;
use super::settings::Settings;
use crate::protocol::{LabReport, LabTrial};

/// A trial of (method, setting, rate) with these figures.
pub fn measured((method, setting, rate): (&str, &str, f64), seed: u64, values: &[(&str, f64)]) -> LabTrial {
    let of = |name: &str| values.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
    LabTrial {
        run: format!("study-{seed}"),
        phase: format!("{method}-{rate:e}"),
        seed,
        method: method.into(),
        setting: setting.into(),
        rate,
        labels: of("labels").map(|labels| labels as u64),
        values: values.iter().map(|(name, value)| (name.to_string(), *value)).collect(),
        curve: Vec::new(),
    }
}

pub fn report(settings: &Settings, trials: Vec<LabTrial>) -> LabReport {
    super::report::of(settings, &Design::new(settings), "study", trials, None)
}
