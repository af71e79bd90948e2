//! The data of a phase: what it trains on and what it is measured on.

use super::chat::{self, PhaseChat};
use super::home::Home;
use super::labelled;
use super::material::{self, Material, Own, Part};
use super::mismatch;
use super::overlap;
use super::plan::{CorpusPlan, Objective, PhasePlan, Plan};
use super::suite::{Generated, Suite, SuiteKind};
use crate::corpus::batches::{Batches, HeldOutWindows, held_out_examples};
use crate::corpus::chat::Chat;
use crate::corpus::examples::{self, Example, LabelKind, Options, Template};
use crate::corpus::progress::Progress;
use crate::corpus::shards::{Preparation, Prepared, prepare};
use crate::corpus::source::{OnBroken, Source};
use crate::corpus::split::Split;
use crate::corpus::tokenizer::Tokenizer;
use crate::corpus::world;
use crate::model::{Config, Score};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What preparing needs besides the plan.
pub struct Context<'a> {
    pub home: &'a Home,
    /// Of the model that is to learn from it, once it is known.
    pub config: Option<&'a Config>,
    pub seed: u64,
    pub progress: &'a dyn Progress,
    pub cancel: &'a AtomicBool,
}

/// A phase's data.
pub struct PhaseData {
    pub batches: Arc<dyn Batches>,
    /// What they are made of, without what they replay.
    pub material: Material,
    /// Its own held-out data: one suite for each source of running text, the first named like the phase.
    pub held_out: Vec<Suite>,
    pub probes: Vec<Suite>,
    /// What the model scores texts by when it is through with the phase; `None` where the run gives it no score.
    pub score: Option<Score>,
    /// How its conversations are spelled.
    pub chat: PhaseChat,
    /// What a person should know about it.
    pub notices: Vec<String>,
}

/// Rows of a held-out batch.
pub(super) const EVALUATION_ROWS: usize = 16;

/// Opens a path, or a set of the bundled world by `world:NAME`.
pub fn open_source(name: &str, skip_broken: bool, home: &Home) -> Result<Source> {
    let Some(set) = name.strip_prefix("world:") else {
        return Ok(Source::open(Path::new(name))?.on_broken(policy(skip_broken)));
    };
    let folder = world::expand(find_set(set)?, &home.cache())?;
    Source::pair(&folder.join("train.jsonl"), &folder.join("test.jsonl"))
}

fn policy(skip_broken: bool) -> OnBroken {
    if skip_broken { OnBroken::Skip } else { OnBroken::Refuse }
}

/// What a source is called beside others: a set of the world by its name, a file without its ending.
pub(super) fn short_name(path: &str) -> String {
    let short = path.strip_prefix("world:").unwrap_or(path);
    Path::new(short).file_stem().map_or(short.into(), |stem| stem.to_string_lossy().into_owned())
}

fn find_set(name: &str) -> Result<world::Set> {
    world::Set::parse(name).ok_or_else(|| {
        let names: Vec<&str> = world::Set::ALL.iter().map(|set| set.name()).collect();
        Error::new(format!("the bundled world has no set \"{name}\""))
            .next(format!("its sets are {}", names.join(", ")))
    })
}

/// Reads, tokenises and splits everything that a plan's phases need.
pub fn load(plan: &Plan, tokenizer: &Tokenizer, context: &Context) -> Result<Vec<Arc<PhaseData>>> {
    let mut phases = Vec::new();
    for (index, phase) in plan.phases.iter().enumerate() {
        let named = |error: Error| error.within(format!("the phase {} cannot start", phase.name));
        phases.push(Arc::new(load_phase(plan, index, &phases, tokenizer, context).map_err(named)?));
    }
    Ok(phases)
}

/// What a phase learns from, its held-out suites, and what a person should know.
type Read = (Material, Vec<Suite>, Vec<String>);

fn load_phase(
    plan: &Plan,
    index: usize,
    earlier: &[Arc<PhaseData>],
    tokenizer: &Tokenizer,
    context: &Context,
) -> Result<PhaseData> {
    let phase = &plan.phases[index];
    let chat = chat::of_phase(plan, index, Some(tokenizer))?;
    let mut score = plan.parent(index).and_then(|parent| earlier[parent].score.clone());
    let (material, held_out, mut notices) = match phase.objective {
        Objective::Clm => running_text(phase, tokenizer, context)?,
        Objective::Sft => supervised(phase, &chat.chat, tokenizer, context)?,
        Objective::Classify | Objective::Regress => {
            let (material, suites, notices, own) = labelled::read(phase, &chat.chat, tokenizer, context)?;
            score = Some(own);
            (material, suites, notices)
        }
    };
    let own = Own { material: &material, score: score.as_ref() };
    let (batches, about_replay) = material::batches(plan, index, own, earlier, context.seed)?;
    notices.extend(about_replay);
    let base = text_of_base(plan, index).map(|base| (plan.phases[base].name.as_str(), &earlier[base].material));
    notices.extend(mismatch::notices(&material, base, tokenizer)?);
    notices.extend(overlap::notices(plan, index, context)?);
    let probes = phase.probes.iter().map(|probe| load_probe(probe, phase, &chat.chat, tokenizer, context));
    let probes = probes.collect::<Result<_>>()?;
    Ok(PhaseData { batches, material, held_out, probes, score, chat, notices })
}

