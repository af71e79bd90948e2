//! One model being trained: what trains, its optimizer, and the step.

use super::objective::{self, Scale};
use super::optimizer::{AdamW, AdamWSettings, squares};
use super::prefix::{PrefixCache, PrefixSettings};
use super::pull::Pull;
use crate::corpus::batches::Batch;
use crate::model::{Decoder, Gradients, Group, Kind, ParameterId, Selector, Storage, Thaw};
use crate::ops::{adamw::Moments, on_a_thread};
use crate::{Error, Result};
use std::sync::{Arc, Weak};

/// Weights and optimizer as they were between two steps: held without copies, and nothing in them changes while they are
/// held.
#[derive(Clone, Debug)]
pub struct LearnerState {
    pub decoder: Arc<Decoder>,
    /// In the fixed order of the parameters.
    pub moments: Arc<Vec<Option<Moments>>>,
    /// Whether the next step looks for parameters without a gradient.
    pub audit_due: bool,
}

/// A forward and a backward pass over a batch, before anything is done with it.
#[derive(Debug)]
pub struct Pass {
    /// Mean over what is learned, as [`Scale::of`] has it: nats per token, or per text.
    pub loss: f64,
    /// Before clipping, over everything that trains.
    pub gradient_norm: f64,
    /// Positions read.
    pub tokens: u64,
    /// What the pulls towards the base add to the loss, nats; their gradients are in the norm.
    pub pull: Option<f64>,
    /// What the gradient audit found, where it was due.
    missing: Vec<String>,
    gradients: Gradients,
    /// Σ g² of each parameter.
    squares: Vec<f64>,
}

impl Pass {
    /// A pass without gradients, as a guard sees it.
    #[cfg(test)]
    pub fn measured(loss: f64, gradient_norm: f64) -> Self {
        let nothing = crate::model::Parameters::default();
        let gradients = Gradients::new(&Thaw::of_groups(&nothing, |_| true));
        let (missing, squares) = (Vec::new(), Vec::new());
        Self { loss, gradient_norm, tokens: 0, pull: None, missing, gradients, squares }
    }

    /// Whether loss and gradient are numbers.
    pub fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.gradient_norm.is_finite()
    }
}

/// What one optimizer step did.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Mean over what is learned, as [`Scale::of`] has it, before the step.
    pub loss: f64,
    /// Before clipping, over everything that trains.
    pub gradient_norm: f64,
    /// Positions read.
    pub tokens: u64,
    /// What the pulls towards the base would add to the loss, nats; `None` where nothing pulls.
    pub pull: Option<f64>,
    /// Parameters that train but got no gradient, or nothing but zeros: only looked for at the first step and after what
    /// trains changed.
    pub missing: Vec<String>,
    /// What a person should know.
    pub notices: Vec<String>,
}

/// A model with what its training needs.
#[derive(Debug)]
pub struct Learner {
    pub decoder: Decoder,
    thaw: Thaw,
    prefix: Option<PrefixCache>,
    pull: Option<Pull>,
    optimizer: AdamW,
    /// What the learning rate is multiplied by, for each parameter in the fixed order.
    multipliers: Vec<f64>,
    last: Option<LastStep>,
    audit_due: bool,
    /// What was handed out and is still held by somebody: memory in common with it is copied before it changes.
    handed_out: Vec<Weak<Decoder>>,
    /// The same of the optimizer's moments.
    moments_out: Vec<Weak<Vec<Option<Moments>>>>,
}

/// What the last step leaves behind for whoever wants to measure it.
#[derive(Clone, Debug)]
pub(super) struct LastStep {
    /// Σ g² of each parameter.
    pub squares: Vec<f64>,
    /// The rate of each parameter, its multiplier included; 0 where it did not train.
    pub rates: Vec<f64>,
    pub trained: Vec<bool>,
}

