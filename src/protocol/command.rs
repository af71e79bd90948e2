//! What a person may tell a run while it trains, and how it is written: `freeze block.0-3`, `rate x0.5`.

use super::course::{Curve, Unfreeze, read_steps, read_warmup};
use super::group::{Layer, Selector};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One live command. It takes effect between two optimizer steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// These groups stop training.
    Freeze(Vec<Selector>),
    /// These groups train again.
    Thaw(Vec<Selector>),
    /// This layer and everything above it trains, everything below it is frozen.
    FrostLine(Layer),
    /// The learning rate, of the whole run or of some groups.
    Rate {
        of: Option<Selector>,
        rate: Rate,
    },
    /// Every layer's learning rate is that of the layer above by this (ULMFiT, arXiv 1801.06146); 1 for the same of all.
    Decay(f64),
    /// Layers begin to train one after another, from now on; `None` ends it, and all trains that was not frozen by hand.
    Unfreeze(Option<Unfreeze>),
    /// The rate follows this over the steps that the phase still has; without a number of steps the curve's own warm-up.
    Schedule {
        curve: Curve,
        warmup: Option<u64>,
    },
    /// One source's share of the rows of a mixture; the others keep their proportions.
    Mix {
        source: String,
        share: f64,
    },
    /// The share of the rows that come from an earlier phase, or from all of them together; 0 for none.
    Replay {
        of: Option<String>,
        share: f64,
    },
    /// The strength of the pull towards the base by squared distance; 0 for none.
    L2Sp(f64),
    /// The strength of elastic weight consolidation; 0 for none.
    Ewc(f64),
    /// The strength of the pull of the base's answers; 0 for none.
    Kl(f64),
    /// How much may be forgotten, nats per token, of a suite or of the one that is forgotten most; `None` for no bound.
    Bound {
        bound: Option<f64>,
        suite: Option<String>,
    },
    /// What holds the bound.
    Hold(Hold),
    /// The next batch changes nothing.
    Skip,
    Pause,
    Continue,
    /// Measure everything that is watched, now.
    Evaluate,
    /// Write a checkpoint, now.
    Checkpoint,
    /// Go back to the state just before the last change.
    Undo,
}

/// What holds a bound on forgetting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Crossing it is said, and nothing else is done.
    #[default]
    None,
    /// The share of replayed rows is raised while the bound is crossed, and lowered again far below it.
    Replay,
    /// The same with the strength of L2-SP.
    #[serde(rename = "l2-sp")]
    L2Sp,
}

impl Hold {
    pub const ALL: [Hold; 3] = [Hold::None, Hold::Replay, Hold::L2Sp];

    /// As plans and commands write it.
    pub fn name(self) -> &'static str {
        match self {
            Hold::None => "none",
            Hold::Replay => "replay",
            Hold::L2Sp => "l2-sp",
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Hold {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Hold::ALL.into_iter().find(|hold| hold.name() == text).ok_or_else(|| {
            let names = Hold::ALL.map(Hold::name).join(", ");
            Error::usage(format!("nothing called \"{text}\" holds a bound")).next(format!("write one of {names}"))
        })
    }
}

/// A learning rate as a person gives it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// Multiplies what is now.
    Times(f64),
    /// The peak of the schedule becomes this; for groups, their multiplier.
    Set(f64),
}

/// What a command did, for journals, marks on graphs and other clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// As it can be typed again.
    pub command: String,
    /// What came of it, in a few words: `froze block.0–3`.
    pub effect: String,
}

