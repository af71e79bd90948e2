//! `frostline bench`: figures as JSON, and what is refused before anything is measured.

mod common;

use common::program::Bench;
use serde_json::Value;

/// A model that takes no time.
const TINY: [&str; 10] = ["--layers", "2", "--heads", "2", "--width", "32", "--context", "32", "--vocabulary", "300"];

fn measured(bench: &Bench, what: &str, flags: &[&str]) -> Value {
    bench.json(&[&["bench", what, "--json", "--threads", "1"], flags].concat()).remove(0)
}

fn step(bench: &Bench, flags: &[&str]) -> Value {
    measured(bench, "step", &[&TINY[..], &["--batch", "4", "--steps", "3"], flags].concat())
}

#[test]
fn steps_are_measured() {
    let bench = Bench::new();
    let full = step(&bench, &[]);
    for figure in ["tokens_per_second", "step_seconds", "peak_rss_bytes", "gflops"] {
        assert!(full[figure].as_f64().unwrap() > 0.0, "{figure}: {full}");
    }
    let tokens = full["tokens_per_second"].as_f64().unwrap() * full["step_seconds"].as_f64().unwrap();
    assert!((tokens - 128.0).abs() < 1e-6, "{tokens}");
    assert_eq!(
        (&full["parameters"], &full["trainable"], &full["threads"]),
        (&36_096.into(), &36_096.into(), &1.into())
    );
    // The same tokens again and again are learned.
    assert!(full["loss_last"].as_f64().unwrap() < full["loss_first"].as_f64().unwrap());
    let divided = step(&bench, &["--accumulate", "2", "--clip", "1.0"]);
    assert_eq!(divided["accumulate"], 2);
    assert!((divided["loss_first"].as_f64().unwrap() - full["loss_first"].as_f64().unwrap()).abs() < 1e-4);
}

#[test]
fn what_is_kept_and_computed_again_changes_no_loss() {
    let bench = Bench::new();
    let full = step(&bench, &[]);
    let again = step(&bench, &["--recompute", "blocks"]);
    assert_eq!((&again["recompute"], &again["loss_last"]), (&"blocks".into(), &full["loss_last"]));
    let frozen = step(&bench, &["--frozen-blocks", "1"]);
    assert_eq!((&frozen["loss_first"], &frozen["prefix_known"]), (&full["loss_first"], &Value::Null));
    assert!(frozen["trainable"].as_u64() < full["trainable"].as_u64());
    let known = step(&bench, &["--frozen-blocks", "1", "--prefix-cache", "1"]);
    assert_eq!((&known["prefix_known"], &known["loss_last"]), (&1.0.into(), &frozen["loss_last"]));
    // Rows of 32 positions of width 32, in f32.
    assert_eq!(known["prefix_bytes"], 4 * 32 * 32 * 4);
}

#[test]
fn the_share_of_a_peak_is_of_the_one_that_is_given() {
    let bench = Bench::new();
    let given = step(&bench, &["--peak", "50"]);
    assert_eq!(given["peak_gflops"], 50.0);
    let share = given["gflops"].as_f64().unwrap() / 50.0;
    assert!((given["mfu"].as_f64().unwrap() - share).abs() < 1e-12);
    assert!(step(&bench, &[])["mfu"].is_null());
}

#[test]
fn impossible_steps_are_refused() {
    let bench = Bench::new();
    for (flags, part) in [
        (&["--heads", "7"][..], "7 heads"),
        (&["--clip", "0"], "--clip"),
        (&["--peak", "0"], "--peak"),
        (&["--preset", "gpt3"], "gpt2-124m"),
        (&["--preset", "gpt2-124m"], "--vocabulary"),
        (&["--prefix-cache", "10"], "--frozen-blocks"),
        (&["--recompute", "all"], "blocks"),
        (&["--batch", "65536", "--context", "65536"], "too large"),
    ] {
        bench.refused(&[&["bench", "step"], flags].concat(), 2, &[part]);
    }
}

#[test]
fn generation_is_measured() {
    let bench = Bench::new();
    let flags = ["--family", "llama", "--kv-heads", "1", "--batch", "3", "--prompt-tokens", "20", "--new-tokens", "12"];
    for weights in ["f32", "bf16", "f16"] {
        let given = [&TINY[..], &flags, &["--weights", weights]].concat();
        let written = measured(&bench, "generate", &given);
        for figure in ["tokens_per_second", "prefill_tokens_per_second", "decode_tokens_per_second", "step_seconds"] {
            assert!(written[figure].as_f64().unwrap() > 0.0, "{figure}: {written}");
        }
        assert_eq!(written["weights"], weights);
    }
    bench.refused(&["bench", "generate", "--new-tokens", "300"], 2, &["--context 428"]);
    let rounded = [&TINY[..], &flags, &["--weights", "bf16", "--precision", "bf16"]].concat();
    match frostline::ops::Precision::Bf16.is_supported() {
        true => assert_eq!(measured(&bench, "generate", &rounded)["precision"], "bf16"),
        false => bench.refused(&[&["bench", "generate"], &rounded[..]].concat(), 1, &["--precision f32"]),
    }
    bench.refused(&["bench", "generate", "--precision", "f8"], 2, &["f8"]);
    let much = ["bench", "generate", "--batch", "65536", "--context", "65536", "--new-tokens", "65000"];
    bench.refused(&much, 2, &["keys and values", "--batch"]);
}

#[test]
fn preparing_is_measured_and_nothing_is_written_over() {
    let bench = Bench::new();
    let first = measured(&bench, "prepare", &["--megabytes", "1", "--vocabulary", "400", "--save", "kept"]);
    assert_eq!((first["vocabulary"].as_u64(), first["tokenizer_seconds"].is_number()), (Some(400), true));
    let again = measured(&bench, "prepare", &["kept/text.txt", "--tokenizer", "kept"]);
    assert_eq!((&again["tokens"], &again["tokenizer_seconds"]), (&first["tokens"], &Value::Null));
    assert_eq!(again["text_bytes"].as_u64(), Some(std::fs::metadata(bench.path("kept/text.txt")).unwrap().len()));
    bench.refused(&["bench", "prepare", "nowhere"], 1, &["nowhere"]);

    std::fs::create_dir(bench.path("mine")).unwrap();
    bench.write("mine/tokenizer.json", "mine");
    bench.refused(&["bench", "prepare", "--megabytes", "1", "--save", "mine"], 1, &["tokenizer.json", "empty folder"]);
    assert_eq!(std::fs::read_to_string(bench.path("mine/tokenizer.json")).unwrap(), "mine");
    assert!(!bench.path("mine/text.txt").exists());
}
