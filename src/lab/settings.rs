//! How a study is set up.

use super::design::rate_name;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The comparisons that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Study {
    Transfer,
    Forgetting,
    Mitigations,
    Schedules,
    Objectives,
}

impl Study {
    pub const ALL: [Study; 5] =
        [Study::Transfer, Study::Forgetting, Study::Mitigations, Study::Schedules, Study::Objectives];

    pub fn name(self) -> &'static str {
        match self {
            Study::Transfer => "transfer",
            Study::Forgetting => "forgetting",
            Study::Mitigations => "mitigations",
            Study::Schedules => "schedules",
            Study::Objectives => "objectives",
        }
    }

    pub fn question(self) -> &'static str {
        match self {
            Study::Transfer => "How many labels does pretraining save?",
            Study::Forgetting => "What does plain fine-tuning forget, and how fast?",
            Study::Mitigations => "Which remedy learns most of the new for the least of the old?",
            Study::Schedules => "Do ULMFiT's schedules help, one by one and together?",
            Study::Objectives => "Which pretraining helps classification more, causal or masked?",
        }
    }
}

/// Labelled examples, and how they are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Examples {
    /// A path, or a set of the bundled world.
    pub data: String,
    /// The fields of a row: `text` and `label` of classification.
    pub text: String,
    pub label: String,
}

/// Everything that decides what a study's runs do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub study: Study,
    pub seeds: Vec<u64>,
    /// The model's preset.
    pub model: String,
    pub vocabulary: usize,
    /// Tokens of a row.
    pub context: usize,
    /// Steps and rows of a step, of pretraining and of each trial.
    pub pretraining: (u64, usize),
    pub tuning: (u64, usize),
    /// The peak rates that every method is tried with.
    pub rates: Vec<f64>,
    /// Numbers of labels; of studies that change them.
    pub labels: Vec<u64>,
    /// Text of the pretraining, and of the domain that comes after.
    pub old: String,
    pub new: String,
    pub examples: Examples,
}

/// The peak rate of pretraining, and of pretraining on hidden tokens.
pub const PRETRAINING_RATE: f64 = 4e-3;
pub const MASKED_RATE: f64 = 1e-3;

impl Settings {
    /// What fits two cores and some minutes a seed.
    pub fn standard(study: Study) -> Self {
        let common = Self {
            study,
            seeds: vec![1, 2, 3],
            model: "llama-1m".into(),
            vocabulary: 2048,
            context: 128,
            pretraining: (400, 16),
            tuning: (100, 8),
            rates: vec![5e-4, 1e-3, 2e-3, 4e-3],
            labels: vec![300],
            old: "world:stories".into(),
            new: "world:ledger".into(),
            examples: Examples { data: "world:sentiment".into(), text: "text".into(), label: "label".into() },
        };
        match study {
            // What little a model learns in 400 steps helps nobody with labels.
            Study::Transfer => Self {
                labels: vec![64, 128, 256, 512, 1024],
                rates: vec![1e-3, 2e-3, 4e-3],
                context: 64,
                pretraining: (4000, 16),
                tuning: (200, 8),
                ..common
            },
            Study::Forgetting => Self { rates: vec![2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3], ..common },
            Study::Mitigations => Self { rates: vec![2e-3, 4e-3, 8e-3], ..common },
            Study::Schedules => Self { labels: vec![100], rates: vec![5e-4, 1e-3, 2e-3], ..common },
            // An encoder that guesses hidden words leaves its first plateau, where it only knows how frequent words are,
            // after some 2000 steps: many steps of short rows.
            Study::Objectives => Self {
                labels: vec![256, 1024],
                rates: vec![5e-4, 2e-3],
                context: 64,
                pretraining: (4000, 16),
                tuning: (200, 8),
                ..common
            },
        }
    }

    /// One seed, one rate in two, and a quarter of the steps: to see whether it works, not to learn from.
    pub fn quick(mut self) -> Self {
        self.seeds.truncate(1);
        self.rates = self.rates.into_iter().skip(1).step_by(2).collect();
        self.labels = self.labels.into_iter().step_by(2).collect();
        self.pretraining.0 = (self.pretraining.0 / 4).max(1);
        self.tuning.0 = (self.tuning.0 / 4).max(1);
        self
    }

    /// Refuses what no study can be made of, naming the setting.
    pub fn validate(&self) -> Result<()> {
        let refuse = |what: &str, next: &str| Err(Error::usage(what).next(next));
        if self.seeds.is_empty() || has_twice(&self.seeds) {
            return refuse("a study needs seeds that differ", "give --seeds 1,2,3");
        }
        if self.rates.is_empty()
            || has_twice(&self.rates)
            || self.rates.iter().any(|rate| !(*rate > 0.0 && *rate <= 10.0))
        {
            return refuse("a study needs rates between 0 and 10 that differ", "give --rates 5e-4,2e-3");
        }
        if self.labels.is_empty() || has_twice(&self.labels) || self.labels.contains(&0) {
            return refuse("a study needs numbers of labels from 1 up that differ", "give --labels 16,256");
        }
        Ok(())
    }

