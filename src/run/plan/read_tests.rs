//! Plans that can be read, and what is said of others.

use super::*;

const SMALL: &str = r#"
    name = "small"
    tokenizer = { vocabulary = 300 }
    model = { preset = "llama-1m" }
    [[phase]]
    name = "pretrain"
    objective = "clm"
    corpus = "a.txt"
    steps = 10
    optimizer = { learning_rate = 1e-3 }
    [[phase]]
    name = "tune"
    objective = "sft"
    corpus = ["b.jsonl"]
    epochs = 2
    frozen = ["embedding", "block.0-1"]
    optimizer = { learning_rate = 1e-4 }
    schedule = { kind = "cosine", warmup = 5 }
"#;

fn parse_with(text: &str, set: &[&str]) -> Result<Plan> {
    parse("small.toml", text, &Overrides { set: set.iter().map(|s| s.to_string()).collect(), ..Default::default() })
}

#[test]
fn a_plan_written_down_reads_back_the_same() {
    let plan = parse_with(SMALL, &[]).unwrap();
    assert_eq!(parse_with(&plan.to_toml().unwrap(), &[]).unwrap(), plan);
    assert_eq!((plan.phases[1].batch, plan.phases[1].held_out), (16, 0.02));
    for (name, _, text) in PRESETS {
        let plan = parse(name, text, &Overrides::default()).unwrap();
        assert_eq!(parse_with(&plan.to_toml().unwrap(), &[]).unwrap(), plan, "{name}");
    }
}

#[test]
fn the_command_line_overrides() {
    let plan =
        parse_with(SMALL, &["phase.tune.optimizer.learning_rate=0.5", "model.preset=gpt2-1m", "phase.0.steps=3"]);
    let plan = plan.unwrap();
    assert_eq!(plan.phases[1].optimizer.learning_rate, 0.5);
    assert_eq!(plan.model.preset.as_deref(), Some("gpt2-1m"));
    assert_eq!(plan.phases[0].steps, Some(3));
    let all = parse("x", SMALL, &Overrides { steps: Some(7), seed: Some(5), ..Default::default() }).unwrap();
    assert_eq!((all.seed, all.phases[1].steps, all.phases[1].epochs), (5, Some(7), None));
    assert_eq!(parse_with(SMALL, &["phase.other.steps=3"]).unwrap_err().exit_code(), 2);
}

#[test]
fn errors_name_the_key_the_file_and_the_nearest_valid_one() {
    let cases: [(&str, &str, &[&str]); 13] = [
        ("steps = 10", "steps = 10\nprecision = \"bf61\"", &["phase.pretrain.precision", "\"bf16\"", "small.toml"]),
        ("steps = 10", "stpes = 10", &["phase.pretrain.stpes", "`steps`", "small.toml"]),
        ("warmup = 5", "warmpu = 5", &["phase.tune.schedule.warmpu", "`warmup`"]),
        ("warmup = 5", "cut = 0.1", &["phase.tune.schedule.cut", "cosine"]),
        ("\"cosine\"", "\"cosin\"", &["phase.tune.schedule.kind", "\"cosine\""]),
        ("\"llama-1m\"", "\"lama-1m\"", &["model.preset", "\"llama-1m\""]),
        ("steps = 10", "steps = -1", &["phase.pretrain.steps", "-1 is impossible"]),
        ("steps = 10", "steps = 10\nepochs = 1", &["phase.pretrain.epochs", "not both"]),
        ("steps = 10", "steps = \"ten\"", &["phase.pretrain.steps", "whole number"]),
        ("block.0-1", "block.x", &["phase.tune.frozen", "block.x"]),
        ("steps = 10", "steps = 10\nprompt = \"a\"", &["phase.pretrain.prompt", "sft"]),
        ("epochs = 2", "epochs = 2\nfrom = \"pretrian\"", &["phase.tune.from", "\"pretrain\""]),
        ("name = \"small\"", "name = \"../x\"", &["name", "folder"]),
    ];
    for (from, to, parts) in cases {
        let error = parse_with(&SMALL.replacen(from, to, 1), &[]).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{to}: \"{part}\" is not in: {error}");
        }
    }
}

#[test]
fn a_phase_has_the_plans_precision_or_its_own() {
    let precisions = |set: &[&str]| {
        let plan = parse_with(SMALL, set).unwrap();
        assert_eq!(parse_with(&plan.to_toml().unwrap(), &[]).unwrap(), plan);
        [plan.phases[0].precision, plan.phases[1].precision]
    };
    let (single, half) = (Precision::F32, Precision::Bf16);
    assert_eq!(precisions(&[]), [single, single]);
    assert_eq!(precisions(&["precision=bf16"]), [half, half]);
    assert_eq!(precisions(&["precision=bf16", "phase.tune.precision=f32"]), [half, single]);
    assert_eq!(precisions(&["phase.tune.precision=bf16"]), [single, half]);
    assert_eq!(precisions(&["phase.tune.precision=f32", "precision=bf16"]), [half, single]);
    // A run's own plan names it in every phase.
    let written = parse_with(SMALL, &[]).unwrap().to_toml().unwrap();
    assert!(written.contains("precision = \"f32\""));
    let changed = parse_with(&written, &["precision=bf16"]).unwrap();
    assert_eq!((changed.phases[0].precision, changed.phases[1].precision), (half, half));
    assert_eq!(changed.phases[1].prefix_cache.precision, single);
}

#[test]
fn lineage_follows_from() {
    let text = format!(
        "{SMALL}\n[[phase]]\nname = \"fresh\"\nobjective = \"clm\"\ncorpus = \"a\"\nsteps = 1\nfrom = \"scratch\"\noptimizer = {{ learning_rate = 1.0 }}\n[[phase]]\nname = \"branch\"\nobjective = \"clm\"\ncorpus = \"a\"\nsteps = 1\nfrom = \"tune\"\noptimizer = {{ learning_rate = 1.0 }}"
    );
    let plan = parse_with(&text, &[]).unwrap();
    assert_eq!((plan.parent(0), plan.parent(1), plan.parent(2), plan.parent(3)), (None, Some(0), None, Some(1)));
    assert_eq!(plan.ancestors(3), [1, 0]);
}
