//! Weights between those of a base and a trial, measured on the old and the new (WiSE-FT, Wortsman et al. 2022, arXiv
//! 2109.01903).

use super::carry_out::Request;
use super::design::{RunDesign, Trial};
use super::gather::BASE;
use crate::corpus::progress;
use crate::corpus::tokenizer::Tokenizer;
use crate::model::{Decoder, blend};
use crate::protocol::LabTrial;
use crate::run::checkpoint::{self, resolve};
use crate::run::data::{self, PhaseData};
use crate::run::plan::Plan;
use crate::run::suite::Measure;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The blends that a run's design asks for.
pub fn trials(request: &Request, run: &str, design: &RunDesign, plan: &Plan) -> Result<Vec<LabTrial>> {
    let blended: Vec<&Trial> = design.trials.iter().filter(|trial| trial.is_blended).collect();
    if blended.is_empty() || design.shares.is_empty() {
        return Ok(Vec::new());
    }
    let Request { home, progress, cancel, device, .. } = *request;
    let open = |phase: &str| checkpoint::open(&resolve(&format!("{run}@{phase}"), home)?, device);
    let (base, tokenizer) = open(BASE)?;
    let context = data::Context { home, config: Some(&base.config), seed: plan.seed, progress, cancel };
    let phases = data::load(plan, &tokenizer, &context)?;
    let old = phases.first().ok_or_else(|| Error::new("the study's plan has no phases"))?;
    let between = Between { base: Arc::new(base), old: old.clone(), tokenizer, request };
    let unblended = between.measure(&between.base, &between.old)?.score.loss();
    let mut found = Vec::new();
    for trial in blended {
        let place = plan.phases.iter().position(|phase| phase.name == trial.phase);
        let new = &phases[place.ok_or_else(|| Error::new(format!("the plan has no phase {}", trial.phase)))?];
        let (tuned, _) = open(&trial.phase)?;
        for share in &design.shares {
            let values = between.values(&tuned, new, *share, unblended)?;
            found.push(blended_trial(trial, (run, design.seed), *share, values));
        }
    }
    Ok(found)
}

fn blended_trial(trial: &Trial, (run, seed): (&str, u64), share: f64, values: BTreeMap<String, f64>) -> LabTrial {
    LabTrial {
        run: run.into(),
        phase: trial.phase.clone(),
        seed,
        method: METHOD.into(),
        setting: format!("{share}"),
        rate: trial.rate,
        labels: trial.labels,
        values,
        curve: Vec::new(),
    }
}

/// What the blends are called among the methods.
pub const METHOD: &str = "WiSE-FT";

/// The base, and what is measured with it.
struct Between<'a> {
    base: Arc<Decoder>,
    old: Arc<PhaseData>,
    tokenizer: Tokenizer,
    request: &'a Request<'a>,
}

impl Between<'_> {
    fn values(
        &self,
        tuned: &Decoder,
        new: &Arc<PhaseData>,
        share: f64,
        unblended: f64,
    ) -> Result<BTreeMap<String, f64>> {
        let blend = Arc::new(blend::interpolate(&self.base, tuned, share)?);
        let (old, measured) = (self.measure(&blend, &self.old)?.score.loss(), self.measure(&blend, new)?);
        let mut values: BTreeMap<String, f64> =
            [("old", old), ("forgetting", old - unblended)].map(|(name, value)| (name.to_string(), value)).into();
        values.insert("new".into(), measured.score.loss());
        values.extend(measured.metric.map(|(name, value)| (name.to_string(), value)));
        Ok(values)
    }

    fn measure(&self, weights: &Arc<Decoder>, data: &PhaseData) -> Result<Measure> {
        progress::check(self.request.cancel, "measuring blends")?;
        let suite = data.held_out.first().ok_or_else(|| {
            Error::new("a blend cannot be measured").because("nothing of the text is held out").next("hold some out")
        })?;
        let never = AtomicBool::new(false);
        suite.measure(weights, &self.tokenizer, &never)?.ok_or_else(|| Error::new("measuring a blend was interrupted"))
    }
}
