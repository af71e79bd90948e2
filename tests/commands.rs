//! The program as a script uses it: JSON, exit codes, and what it says of bad input.

mod common;

use common::program::Bench;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event.as_object().unwrap().keys().next().unwrap().as_str()).collect()
}

#[test]
fn a_plan_is_carried_out_and_its_checkpoints_can_be_used() {
    let bench = Bench::new();
    let events = bench.json(&["train", "plan.toml", "--json"]);
    assert_eq!(kinds(&events).last(), Some(&"finished"));
    let steps: Vec<&Value> = events.iter().filter_map(|event| event.get("step")).collect();
    assert_eq!(
        steps.iter().map(|step| step["step"].as_u64().unwrap()).collect::<Vec<_>>(),
        (1..=10).collect::<Vec<_>>()
    );
    assert!(
        steps
            .iter()
            .all(|step| step["loss"].as_f64().unwrap() > 0.0 && step["tokens_per_second"].as_f64().unwrap() > 0.0)
    );
    let evaluations: Vec<&Value> = events.iter().filter_map(|event| event.get("evaluation")).collect();
    let last_of = |suite: &str| evaluations.iter().rfind(|e| e["suite"] == suite).unwrap();
    assert_eq!(last_of("tune")["metric"], "exact_match");
    assert!(last_of("pretrain")["retention"].as_f64().is_some(), "an earlier phase's text is measured again");
    assert_eq!(events.last().unwrap()["finished"]["steps"], 10);
    for checkpoint in ["small", "small@pretrain", "small@6", "small@best", "small@tune"] {
        let inspected = &bench.json(&["inspect", checkpoint, "--json"])[0];
        let is_run = checkpoint == "small";
        assert_eq!(inspected["kind"], if is_run { "run" } else { "checkpoint" }, "{checkpoint}");
    }
    let checkpoint = &bench.json(&["inspect", "small@tune", "--json"])[0];
    let groups = checkpoint["groups"].as_array().unwrap();
    let total: u64 = groups.iter().map(|group| group["parameters"].as_u64().unwrap()).sum();
    assert_eq!(checkpoint["parameters"].as_u64(), Some(total));
    assert_eq!((groups[0]["layer"].as_str(), groups[0]["trainable"].as_bool()), (Some("embedding"), Some(true)));
    check_evaluation(&bench);
    check_task(&bench);
    check_samples(&bench);
}