    /// The line that says what was done.
    pub fn describe(&self) -> String {
        let ((pretraining, many), (tuning, few)) = (self.pretraining, self.tuning);
        let seeds = match self.seeds.len() {
            1 => "1 seed".to_string(),
            count => format!("{count} seeds"),
        };
        format!(
            "{} · {pretraining} steps of {many} rows on {}, then {tuning} of {few} on {} · rates {} · rows of {} tokens · \
             {seeds}",
            self.model,
            self.old,
            self.target(),
            listed(self.rates.iter().copied().map(rate_name)),
            self.context
        )
    }

    /// What trials learn from.
    fn target(&self) -> String {
        let examples = &self.examples.data;
        match self.study {
            Study::Mitigations => self.new.clone(),
            Study::Forgetting => format!("{} and {examples}", self.new),
            Study::Transfer | Study::Schedules | Study::Objectives => examples.clone(),
        }
    }

    /// What differs from the settings that a study was begun with, as flags: what it was, and what it is now. Seeds may be
    /// added: a study of more seeds goes on from one of fewer.
    pub fn differences(&self, begun: &Self) -> Vec<String> {
        let added = begun.seeds.iter().all(|seed| self.seeds.contains(seed));
        let flags = self.flags().into_iter().zip(begun.flags());
        flags
            .filter(|((flag, now), (_, then))| now != then && !(*flag == "--seeds" && added))
            .map(|((flag, now), (_, then))| format!("{flag} was {then}, and is {now}"))
            .collect()
    }

    /// Every setting as the flag that gives it.
    fn flags(&self) -> Vec<(&'static str, String)> {
        let Self { study, seeds, model, vocabulary, context, pretraining, tuning, rates, labels, old, new, examples } =
            self;
        let Examples { data, text, label } = examples;
        vec![
            ("the study", study.name().into()),
            ("--seeds", listed(seeds.iter().map(u64::to_string))),
            ("--model", model.clone()),
            ("--vocabulary", vocabulary.to_string()),
            ("--context", context.to_string()),
            ("--pretraining", format!("{} of {} rows", pretraining.0, pretraining.1)),
            ("--steps", format!("{} of {} rows", tuning.0, tuning.1)),
            ("--rates", listed(rates.iter().copied().map(rate_name))),
            ("--labels", listed(labels.iter().map(u64::to_string))),
            ("--old", old.clone()),
            ("--new", new.clone()),
            ("--examples", data.clone()),
            ("--text", text.clone()),
            ("--label", label.clone()),
        ]
    }
}

fn listed(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(", ")
}

fn has_twice<T: PartialEq>(values: &[T]) -> bool {
    values.iter().enumerate().any(|(index, value)| values[..index].contains(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_and_quick_settings_are_whole() {
        for study in Study::ALL {
            let standard = Settings::standard(study);
            standard.validate().unwrap();
            let quick = standard.clone().quick();
            quick.validate().unwrap();
            assert!(quick.tuning.0 < standard.tuning.0 && quick.seeds.len() == 1, "{study:?}");
        }
    }

    #[test]
    fn what_differs_is_named_and_seeds_may_be_added() {
        let begun = Settings { seeds: vec![2], ..Settings::standard(Study::Transfer) };
        let more = Settings { seeds: vec![1, 2], ..begun.clone() };
        assert_eq!(more.differences(&begun), [""; 0]);
        assert_eq!(begun.differences(&more), ["--seeds was 1, 2, and is 2"]);
        let other = Settings { rates: vec![5e-4], old: "prose.txt".into(), ..begun.clone() };
        let begun = Settings { rates: vec![1e-3, 2e-3], ..begun };
        let said = ["--rates was 1e-3, 2e-3, and is 5e-4", "--old was world:stories, and is prose.txt"];
        assert_eq!(other.differences(&begun), said);
    }

    #[test]
    fn what_no_study_can_be_made_of_is_refused() {
        let standard = Settings::standard(Study::Transfer);
        for wrong in [
            Settings { seeds: vec![], ..standard.clone() },
            Settings { seeds: vec![1, 1], ..standard.clone() },
            Settings { rates: vec![f64::NAN], ..standard.clone() },
            Settings { rates: vec![0.0], ..standard.clone() },
            Settings { labels: vec![4, 0], ..standard.clone() },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }
}