/// The phase whose text the base knows best: the nearest of running text that it stands on, or else the one before.
fn text_of_base(plan: &Plan, index: usize) -> Option<usize> {
    let ancestors = plan.ancestors(index);
    let of_text = ancestors.iter().find(|&&ancestor| plan.phases[ancestor].objective == Objective::Clm);
    of_text.or(ancestors.first()).copied()
}

fn running_text(phase: &PhasePlan, tokenizer: &Tokenizer, context: &Context) -> Result<Read> {
    let mut notices = Vec::new();
    let prepared = phase.corpus.iter().map(|corpus| {
        let prepared = prepare_text(corpus, phase, tokenizer, context)?;
        notices.extend(about(&corpus.path, &prepared));
        Ok((corpus, prepared))
    });
    let prepared: Vec<(&CorpusPlan, Prepared)> = prepared.collect::<Result<_>>()?;
    let mut held_out = Vec::new();
    for (index, (corpus, prepared)) in prepared.iter().enumerate() {
        let Some(shard) = &prepared.held_out else { continue };
        let windows = HeldOutWindows::new(shard.clone(), phase.context, EVALUATION_ROWS, phase.evaluation.tokens)?;
        let name = if index == 0 { phase.name.clone() } else { format!("{}:{}", phase.name, short_name(&corpus.path)) };
        held_out.push(Suite { name, kind: SuiteKind::Text(windows) });
    }
    let source = |(corpus, prepared): (&CorpusPlan, Prepared)| {
        let weight = corpus.weight.unwrap_or(prepared.train.tokens() as f64);
        (short_name(&corpus.path), Part::Text(prepared.train), weight)
    };
    Ok((Material { sources: prepared.into_iter().map(source).collect() }, held_out, notices))
}

fn prepare_text(corpus: &CorpusPlan, phase: &PhasePlan, tokenizer: &Tokenizer, context: &Context) -> Result<Prepared> {
    let source = open_source(&corpus.path, phase.skip_broken, context.home)?;
    let split = Split::plan(&source, phase.held_out, context.seed, context.cancel)?;
    let cache = context.home.cache().join("corpora");
    prepare(&Preparation { source: &source, tokenizer, split, cache: &cache }, context.progress, context.cancel)
}

/// What was met in a corpus that a person should know of.
fn about(path: &str, prepared: &Prepared) -> Vec<String> {
    let summary = &prepared.summary;
    let odd = odd_input(path, summary.skipped_binaries, summary.broken_rows, summary.replaced_bytes);
    let undivided = prepared.undivided.then(|| format!("{path} is one document: nothing of it is held out"));
    odd.into_iter().chain(undivided).collect()
}

fn odd_input(path: &str, skipped_binaries: u64, broken_rows: u64, replaced_bytes: u64) -> Option<String> {
    let counts = [
        (skipped_binaries, "binary files skipped"),
        (broken_rows, "broken rows skipped"),
        (replaced_bytes, "bytes that were no UTF-8 replaced"),
    ];
    let met: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    (!met.is_empty()).then(|| format!("{path}: {}", met.join(", ")))
}

/// What a phase of examples is made of.
pub(super) struct PhaseExamples {
    pub training: Vec<Example>,
    pub held_out: Vec<Example>,
    /// What completions there are, and how often, before any limit; empty where texts are not scored.
    pub labels: BTreeMap<String, usize>,
    pub notices: Vec<String>,
}

