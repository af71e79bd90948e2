//! An encoder that fills masks, then judges texts while it replays masks, then gives numbers; and one that judges from the
//! first.

use super::testing::{Watcher, execute, load, resume, stopped_after, trained};
use crate::protocol::Evaluation;
use crate::run::checkpoint;
use crate::run::plan::Plan;
use candle_core::Device;
use tempfile::TempDir;

/// The last steps of the phases.
const BASE: u64 = 6;
const JUDGE: u64 = 26;
const VALUE: u64 = 28;
const FRESH: u64 = 30;

fn four_phases(folder: &TempDir) -> Plan {
    let write = |name: &str, row: fn(usize) -> serde_json::Value| {
        let path = folder.path().join(name);
        let rows: Vec<String> = (0..80).map(|index| row(index).to_string()).collect();
        std::fs::write(&path, rows.join("\n")).unwrap();
        path.display().to_string()
    };
    let text = write("text.jsonl", |index| {
        let taste = if index % 2 == 0 { "fine" } else { "stale" };
        serde_json::json!({ "text": format!("the cook sells {taste} bread number {index}. ").repeat(2) })
    });
    let classes = write("classes.jsonl", |index| {
        let (taste, label) = if index % 2 == 0 { ("fine", "good") } else { ("stale", "bad") };
        serde_json::json!({ "review": format!("{taste} bread {index}"), "label": label })
    });
    let numbers = write(
        "numbers.jsonl",
        |index| serde_json::json!({ "text": format!("bread number {index}"), "label": (index % 10) as f64 / 10.0 }),
    );
    let phase = |name: &str, objective: &str, corpus: &str, steps: u64, more: &str| {
        format!(
            "[[phase]]\nname = \"{name}\"\nobjective = \"{objective}\"\ncorpus = '{corpus}'\nsteps = {steps}\nbatch = 4\n\
             context = 24\nheld_out = 0.2\noptimizer = {{ learning_rate = 1e-3 }}\n{more}\n"
        )
    };
    let of_text = "evaluation = { tokens = 100 }\nmasking = { pseudo_tokens = 6 }";
    let judge = "text = \"{review}\"\nevaluation = { every = 10, tokens = 100 }\nreplay = { share = 0.25 }\n\
                 pull = { kl = 0.5 }\ncheckpoint_every = 4\nkeep = { last = 0 }";
    let text = format!(
        "name = \"small\"\ntokenizer = {{ vocabulary = 320 }}\nmodel = {{ preset = \"bert-1m\", context = 24 }}\n{}{}{}{}",
        phase("base", "mlm", &text, BASE, of_text),
        phase("judge", "classify", &classes, JUDGE - BASE, judge),
        phase("value", "regress", &numbers, VALUE - JUDGE, ""),
        phase("fresh", "classify", &classes, FRESH - VALUE, "text = \"review\"\nfrom = \"scratch\""),
    );
    load(folder, &text)
}

#[test]
fn an_encoder_judges_after_masks_and_from_the_first_and_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::default();
    execute(&four_phases(&folder), &folder, &mut watcher);
    let run = folder.path().join("home/runs/small");
    let of = |phase: &str, suite: &str| watcher.of(phase, suite);
    let names = |found: &Evaluation| found.metrics.iter().map(|metric| metric.name.clone()).collect::<Vec<_>>();
    let judge = of("judge", "judge");
    assert_eq!(judge.iter().map(|found| found.step - BASE).collect::<Vec<_>>(), [0, 10, 20]);
    assert!(judge[2].loss < judge[0].loss - 0.1, "{judge:?}");
    assert_eq!(names(judge[0]), ["accuracy", "macro_f1"]);
    // While it judges, what it fills masks with is held.
    let pulls = &watcher.pulls;
    assert!(
        pulls.len() as u64 == JUDGE - BASE && pulls[0] == 0.0 && pulls[1..].iter().all(|pull| *pull > 0.0),
        "{pulls:?}"
    );
    // The head that fills masks is measured beside it, and begins as the base left it.
    let masks = of("judge", "base");
    assert_eq!((masks[0].loss, masks[0].retention), (of("base", "base").last().unwrap().loss, Some(0.0)));
    assert!(masks[1..].iter().all(|found| found.retention.is_some()));
    assert_eq!(names(masks[0]), ["masked_accuracy", "pseudo_perplexity"]);
    assert_eq!(names(of("value", "value")[0]), ["pearson", "spearman", "mse"]);
    assert!(of("fresh", "base").is_empty());
    assert_eq!(names(of("fresh", "fresh")[0]), ["accuracy", "macro_f1"]);
    assert!(!watcher.notices.iter().any(|text| text.contains("got no gradient")), "{:?}", watcher.notices);

    let judged = run.join(format!("checkpoints/step-{JUDGE}"));
    let score = checkpoint::weights(&judged, &Device::Cpu).unwrap().config.score.unwrap();
    assert_eq!((score.labels().join(" "), score.dense), ("bad good".into(), true));
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(judged.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["architectures"][0], "BertForSequenceClassification");

    // Stopped while it judges, and gone on with from the newest checkpoint.
    let other = tempfile::tempdir().unwrap();
    let stopped = stopped_after(&four_phases(&other), &other, JUDGE - 3, &[]);
    resume(&other, &stopped, None).unwrap();
    for step in [JUDGE, VALUE, FRESH] {
        assert!(trained(&stopped, step) == trained(&run, step), "step {step}");
    }
}