/// The verbs, how they are written, and what they do: for help and for errors.
pub const GRAMMAR: &[(&str, &str)] = &[
    ("freeze LAYER…", "stop training layers or groups: freeze block.0-3, freeze all/norm"),
    ("thaw LAYER…", "train them again"),
    ("frost-line LAYER", "train this layer and everything above it, freeze everything below"),
    (
        "rate [LAYER] xF | R",
        "multiply the learning rate (rate x0.5), set it (rate 1e-4), or that of groups (rate head x2)",
    ),
    ("decay F", "divide the learning rate by this from each layer to the one below: decay 2.6; decay 1 ends it"),
    (
        "unfreeze ORDER STEPS",
        "train the last layer first, and others every so many steps: gradual 50, chain-thaw 50, head-first 50; unfreeze off",
    ),
    (
        "schedule KIND [WARMUP]",
        "from here to the phase's end the rate follows this: schedule cosine 20 warms up again, then decays",
    ),
    ("mix SOURCE SHARE", "give a source this share of a mixture's rows: mix stories 0.3"),
    ("replay [PHASE] SHARE", "mix rows of earlier phases in, against forgetting: replay 0.05; replay 0 ends it"),
    ("l2-sp A", "pull what trains towards the weights that the phase started from: l2-sp 0.01; 0 for none"),
    ("ewc A", "the same, each weight as strongly as it mattered for the phase before: ewc 100; 0 for none"),
    ("kl A", "pull the answers towards those that the base would give to the same text: kl 0.5; 0 for none"),
    (
        "bound N | off [SUITE]",
        "say when more than this is forgotten, nats per token: bound 0.05, bound 0.05 pretrain; bound off ends it",
    ),
    ("hold replay | l2-sp | none", "what is raised while the bound is crossed, and lowered far below it"),
    ("skip", "let the next batch change nothing"),
    ("pause", "hold training after this step; continue goes on"),
    ("continue", "go on training"),
    ("evaluate", "measure everything that is watched, now"),
    ("checkpoint", "write a checkpoint, now"),
    ("undo", "go back to the state just before the last change: weights, moments and step"),
];

impl FromStr for Command {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut words = text.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        match (verb, rest.as_slice()) {
            ("freeze", [_, ..]) => Ok(Command::Freeze(selectors(&rest)?)),
            ("thaw", [_, ..]) => Ok(Command::Thaw(selectors(&rest)?)),
            ("frost-line", [layer]) => Ok(Command::FrostLine(layer.parse()?)),
            ("rate", [rate]) => Ok(Command::Rate { of: None, rate: rate.parse()? }),
            ("rate", [of, rate]) => Ok(Command::Rate { of: Some(of.parse()?), rate: rate.parse()? }),
            ("decay", [decay]) => Ok(Command::Decay(read_decay(decay)?)),
            ("unfreeze", ["off"]) => Ok(Command::Unfreeze(None)),
            ("unfreeze", [order, every]) => {
                Ok(Command::Unfreeze(Some(Unfreeze { order: order.parse()?, every: read_steps(every)? })))
            }
            ("schedule", [curve]) => Ok(Command::Schedule { curve: curve.parse()?, warmup: None }),
            ("schedule", [curve, warmup]) => {
                Ok(Command::Schedule { curve: curve.parse()?, warmup: Some(read_warmup(warmup)?) })
            }
            ("mix", [source, share]) => Ok(Command::Mix { source: source.to_string(), share: read_share(share)? }),
            ("replay", [share]) => Ok(Command::Replay { of: None, share: read_replay(share)? }),
            ("replay", [of, share]) => Ok(Command::Replay { of: Some(of.to_string()), share: read_replay(share)? }),
            ("l2-sp", [strength]) => Ok(Command::L2Sp(read_strength(strength)?)),
            ("ewc", [strength]) => Ok(Command::Ewc(read_strength(strength)?)),
            ("kl", [strength]) => Ok(Command::Kl(read_strength(strength)?)),
            ("bound", ["off"]) => Ok(Command::Bound { bound: None, suite: None }),
            ("bound", [bound]) => Ok(Command::Bound { bound: Some(read_bound(bound)?), suite: None }),
            ("bound", [bound, suite]) if *bound != "off" => {
                Ok(Command::Bound { bound: Some(read_bound(bound)?), suite: Some(suite.to_string()) })
            }
            ("hold", [hold]) => Ok(Command::Hold(hold.parse()?)),
            ("skip", []) => Ok(Command::Skip),
            ("pause", []) => Ok(Command::Pause),
            ("continue", []) => Ok(Command::Continue),
            ("evaluate", []) => Ok(Command::Evaluate),
            ("checkpoint", []) => Ok(Command::Checkpoint),
            ("undo", []) => Ok(Command::Undo),
            _ => Err(not_a_command(text, verb)),
        }
    }
}

