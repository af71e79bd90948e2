//! What a person changed in a running phase: what trains, and how fast.

mod course;
mod records;
mod unfreeze;

pub use records::{Courses, follow, from_records};
pub use unfreeze::Unfreezing;

use super::bounded::Bounded;
use super::plan::PhasePlan;
use crate::learn::{Course, Schedule, Strengths};
use crate::model::group::check_selectors;
use crate::model::{Group, Selector};
use crate::protocol::{By, Command, GroupState, Layer, Rate, Unfreeze};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Everything that can be changed by hand, as it is at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Of each group, in the order of the model's groups: whether it is not frozen by hand or by the plan. While an order
    /// of unfreezing holds some back, this is what will train in its end.
    pub trains: Vec<bool>,
    /// What was thawed by hand while an order held it back.
    pub opened: Vec<bool>,
    /// The order in which layers begin to train.
    pub unfreezing: Option<Unfreezing>,
    pub multipliers: Vec<f64>,
    /// What the rate is divided by from each layer to the one below; 1 for none.
    pub decay: f64,
    /// What the schedule is multiplied by.
    pub rate_factor: f64,
    /// What took the place of the plan's schedule.
    pub course: Option<Course>,
    /// Of a mixture's sources, in their order; empty where there is no mixture.
    pub shares: Vec<f64>,
    /// Towards the weights that the phase started from.
    pub pull: Strengths,
    /// On what may be forgotten.
    pub bounded: Bounded,
}

/// How a phase is steered, and what changed it.
#[derive(Clone, Debug)]
pub struct Steering {
    groups: Vec<Group>,
    now: Settings,
    /// Steps of the phase that are done, and all of them.
    at: u64,
    steps: u64,
    /// The plan's.
    schedule: Schedule,
    /// Of each group: whether it trains now.
    effective: Vec<bool>,
    /// The newest last.
    changes: Vec<(Made, String)>,
    /// The plan's learning rate at the peak of the schedule.
    peak: f64,
    /// The names of a mixture's sources.
    sources: Vec<String>,
}

/// When a change was made, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Steps of the whole run done before it.
    pub step: u64,
    /// Its line of the journal.
    pub line: u64,
    pub by: By,
}

/// What a command would make of the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub settings: Settings,
    /// In a few words: `froze block.0-3`.
    pub effect: String,
}

/// What the name of a source begins with that is an earlier phase's data.
pub const REPLAY: &str = "replay:";
/// Rates beyond this are slips of the finger.
const LARGEST_RATE: f64 = 100.0;

impl Steering {
    /// As the plan has it: `frozen` does not train, everything else at the plan's rate; `sources` are those of a mixture,
    /// with their shares.
    pub fn new(groups: Vec<Group>, frozen: &[Selector], peak: f64, sources: Vec<(String, f64)>) -> Self {
        let trains: Vec<bool> =
            groups.iter().map(|group| !frozen.iter().any(|selector| selector.matches(*group))).collect();
        let (sources, shares) = sources.into_iter().unzip();
        let now = Settings {
            trains: trains.clone(),
            opened: vec![false; groups.len()],
            unfreezing: None,
            multipliers: vec![1.0; groups.len()],
            decay: 1.0,
            rate_factor: 1.0,
            course: None,
            shares,
            pull: Strengths::default(),
            bounded: Bounded::default(),
        };
        let schedule = Schedule::Constant { warmup: 0 };
        Self { groups, now, at: 0, steps: 0, schedule, effective: trains, changes: Vec::new(), peak, sources }
    }

    /// As a phase begins by its plan; `sources` are those of its mixture, `unfreeze` the plan's order in steps.
    pub fn of_phase(
        groups: Vec<Group>,
        phase: &PhasePlan,
        sources: Vec<(String, f64)>,
        steps: u64,
        unfreeze: Option<Unfreeze>,
    ) -> Self {
        // What is no selector was refused when the plan was read.
        let frozen: Vec<Selector> = phase.frozen.iter().filter_map(|text| text.parse().ok()).collect();
        Self::new(groups, &frozen, phase.optimizer.learning_rate, sources)
            .with_decay(phase.decay())
            .pulled(phase.pull.strengths())
            .bounded(Bounded::planned(phase.retention.as_ref()))
            .scheduled(phase.schedule, steps)
            .with_unfreezing(unfreeze)
    }

