//! Warnings of rates that are too high and of groups that are dead: what is said, when, and how often.

use super::super::Observer;
use super::super::testing::{execute, plan, resume, stopped_with};
use super::super::warnings::Signs;
use super::*;
use crate::model::{Kind, Layer};
use crate::protocol::{By, Event};
use crate::run::records;

fn mlp(block: usize) -> Group {
    Group::new(Layer::Block(block), Kind::Mlp)
}

fn made(line: u64) -> Option<Made> {
    Some(Made { step: 1, line, by: By::Person })
}

#[test]
fn ratios_that_stay_too_high_are_said_once_and_again_after_a_change() {
    let mut health = Health::default();
    let ratios = |high: f64| vec![(mlp(0), 1e-3), (mlp(1), high), (mlp(2), f64::NAN)];
    let mut said = Vec::new();
    for (step, high) in (1..).zip([0.03, 0.03, 0.009, 0.02, 0.02, 0.031, 0.04, 0.04, 0.04]) {
        health.follow(step, None);
        said.extend(health.judge_ratios(&ratios(high)).map(|text| (step, text)));
    }
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].0, 6);
    assert!(said[0].1.contains("block.1/mlp:") && said[0].1.contains("try rate block.1/mlp x0.3"), "{}", said[0].1);
    // Somebody changed something, and it is so still.
    let again: Vec<u64> = (10..20)
        .filter(|step| {
            health.follow(*step, made(7));
            health.judge_ratios(&[(mlp(0), 0.25), (mlp(1), 0.02)]).is_some_and(|text| {
                assert!(
                    text.contains("block.0/mlp and 1 more of 2 groups") && text.ends_with("try rate x0.04"),
                    "{text}"
                );
                true
            })
        })
        .collect();
    assert_eq!(again, [12]);
}

#[test]
fn a_loss_that_leaps_again_and_again_is_said_and_noise_is_not() {
    let noise = |step: u64| crate::random::Random::new(5, step).uniform() - 0.5;
    let course = |leaps: &'static [u64], noisy: f64| {
        let mut health = Health::default();
        (1..=400).filter_map(move |step| {
            health.follow(step, None);
            let falling = 2.0 + 5.0 * (-(step as f64) / 60.0).exp() + noisy * noise(step);
            let loss = if leaps.contains(&step) { falling + 1.5 } else { falling };
            health.judge_loss(loss).map(|text| (step, text))
        })
    };
    let said: Vec<(u64, String)> = course(&[120, 150, 151, 180, 190], 0.2).collect();
    assert_eq!(said.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [151]);
    assert!(said[0].1.contains("at steps 120, 150, 151") && said[0].1.contains("rate x0.5"), "{}", said[0].1);
    assert_eq!(course(&[60, 170, 280, 390], 0.2).count(), 0, "far apart");
    assert_eq!(course(&[], 1.5).count(), 0, "noise");
}

#[test]
fn a_group_is_dead_after_steps_in_a_row() {
    let mut health = Health::default();
    let said: Vec<u64> = (1..=60)
        .filter(|step| {
            health.follow(*step, None);
            let silent = if *step == 10 { vec![mlp(1)] } else { vec![mlp(0), mlp(1)] };
            health.judge_silent(&silent).is_some()
        })
        .collect();
    assert_eq!(said, [20]);
    assert_eq!([0.031, 0.25, 0.0101, 1e9].map(suggested), [0.3, 0.04, 0.9, 0.001]);
}

/// Remembers what is noticed; kills an MLP before the first step.
#[derive(Default)]
struct Watcher {
    kills: bool,
    notices: Vec<(u64, String)>,
}

impl Observer for Watcher {
    fn event(&mut self, event: &Event) {
        if let Event::Notice(notice) = event {
            self.notices.push((notice.step, notice.text.clone()));
        }
    }

    fn between_steps(&mut self, phase: &mut PhaseRun) -> Result<bool> {
        if std::mem::take(&mut self.kills) {
            let parameters = &mut phase.learner.decoder.parameters;
            let ids: Vec<_> = parameters.iter().filter(|(_, p)| p.group == mlp(1)).map(|(id, _)| id).collect();
            for id in ids {
                parameters[id].value = parameters[id].value.zeros_like()?;
            }
        }
        Ok(false)
    }
}

#[test]
fn a_run_says_of_a_dead_group_and_of_a_rate_that_overwrites_its_base() {
    let folder = tempfile::tempdir().unwrap();
    let first = plan(&folder, "").to_toml().unwrap();
    let second = first[first.find("[[phase]]").unwrap()..].replace("name = \"tune\"", "name = \"again\"");
    let second = second.replace("learning_rate = 0.001", "learning_rate = 0.02");
    let file = folder.path().join("two.toml");
    std::fs::write(&file, format!("{first}\n{second}").replace("steps = 27", "steps = 31")).unwrap();
    let two = crate::run::plan::load(file.to_str().unwrap(), &Default::default()).unwrap();
    let mut watcher = Watcher { kills: true, ..Watcher::default() };
    execute(&two, &folder, &mut watcher);
    let said = |part: &str| -> Vec<u64> {
        watcher.notices.iter().filter(|(_, text)| text.contains(part)).map(|(step, _)| *step).collect()
    };
    assert_eq!(said("no gradient has reached block.1/mlp"), [20, 51], "{:?}", watcher.notices);
    assert_eq!(said("the rate is too high for"), [61], "not in the phase from new weights: {:?}", watcher.notices);
}

#[test]
fn what_was_counted_before_a_stop_counts_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = stopped_with(&plan(&folder, ""), &folder, 12, &mut Watcher { kills: true, ..Watcher::default() });
    resume(&folder, &run, None).unwrap();
    let notices = records::read(&run).unwrap().events.into_iter().filter_map(|event| match event {
        Event::Notice(notice) if notice.text.contains("no gradient has reached") => Some(notice.step),
        _ => None,
    });
    assert_eq!(notices.collect::<Vec<_>>(), [20]);
}

#[test]
fn what_is_counted_is_written_and_read_to_the_bit() {
    let mut signs = Signs::default();
    for step in 1..=40 {
        signs.health.follow(step, made(7));
        signs.health.judge_loss(2.0 + 0.1 * (step as f64).sin() + if step > 35 { 1.7 } else { 0.0 });
        signs.health.judge_silent(&[mlp(2)]);
    }
    signs.health.judge_ratios(&[(mlp(0), 0.3), (mlp(1), 1e-4)]);
    assert!(signs.health.said.leaps && signs.health.said.silent && signs.health.leaps.len() == 5);
    let written = serde_json::to_string(&serde_json::to_value(&signs).unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Signs>(&written).unwrap(), signs);
    // A checkpoint of before says nothing.
    assert_eq!(serde_json::from_value::<Signs>(serde_json::Value::Null).unwrap_or_default(), Signs::default());
}
