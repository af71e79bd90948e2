//! Probes that training has seen: whether items of a probe stand, word for word, in what a phase or one before it learns
//! from. Such items measure what was memorised, and forgetting of it, not what was understood.

use super::data::{self, Context};
use super::plan::{Objective, PhasePlan, Plan};
use crate::Result;
use crate::corpus::chat::Chat;
use crate::corpus::documents::{Reader, for_each_batch};
use crate::corpus::examples::Example;
use crate::corpus::split::{Side, Split};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Text of a source that is looked through, bytes: enough for a warning, and a second or two.
const MOST_BYTES: usize = 256 << 20;
/// Characters of an item that is shown.
const SHOWN: usize = 60;

/// A probe's items by a hash of their words. As many as are measured: bounded by the plan's `evaluation.examples`.
struct Probe {
    name: String,
    items: HashMap<u64, String>,
}

/// What was found of a source.
#[derive(Default)]
struct Found {
    /// Of each probe, the hashes of its items.
    seen: Vec<HashSet<u64>>,
    is_cut: bool,
}

/// What a person should know before phase `index` begins. Pairs of a probe and a source that a phase before it has too
/// were told there.
pub fn notices(plan: &Plan, index: usize, context: &Context) -> Result<Vec<String>> {
    let mut line = plan.ancestors(index);
    line.insert(0, index);
    let (mut notices, mut probes) = (Vec::new(), Vec::new());
    for (place, phase) in line.iter().map(|at| &plan.phases[*at]).enumerate() {
        for path in &phase.probes {
            probes.push((place == 0, read_probe(path, phase, context)?));
        }
    }
    if probes.is_empty() {
        return Ok(notices);
    }
    for (place, phase) in line.iter().map(|at| &plan.phases[*at]).enumerate() {
        let new: Vec<&Probe> = probes.iter().filter(|(is_own, _)| *is_own || place == 0).map(|(_, of)| of).collect();
        if new.is_empty() {
            continue;
        }
        let found = look_through(phase, &new, context)?;
        for (probe, seen) in new.iter().zip(&found.seen) {
            notices.extend(told(probe, seen, phase, found.is_cut));
        }
    }
    notices.dedup();
    Ok(notices)
}

fn read_probe(path: &str, phase: &PhasePlan, context: &Context) -> Result<Probe> {
    let items = data::probe_examples(path, phase, &spelling(), context)?.into_iter().map(|example| {
        let text = whole(&example);
        (key(&text), text)
    });
    let items = items.filter_map(|(key, text)| Some((key?, text))).collect();
    Ok(Probe { name: data::short_name(path), items })
}

/// Conversations of both sides are spelled alike, whatever the phase's template.
fn spelling() -> Arc<Chat> {
    Arc::new(Chat::default())
}

/// Prompt and completion as they stand in a text.
fn whole(example: &Example) -> String {
    example.segments.iter().map(|segment| segment.text.as_str()).collect()
}

/// A hash of the words of a text, whatever their case and what stands between them; `None` where there are none.
fn key(text: &str) -> Option<u64> {
    let mut words = String::with_capacity(text.len());
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        words.extend(word.chars().flat_map(char::to_lowercase));
        words.push(' ');
    }
    (!words.is_empty()).then(|| xxh3_64(words.as_bytes()))
}

fn look_through(phase: &PhasePlan, probes: &[&Probe], context: &Context) -> Result<Found> {
    let mut found = Found { seen: vec![HashSet::new(); probes.len()], is_cut: false };
    let mut note = |key: u64| {
        let probes = probes.iter().zip(&mut found.seen).filter(|(probe, _)| probe.items.contains_key(&key));
        for (_, seen) in probes {
            seen.insert(key);
        }
    };
    if phase.objective == Objective::Sft {
        let training = data::read_examples(phase, &spelling(), context)?.training;
        let keys: Vec<u64> = training.par_iter().filter_map(|example| key(&whole(example))).collect();
        keys.into_iter().for_each(note);
        return Ok(found);
    }
    if phase.objective != Objective::Clm {
        // Labels of texts complete no prompt.
        return Ok(found);
    }
    let is_item = |key: &u64| probes.iter().any(|probe| probe.items.contains_key(key));
    let mut is_cut = false;
    for corpus in &phase.corpus {
        let source = data::open_source(&corpus.path, phase.skip_broken, context.home)?;
        let split = Split::plan(&source, phase.held_out, context.seed, context.cancel)?;
        let mut left = MOST_BYTES;
        for_each_batch(Reader::new(source.files()), context.cancel, |batch| {
            let read: Vec<(usize, Vec<u64>)> = batch
                .into_par_iter()
                .map(|raw| {
                    let documents = raw.parse(source.files(), source.policy())?.documents;
                    let trained = documents.iter().filter(|document| split.side(&document.text) == Side::Train);
                    let bytes = documents.iter().map(|document| document.text.len()).sum();
                    let lines = trained.flat_map(|document| {
                        std::iter::once(document.text.as_str()).chain(document.text.lines()).filter_map(key)
                    });
                    Ok((bytes, lines.filter(is_item).collect()))
                })
                .collect::<Result<_>>()?;
            for (bytes, keys) in read {
                left = left.saturating_sub(bytes);
                keys.into_iter().for_each(&mut note);
            }
            is_cut |= left == 0;
            Ok(left > 0)
        })?;
    }
    found.is_cut = is_cut;
    Ok(found)
}

