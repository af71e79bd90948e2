//! The lab, from the command line: a study is carried out, interrupted, gone on with, and shown.

mod common;

use common::program::Bench;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// A study of moments.
const SMALL: [&str; 14] = [
    "--rates",
    "2e-3",
    "--steps",
    "2",
    "--pretraining",
    "3",
    "--context",
    "16",
    "--vocabulary",
    "300",
    "--old",
    "text.txt",
    "--new",
    "other.txt",
];

fn bench() -> Bench {
    let bench = Bench::new();
    let lines: Vec<String> = (0..200).map(|i| format!("crate {i} of salt, barrel {} of oil", i * 7 % 50)).collect();
    bench.write("other.txt", &lines.join("\n\n"));
    bench
}

fn arguments<'a>(own: &[&'a str]) -> Vec<&'a str> {
    ["lab", "mitigations"].iter().chain(&SMALL).chain(own).copied().collect()
}

/// Of each trial its phase and what it came to.
fn figures(report: &Value) -> Vec<(String, String)> {
    let trials = report["trials"].as_array().unwrap().iter();
    trials.map(|trial| (trial["phase"].to_string(), trial["values"].to_string())).collect()
}

#[test]
fn a_study_is_carried_out_and_its_figures_stay() {
    let bench = bench();
    let report = &bench.json(&arguments(&["--seeds", "1,2", "--svg", "plane.svg", "--json"]))[0];
    assert_eq!(report["progress"]["done"], report["progress"]["total"]);
    let points = report["points"].as_array().unwrap();
    for method in ["base", "plain", "replay + KL", "gradual unfreezing", "WiSE-FT"] {
        let point = points.iter().find(|point| point["method"] == method).unwrap_or_else(|| panic!("no {method}"));
        assert_eq!(point["y"]["count"], 2, "{method}");
        assert!(point["y"]["mean"].as_f64().unwrap() > 0.0, "{method}");
    }
    assert!(points.iter().any(|point| point["is_front"] == true));
    assert!(!report["findings"].as_array().unwrap().is_empty());
    // Every trial is a phase of a run that can be looked at; the plain one's weights are there.
    assert_eq!(bench.runs().len(), 2);
    assert!(bench.run(&["inspect", "mitigations-2@plain-2e-3"]).status.success());
    assert!(std::fs::read_to_string(bench.path("plane.svg")).unwrap().starts_with("<svg"));
    // Again, nothing is trained; without the runs, and from other words, the same is shown.
    std::fs::remove_dir_all(bench.path("home/runs")).unwrap();
    assert_eq!(&bench.json(&arguments(&["--seeds", "1,2", "--json"]))[0]["points"], &report["points"]);
    assert_eq!(&bench.json(&["lab", "mitigations", "--show", "--json"])[0]["points"], &report["points"]);
    let shown = String::from_utf8(bench.run(&["lab", "mitigations", "--show"]).stdout).unwrap();
    assert!(shown.contains("lower half frozen") && shown.contains('✓'), "{shown}");
    bench.refused(&arguments(&["--seeds", "1,3"]), 1, &["begun with other settings", "--name"]);
}

#[test]
fn a_study_that_was_stopped_goes_on_to_the_same_figures() {
    let bench = bench();
    let mut child = bench
        .command(&arguments(&["--seeds", "1", "--name", "stopped"]))
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().contains("l2-sp")).unwrap().unwrap();
    // SAFETY: kill takes plain numbers, and the process is our own child.
    assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGINT) }, 0);
    let rest: Vec<String> = lines.map(|line| line.unwrap()).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("the same command goes on")), "{rest:?}");
    let gone_on = bench.json(&arguments(&["--seeds", "1", "--name", "stopped", "--json"]));
    let at_once = bench.json(&arguments(&["--seeds", "1", "--name", "at-once", "--json"]));
    assert_eq!(figures(&gone_on[0]), figures(&at_once[0]));
}

#[test]
fn what_cannot_be_studied_is_refused() {
    let bench = bench();
    bench.refused(&["lab", "miracles"], 2, &["no study", "mitigations"]);
    bench.refused(&["lab", "forgetting", "--show"], 1, &["no study forgetting yet"]);
    bench.refused(&["lab", "mitigations", "--rates", "0"], 2, &["rates between"]);
    bench.refused(&["lab", "mitigations", "--name", "../x"], 2, &["cannot name a study"]);
    bench.refused(&["lab", "mitigations", "--new", "nowhere.txt"], 1, &["nowhere.txt"]);
    assert!(bench.runs().is_empty());
    // What was refused for its data has begun nothing.
    assert!(!bench.path("home/lab/mitigations/settings.json").exists());
}