impl Learner {
    /// Trains everything but `frozen`. Nothing left to train is an error.
    pub fn new(mut decoder: Decoder, frozen: &[Selector], settings: AdamWSettings) -> Result<Self> {
        let thaw = checked_thaw(&decoder, frozen)?;
        decoder.store(Storage::F32, |parameter| !frozen.iter().any(|selector| selector.matches(parameter.group)))?;
        let optimizer = AdamW::new(settings, &decoder.parameters);
        let multipliers = vec![1.0; decoder.parameters.len()];
        Ok(Self {
            decoder,
            thaw,
            prefix: None,
            pull: None,
            optimizer,
            multipliers,
            last: None,
            audit_due: true,
            handed_out: Vec::new(),
            moments_out: Vec::new(),
        })
    }

    /// The model as it is now, which no later step changes for as long as the [`Arc`] is held. Nothing is copied yet:
    /// before the next step changes something, it moves to memory of its own (see [`Learner::unshare`]); what does not
    /// train stays shared, and what nobody holds any longer costs nothing.
    pub fn share(&mut self) -> Arc<Decoder> {
        let shared = Arc::new(self.decoder.clone());
        self.handed_out.retain(|handed_out| handed_out.strong_count() > 0);
        self.handed_out.push(Arc::downgrade(&shared));
        shared
    }

    /// Weights and moments as they are now: see [`Learner::share`].
    pub fn state(&mut self) -> LearnerState {
        let moments = Arc::new(self.optimizer.all_moments().to_vec());
        self.moments_out.retain(|handed_out| handed_out.strong_count() > 0);
        self.moments_out.push(Arc::downgrade(&moments));
        LearnerState { decoder: self.share(), moments, audit_due: self.audit_due }
    }

    /// Goes back, or on, to a state of the same model. What trains, and at which rates, is set apart from it.
    pub fn restore(&mut self, state: &LearnerState) {
        // Whoever gave it may hold it still, and it may not have come from here.
        self.handed_out.push(Arc::downgrade(&state.decoder));
        self.moments_out.push(Arc::downgrade(&state.moments));
        self.decoder = (*state.decoder).clone();
        self.optimizer.set_moments(state.moments.to_vec());
        self.audit_due = state.audit_due;
        self.last = None;
    }

    /// Bytes that holding a state costs once training goes on: what trains is copied then, weights and moments.
    pub fn state_bytes(&self) -> u64 {
        let trains = self.decoder.parameters.iter().filter(|(id, _)| self.thaw.trains(*id));
        trains.map(|(_, parameter)| 3 * size_of::<f32>() as u64 * parameter.value.elem_count() as u64).sum()
    }

    /// Gives every parameter that trains memory of its own again, with its moments, where somebody holds it still.
    pub fn unshare(&mut self) -> Result<()> {
        self.unshare_moments()?;
        self.handed_out.retain(|handed_out| handed_out.strong_count() > 0);
        let held: Vec<Arc<Decoder>> = self.handed_out.iter().filter_map(Weak::upgrade).collect();
        for index in 0..self.decoder.parameters.len() {
            let id = ParameterId(index);
            let own = self.decoder.parameters[id].value.id();
            if self.thaw.trains(id) && held.iter().any(|other| other.parameters[id].value.id() == own) {
                let value = self.decoder.parameters[id].value.copy()?;
                self.decoder.parameters[id].value = value;
            }
        }
        Ok(())
    }

    fn unshare_moments(&mut self) -> Result<()> {
        self.moments_out.retain(|handed_out| handed_out.strong_count() > 0);
        let held: Vec<Arc<Vec<Option<Moments>>>> = self.moments_out.iter().filter_map(Weak::upgrade).collect();
        for id in (0..self.decoder.parameters.len()).map(ParameterId) {
            let Some(own) = self.optimizer.moments(id).map(|moments| moments.first.id()) else { continue };
            let is_shared =
                |other: &Arc<Vec<Option<Moments>>>| other[id.0].as_ref().is_some_and(|m| m.first.id() == own);
            if self.thaw.trains(id) && held.iter().any(is_shared) {
                self.optimizer.copy_moments(id)?;
            }
        }
        Ok(())
    }

    pub fn thaw(&self) -> &Thaw {
        &self.thaw
    }