fn selectors(words: &[&str]) -> Result<Vec<Selector>> {
    words.iter().flat_map(|word| word.split(',')).filter(|word| !word.is_empty()).map(str::parse).collect()
}

fn read_share(text: &str) -> Result<f64> {
    let refused = || Error::usage(format!("\"{text}\" is no share")).next("write a number above 0 and below 1: 0.05");
    let share: f64 = text.parse().map_err(|_| refused())?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err(refused()) }
}

fn read_replay(text: &str) -> Result<f64> {
    match text.parse::<f64>() {
        Ok(0.0) => Ok(0.0),
        _ => read_share(text),
    }
}

fn read_strength(text: &str) -> Result<f64> {
    let strength = text.parse().ok().filter(|strength| (0.0..=1e12).contains(strength));
    strength.ok_or_else(|| {
        Error::usage(format!("\"{text}\" is no strength of a pull"))
            .next("write 0 for none, or a number above it: 0.01")
    })
}

fn read_bound(text: &str) -> Result<f64> {
    let bound = text.parse().ok().filter(|bound| (0.0..=100.0).contains(bound));
    bound.ok_or_else(|| {
        Error::usage(format!("\"{text}\" is no bound on forgetting"))
            .next("write nats per token from 0 to 100, such as 0.05; or off")
    })
}

fn read_decay(text: &str) -> Result<f64> {
    let refused = || Error::usage(format!("\"{text}\" is no decay")).next("write a number from 1 to 100: 2.6");
    let decay: f64 = text.parse().map_err(|_| refused())?;
    if (1.0..=100.0).contains(&decay) { Ok(decay) } else { Err(refused()) }
}

fn not_a_command(text: &str, verb: &str) -> Error {
    let of_verb = GRAMMAR.iter().find(|(form, _)| form.split(' ').next() == Some(verb));
    let next = match of_verb {
        Some((form, help)) => format!("write {form}: {help}"),
        None => format!("write one of: {}", GRAMMAR.iter().map(|(form, _)| *form).collect::<Vec<_>>().join(", ")),
    };
    Error::usage(format!("\"{text}\" is no command")).next(next)
}

