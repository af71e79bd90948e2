//! Heads that score texts, as a script uses them: `classify`, `eval --task`, `inspect`.

mod common;

use common::program::Bench;

/// A plan whose second phase teaches a head.
fn trained(objective: &str, rows: &[String]) -> Bench {
    let bench = Bench::new();
    bench.write("scored.jsonl", &rows.join("\n"));
    let (text, scored) = (bench.path("text.txt"), bench.path("scored.jsonl"));
    bench.write(
        "head.toml",
        &format!(
            "name = \"head\"\nseed = 3\ntokenizer = {{ vocabulary = 300 }}\n\
             model = {{ preset = \"llama-1m\", context = 64 }}\n\
             [[phase]]\nname = \"pre\"\nobjective = \"clm\"\ncorpus = \"{}\"\nsteps = 2\nbatch = 4\ncontext = 32\n\
             optimizer = {{ learning_rate = 3e-3 }}\n\
             [[phase]]\nname = \"score\"\nobjective = \"{objective}\"\ncorpus = \"{}\"\nsteps = 4\nbatch = 4\n\
             context = 32\noptimizer = {{ learning_rate = 1e-3 }}\n",
            text.display(),
            scored.display()
        ),
    );
    bench.json(&["train", "head.toml", "--json"]);
    bench
}

#[test]
fn a_classifier_names_its_labels_and_is_measured() {
    let rows: Vec<String> =
        (0..40).map(|i| format!(r#"{{"text":"day {i}","label":"{}"}}"#, ["wet", "dry"][i % 2])).collect();
    let bench = trained("classify", &rows);
    let report = &bench.json(&["classify", "head", "day 3", " day 4 ", "--json"])[0];
    let texts = report["texts"].as_array().unwrap();
    assert_eq!((texts.len(), texts[1]["text"].as_str(), report["cut"].as_u64()), (2, Some("day 4"), Some(0)));
    for text in texts {
        let of: Vec<f64> = text["probabilities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|label| label["probability"].as_f64().unwrap())
            .collect();
        assert!((of.iter().sum::<f64>() - 1.0).abs() < 1e-9 && of.len() == 2);
        let likeliest = if of[0] >= of[1] { "dry" } else { "wet" };
        assert_eq!(text["label"], likeliest);
    }
    bench.write("lines.txt", "day 3\n\n  day 4\n");
    assert_eq!(bench.json(&["classify", "head", "--file", "lines.txt", "--json"])[0]["texts"], report["texts"]);
    assert_eq!(bench.json(&["classify", "head", "a long text", "--context", "2", "--json"])[0]["cut"], 1);
    let eval = ["eval", "head", "--task", "classify", "--data", "scored.jsonl"];
    let measured = &bench.json(&[&eval[..], &["--json"]].concat())[0];
    let counts: Vec<Vec<u64>> = serde_json::from_value(measured["confusion"]["counts"].clone()).unwrap();
    assert_eq!(counts.iter().map(|row| row.iter().sum()).collect::<Vec<u64>>(), [20, 20]);
    let right = (counts[0][0] + counts[1][1]) as f64 / 40.0;
    assert!((measured["metrics"][0]["value"].as_f64().unwrap() - right).abs() < 1e-9);
    let inspected = &bench.json(&["inspect", "head@score", "--json"])[0];
    assert_eq!(inspected["labels"], serde_json::json!(["dry", "wet"]));
    assert!(bench.json(&["inspect", "head@pre", "--json"])[0].get("labels").is_none());
    bench.write("strange.jsonl", "{\"text\":\"a\",\"label\":\"hail\"}\n{\"text\":\"b\",\"label\":\"fog\"}");
    let strange = ["eval", "head", "--task", "classify", "--data", "strange.jsonl"];
    bench.refused(&strange, 1, &["hail", "fog", "dry", "wet"]);
    bench.refused(&["eval", "head", "--task", "regress", "--data", "scored.jsonl"], 1, &["--task classify"]);
    bench.refused(&["classify", "head@pre", "a"], 1, &["scores no texts", "classify"]);
    bench.refused(&["classify", "head", " "], 2, &["empty"]);
    bench.refused(&["classify", "head", "a", "--context", "65"], 1, &["64"]);
}

#[test]
fn a_regression_gives_numbers_and_is_measured() {
    let rows: Vec<String> =
        (0..40).map(|i| format!(r#"{{"text":"day {i}","label":{}}}"#, (i % 5) as f64 / 4.0)).collect();
    let bench = trained("regress", &rows);
    let report = &bench.json(&["classify", "head", "day 3", "--json"])[0]["texts"][0];
    assert!(report["number"].as_f64().is_some_and(f64::is_finite) && report.get("probabilities").is_none());
    let eval = ["eval", "head", "--task", "regress", "--data", "scored.jsonl", "--text", "text", "--label", "label"];
    let measured = &bench.json(&[&eval[..], &["--json"]].concat())[0];
    let names: Vec<_> = measured["metrics"].as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect();
    assert_eq!((names, measured["items"].as_u64()), (vec!["pearson", "spearman", "mse"], Some(40)));
    let difference = measured["loss"].as_f64().unwrap() - measured["metrics"][2]["value"].as_f64().unwrap();
    assert!(difference.abs() < 1e-9);
    assert_eq!(bench.json(&["inspect", "head@score", "--json"])[0]["regresses"], true);
}