    pub fn optimizer(&self) -> &AdamW {
        &self.optimizer
    }

    /// Keeps what the frozen layers make of rows that come again; `None` keeps nothing.
    pub fn cache_prefix(&mut self, settings: Option<PrefixSettings>) {
        self.prefix = settings.map(PrefixCache::new);
    }

    pub fn prefix(&self) -> Option<&PrefixCache> {
        self.prefix.as_ref()
    }

    /// Pulls what trains towards other weights from the next pass on; `None`, or strengths of zero, pull nothing.
    pub fn set_pull(&mut self, pull: Option<Pull>) {
        let before = self.pull.take();
        self.pull = pull.filter(|pull| pull.strengths().is_on()).map(|pull| pull.after(before));
    }

    /// What pulls.
    pub fn pulled(&mut self) -> Option<&mut Pull> {
        self.pull.as_mut()
    }

    /// Trains the groups that `trains` says; moments of the others are kept as they are. What is stored in half precision
    /// and trains now is widened, and what the prefix cache kept for another frost line is thrown out. Nothing left to
    /// train is an error, and changes nothing.
    pub fn set_trainable(&mut self, trains: impl Fn(Group) -> bool) -> Result<()> {
        let thaw = something_trains(Thaw::of_groups(&self.decoder.parameters, &trains))?;
        self.decoder.store(Storage::F32, |parameter| trains(parameter.group))?;
        self.audit_due |= thaw != self.thaw;
        self.thaw = thaw;
        if let Some(prefix) = &mut self.prefix {
            prefix.keep_what_fits(&self.decoder, &self.thaw);
        }
        Ok(())
    }

    /// Multiplies the learning rate of each group by what `multiplier` says.
    pub fn set_multipliers(&mut self, multiplier: impl Fn(Group) -> f64) {
        self.multipliers = self.decoder.parameters.iter().map(|(_, parameter)| multiplier(parameter.group)).collect();
    }

    /// Groups that trained in the last step and got no gradient at all. Heads are left out: a batch that asks nothing of one
    /// leaves it without.
    pub fn silent_groups(&self) -> Vec<Group> {
        let Some(last) = &self.last else { return Vec::new() };
        let is_silent = |id: ParameterId| last.trained[id.0] && last.squares[id.0] == 0.0;
        // As a rule there is none, and nothing is gathered.
        let mut silent: Vec<Group> =
            self.decoder.parameters.iter().filter(|(id, _)| is_silent(*id)).map(|(_, p)| p.group).collect();
        silent.sort();
        silent.dedup();
        let is_loud = |group: Group| {
            self.decoder.parameters.iter().any(|(id, p)| p.group == group && last.trained[id.0] && !is_silent(id))
        };
        silent.retain(|group| !is_loud(*group) && !matches!(group.kind, Kind::Head | Kind::Score));
        silent
    }

    pub(super) fn last_step(&self) -> Option<&LastStep> {
        self.last.as_ref()
    }

    /// One optimizer step over micro-batches, whose gradients add up to that of one large batch. A loss or gradient
    /// that is no number is an error, and leaves the weights as they were.
    pub fn step(&mut self, batches: &[Batch], learning_rate: f64) -> Result<StepReport> {
        let pass = self.pass(batches)?;
        if !pass.is_finite() {
            return Err(Error::new("training diverged")
                .because(format!("the loss is {} and the gradient's norm {}", pass.loss, pass.gradient_norm))
                .next("lower the learning rate, lengthen the warm-up, or clip gradients at a smaller norm"));
        }
        self.update(pass, learning_rate)
    }

    /// The loss and the gradients of micro-batches together; the weights stay as they are.
    pub fn pass(&mut self, batches: &[Batch]) -> Result<Pass> {
        let device = self.decoder.device().clone();
        on_a_thread(&device, || self.pass_here(batches))
    }

