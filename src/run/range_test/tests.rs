//! Range tests over a small run: what they read, what they leave alone, what they refuse.

use super::*;
use crate::corpus::progress::Silent;
use crate::run::execute::testing::{plan, stopped_after};
use crate::run::plan;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const RANGE: Range = Range { from: 1e-6, to: 10.0, steps: 24 };

/// The small plan with a second phase behind it.
fn two_phases(folder: &TempDir) -> Plan {
    let first = plan(folder, "checkpoint_every = 10\nfrozen = [\"block.0\"]\n");
    let text = first.to_toml().unwrap();
    let second = text[text.find("[[phase]]").unwrap()..].replace("name = \"tune\"", "name = \"again\"");
    let file = folder.path().join("two.toml");
    std::fs::write(&file, format!("{text}\n{second}")).unwrap();
    plan::load(file.to_str().unwrap(), &plan::Overrides::default()).unwrap()
}

struct Asked<'a> {
    phase: Option<&'a str>,
    run: Option<&'a Path>,
    checkpoint: Option<&'a Path>,
    range: Range,
}

const PLAIN: Asked = Asked { phase: None, run: None, checkpoint: None, range: RANGE };

fn test(plan: &Plan, folder: &TempDir, asked: Asked) -> Result<Report> {
    let home = Home::find(Some(&folder.path().join("home"))).unwrap();
    let (cancel, device) = (AtomicBool::new(false), Device::Cpu);
    let Asked { phase, run, checkpoint, range } = asked;
    let (device, progress, home) = (&device, &Silent, &home);
    let request = Request { plan, phase, run, checkpoint, range, home, device, progress, cancel: &cancel };
    let mut told = 0;
    let report = range_test(&request, |_, _| told += 1);
    assert!(report.as_ref().is_ok_and(|report| report.points.len() == told) || report.is_err());
    report
}

/// Every file below a folder, with its bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(contents(&path)),
            false => files.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    files.sort();
    files
}

#[test]
fn a_plan_is_tested_from_its_first_weights_and_diverges_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let report = test(&two_phases(&folder), &folder, PLAIN).unwrap();
    assert_eq!((report.phase.as_str(), report.start.as_ref(), report.planned), ("tune", None, 1e-3));
    let first = report.points[0];
    assert_eq!((first.rate, first.loss), (1e-6, first.smoothed), "one loss is its own mean");
    assert!(report.points.windows(2).all(|pair| (pair[1].rate / pair[0].rate - 10f64.powf(7.0 / 23.0)).abs() < 1e-9));
    let mean = |count: usize| {
        let terms = report.points[..count].iter().rev().zip(0..);
        let weighted: f64 = terms.clone().map(|(point, age)| point.loss * KEPT.powi(age)).sum();
        weighted / terms.map(|(_, age)| KEPT.powi(age)).sum::<f64>()
    };
    (1..=report.points.len()).for_each(|count| {
        assert!((report.points[count - 1].smoothed - mean(count)).abs() < 1e-9, "of {count}");
    });
    let Suggestions { steepest, minimum_tenth, valley } = report.suggestions;
    for rate in [steepest, minimum_tenth, valley] {
        assert!((1e-6..1.0).contains(&rate.unwrap()), "{:?}", report.suggestions);
    }
    assert!(report.points.iter().any(|point| point.loss < first.loss - 0.5), "it learns on its way");
    assert!(report.ended == End::Diverged || report.points.last().unwrap().loss > first.loss, "{report:?}");
    assert!(!folder.path().join("home/runs").exists(), "no run is made");
}

#[test]
fn a_run_is_tested_from_its_checkpoints_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let two = two_phases(&folder);
    let run = stopped_after(&two, &folder, 29, &[]);
    let before = contents(&run);
    let short = Range { steps: 10, ..RANGE };
    let report = test(&two, &folder, Asked { run: Some(&run), range: short, ..PLAIN }).unwrap();
    assert_eq!(report.phase, "again", "the first that is not done");
    assert!(report.start.as_ref().unwrap().ends_with("step-27"));
    let first = test(&two, &folder, Asked { run: Some(&run), range: short, phase: Some("tune"), ..PLAIN }).unwrap();
    assert_eq!(first.start, None);
    assert!(report.points[0].loss < first.points[0].loss - 0.5, "it starts from what was learned");
    let middle = run.join("checkpoints/step-20");
    let asked = Asked { run: Some(&run), range: short, checkpoint: Some(&middle), ..PLAIN };
    let from_middle = test(&two, &folder, asked).unwrap();
    assert_eq!(from_middle.phase, "tune");
    assert!(from_middle.start.as_ref().unwrap().ends_with("step-20"));
    assert!(contents(&run) == before, "nothing of the run is touched");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let two = two_phases(&folder);
    let refused = |asked: Asked| test(&two, &folder, asked).unwrap_err().to_string();
    let error = refused(Asked { phase: Some("tunes"), ..PLAIN });
    assert!(error.contains("no phase \"tunes\"") && error.contains("tune, again"), "{error}");
    let error = refused(Asked { phase: Some("again"), ..PLAIN });
    assert!(error.contains("starts from the end of phase tune"), "{error}");
    for range in [
        Range { from: 0.0, ..RANGE },
        Range { from: 1.0, to: 0.1, ..RANGE },
        Range { to: f64::NAN, ..RANGE },
        Range { steps: 3, ..RANGE },
    ] {
        assert!(refused(Asked { range, ..PLAIN }).contains("next: give --"), "{range:?}");
    }
    let frozen = plan(&folder, "frozen = [\"all\"]");
    let error = test(&frozen, &folder, PLAIN).unwrap_err().to_string();
    assert!(error.contains("nothing is left to train"), "{error}");
}

#[test]
fn a_fork_leaves_the_weights_it_began_with_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let two = two_phases(&folder);
    let home = Home::find(Some(&folder.path().join("home"))).unwrap();
    let (cancel, device) = (AtomicBool::new(false), Device::Cpu);
    let (phase, run, checkpoint) = (None, None, None);
    let (plan, home, progress) = (&two, &home, &Silent);
    let request =
        Request { plan, phase, run, checkpoint, range: RANGE, home, device: &device, progress, cancel: &cancel };
    let start = start::find(&request).unwrap();
    let live = Arc::new(start.decoder);
    let values = || -> Vec<Vec<f32>> {
        let values = live.parameters.iter().map(|(_, parameter)| parameter.value.flatten_all().unwrap());
        values.map(|value| value.to_vec1().unwrap()).collect()
    };
    let before = values();
    let fork = Fork {
        plan: &two.phases[0],
        data: start.data,
        live: live.clone(),
        done: 3,
        groups: None,
        seed: two.seed,
        device: &device,
        range: RANGE,
    };
    let mut points = Vec::new();
    let (ended, found) = test_fork(&fork, &cancel, &mut |_, point| points.push(*point)).unwrap();
    assert!(found.valley.is_some() && points.iter().any(|point| point.loss < points[0].loss - 0.5), "{points:?}");
    assert!(ended == End::Diverged || points.len() == 24);
    assert!(values() == before, "the weights that were forked are touched");
    let state = |trainable| move |group| crate::protocol::GroupState { group, trainable, multiplier: 1.0 };
    let frozen: Vec<_> = live.parameters.groups().into_iter().map(state(false)).collect();
    let error = test_fork(&Fork { groups: Some(&frozen), ..fork }, &cancel, &mut |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("nothing trains") && error.contains("thaw a layer"), "{error}");
}