    /// The same with the plan's pulls.
    pub fn pulled(mut self, pull: Strengths) -> Self {
        self.now.pull = pull;
        self
    }

    /// With the plan's bound on forgetting.
    pub fn bounded(mut self, bounded: Bounded) -> Self {
        self.now.bounded = bounded;
        self
    }

    /// With the plan's layer-wise decay of the rates.
    pub fn with_decay(mut self, decay: f64) -> Self {
        self.now.decay = decay;
        self
    }

    pub fn settings(&self) -> &Settings {
        &self.now
    }

    pub fn trains(&self, group: Group) -> bool {
        self.place(group).is_some_and(|place| self.effective[place])
    }

    /// What the group's rate is multiplied by: by hand, and by the layer-wise decay.
    pub fn multiplier(&self, group: Group) -> f64 {
        self.place(group).map_or(1.0, |place| self.now.multipliers[place] * self.decayed(group))
    }

    /// 1 for head and last norm; each block is a layer below them, and the embedding the lowest. A tied embedding is the
    /// head as well, and counts as the embedding.
    fn decayed(&self, group: Group) -> f64 {
        let blocks = self.groups.iter().filter_map(|group| match group.layer {
            Layer::Block(index) => Some(index + 1),
            _ => None,
        });
        let blocks = blocks.max().unwrap_or(0);
        let below = match group.layer {
            Layer::Norm | Layer::Head => 0,
            Layer::Block(index) => blocks - index,
            Layer::Embedding => blocks + 1,
        };
        self.now.decay.powi(-(below as i32))
    }

    fn place(&self, group: Group) -> Option<usize> {
        self.groups.iter().position(|own| *own == group)
    }

    /// The groups as they are trained now.
    pub fn states(&self) -> Vec<GroupState> {
        let states = self.groups.iter().zip(&self.effective);
        let state = |(&group, &trainable)| GroupState { group, trainable, multiplier: self.multiplier(group) };
        states.map(state).collect()
    }

    /// The last change that was made in the phase, and what it did.
    pub fn last_change(&self) -> Option<(Made, &str)> {
        self.changes.last().map(|(made, effect)| (*made, effect.as_str()))
    }

    /// What a change of settings would come to, and why it cannot be; `None` for commands that change none.
    pub fn propose(&self, command: &Command) -> Result<Option<Proposal>> {
        let (settings, effect) = match command {
            Command::Freeze(groups) => (self.switched(groups, false)?, format!("froze {}", list(groups))),
            Command::Thaw(groups) => (self.switched(groups, true)?, format!("thawed {}", list(groups))),
            Command::FrostLine(layer) => (self.frost_line(*layer)?, format!("frost line at {layer}")),
            Command::Rate { of: None, rate } => self.rate(*rate)?,
            Command::Rate { of: Some(of), rate } => self.rate_of(of, *rate)?,
            Command::Decay(decay) => (Settings { decay: *decay, ..self.now.clone() }, decay_effect(*decay)),
            Command::Unfreeze(unfreeze) => self.unfreeze(*unfreeze),
            Command::Schedule { curve, warmup } => self.reschedule(*curve, *warmup)?,
            Command::Mix { source, share } => self.mix(source, *share)?,
            Command::Replay { of, share } => self.replay(of.as_deref(), *share)?,
            Command::L2Sp(strength) => self.pull(Strengths { l2_sp: *strength, ..self.now.pull }, "L2-SP", *strength),
            Command::Kl(strength) => {
                self.pull(Strengths { kl: *strength, ..self.now.pull }, "KL to the base", *strength)
            }
            Command::Ewc(strength) => self.pull(Strengths { ewc: *strength, ..self.now.pull }, "EWC", *strength),
            Command::Bound { .. } | Command::Hold(_) => match self.now.bounded.changed(command)? {
                Some((bounded, effect)) => (Settings { bounded, ..self.now.clone() }, effect),
                None => return Ok(None),
            },
            Command::Skip | Command::Undo => return Ok(None),
            Command::Pause | Command::Continue | Command::Evaluate | Command::Checkpoint => return Ok(None),
        };
        if !settings.trains.contains(&true) {
            return Err(Error::new("nothing would be left to train").next("leave some layer thawed"));
        }
        let effect = if settings == self.now { format!("no change: {effect} before") } else { effect };
        Ok(Some(Proposal { settings, effect }))
    }

