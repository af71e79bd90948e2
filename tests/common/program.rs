//! The program in a folder of its own, with something to train on.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder of runs and caches, and files to train on.
pub struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        let sentences =
            ["the cat sat on the mat", "a dog ran in the park", "birds sing at dawn", "rain fell on the hill"];
        let lines: Vec<String> =
            (0..400).map(|i| format!("{} and {}.", sentences[i % 4], sentences[i / 4 % 4])).collect();
        bench.write("text.txt", &lines.join("\n\n"));
        let rows: Vec<String> = (0..40)
            .map(|i| format!(r#"{{"text":"{} {}","label":"{}"}}"#, sentences[i % 4], i, ["yes", "no"][i % 2]))
            .collect();
        bench.write("labels.jsonl", &rows.join("\n"));
        bench.write("plan.toml", &bench.plan(""));
        bench
    }

    /// A plan of two short phases; `extra` goes into the second.
    pub fn plan(&self, extra: &str) -> String {
        format!(
            r#"
name = "small"
seed = 3
tokenizer = {{ vocabulary = 300 }}
model = {{ preset = "llama-1m", context = 64 }}
[[phase]]
name = "pretrain"
objective = "clm"
corpus = "{text}"
steps = 6
batch = 4
context = 32
held_out = 0.1
optimizer = {{ learning_rate = 3e-3 }}
evaluation = {{ every = 3, tokens = 1000 }}
[[phase]]
name = "tune"
objective = "sft"
corpus = "{labels}"
prompt = "{{text}}:"
completion = " {{label}}"
held_out = 0.25
steps = 4
batch = 4
context = 64
optimizer = {{ learning_rate = 1e-3 }}
{extra}
"#,
            text = self.path("text.txt").display(),
            labels = self.path("labels.jsonl").display(),
        )
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frostline"));
        command.args(arguments).current_dir(self.folder.path()).env("FROSTLINE_HOME", self.path("home"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The command fails with this exit code, and says each of `parts`.
    pub fn refused(&self, arguments: &[&str], code: i32, parts: &[&str]) {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        for part in parts {
            assert!(text.contains(part), "{arguments:?}: \"{part}\" is not in:\n{text}");
        }
        assert!(!text.contains("panicked"), "{text}");
    }

    pub fn runs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("home/runs")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Where a run lies.
    pub fn run_folder(&self, name: &str) -> PathBuf {
        self.path("home/runs").join(name)
    }

    /// What a command that fails says on standard error.
    pub fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && !text.contains("panicked"), "{arguments:?}: {text}");
        text
    }
}
