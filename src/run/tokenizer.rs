//! The tokenizer of a run: loaded, or trained once and kept.

use super::chat;
use super::data::{self, Context};
use super::plan::{Objective, Plan};
use crate::Result;
use crate::corpus::split::Split;
use crate::corpus::tokenizer::Tokenizer;
use crate::random::mix;
use std::path::{Path, PathBuf};

/// Raise it when training gives another tokenizer for the same corpus.
const VERSION: u64 = 1;

/// The tokenizer that the plan asks for; `model` is the checkpoint that the model comes from, if any.
pub(super) fn of_plan(plan: &Plan, model: Option<&Path>, context: &Context) -> Result<Tokenizer> {
    match (&plan.tokenizer, model) {
        (Some(tokenizer), _) => match (&tokenizer.path, tokenizer.vocabulary) {
            (Some(path), _) => Tokenizer::load(Path::new(path)),
            (None, vocabulary) => trained(plan, vocabulary.unwrap_or(4096), context),
        },
        (None, Some(folder)) => Tokenizer::load(folder),
        (None, None) => trained(plan, 4096, context),
    }
}

/// Trained on the first phase's corpus, of which the first source stands for all.
fn trained(plan: &Plan, vocabulary: usize, context: &Context) -> Result<Tokenizer> {
    let first = &plan.phases[0];
    if first.objective == Objective::Sft {
        let training = data::read_examples(first, &chat::of_phase(plan, 0, None)?.chat, context)?.training;
        let texts = training.into_iter().flat_map(|example| example.segments).map(|segment| segment.text);
        return Tokenizer::train(texts, vocabulary);
    }
    let source = data::open_source(&first.corpus[0].path, first.skip_broken, context.home)?;
    let split = Split::plan(&source, first.held_out, context.seed, context.cancel)?;
    let key = [source.fingerprint(), split.fingerprint(), vocabulary as u64, VERSION];
    let folder =
        context.home.cache().join("tokenizers").join(format!("{:016x}", key.iter().fold(0, |a, &b| mix(a, b))));
    if let Ok(kept) = Tokenizer::load(&folder) {
        return Ok(kept);
    }
    let tokenizer = Tokenizer::train_on(&source, &split, vocabulary, context.progress, context.cancel)?;
    // A cache that cannot be written costs only time.
    let _ = keep(&tokenizer, &folder);
    Ok(tokenizer)
}

fn keep(tokenizer: &Tokenizer, folder: &Path) -> std::io::Result<()> {
    let parent: PathBuf = folder.parent().map(Path::to_path_buf).unwrap_or_default();
    std::fs::create_dir_all(&parent)?;
    let temporary = tempfile::tempdir_in(&parent)?;
    tokenizer.save(temporary.path()).map_err(std::io::Error::other)?;
    // What is there is damaged, or was written by another process meanwhile, and then is the same.
    let _ = std::fs::remove_dir_all(folder);
    std::fs::rename(temporary.path(), folder)
}