    /// Makes a proposal the case.
    pub fn take(&mut self, proposal: Proposal, made: Made) {
        if proposal.settings != self.now {
            self.changes.push((made, proposal.effect));
        }
        self.now = proposal.settings;
        self.settle();
    }

    /// One source has `share` of the rows; the others keep their proportions in what is left.
    fn mix(&self, source: &str, share: f64) -> Result<(Settings, String)> {
        if self.sources.is_empty() {
            return Err(Error::new("this phase has no mixture").because("it reads one source, or examples"));
        }
        let places: Vec<usize> = (0..self.sources.len()).filter(|place| self.sources[*place] == source).collect();
        let [place] = places[..] else {
            let why = if places.is_empty() { "no source has this name" } else { "several sources have this name" };
            let names = format!("the sources are {}", self.sources.join(", "));
            return Err(Error::new(format!("{source} cannot be mixed")).because(why).next(names));
        };
        let others = 1.0 - self.now.shares[place];
        if others <= 0.0 {
            return Err(Error::new(format!("{source} has all rows already"))
                .because("no other source has a share that could grow")
                .next("give rows to an earlier phase: replay 0.05"));
        }
        let scaled = |(at, old): (usize, &f64)| if at == place { share } else { old * (1.0 - share) / others };
        let shares: Vec<f64> = self.now.shares.iter().enumerate().map(scaled).collect();
        let parts = self.sources.iter().zip(&shares).map(|(name, share)| format!("{name} {:.1}%", 100.0 * share));
        let effect = format!("rows: {}", parts.collect::<Vec<_>>().join(", "));
        Ok((Settings { shares, ..self.now.clone() }, effect))
    }

    /// Earlier phases have `share` of the rows together, or one of them has; what the phase reads itself keeps its
    /// proportions in what is left.
    fn replay(&self, of: Option<&str>, share: f64) -> Result<(Settings, String)> {
        let phase_of = |place: usize| self.sources[place].strip_prefix(REPLAY);
        let earlier: Vec<usize> = (0..self.sources.len()).filter(|place| phase_of(*place).is_some()).collect();
        let names: Vec<&str> = earlier.iter().filter_map(|place| phase_of(*place)).collect();
        let chosen: Vec<usize> =
            earlier.iter().copied().filter(|place| of.is_none() || phase_of(*place) == of).collect();
        if chosen.is_empty() {
            let (why, next) = match names.is_empty() {
                true => ("this phase stands on no earlier one of this run that it could read", String::new()),
                false => ("no such phase can be replayed", format!("say replay and one of {}", names.join(", "))),
            };
            return Err(Error::new("nothing can be replayed").because(why).next(next));
        }
        let old = &self.now.shares;
        let sum = |places: &[usize]| places.iter().map(|place| old[*place]).sum::<f64>();
        let fixed = sum(&earlier) - sum(&chosen);
        let (replayed, own) = (sum(&chosen), 1.0 - sum(&earlier));
        if fixed + share >= 1.0 || own <= 0.0 {
            return Err(Error::new("nothing would be left of the phase's own rows").next("replay a smaller share"));
        }
        let scaled = |place: usize| match (chosen.contains(&place), earlier.contains(&place)) {
            (true, _) if replayed > 0.0 => old[place] / replayed * share,
            (true, _) => share / chosen.len() as f64,
            (false, true) => old[place],
            (false, false) => old[place] / own * (1.0 - fixed - share),
        };
        let shares: Vec<f64> = (0..self.sources.len()).map(scaled).collect();
        let part = |place: &usize| format!("{} {:.1}%", phase_of(*place).unwrap_or_default(), 100.0 * shares[*place]);
        let effect = format!("replay: {}", chosen.iter().map(part).collect::<Vec<_>>().join(", "));
        Ok((Settings { shares, ..self.now.clone() }, effect))
    }

    fn pull(&self, pull: Strengths, name: &str, strength: f64) -> (Settings, String) {
        let effect = if strength == 0.0 { format!("{name} off") } else { format!("{name} {strength}") };
        (Settings { pull, ..self.now.clone() }, effect)
    }