/// Says what was found; the example is the first in the order of its text, so that it is always the same.
fn told(probe: &Probe, seen: &HashSet<u64>, phase: &PhasePlan, is_cut: bool) -> Option<String> {
    let example = seen.iter().filter_map(|key| probe.items.get(key)).min()?;
    let shown: String = example.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    let more = if shown.chars().count() < example.chars().count() { "…" } else { "" };
    let least = if is_cut { "at least " } else { "" };
    Some(format!(
        "{least}{} of {} items of the probe {} stand in what {} trains on, such as \"{shown}{more}\": there it measures \
         recall of what was trained on; if it is to measure more, take them out of the corpus, or probe with others",
        seen.len(),
        probe.items.len(),
        probe.name,
        phase.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::progress::Silent;
    use crate::run::home::Home;
    use crate::run::plan::{self, Overrides};
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn case_and_marks_make_no_difference_and_words_do() {
        assert_eq!(key("The mill,\n by the River!"), key("the mill by the river"));
        assert_ne!(key("the mill by the rivers"), key("the mill by the river"));
        assert_ne!(key("themill"), key("the mill"));
        assert_eq!(key(" \n—"), None);
    }

    fn found(folder: &Path, first: &str, second: &str) -> Vec<Vec<String>> {
        let phase = |name: &str, objective: &str, corpus: &str, more: &str| {
            let corpus = folder.join(corpus).display().to_string();
            format!(
                "[[phase]]\nname = \"{name}\"\nobjective = \"{objective}\"\ncorpus = '{corpus}'\nsteps = 3\nheld_out = 0\n\
                 optimizer = {{ learning_rate = 1e-4 }}\n{more}\n"
            )
        };
        let top = "name = \"small\"\ntokenizer = { vocabulary = 300 }\nmodel = { preset = \"llama-1m\" }\n";
        let phases = phase("old", "clm", "old.txt", first) + &phase("tune", "sft", "tune.jsonl", second);
        let file = folder.join("plan.toml");
        std::fs::write(&file, format!("{top}{phases}")).unwrap();
        let plan = plan::load(file.to_str().unwrap(), &Overrides::default()).unwrap();
        let home = Home::find(Some(&folder.join("home"))).unwrap();
        let cancel = AtomicBool::new(false);
        let context = Context { home: &home, config: None, seed: 0, progress: &Silent, cancel: &cancel };
        (0..2).map(|index| notices(&plan, index, &context).unwrap()).collect()
    }

    #[test]
    fn items_that_stand_in_what_is_trained_on_are_counted_and_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let item = |prompt: &str, completion: &str| {
            format!("{{\"prompt\": \"{prompt}\", \"completion\": \"{completion}\"}}\n")
        };
        std::fs::write(path.join("old.txt"), "In a line of its own:\nthe mill is BY the river\nThe well is deep.\n")
            .unwrap();
        std::fs::write(path.join("tune.jsonl"), item("How deep is it?", " Very.") + &item("What now?", " Nothing."))
            .unwrap();
        let probe =
            item("The mill is", " by the river.") + &item("The well", " is dry.") + &item("how deep is it", " very");
        std::fs::write(path.join("facts.jsonl"), probe).unwrap();
        let probes = format!("probes = ['{}']", path.join("facts.jsonl").display());
        let of =
            |found: &[String]| found.iter().map(|text| text.split(',').next().unwrap().to_string()).collect::<Vec<_>>();
        let (old, tune) = (
            "1 of 3 items of the probe facts stand in what old trains on",
            "1 of 3 items of the probe facts stand in what tune trains on",
        );
        // A probe of the phase is held against all that it stands on; one of a phase before against what is new.
        let both = found(path, "", &probes);
        assert!(both[0].is_empty());
        assert_eq!(of(&both[1]), [tune, old]);
        assert!(
            both[1][1].contains("such as \"The mill is by the river.\"") && both[1][1].contains("probe with others")
        );
        let first = found(path, &probes, "");
        assert_eq!((of(&first[0]), of(&first[1])), (vec![old.to_string()], vec![tune.to_string()]));
        let none = found(path, "", "");
        assert!(none.iter().all(Vec::is_empty));
    }
}