    fn pass_here(&mut self, batches: &[Batch]) -> Result<Pass> {
        let Some(scale) = Scale::of(batches) else {
            return Err(Error::new("a batch has nothing to learn from"));
        };
        let mut gradients = Gradients::new(&self.thaw);
        let (mut loss, mut taught) = (0.0, 0.0);
        for batch in batches {
            let (decoder, thaw, prefix) = (&self.decoder, &self.thaw, self.prefix.as_mut());
            let teacher = self.pull.as_mut().and_then(Pull::teacher);
            let (sum, pull) =
                objective::accumulate_taught(decoder, batch, thaw, prefix, teacher, scale, &mut gradients)?;
            (loss, taught) = (loss + sum, taught + pull);
        }
        // Before pulls by distance add to it: they reach what the loss does not.
        let missing = if self.audit_due { self.missing(&gradients, &idle_heads(batches))? } else { Vec::new() };
        let pull = self.pull.as_ref().map(|pull| pull.add(&self.decoder.parameters, &mut gradients)).transpose()?;
        let pull = pull.map(|pull| pull + taught);
        let squares = squares(&gradients, self.decoder.parameters.len())?;
        let gradient_norm = squares.iter().sum::<f64>().sqrt();
        let tokens = batches.iter().map(|batch| batch.inputs.len() as u64).sum();
        Ok(Pass { loss, gradient_norm, tokens, pull, missing, gradients, squares })
    }

    /// Moves what trains along a pass's gradients.
    pub fn update(&mut self, pass: Pass, learning_rate: f64) -> Result<StepReport> {
        let Pass { loss, gradient_norm, tokens, pull, missing, gradients, squares } = pass;
        self.audit_due = false;
        self.unshare()?;
        let device = self.decoder.device().clone();
        let (multipliers, optimizer, parameters) =
            (&self.multipliers, &mut self.optimizer, &mut self.decoder.parameters);
        let rate = |id: ParameterId| learning_rate * multipliers[id.0];
        on_a_thread(&device, || optimizer.step(parameters, &gradients, gradient_norm, rate))?;
        let rates = (0..squares.len()).map(ParameterId).map(|id| if gradients.trains(id) { rate(id) } else { 0.0 });
        let rates = rates.collect();
        let trained = (0..squares.len()).map(|index| gradients.trains(ParameterId(index))).collect();
        self.last = Some(LastStep { squares, rates, trained });
        let notices = self.take_notices();
        Ok(StepReport { loss, gradient_norm, tokens, pull, missing, notices })
    }

    /// What a person should know and was not told yet.
    pub fn take_notices(&mut self) -> Vec<String> {
        self.prefix.as_mut().map(PrefixCache::take_notices).unwrap_or_default()
    }

    /// The gradient audit: parameters that train and got nothing, or nothing but zeros. A head that the batches ask nothing
    /// of should get nothing.
    fn missing(&self, gradients: &Gradients, idle: &[Kind]) -> Result<Vec<String>> {
        let squares = squares(gradients, self.decoder.parameters.len())?;
        let parameters = self.decoder.parameters.iter().filter(|(id, parameter)| {
            self.thaw.trains(*id) && squares[id.0] == 0.0 && !idle.contains(&parameter.group.kind)
        });
        Ok(parameters.map(|(_, parameter)| parameter.name.clone()).collect())
    }
}

/// The head for tokens in steps of texts that are scored, and the other way round.
fn idle_heads(batches: &[Batch]) -> Vec<Kind> {
    let tokens = batches.iter().any(|batch| batch.learned() > 0);
    let texts = batches.iter().any(|batch| !batch.labelled.is_empty());
    [(Kind::Head, tokens), (Kind::Score, texts)].into_iter().filter(|(_, asked)| !asked).map(|(kind, _)| kind).collect()
}

fn checked_thaw(decoder: &Decoder, frozen: &[Selector]) -> Result<Thaw> {
    something_trains(Thaw::all_but(&decoder.parameters, frozen)?)
}

fn something_trains(thaw: Thaw) -> Result<Thaw> {
    match thaw.frost_line() {
        Some(_) => Ok(thaw),
        None => Err(Error::new("nothing is left to train")
            .because("every layer is frozen")
            .next("leave some layer out of what is frozen")),
    }
}
