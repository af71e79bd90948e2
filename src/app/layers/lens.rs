//! What the cells of the grid show.

use super::view::View;

/// One way to look at the groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lens {
    /// Whether a group trains.
    #[default]
    Trains,
    /// The norm of its gradient.
    Gradient,
    /// Its last change, by its size.
    Update,
    /// How far it is from the base (θ*).
    Drift,
    /// What the learning rate is multiplied by.
    Multiplier,
    /// Bytes that its training takes.
    Memory,
    /// Its share of a step's work.
    Time,
}

/// What a lens says of one group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub value: f64,
    /// From cold (0) to hot (1).
    pub heat: f64,
}

impl Lens {
    pub const ALL: [Lens; 7] =
        [Lens::Trains, Lens::Gradient, Lens::Update, Lens::Drift, Lens::Multiplier, Lens::Memory, Lens::Time];

    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Lens::Trains => "trains",
            Lens::Gradient => "gradient",
            Lens::Update => "update",
            Lens::Drift => "drift",
            Lens::Multiplier => "rate",
            Lens::Memory => "memory",
            Lens::Time => "time",
        }
    }

    /// The key of its explanation.
    pub fn explanation(self) -> &'static str {
        match self {
            Lens::Trains => "frozen",
            Lens::Gradient => "group gradient",
            Lens::Update => "update ratio",
            Lens::Drift => "drift",
            Lens::Multiplier => "rate multiplier",
            Lens::Memory => "group memory",
            Lens::Time => "group time",
        }
    }

    /// The lens so many places further on in the ring of all.
    pub fn turned(self, by: usize) -> Lens {
        let at = Self::ALL.iter().position(|lens| *lens == self).unwrap_or(0);
        Self::ALL.into_iter().cycle().nth(at + by).unwrap_or_default()
    }

    pub fn readings(self, view: &View) -> Readings {
        let values = self.values(view);
        let scale = self.scale(values.iter().flatten().copied().fold(0.0, f64::max));
        let reading = |value: f64| Reading { value, heat: scale.share(value) };
        Readings { groups: values.into_iter().map(|value| value.map(reading)).collect(), scale }
    }

    fn values(self, view: &View) -> Vec<Option<f64>> {
        let measured = |value: fn(&crate::protocol::GroupReport) -> f32| -> Vec<Option<f64>> {
            let of_group = |index| view.report(index).map(|report| f64::from(value(report)));
            (0..view.groups.len()).map(|index| of_group(index).filter(|value| value.is_finite())).collect()
        };
        match self {
            Lens::Trains => vec![None; view.groups.len()],
            Lens::Gradient => only_training(view, measured(|report| report.gradient_norm)),
            Lens::Update => only_training(view, measured(|report| report.update_ratio)),
            Lens::Drift => measured(|report| report.drift),
            Lens::Multiplier => (0..view.groups.len()).map(|index| Some(view.requested_multiplier(index))).collect(),
            Lens::Memory => {
                let costs = view.group_costs().into_iter();
                costs.map(|cost| Some(cost.training_bytes.saturating_add(cost.kept_bytes) as f64)).collect()
            }
            Lens::Time => {
                let whole = view.cost().work;
                let share = |work: f64| Some(work / whole).filter(|share| share.is_finite());
                view.group_costs().into_iter().map(|cost| share(cost.work)).collect()
            }
        }
    }

    /// `largest` of all groups, where the scale is the model's own.
    fn scale(self, largest: f64) -> Scale {
        match self {
            // Three decades below the largest power of ten: the scale stays while single norms jitter.
            Lens::Gradient => {
                let high = 10f64.powf(largest.max(f64::MIN_POSITIVE).log10().ceil());
                Scale { low: high / 1e3, high, is_logarithmic: true }
            }
            // What is normal is in the middle.
            Lens::Update => Scale { low: 1e-5, high: 1e-1, is_logarithmic: true },
            Lens::Drift => Scale { low: 1e-4, high: 1.0, is_logarithmic: true },
            Lens::Multiplier => Scale { low: 1.0 / 16.0, high: 16.0, is_logarithmic: true },
            Lens::Trains | Lens::Memory | Lens::Time => Scale { low: 0.0, high: largest, is_logarithmic: false },
        }
    }
}

/// From cold to hot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    is_logarithmic: bool,
}

impl Scale {
    /// 0 for what is cold, to 1.
    fn share(self, value: f64) -> f64 {
        let share = match self.is_logarithmic {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }
}

/// A lens's look at all groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Readings {
    /// By group; `None` where nothing was measured, or there is nothing to read.
    pub groups: Vec<Option<Reading>>,
    pub scale: Scale,
}

/// What was measured before a group was frozen says nothing of it now.
fn only_training(view: &View, values: Vec<Option<f64>>) -> Vec<Option<f64>> {
    let trains = |index: usize| view.trains.get(index).copied().unwrap_or(false);
    values.into_iter().enumerate().map(|(index, value)| value.filter(|_| trains(index))).collect()
}