impl FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || {
            Error::usage(format!("\"{text}\" is no learning rate"))
                .next("write a factor such as x0.5, or a rate such as 1e-4")
        };
        let factor = text.strip_prefix(['x', '×', '*']);
        let value: f64 = factor.unwrap_or(text).parse().map_err(|_| refused())?;
        match (value.is_finite() && value >= 0.0, factor) {
            (true, Some(_)) => Ok(Rate::Times(value)),
            (true, None) => Ok(Rate::Set(value)),
            (false, _) => Err(refused()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::Times(factor) => write!(f, "x{factor}"),
            // The shorter of the two forms that read back to the same number.
            Rate::Set(rate) if *rate != 0.0 && *rate < 1e-2 => write!(f, "{rate:e}"),
            Rate::Set(rate) => write!(f, "{rate}"),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |selectors: &[Selector]| selectors.iter().map(Selector::to_string).collect::<Vec<_>>().join(" ");
        match self {
            Command::Freeze(groups) => write!(f, "freeze {}", list(groups)),
            Command::Thaw(groups) => write!(f, "thaw {}", list(groups)),
            Command::FrostLine(layer) => write!(f, "frost-line {layer}"),
            Command::Rate { of: None, rate } => write!(f, "rate {rate}"),
            Command::Rate { of: Some(of), rate } => write!(f, "rate {of} {rate}"),
            Command::Decay(decay) => write!(f, "decay {decay}"),
            Command::Unfreeze(None) => f.write_str("unfreeze off"),
            Command::Unfreeze(Some(unfreeze)) => write!(f, "unfreeze {unfreeze}"),
            Command::Schedule { curve, warmup: None } => write!(f, "schedule {curve}"),
            Command::Schedule { curve, warmup: Some(warmup) } => write!(f, "schedule {curve} {warmup}"),
            Command::Mix { source, share } => write!(f, "mix {source} {share}"),
            Command::Replay { of: None, share } => write!(f, "replay {share}"),
            Command::Replay { of: Some(of), share } => write!(f, "replay {of} {share}"),
            Command::L2Sp(strength) => write!(f, "l2-sp {strength}"),
            Command::Ewc(strength) => write!(f, "ewc {strength}"),
            Command::Kl(strength) => write!(f, "kl {strength}"),
            Command::Bound { bound: None, .. } => f.write_str("bound off"),
            Command::Bound { bound: Some(bound), suite: None } => write!(f, "bound {bound}"),
            Command::Bound { bound: Some(bound), suite: Some(suite) } => write!(f, "bound {bound} {suite}"),
            Command::Hold(hold) => write!(f, "hold {hold}"),
            Command::Skip => f.write_str("skip"),
            Command::Pause => f.write_str("pause"),
            Command::Continue => f.write_str("continue"),
            Command::Evaluate => f.write_str("evaluate"),
            Command::Checkpoint => f.write_str("checkpoint"),
            Command::Undo => f.write_str("undo"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in [
            "freeze block.0-3",
            "freeze block.0-3 head",
            "thaw all/norm",
            "frost-line block.2",
            "rate x0.5",
            "rate 1e-4",
            "rate 0.01",
            "rate head x2",
            "rate block.0-1/mlp 0.25",
            "decay 2.6",
            "decay 1",
            "unfreeze gradual 50",
            "unfreeze chain-thaw 1",
            "unfreeze head-first 20",
            "unfreeze off",
            "schedule constant",
            "schedule cosine 20",
            "schedule slanted-triangular",
            "schedule warmup-stable-decay 0",
            "mix stories 0.3",
            "replay 0.05",
            "replay pretrain 0",
            "l2-sp 0.01",
            "ewc 100",
            "kl 0.5",
            "bound 0.05",
            "bound 0 pretrain",
            "bound off",
            "hold l2-sp",
            "hold none",
            "skip",
            "pause",
            "continue",
            "evaluate",
            "checkpoint",
            "undo",
        ] {
            let command: Command = text.parse().unwrap();
            assert_eq!(command.to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_form_of_the_verb() {
        for text in [
            "",
            "melt",
            "freeze",
            "rate",
            "rate x",
            "rate -1",
            "rate NaN",
            "rate a b c",
            "pause now",
            "decay",
            "decay 0.5",
            "decay NaN",
            "unfreeze",
            "unfreeze gradual",
            "unfreeze gradual 0",
            "unfreeze upwards 5",
            "unfreeze off 5",
            "schedule",
            "schedule sine",
            "schedule cosine -1",
            "schedule cosine 1.5",
            "mix stories",
            "mix stories 0",
            "replay",
            "replay 1",
            "replay -0.1",
            "replay a b 0.1",
            "mix stories 1",
            "mix stories NaN",
            "l2-sp",
            "l2-sp -1",
            "ewc inf",
            "kl much",
            "bound",
            "bound -1",
            "bound off pretrain",
            "hold",
            "hold kl",
            "frost-line block.0-2",
        ] {
            assert!(text.parse::<Command>().is_err(), "{text}");
        }
        let error = "rate".parse::<Command>().unwrap_err().to_string();
        assert!(error.contains("rate [LAYER] xF | R"), "{error}");
    }
}