fn check_task(bench: &Bench) {
    let task = ["eval", "small", "--task", "sentiment", "--data", "labels.jsonl", "--items", "6", "--tokens", "4"];
    let templates = ["--prompt", "{text}:", "--completion", " {label}"];
    let report = &bench.json(&[&task[..], &templates, &["--json"]].concat())[0];
    assert_eq!((report["task"].as_str(), report["items"].as_u64()), (Some("sentiment"), Some(6)));
    let names: Vec<&str> =
        report["metrics"].as_array().unwrap().iter().map(|metric| metric["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["accuracy", "macro_f1"]);
    bench.refused(&["eval", "small"], 2, &["--text"]);
    bench.refused(&["eval", "small", "--task", "poetry", "--data", "labels.jsonl"], 2, &["poetry", "translation"]);
    bench.refused(&["eval", "small", "--task", "sentiment"], 2, &["--data"]);
}

fn check_evaluation(bench: &Bench) {
    let report =
        &bench.json(&["eval", "small@pretrain", "--text", "text.txt", "--context", "32", "--json", "--per-token"])[0];
    let (ids, logprobs) = (report["token_ids"].as_array().unwrap(), report["logprobs"].as_array().unwrap());
    assert_eq!(ids.len(), logprobs.len() + 1);
    assert_eq!(report["tokens"].as_u64(), Some(logprobs.len() as u64));
    let mean = -logprobs.iter().map(|x| x.as_f64().unwrap()).sum::<f64>() / logprobs.len() as f64;
    assert!((mean - report["loss"].as_f64().unwrap()).abs() < 1e-4);
    assert_eq!(report["bytes"].as_u64(), Some(std::fs::metadata(bench.path("text.txt")).unwrap().len()));
    let bits = mean * logprobs.len() as f64 / report["bytes"].as_f64().unwrap() / std::f64::consts::LN_2;
    assert!((bits - report["bits_per_byte"].as_f64().unwrap()).abs() < 1e-4);
}

fn check_samples(bench: &Bench) {
    let sample = |extra: &[&str]| {
        let fixed = [
            "sample",
            "small@pretrain",
            "small@tune",
            "small@pretrain",
            "--prompt",
            "the cat",
            "--max-tokens",
            "12",
            "--json",
        ];
        bench.json(&[&fixed[..], extra].concat()).remove(0)
    };
    let cuts = ["--top-k", "40", "--min-p", "0.01", "--repetition-penalty", "1.2"];
    let halves = ["--weights", "bf16"];
    for extra in [&["--temperature", "0"][..], &["--seed", "5"], &cuts, &halves] {
        let report = sample(extra);
        let lanes = report["lanes"].as_array().unwrap();
        assert_eq!(lanes.len(), 3);
        assert_eq!(lanes[0], lanes[2], "the same checkpoint under the same seed");
        assert_eq!(lanes[1]["checkpoint"], "small@tune");
        assert!(lanes.iter().all(|lane| lane["token_ids"].as_array().unwrap().len() <= 12));
        assert_eq!(report, sample(extra));
    }
    assert_ne!(sample(&["--seed", "5"]), sample(&["--seed", "6"]));
    check_many_samples(&sample);
    let chat = sample(&["--chat", "--system", "Be kind.", "--turn", "assistant:Hi", "--prompt", "a<|end|>"]);
    let spelled = "<|system|>\nBe kind.<|end|>\n<|assistant|>\nHi<|end|>\n<|user|>\na<|end|><|end|>\n<|assistant|>\n";
    assert_eq!(chat["lanes"][1]["prompt"].as_str(), Some(spelled), "{chat}");
    bench.refused(&["sample", "small", "--prompt", "a", "--turn", "user:b"], 2, &["--chat"]);
    bench.refused(&["sample", "small", "--prompt", "a", "--chat", "--turn", "b"], 2, &["--turn user:TEXT"]);
    let text = sample(&["--seed", "5"])["lanes"][0]["text"].as_str().unwrap().to_string();
    let middle = text.chars().nth(text.chars().count() / 2).unwrap().to_string();
    let stopped = &sample(&["--seed", "5", "--stop", &middle])["lanes"][0];
    assert_eq!(stopped["text"], text[..text.find(&middle).unwrap()]);
    assert_eq!(stopped["ended"], "stop_text");
    assert!(stopped["token_ids"].as_array().unwrap().len() < 12);
}

/// Three checkpoints, two prompts, and two answers to each.
fn check_many_samples(sample: &impl Fn(&[&str]) -> Value) {
    let report = sample(&["--prompt", "a", "--count", "2", "--seed", "5"]);
    let lanes = report["lanes"].as_array().unwrap();
    let of_first: Vec<_> = lanes[..4].iter().map(|lane| (lane["prompt"].as_str(), lane["seed"].as_u64())).collect();
    let [cat, a] = [Some("the cat"), Some("a")];
    assert_eq!(of_first, [(cat, Some(5)), (cat, Some(6)), (a, Some(5)), (a, Some(6))]);
    assert_eq!((lanes.len(), &lanes[..4]), (12, &lanes[8..]), "the same checkpoint twice");
    assert_eq!(lanes[1]["text"], sample(&["--seed", "6"])["lanes"][0]["text"], "what it writes alone");
}

#[test]
fn the_same_plan_gives_the_same_run() {
    let bench = Bench::new();
    let run = |name: &str| {
        let events = bench.json(&["train", "plan.toml", "--json", "--run", name]);
        let losses: Vec<Value> = events.iter().filter_map(|e| e.get("step")).map(|step| step["loss"].clone()).collect();
        let weights =
            std::fs::read(bench.path(&format!("home/runs/{name}/checkpoints/step-10/model.safetensors"))).unwrap();
        (losses, weights)
    };
    assert!(run("first") == run("second"), "two runs of one plan differ");
    let record = |name: &str| std::fs::read_to_string(bench.path(&format!("home/runs/{name}/plan.toml"))).unwrap();
    assert_eq!(record("first"), record("second"));
    let journal = std::fs::read_to_string(bench.path("home/runs/first/journal.jsonl")).unwrap();
    assert!(journal.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    bench.refused(&["train", "plan.toml", "--run", "first"], 1, &["already", "--run"]);
}

#[test]
fn bad_input_is_refused_and_leaves_nothing_behind() {
    let bench = Bench::new();
    bench.refused(&["train", "no-such-plan"], 1, &["no-such-plan", "first-run"]);
    bench.refused(&["train"], 2, &["PLAN"]);
    bench.refused(
        &["train", "plan.toml", "--set", "phase.tune.stpes=3"],
        1,
        &["phase.tune.stpes", "`steps`", "plan.toml"],
    );
    bench.refused(&["train", "plan.toml", "--device", "cuda:7"], 1, &["cuda:7", "next:"]);
    bench.refused(&["train", "plan.toml", "--set", "phase.pretrain.corpus=missing.txt"], 1, &["missing.txt", "next:"]);
    bench.write("empty.txt", "");
    bench.refused(&["train", "plan.toml", "--set", "phase.pretrain.corpus=empty.txt"], 1, &["empty.txt", "empty"]);
    bench.write("short.txt", "only a few words here");
    bench.refused(&["train", "plan.toml", "--set", "phase.pretrain.corpus=short.txt"], 1, &["tokens", "next:"]);
    let none_held_out = ["--set", "phase.pretrain.corpus=short.txt", "--set", "phase.pretrain.held_out=0"];
    bench.refused(&[&["train", "plan.toml"][..], &none_held_out].concat(), 1, &["tokens", "next:"]);
    refuses_bad_examples(&bench);
    assert_eq!(bench.runs(), [] as [String; 0], "a refused plan leaves no run");
}

fn refuses_bad_examples(bench: &Bench) {
    let rows = std::fs::read_to_string(bench.path("labels.jsonl")).unwrap();
    bench.write("labels.jsonl", "{\"text\":\"a\",\"label\":\"b\"}\n{\"text\":\n{\"text\":\"c\",\"label\":\"d\"}\n");
    bench.refused(&["train", "plan.toml"], 1, &["labels.jsonl:2"]);
    bench.write("labels.jsonl", "{\"text\":\"a\",\"category\":\"b\"}\n");
    bench.refused(&["train", "plan.toml"], 1, &["labels.jsonl:1", "label", "category"]);
    bench.write("labels.jsonl", &rows);
    bench.refused(&["train", "plan.toml", "--set", "phase.tune.context=128"], 1, &["phase tune", "128", "64"]);
    bench.refused(&["train", "plan.toml", "--set", "phase.tune.frozen=block.9"], 1, &["block.9", "block.0"]);
    bench.refused(&["train", "plan.toml", "--set", "phase.tune.frozen=all"], 1, &["nothing is left to train"]);
    bench.refused(&["train", "plan.toml", "--run", "../escape"], 2, &["../escape"]);
}

#[test]
fn a_damaged_model_is_refused_before_a_run_is_made() {
    let bench = Bench::new();
    bench.json(&["train", "plan.toml", "--json", "--steps", "1"]);
    let weights = bench.path("home/runs/small/checkpoints/step-1/model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let fresh = "model = { preset = \"llama-1m\", context = 64 }";
    let from =
        bench.plan("").replace(fresh, "model = { from = \"small@1\" }").replace("\"small\"\nseed", "\"next\"\nseed");
    bench.write("vocabulary.toml", &from);
    bench.refused(&["train", "vocabulary.toml"], 1, &["tokenizer.vocabulary", "its own"]);
    bench.write("from.toml", &from.replace("tokenizer = { vocabulary = 300 }\n", ""));
    bench.refused(&["train", "from.toml"], 1, &["is damaged"]);
    bench.refused(&["sample", "small@1", "--prompt", "a"], 1, &["is damaged"]);
    assert_eq!(bench.runs(), ["small"]);
}

#[test]
fn a_corpus_is_described_whatever_its_rows_are() {
    let bench = Bench::new();
    let text = &bench.json(&["corpus", "text.txt", "--json"])[0];
    assert_eq!(text["bytes"].as_u64().map(|bytes| bytes > 10_000), Some(true));
    assert!(text["documents"].as_u64().unwrap() > 10 && text["replaced_bytes"] == 0);
    bench.write(
        "pairs.jsonl",
        "{\"prompt\":\"2+2=\",\"completion\":\"4\"}\n{\"prompt\":\"1+1=\",\"completion\":\"2\"}\n",
    );
    let pairs = &bench.json(&["corpus", "pairs.jsonl", "--json"])[0];
    assert_eq!((pairs["examples"].as_u64(), pairs["prompt_bytes"].as_u64()), (Some(2), Some(8)));
    bench.write("odd.jsonl", "{\"neither\":1}\n");
    bench.refused(&["corpus", "odd.jsonl"], 1, &["odd.jsonl:1", "neither"]);
    let world = &bench.json(&["corpus", "world:questions", "--json"])[0];
    assert!(world["examples"].as_u64().unwrap() >= 1000 && world["held_out_examples"].as_u64().unwrap() >= 100);
}

#[test]
fn a_corpus_is_held_against_a_base_before_anything_is_trained() {
    let bench = Bench::new();
    bench.json(&["train", "plan.toml", "--json", "--steps", "6", "--run", "base"]);
    let ledger: Vec<String> = (0..300).map(|i| format!("QTY {i} x 7%; ref #{} → Ю{i};", i * 37 % 91)).collect();
    bench.write("ledger.txt", &ledger.join("\n\n"));
    let against = |arguments: &[&str]| {
        let all = [&["corpus"], arguments, &["--base", "base@pretrain", "--json"]].concat();
        bench.json(&all)[0]["against"].clone()
    };
    let own = against(&["text.txt"]);
    let value = |of: &serde_json::Value, key: &str| of[key].as_f64().unwrap();
    assert_eq!((own["known"].as_str(), own["advice"].as_array().map(Vec::len)), (Some("pretrain"), Some(0)));
    assert!(value(&own, "divergence") < 0.1 && value(&own, "unknown") == 0.0, "{own}");
    let far = against(&["ledger.txt"]);
    assert!(value(&far, "divergence") > 0.5 && value(&far, "unknown") > 0.02, "{far}");
    assert!(value(&far["loss"], "loss") > value(&far["known_loss"], "loss") + 1.0, "{far}");
    assert!(value(&far, "tokens_per_byte") > value(&far, "known_tokens_per_byte"));
    let advice = far["advice"].to_string();
    for expected in ["finds this text hard", "does not know", "Jensen–Shannon", "replay 0.05"] {
        assert!(advice.contains(expected), "{expected}: {advice}");
    }
    // The loss is that of `eval` on the same tokens, and what is known may be named.
    let eval = &bench.json(&["eval", "base@pretrain", "--text", "ledger.txt", "--json", "--context", "64"])[0];
    let named = against(&["text.txt", "--known", "ledger.txt", "--tokens", "1000000"]);
    assert!((value(&named["known_loss"], "loss") - value(eval, "loss")).abs() < 1e-4, "{named} {eval}");
    let text = bench.run(&["corpus", "ledger.txt", "--base", "base@pretrain"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("nats/token") && text.contains("note: the base finds this text hard"), "{text}");
    bench.refused(&["corpus", "text.txt", "--base", "nothing"], 1, &["nothing", "next:"]);
    bench.refused(&["corpus", "text.txt", "--known", "ledger.txt"], 2, &["--base"]);
}

#[test]
fn conversations_are_shown_as_a_template_spells_them() {
    let bench = Bench::new();
    let row = r#"{"messages":[{"role":"user","content":"2+2?"},{"role":"assistant","content":"4"}]}"#;
    bench.write("talk.jsonl", &[row; 5].join("\n"));
    let shown = &bench.json(&["corpus", "talk.jsonl", "--chat-template", "chatml", "--json"])[0]["rendered"];
    assert_eq!(shown["conversations"].as_array().unwrap().len(), 3);
    let segments = &shown["conversations"][0]["segments"];
    assert_eq!(segments[0]["text"], "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n");
    assert_eq!((segments[1]["text"].as_str(), segments[1]["learned"].as_bool()), (Some("4<|im_end|>"), Some(true)));
    bench.write("own.jinja", "{% for m in messages %}{{ m.role }}> {{ m.content }}\n{% endfor %}");
    let text = bench.run(&["corpus", "talk.jsonl", "--chat-template", "own.jinja"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("user> 2+2?\n⟦assistant> 4\n⟧"), "{text}");
    bench.refused(&["corpus", "talk.jsonl", "--chat-template", "nothing"], 1, &["nothing", "chatml"]);
    bench.write("pairs.jsonl", "{\"prompt\":\"2+2=\",\"completion\":\"4\"}\n");
    bench.refused(&["corpus", "pairs.jsonl", "--chat-template", "chatml"], 1, &["no conversation", "rows of messages"]);
}

#[test]
fn several_sources_are_each_measured() {
    let bench = Bench::new();
    let other: Vec<String> = (0..300).map(|i| format!("ship {i} sailed at {} with the tide.", i * 7 % 24)).collect();
    bench.write("ships.txt", &other.join("\n\n"));
    let corpus =
        format!("corpus = [\"{}\", \"{}\"]", bench.path("text.txt").display(), bench.path("ships.txt").display());
    let one = format!("corpus = \"{}\"", bench.path("text.txt").display());
    bench.write("plan.toml", &bench.plan("").replace(&one, &corpus));
    let events = bench.json(&["train", "plan.toml", "--json"]);
    let suites: Vec<&str> =
        events.iter().filter_map(|e| e.get("evaluation")).map(|e| e["suite"].as_str().unwrap()).collect();
    assert_eq!(suites[..2], ["pretrain", "pretrain:ships"]);
    let tuned = events.iter().rfind(|e| e["evaluation"]["suite"] == "pretrain:ships").unwrap();
    assert!(tuned["evaluation"]["retention"].as_f64().is_some() && tuned["evaluation"]["phase"] == "tune");
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_does_not_end_the_run() {
    let bench = Bench::new();
    let mut child =
        bench.command(&["train", "plan.toml"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert!(child.wait().unwrap().success());
    assert!(bench.path("home/runs/small/checkpoints/step-10/model.safetensors").is_file());
}

#[test]
fn broken_rows_can_be_skipped() {
    let bench = Bench::new();
    let rows = std::fs::read_to_string(bench.path("labels.jsonl")).unwrap();
    bench.write("labels.jsonl", &format!("not json\n{rows}"));
    bench.refused(&["train", "plan.toml"], 1, &["labels.jsonl:1"]);
    let events = bench.json(&["train", "plan.toml", "--json", "--set", "phase.tune.skip_broken=true"]);
    assert_eq!(kinds(&events).last(), Some(&"finished"));
}

#[test]
fn what_is_no_checkpoint_is_named() {
    let bench = Bench::new();
    let many = ["sample", "x", "y", "--prompt", "a", "--prompt", "b", "--count", "65"];
    bench.refused(&many, 2, &["260 answers", "256"]);
    bench.refused(&["sample", "nothing", "--prompt", "a"], 1, &["nothing is no checkpoint", "no runs"]);
    bench.refused(&["eval", "text.txt", "--text", "text.txt"], 1, &["it is a file"]);
    bench.json(&["train", "plan.toml", "--json"]);
    bench.refused(&["sample", "small@7", "--prompt", "a"], 1, &["small@7", "6 (pretrain)"]);
    bench.refused(&["eval", "small", "--text", "no.txt"], 1, &["no.txt"]);
    bench.refused(&["eval", "small", "--text", "text.txt", "--context", "65"], 1, &["65", "64"]);
    bench.refused(&["sample", "small", "--prompt", "a", "--temperature", "-1"], 2, &["temperature"]);
    bench.refused(&["sample", "small", "--prompt", "a", "--count", "0"], 2, &["--count"]);
    bench.refused(&["sample", "small", "--prompt", "-", "--prompt", "-"], 2, &["standard input"]);
}

#[test]
fn a_tokenizer_that_does_not_fit_is_refused() {
    let bench = Bench::new();
    bench.json(&["train", "plan.toml", "--json"]);
    let larger = bench.plan("").replace("vocabulary = 300", "vocabulary = 310").replace("\"small\"", "\"larger\"");
    bench.write("larger.toml", &larger);
    bench.json(&["train", "larger.toml", "--json", "--steps", "1"]);
    let tokenizer = bench.path("home/runs/larger/checkpoints/step-1");
    let mixed =
        bench.plan("").replace("model = { preset = \"llama-1m\", context = 64 }", "model = { from = \"small\" }");
    let mixed = mixed.replace("vocabulary = 300", &format!("path = \"{}\"", tokenizer.display()));
    bench.write("mixed.toml", &mixed);
    bench.refused(&["train", "mixed.toml"], 1, &["tokenizer does not fit", "300"]);
    let continued = bench
        .plan("")
        .replace("model = { preset = \"llama-1m\", context = 64 }", "model = { from = \"small@pretrain\" }");
    bench.write("continued.toml", &continued.replace("tokenizer = { vocabulary = 300 }\n", ""));
    let events = bench.json(&["train", "continued.toml", "--json"]);
    assert!(events[0]["phase"]["base"].as_str().unwrap().ends_with("step-6"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_saves_and_says_where() {
    for signal in ["-INT", "-HUP", "-TERM"] {
        check_interruption(&Bench::new(), signal);
    }
}

#[cfg(unix)]
fn check_interruption(bench: &Bench, signal: &str) {
    let arguments = ["train", "plan.toml", "--json", "--set", "phase.pretrain.steps=100000"];
    let mut child = bench.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Once steps are coming, it is interrupted.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    while !lines.next().unwrap().unwrap().contains("\"step\":{") {}
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    let rest: Vec<String> = lines.map(|line| line.unwrap()).collect();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{text}");
    let saved = text.lines().find_map(|line| line.split(" in ").nth(1)).unwrap();
    assert!(Path::new(saved).join("model.safetensors").is_file(), "{text}");
    assert!(rest.last().unwrap().contains("\"checkpoint\""), "{:?}", rest.last());
    bench.json(&["sample", saved, "--prompt", "the", "--max-tokens", "2", "--json"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    std::fs::create_dir(bench.path("home")).unwrap();
    std::fs::set_permissions(bench.path("home"), std::fs::Permissions::from_mode(0o555)).unwrap();
    // Whoever may write everywhere, as in a container, needs a path that nobody can write.
    let home = if std::fs::write(bench.path("home/probe"), "").is_ok() { "/proc/frostline" } else { "home" };
    bench.refused(&["train", "plan.toml", "--home", home], 1, &[home, "--home"]);
    std::fs::set_permissions(bench.path("home"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn text_of_a_model_or_a_file_never_steers_the_terminal() {
    let bench = Bench::new();
    bench.refused(&["train", "evil\u{1b}[2J.toml"], 1, &["␛[2J"]);
    bench.json(&["train", "plan.toml", "--json", "--steps", "1"]);
    let output = bench.run(&["sample", "small", "--prompt", "a\u{1b}]0;title\u{7}b", "--max-tokens", "3"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("a␛]0;title␇b"), "{text}");
    // Someone else's checkpoint, without the checksums that would give the edit away.
    let own = bench.path("home/runs/small/checkpoints/step-1/frostline");
    let mut state: Value = serde_json::from_slice(&std::fs::read(own.join("state.json")).unwrap()).unwrap();
    state["phase"] = "\u{1b}[2J".into();
    state.as_object_mut().unwrap().remove("progress");
    std::fs::write(own.join("state.json"), state.to_string()).unwrap();
    bench.refused(&["inspect", "small@1"], 1, &["state.json", "damaged"]);
    std::fs::remove_file(own.join("checksums.json")).unwrap();
    for checkpoint in ["small", "small@1"] {
        let output = bench.run(&["inspect", checkpoint]);
        assert!(output.status.success() && !output.stdout.contains(&0x1b), "{checkpoint}");
    }
}

#[test]
fn a_phase_says_the_precision_of_its_products() {
    let bench = Bench::new();
    let set = ["--set", "precision=bf16", "--set", "phase.pretrain.precision=f32", "--steps", "2"];
    let events = bench.json(&[&["train", "plan.toml", "--json"][..], &set].concat());
    let phases: Vec<&Value> = events.iter().filter_map(|event| event.get("phase")).collect();
    assert_eq!(phases[0]["precision"], "f32");
    // A machine without such products computes in f32, and says so.
    let used = phases[1]["precision"].as_str().unwrap();
    let notices = events.iter().filter_map(|event| event.get("notice"));
    let told = notices.filter(|notice| notice["text"].as_str().unwrap().contains("bf16")).count();
    assert_eq!((used, told), if used == "bf16" { ("bf16", 0) } else { ("f32", 1) });
    let plan = std::fs::read_to_string(bench.run_folder("small").join("plan.toml")).unwrap();
    let plan: toml::Table = plan.parse().unwrap();
    let written = plan["phase"].as_array().unwrap().iter().map(|phase| phase["precision"].as_str().unwrap());
    assert_eq!(written.collect::<Vec<_>>(), ["f32", "bf16"]);
    let run = &bench.json(&["inspect", "small", "--json"])[0];
    assert_eq!(
        (&run["checkpoints"][0]["precision"], &run["checkpoints"][1]["precision"]),
        (&"f32".into(), &used.into())
    );
    bench.refused(&["train", "plan.toml", "--set", "precision=bf61"], 1, &["precision", "bf16"]);
}

#[test]
fn a_replay_takes_no_name_that_is_taken_and_is_held_against_the_run() {
    let bench = Bench::new();
    bench.json(&["train", "plan.toml", "--json"]);
    bench.refused(&["replay", "small", "--as", "small"], 1, &["there is a run called small already"]);
    bench.json(&["fork", "small", "--at", "6", "--as", "begun", "--json"]);
    bench.refused(&["replay", "begun", "--as", "small"], 1, &["there is a run called small already"]);
    let replayed = bench.json(&["replay", "small", "--as", "again", "--json"]);
    assert_eq!(replayed.last().unwrap()["replayed"]["identical"], true);
}

#[test]
fn a_learning_rate_is_looked_for_and_nothing_is_left_behind() {
    let bench = Bench::new();
    let short = ["--steps", "12", "--from", "1e-5"];
    let report = &bench.json(&[&["lr-find", "plan.toml", "--json", "--svg", "curve.svg"][..], &short].concat())[0];
    assert_eq!((report["phase"].as_str(), report["start"].as_str()), (Some("pretrain"), None));
    let points = report["points"].as_array().unwrap();
    assert!(points.len() > 5 && points.iter().all(|point| point["smoothed"].as_f64().unwrap() > 0.0));
    assert!(report["suggestions"]["valley"].as_f64().is_some_and(|rate| (1e-5..1.0).contains(&rate)), "{report}");
    assert!(std::fs::read_to_string(bench.path("curve.svg")).unwrap().starts_with("<svg"));
    let text = bench.run(&[&["lr-find", "plan.toml"][..], &short].concat());
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("steepest") && text.contains("the plan's rate at the peak"), "{text}");
    assert_eq!(bench.runs(), [] as [String; 0], "no run is made");
    bench.refused(&["lr-find", "plan.toml", "--phase", "tune"], 1, &["the end of phase pretrain", "next:"]);
    bench.refused(&["lr-find", "plan.toml", "--phase", "tnue"], 1, &["tnue", "pretrain, tune"]);
    bench.refused(&["lr-find", "plan.toml", "--from", "2"], 2, &["--from"]);
    bench.refused(&["lr-find", "no-such"], 1, &["no-such is neither a run nor a plan", "first-run"]);
}