/// Examples to train on, and held out.
pub(super) fn read_examples(phase: &PhasePlan, chat: &Arc<Chat>, context: &Context) -> Result<PhaseExamples> {
    let template = match (&phase.prompt, &phase.completion) {
        (Some(prompt), Some(completion)) => Some(Template::new(prompt, completion)?),
        _ => None,
    };
    let (chat, on_broken) = (Some(chat.clone()), policy(phase.skip_broken));
    let options = Options { template, chat, on_broken, limit: None, seed: context.seed };
    let labelled = phase.labelled()?;
    let kind = if phase.objective == Objective::Regress { LabelKind::Number } else { LabelKind::Class };
    let (mut training, mut held_out, mut notices) = (Vec::new(), Vec::new(), Vec::new());
    for corpus in &phase.corpus {
        let source = open_source(&corpus.path, phase.skip_broken, context.home)?;
        let mut read = |files| {
            let (read, unlabelled) = match &labelled {
                Some(template) => examples::read_labelled(files, (template, kind), options.on_broken, context.cancel)?,
                None => (examples::read(files, &options, context.cancel)?, None),
            };
            notices.extend(odd_input(&corpus.path, 0, read.broken_rows, read.replaced_bytes));
            notices.extend(unlabelled);
            Ok::<_, Error>(read.examples)
        };
        let all = read(source.files())?;
        let (train, held) = match source.held_out() {
            Some(files) => (all, read(files)?),
            None => examples::hold_out(all, phase.held_out, context.seed),
        };
        training.extend(train);
        held_out.extend(held);
    }
    let mut labels = BTreeMap::new();
    for example in training.iter().chain(&held_out).filter(|_| labelled.is_some()) {
        *labels.entry(example.completion().to_string()).or_default() += 1;
    }
    if let Some(limit) = phase.limit {
        training = examples::first_of(training, limit, context.seed);
    }
    let held_out = examples::first_of(held_out, phase.evaluation.examples, context.seed);
    Ok(PhaseExamples { training, held_out, labels, notices })
}

fn supervised(phase: &PhasePlan, chat: &Arc<Chat>, tokenizer: &Tokenizer, context: &Context) -> Result<Read> {
    let PhaseExamples { training, held_out, mut notices, .. } = read_examples(phase, chat, context)?;
    notices.extend(chat::notices(chat, tokenizer));
    let padding = tokenizer.end_of_text().unwrap_or(0);
    let encoded = examples::encode(&training, tokenizer, phase.context)?;
    for (count, what) in [
        (encoded.cut_prompts, "prompts lost their beginning"),
        (encoded.cut_completions, "completions lost their end, and with it the mark that ends an answer"),
    ] {
        if count > 0 {
            notices.push(format!("{count} {what}: with them, examples are longer than the context of {}; give the phase a larger one, or shorter examples", phase.context));
        }
    }
    let examples = Part::Examples { examples: Arc::new(encoded.examples), padding };
    let material = Material { sources: vec![(phase.name.clone(), examples, 1.0)] };
    let mut suites = Vec::new();
    if !held_out.is_empty() {
        suites.push(example_suite(phase.name.clone(), &held_out, phase.context, tokenizer)?);
    }
    if let Some(task) = &phase.task {
        let kind = SuiteKind::Generated(Generated::new(task, &held_out, phase.context, tokenizer, chat.clone())?);
        suites.push(Suite { name: format!("{}:task", phase.name), kind });
    }
    Ok((material, suites, notices))
}

fn example_suite(name: String, examples: &[Example], context: usize, tokenizer: &Tokenizer) -> Result<Suite> {
    let encoded = examples::encode(examples, tokenizer, context)?.examples;
    let padding = tokenizer.end_of_text().unwrap_or(0);
    let batches = held_out_examples(&encoded, context, EVALUATION_ROWS, padding)?;
    Ok(Suite { name, kind: SuiteKind::Examples(batches) })
}

/// The examples of a probe that are measured.
pub(super) fn probe_examples(
    name: &str,
    phase: &PhasePlan,
    chat: &Arc<Chat>,
    context: &Context,
) -> Result<Vec<Example>> {
    let source = open_source(name, phase.skip_broken, context.home)?;
    let files = source.held_out().unwrap_or(source.files());
    let limit = Some(phase.evaluation.examples);
    let (chat, on_broken) = (Some(chat.clone()), policy(phase.skip_broken));
    let options = Options { seed: context.seed, chat, limit, on_broken, template: None };
    Ok(examples::read(files, &options, context.cancel)?.examples)
}

/// A probe is measured on its held-out side where it has one, and on all of it otherwise. Running text goes on after
/// the answer, so no end of text is expected.
fn load_probe(
    name: &str,
    phase: &PhasePlan,
    chat: &Arc<Chat>,
    tokenizer: &Tokenizer,
    context: &Context,
) -> Result<Suite> {
    let mut read = probe_examples(name, phase, chat, context)?;
    read.iter_mut().for_each(|example| example.ends = false);
    example_suite(short_name(name), &read, phase.context, tokenizer)
}
