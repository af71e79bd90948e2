//! Checkpoints are read as they were written, and named as people name them.

use super::super::Home;
use super::testing::*;
use super::*;
use crate::model::Storage;
use crate::model::folder::tensors::{self, Entry};
use candle_core::Tensor;
use std::path::PathBuf;

#[test]
fn what_is_read_is_what_was_written_to_the_bit() {
    for family in ["llama-1m", "gpt2-1m"] {
        for is_tied in [true, false] {
            let run = tempfile::tempdir().unwrap();
            let whole = snapshot(family, is_tied, 2, state_at("tune", 1, Reason::End));
            let halves = [Storage::Bf16, Storage::F16].map(|storage| with_halves(whole.clone(), storage));
            // Each replaces the one before.
            for written in [&whole].into_iter().chain(&halves) {
                let path = save(run.path(), written, &tokenizer()).unwrap();
                assert_reads(&path, written);
                verify(&path).unwrap();
                let (decoder, tokenizer) = open(&path, &Device::Cpu).unwrap();
                assert_eq!(decoder.config.vocabulary, tokenizer.vocabulary_size());
                assert_eq!(decoder.parameters.count(), written.decoder.parameters.count());
                assert_eq!(super::super::disk::names(&run.path().join(CHECKPOINTS)).unwrap(), ["step-1"]);
            }
        }
    }
}

#[test]
fn numbers_of_the_progress_may_be_anything() {
    let run = tempfile::tempdir().unwrap();
    let mut written = small(1);
    if let Some(progress) = &mut written.state.progress {
        (progress.seconds, progress.learning_rate) = (0.1 + 0.2, f64::INFINITY);
        progress.base_losses.insert("lost".into(), f64::NEG_INFINITY);
    }
    written.state.loss = Some(1.0 / 3.0);
    assert_reads(&save(run.path(), &written, &tokenizer()).unwrap(), &written);
}

#[test]
fn weights_alone_can_be_opened_but_not_gone_on_from() {
    let run = tempfile::tempdir().unwrap();
    let mut written = small(1);
    (written.state.progress, written.moments) = (None, std::sync::Arc::default());
    let path = save(run.path(), &written, &tokenizer()).unwrap();
    let plain = run.path().join("plain");
    std::fs::create_dir(&plain).unwrap();
    folder::save(&written.decoder, Some(0), &plain).unwrap();
    tokenizer().save(&plain).unwrap();
    // As an older version wrote it.
    let older = run.path().join("older");
    std::fs::rename(&path, &older).unwrap();
    std::fs::remove_file(older.join(checksums::FILE)).unwrap();
    assert_eq!((state(&older), state(&plain)), (Some(written.state), None));
    for path in [&plain, &older] {
        open(path, &Device::Cpu).unwrap();
        let error = read(path, &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("no optimizer state") && error.contains("next:"), "{error}");
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    for name in [moments::FILE, checksums::FILE, STATE, "frostline/parameters.json", "model.safetensors"] {
        let run = tempfile::tempdir().unwrap();
        let path = save(run.path(), &small(1), &tokenizer()).unwrap();
        std::fs::remove_file(path.join(name)).unwrap();
        let error = read(&path, &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(&format!("{name} is missing")) && error.contains("next:"), "{error}");
        // Who only wants the model does not need the moments.
        assert_eq!(open(&path, &Device::Cpu).is_ok(), name == moments::FILE, "{name}");
    }
}

#[test]
fn moments_of_another_shape_are_refused_before_they_are_read() {
    let run = tempfile::tempdir().unwrap();
    let path = save(run.path(), &small(1), &tokenizer()).unwrap();
    let name = &small(1).decoder.parameters.iter().nth(1).unwrap().1.name.clone();
    let entry = |prefix: &str, dtype| Entry {
        name: format!("{prefix}.{name}"),
        value: Tensor::zeros((1 << 20, 1), dtype, &Device::Cpu).unwrap(),
        dtype,
    };
    let cases = [vec![], vec![entry("first", DType::F32)], vec![entry("first", DType::F16)]];
    for entries in cases {
        let mut bytes = Vec::new();
        tensors::write(entries, &mut bytes).unwrap();
        forge(&path, moments::FILE, &bytes);
        let error = read(&path, &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(&format!("{}: first.{name}", moments::FILE)), "{error}");
    }
    let run = tempfile::tempdir().unwrap();
    let path = save(run.path(), &small(1), &tokenizer()).unwrap();
    let text = std::fs::read_to_string(path.join("frostline/parameters.json")).unwrap();
    forge(&path, "frostline/parameters.json", text.replace("block.0", "block.1").as_bytes());
    let error = read(&path, &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("parameters.json describes other parameters"), "{error}");
    let fewer = text.replacen(&format!("{}", (1u64 << 40) + 1), "null", 1);
    forge(&path, "frostline/parameters.json", fewer.as_bytes());
    let error = read(&path, &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("never trained"), "{error}");
}

#[test]
fn a_list_that_leads_elsewhere_is_refused() {
    let run = tempfile::tempdir().unwrap();
    let path = save(run.path(), &small(1), &tokenizer()).unwrap();
    let list = std::fs::read_to_string(path.join(checksums::FILE)).unwrap();
    std::fs::write(path.join(checksums::FILE), list.replace("config.json", "../config.json")).unwrap();
    forge(&path, STATE, &std::fs::read(path.join(STATE)).unwrap());
    let error = verify(&path).unwrap_err().to_string();
    assert!(error.contains("outside the folder"), "{error}");
}

/// A run with the steps 1 to 3, the last of another phase; and its home.
fn three() -> (tempfile::TempDir, Home, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::find(Some(folder.path())).unwrap();
    let run = home.runs().join("small");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(run.join("plan.toml"), "").unwrap();
    for (phase, step, loss) in [("pretrain", 1, 1.0), ("tune", 2, 2.0), ("tune", 3, 3.0)] {
        let mut written = small(step);
        (written.state.phase, written.state.loss) = (phase.into(), Some(loss));
        save(&run, &written, &tokenizer()).unwrap();
    }
    (folder, home, run)
}

#[test]
fn names_mean_what_they_say() {
    let (_folder, home, run) = three();
    let found = |name: &str| resolve(name, &home).map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    for (name, step) in
        [("small", "step-3"), ("small@2", "step-2"), ("small@best", "step-2"), ("small@pretrain", "step-1")]
    {
        assert_eq!(found(name).unwrap(), step, "{name}");
    }
    set_aside(&run, |state| state.step == 3).unwrap();
    assert_eq!(found("small").unwrap(), "step-2");
    assert_eq!(found("small@undone-3").unwrap(), "undone-3");
    for name in ["small@3", "small@undone-4", "small@undone-../step-2", "small@undone-/", "small@none", "large"] {
        let error = found(name).unwrap_err().to_string();
        assert!(error.contains("is no checkpoint") && error.contains("next:"), "{error}");
    }
}

#[test]
fn damage_never_makes_a_name_mean_another_one() {
    let (_folder, home, run) = three();
    let last = run.join(CHECKPOINTS).join("step-3");
    let text = std::fs::read_to_string(last.join(STATE)).unwrap();
    std::fs::write(last.join(STATE), text.replace("\"step\": 3", "\"step\": 1")).unwrap();
    assert_eq!(list(&run).unwrap().len(), 2);
    for name in ["small", "small@3", "small@best", "small@tune"] {
        let error = resolve(name, &home).unwrap_err().to_string();
        assert!(error.contains("step-3") && error.contains(STATE) && error.contains("next:"), "{error}");
    }
    assert!(resolve("small@2", &home).unwrap().ends_with("step-2"));
}