    fn switched(&self, selectors: &[Selector], trains: bool) -> Result<Settings> {
        check_selectors(&self.groups, selectors)?;
        let mut settings = self.now.clone();
        for (place, group) in self.groups.iter().enumerate() {
            if selectors.iter().any(|selector| selector.matches(*group)) {
                settings.trains[place] = trains;
                settings.opened[place] = trains && settings.unfreezing.is_some();
            }
        }
        Ok(settings)
    }

    fn frost_line(&self, layer: Layer) -> Result<Settings> {
        check_selectors(&self.groups, &[layer.into()])?;
        let trains: Vec<bool> = self.groups.iter().map(|group| group.layer >= layer).collect();
        let opened = trains.iter().map(|trains| *trains && self.now.unfreezing.is_some()).collect();
        Ok(Settings { trains, opened, ..self.now.clone() })
    }

    fn rate(&self, rate: Rate) -> Result<(Settings, String)> {
        let factor = match rate {
            Rate::Times(factor) => self.now.rate_factor * factor,
            Rate::Set(peak) => peak / self.peak,
        };
        let peak = checked(factor * self.peak)?;
        let effect = match rate {
            Rate::Times(times) => format!("rate ×{times}, peak {peak:.2e}"),
            Rate::Set(_) => format!("rate {peak:.2e} at the peak"),
        };
        Ok((Settings { rate_factor: factor, ..self.now.clone() }, effect))
    }

    fn rate_of(&self, of: &Selector, rate: Rate) -> Result<(Settings, String)> {
        check_selectors(&self.groups, std::slice::from_ref(of))?;
        let mut settings = self.now.clone();
        for (group, multiplier) in self.groups.iter().zip(&mut settings.multipliers) {
            if of.matches(*group) {
                *multiplier = match rate {
                    Rate::Times(factor) => *multiplier * factor,
                    Rate::Set(value) => value,
                };
                checked(*multiplier * settings.rate_factor * self.peak)?;
            }
        }
        let effect = match rate {
            Rate::Times(factor) => format!("rate of {of} ×{factor}"),
            Rate::Set(value) => format!("rate of {of} at ×{value}"),
        };
        Ok((settings, effect))
    }
}

fn decay_effect(decay: f64) -> String {
    if decay == 1.0 { "rates no longer decay".into() } else { format!("rates decay by {decay} a layer") }
}

fn checked(rate: f64) -> Result<f64> {
    match rate.is_finite() && (0.0..=LARGEST_RATE).contains(&rate) {
        true => Ok(rate),
        false => Err(Error::new(format!("a learning rate of {rate} makes no sense"))
            .next(format!("give one from 0 to {LARGEST_RATE}"))),
    }
}

fn list(selectors: &[Selector]) -> String {
    selectors.iter().map(Selector::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;

    fn steering() -> Steering {
        let config = preset::find("llama-1m").unwrap().config(300, 16);
        let sources =
            [("stories", 0.5), ("ledger", 0.3), ("facts", 0.2)].map(|(name, share)| (name.to_string(), share));
        Steering::new(config.groups(), &["embedding".parse().unwrap()], 1e-3, sources.into())
    }

    fn give(steering: &mut Steering, command: &str) -> Result<String> {
        let proposal = steering.propose(&command.parse().unwrap())?.unwrap();
        let effect = proposal.effect.clone();
        steering.take(proposal, Made { step: 1, line: 1, by: By::Person });
        Ok(effect)
    }

    fn frozen(steering: &Steering) -> Vec<String> {
        steering.states().iter().filter(|s| !s.trainable).map(|s| s.group.to_string()).collect()
    }

    #[test]
    fn commands_change_what_they_name() {
        let mut steering = steering();
        assert_eq!(frozen(&steering), ["embedding/embedding"]);
        give(&mut steering, "freeze block.0/mlp").unwrap();
        give(&mut steering, "frost-line block.1").unwrap();
        assert_eq!(frozen(&steering).len(), 4);
        give(&mut steering, "rate x0.5").unwrap();
        give(&mut steering, "rate block.1/mlp x2").unwrap();
        let states = steering.states();
        assert!(states.iter().all(|s| (s.multiplier == 2.0) == (s.group.to_string() == "block.1/mlp")));
        assert_eq!(steering.settings().rate_factor, 0.5);
        assert_eq!(steering.last_change().unwrap().1, "rate of block.1/mlp ×2");
    }

    #[test]
    fn rates_decay_from_the_head_down_and_combine_with_those_by_hand() {
        let mut steering = steering();
        give(&mut steering, "rate block.0/mlp x4").unwrap();
        give(&mut steering, "decay 2").unwrap();
        let groups = steering.groups.clone();
        let last = groups.iter().rev().find(|g| matches!(g.layer, Layer::Block(_))).unwrap().layer;
        let Layer::Block(top) = last else { panic!("no block") };
        for state in steering.states() {
            let by_hand = if state.group.to_string() == "block.0/mlp" { 4.0 } else { 1.0 };
            let want = match state.group.layer {
                Layer::Head | Layer::Norm => 1.0,
                Layer::Block(index) => by_hand * 0.5f64.powi((top + 1 - index) as i32),
                Layer::Embedding => 0.5f64.powi(top as i32 + 2),
            };
            assert_eq!(state.multiplier, want, "{}", state.group);
            assert_eq!(steering.multiplier(state.group), want);
        }
        give(&mut steering, "decay 1").unwrap();
        assert!(steering.states().iter().all(|s| s.multiplier == 1.0 || s.group.to_string() == "block.0/mlp"));
    }

    #[test]
    fn a_share_leaves_the_others_their_proportions() {
        let mut steering = steering();
        assert_eq!(give(&mut steering, "mix stories 0.75").unwrap(), "rows: stories 75.0%, ledger 15.0%, facts 10.0%");
        let error = give(&mut steering, "mix nowhere 0.5").unwrap_err().to_string();
        assert!(error.contains("stories, ledger, facts"), "{error}");
    }

    #[test]
    fn earlier_phases_are_given_rows_and_what_is_left_keeps_its_proportions() {
        let config = preset::find("llama-1m").unwrap().config(300, 16);
        let sources = [("a", 0.75), ("b", 0.25), ("replay:x", 0.0), ("replay:y", 0.0)];
        let sources = sources.map(|(name, share)| (name.to_string(), share)).into();
        let mut steering = Steering::new(config.groups(), &[], 1e-3, sources);
        let near = |steering: &Steering, want: [f64; 4]| {
            steering.settings().shares.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-12)
        };
        assert_eq!(give(&mut steering, "replay 0.2").unwrap(), "replay: x 10.0%, y 10.0%");
        assert!(near(&steering, [0.6, 0.2, 0.1, 0.1]), "{:?}", steering.settings().shares);
        give(&mut steering, "replay x 0.3").unwrap();
        assert!(near(&steering, [0.45, 0.15, 0.3, 0.1]), "{:?}", steering.settings().shares);
        give(&mut steering, "replay 0.2").unwrap();
        assert!(near(&steering, [0.6, 0.2, 0.15, 0.05]), "{:?}", steering.settings().shares);
        give(&mut steering, "replay 0").unwrap();
        assert!(near(&steering, [0.75, 0.25, 0.0, 0.0]), "{:?}", steering.settings().shares);
        give(&mut steering, "replay y 0.5").unwrap();
        assert!(give(&mut steering, "replay x 0.5").unwrap_err().to_string().contains("own rows"));
        assert!(give(&mut steering, "replay z 0.5").unwrap_err().to_string().contains("x, y"));
    }

    #[test]
    fn a_phase_without_an_earlier_one_has_nothing_to_replay() {
        assert!(give(&mut steering(), "replay 0.1").unwrap_err().to_string().contains("no earlier one"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_changes_nothing() {
        let mut steering = steering();
        let before = steering.settings().clone();
        for command in ["freeze all", "freeze block.99", "frost-line head", "rate 1e9", "rate block.7 x2"] {
            assert!(give(&mut steering, command).is_err(), "{command}");
        }
        assert_eq!(*steering.settings(), before);
        // What is so already is no change, and nothing to undo.
        assert!(give(&mut steering, "freeze embedding").unwrap().starts_with("no change"));
        assert!(steering.last_change().is_none());
    }

    #[test]
    fn a_rate_that_is_set_is_that_of_the_peak() {
        let mut steering = steering();
        give(&mut steering, "rate 5e-4").unwrap();
        assert_eq!(steering.settings().rate_factor, 0.5);
    }
}
