//! From TOML to a validated plan.

use super::super::data::short_name;
use super::chat::read_chat;
use super::checkpoints::read_keep;
use super::keep::{read_frozen_weights, read_prefix_cache, read_recompute};
use super::labels::read_labels;
use super::overrides::Overrides;
use super::pull::{check_pulls, read_pull};
use super::replay::{check_replays, read_replay};
use super::retention::{check_retentions, read_retention};
use super::safety::{read_changes, read_guard, read_on_disk_error, read_on_short_memory, read_snapshots};
use super::section::{Section, nearest};
use super::task::read_task;
use super::unfreeze::read_unfreeze;
use super::{
    CorpusPlan, EvaluationPlan, ModelPlan, Objective, OptimizerPlan, PRESETS, PhasePlan, Plan, RatesPlan, TokenizerPlan,
};
use crate::learn::Schedule;
use crate::model::{Selector, preset};
use crate::ops::Precision;
use crate::{Context, Error, Result};
use std::path::Path;
use toml::{Table, Value};

/// Reads the plan at a path, or the preset of that name, and validates it.
pub fn load(name: &str, overrides: &Overrides) -> Result<Plan> {
    let (file, text) = find(name)?;
    parse(&file, &text, overrides)
}

fn find(name: &str) -> Result<(String, String)> {
    if let Some((_, _, text)) = PRESETS.iter().find(|(preset, _, _)| *preset == name) {
        return Ok((name.to_string(), text.to_string()));
    }
    let names: Vec<&str> = PRESETS.iter().map(|(preset, _, _)| *preset).collect();
    std::fs::read_to_string(Path::new(name)).map(|text| (name.to_string(), text)).map_err(|error| {
        let near = nearest(name, &names).map(|near| format!("did you mean {near}? ")).unwrap_or_default();
        Error::new(format!("cannot read the plan {name}"))
            .because(error)
            .next(format!("{near}Give a plan's file, or one of the presets: {}", names.join(", ")))
    })
}

/// Validates a plan's text; `file` is for messages.
pub(super) fn parse(file: &str, text: &str, overrides: &Overrides) -> Result<Plan> {
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
        Error::new(format!("the plan {file} is no TOML"))
            .because(error.to_string().trim_end())
            .next("mend that line, or start from a preset's file in presets/")
    })?;
    overrides.apply(&mut table)?;
    let mut plan = read_plan(file, &table)?;
    if let Some(seed) = overrides.seed {
        plan.seed = seed;
    }
    if let Some(steps) = overrides.steps {
        for phase in &mut plan.phases {
            (phase.steps, phase.epochs) = (Some(steps), None);
        }
    }
    Ok(plan)
}

fn read_plan(file: &str, table: &Table) -> Result<Plan> {
    let top = Section::new(file, String::new(), table, &PLAN_KEYS)?;
    let name = top.text("name")?.ok_or_else(|| top.missing("name"))?;
    if !is_plain_name(&name) {
        return Err(top.refuse("name", format!("\"{name}\" cannot name a folder")).next(NAME_ADVICE));
    }
    let model = read_model(&top)?;
    let tokenizer = read_tokenizer(&top)?;
    if model.from.is_some() && tokenizer.as_ref().is_some_and(|tokenizer| tokenizer.vocabulary.is_some()) {
        return Err(top
            .refuse("tokenizer.vocabulary", "a checkpoint brings its own tokenizer")
            .next("leave [tokenizer] out"));
    }
    if tokenizer.is_none() && model.from.is_none() {
        return Err(top.missing("tokenizer").next("write [tokenizer] with vocabulary = 4096, or a path"));
    }
    let precision = read_precision(&top)?.unwrap_or_default();
    let mut phases = Vec::new();
    for (index, value) in top.values("phase").into_iter().enumerate() {
        let Value::Table(table) = value else {
            return Err(top.refuse("phase", "each phase is a table").next("write [[phase]]"));
        };
        let phase = read_phase(file, index, table, precision)?;
        check_lineage(&top, &phase, &phases)?;
        check_probes(&top, &phase, &phases)?;
        phases.push(phase);
    }
    if phases.is_empty() {
        return Err(top.missing("phase").next("write at least one [[phase]]"));
    }
    check_pulls(&top, &model, &phases)?;
    let seed = top.integer("seed", 0..=i64::MAX as u64)?.unwrap_or(0);
    let (on_disk_error, on_short_memory) = (read_on_disk_error(&top)?, read_on_short_memory(&top)?);
    let (snapshots, changes) = (read_snapshots(&top)?, read_changes(&top, file)?);
    let plan = Plan { name, seed, on_disk_error, on_short_memory, tokenizer, model, snapshots, phases, changes };
    check_replays(&top, &plan)?;
    check_retentions(&top, &plan)?;
    Ok(plan)
}

const PLAN_KEYS: [&str; 10] = [
    "name",
    "seed",
    "precision",
    "on_disk_error",
    "on_short_memory",
    "tokenizer",
    "model",
    "snapshots",
    "phase",
    "change",
];

const NAME_ADVICE: &str = "use letters, digits, '-' and '_'";

/// Names become folders, and parts of `RUN@PHASE`.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    !name.is_empty() && name.len() <= 100 && name.chars().all(plain) && !name.starts_with('.')
}

fn check_lineage(top: &Section, phase: &PhasePlan, earlier: &[PhasePlan]) -> Result<()> {
    let names: Vec<&str> = earlier.iter().map(|phase| phase.name.as_str()).collect();
    if names.contains(&phase.name.as_str()) {
        return Err(top
            .refuse("phase", format!("two phases are called {}", phase.name))
            .next("give one of them another name"));
    }
    match phase.from.as_deref() {
        Some(from) if from != "scratch" && !names.contains(&from) => {
            let near = nearest(from, &names).map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
            let why = format!("\"{from}\" is no earlier phase");
            let advice = format!("{near}Earlier phases: {}; or \"scratch\"", names.join(", "));
            Err(top.refuse(&format!("phase.{}.from", phase.name), why).next(advice))
        }
        _ => Ok(()),
    }
}

/// Suites are told apart by their names: a probe may not be called like a phase or like another probe.
fn check_probes(top: &Section, phase: &PhasePlan, earlier: &[PhasePlan]) -> Result<()> {
    let all = || earlier.iter().chain(std::iter::once(phase));
    for probe in all().flat_map(|phase| &phase.probes) {
        let name = short_name(probe);
        let same_name = |other: &&String| **other != *probe && short_name(other) == name;
        if all().any(|phase| phase.name == name) || all().flat_map(|phase| &phase.probes).any(|other| same_name(&other))
        {
            let why = format!("the probe {probe} would be called {name}, and so is a phase or another probe");
            return Err(top.refuse(&format!("phase.{}.probes", phase.name), why).next("rename the file or the phase"));
        }
    }
    Ok(())
}

fn read_model(top: &Section) -> Result<ModelPlan> {
    let known = ["preset", "context", "tied", "from"];
    let section =
        top.section("model", &known)?.ok_or_else(|| top.missing("model").next("write [model] with a preset"))?;
    let presets: Vec<&str> = preset::PRESETS.iter().map(|preset| preset.name).collect();
    let (chosen, from) = (section.choice("preset", &presets)?, section.text("from")?);
    match (&chosen, &from) {
        (Some(_), Some(_)) => {
            return Err(section.refuse("from", "either this or a preset, not both").next("leave one of them out"));
        }
        (None, None) => return Err(section.missing("preset").next(format!("one of {}", presets.join(", ")))),
        (None, Some(_)) => {
            if let Some(key) = ["context", "tied"].into_iter().find(|key| section.has(key)) {
                return Err(section.refuse(key, "a checkpoint brings its own").next("leave it out"));
            }
        }
        _ => {}
    }
    let standard = chosen.as_deref().and_then(preset::find).map(|preset| preset.context);
    let context = section.integer("context", 8..=1 << 20)?.map(|c| c as usize).or(standard);
    let tied = section.boolean("tied")?.or(standard.map(|_| true));
    Ok(ModelPlan { preset: chosen, context, tied, from })
}

fn read_tokenizer(top: &Section) -> Result<Option<TokenizerPlan>> {
    let Some(section) = top.section("tokenizer", &["vocabulary", "path"])? else { return Ok(None) };
    // 256 bytes and the special tokens are always there.
    let vocabulary = section.integer("vocabulary", 300..=1_000_000)?.map(|v| v as usize);
    let path = section.text("path")?;
    match (&vocabulary, &path) {
        (Some(_), Some(_)) => {
            Err(section.refuse("path", "either this or a vocabulary, not both").next("leave one of them out"))
        }
        (None, None) => Err(section.missing("vocabulary").next("or give the path of a tokenizer.json")),
        _ => Ok(Some(TokenizerPlan { vocabulary, path })),
    }
}

const PHASE_KEYS: &[&str] = &[
    "name",
    "objective",
    "from",
    "corpus",
    "held_out",
    "skip_broken",
    "prompt",
    "completion",
    "text",
    "label",
    "labels",
    "chat_template",
    "chat_date",
    "limit",
    "probes",
    "steps",
    "epochs",
    "batch",
    "accumulate",
    "context",
    "precision",
    "replay",
    "retention",
    "frozen",
    "unfreeze",
    "frozen_weights",
    "recompute",
    "prefix_cache",
    "pull",
    "optimizer",
    "rates",
    "schedule",
    "evaluation",
    "task",
    "guard",
    "checkpoint_every",
    "keep",
];

/// `precision` is the one of phases that name none.
fn read_phase(file: &str, index: usize, table: &Table, precision: Precision) -> Result<PhasePlan> {
    let called = table.get("name").and_then(Value::as_str).map_or(index.to_string(), str::to_string);
    let section = Section::new(file, format!("phase.{called}"), table, PHASE_KEYS)?;
    let name = section.text("name")?.ok_or_else(|| section.missing("name"))?;
    if !is_plain_name(&name) || name == "scratch" || name == "best" || name.parse::<u64>().is_ok() {
        return Err(section.refuse("name", format!("\"{name}\" cannot name a phase")).next(NAME_ADVICE));
    }
    let objective = read_objective(&section)?;
    let (steps, epochs) = read_length(&section)?;
    let (text, label, labels) = read_labels(&section, objective)?;
    let (prompt, completion, limit) = read_templates(&section, objective)?;
    let batch = section.integer("batch", 1..=65_536)?.unwrap_or(16) as usize;
    let accumulate = section.integer("accumulate", 1..=batch as u64)?.unwrap_or(1) as usize;
    let evaluation = read_evaluation(&section)?;
    Ok(PhasePlan {
        name,
        objective,
        from: section.text("from")?,
        corpus: read_corpus(&section, file, objective)?,
        held_out: section.number("held_out", 0.0..=0.5)?.unwrap_or(0.02),
        skip_broken: section.boolean("skip_broken")?.unwrap_or(false),
        prompt,
        completion,
        text,
        label,
        labels,
        chat: read_chat(&section, objective)?,
        limit,
        probes: section.texts("probes")?,
        steps,
        epochs,
        batch,
        accumulate,
        context: section.integer("context", 8..=1 << 20)?.unwrap_or(256) as usize,
        precision: read_precision(&section)?.unwrap_or(precision),
        replay: read_replay(&section)?,
        retention: read_retention(&section)?,
        frozen: read_frozen(&section)?,
        unfreeze: read_unfreeze(&section)?,
        frozen_weights: read_frozen_weights(&section)?,
        recompute: read_recompute(&section)?,
        prefix_cache: read_prefix_cache(&section)?,
        pull: read_pull(&section)?,
        optimizer: read_optimizer(&section)?,
        rates: read_rates(&section)?,
        schedule: read_schedule(&section)?,
        task: read_task(&section, objective, evaluation.every)?,
        evaluation,
        guard: read_guard(&section)?,
        checkpoint_every: section.integer("checkpoint_every", 0..=u64::MAX)?.unwrap_or(0),
        keep: read_keep(&section)?,
    })
}

fn read_objective(section: &Section) -> Result<Objective> {
    match section.choice("objective", &["clm", "sft", "classify", "regress"])?.as_deref() {
        Some("sft") => Ok(Objective::Sft),
        Some("classify") => Ok(Objective::Classify),
        Some("regress") => Ok(Objective::Regress),
        Some(_) => Ok(Objective::Clm),
        None => Err(section.missing("objective").next(
            "\"clm\" for running text, \"sft\" for prompts and completions, \"classify\" or \"regress\" for labels",
        )),
    }
}

fn read_frozen(section: &Section) -> Result<Vec<String>> {
    let frozen = section.texts("frozen")?;
    for selector in &frozen {
        selector.parse::<Selector>().map_err(|error| match error.next {
            Some(advice) => section.refuse("frozen", error.what).next(advice),
            None => section.refuse("frozen", error.what),
        })?;
    }
    Ok(frozen)
}

fn read_precision(section: &Section) -> Result<Option<Precision>> {
    let chosen = section.choice("precision", &Precision::ALL.map(Precision::name))?;
    Ok(chosen.and_then(|name| name.parse().ok()))
}

fn read_length(section: &Section) -> Result<(Option<u64>, Option<f64>)> {
    let steps = section.integer("steps", 1..=1 << 40)?;
    let epochs = section.number("epochs", 0.001..=1e6)?;
    match (steps, epochs) {
        (Some(_), Some(_)) => {
            Err(section.refuse("epochs", "either this or steps, not both").next("leave one of them out"))
        }
        (None, None) => Err(section.missing("steps").next("or give epochs")),
        length => Ok(length),
    }
}

fn read_templates(section: &Section, objective: Objective) -> Result<(Option<String>, Option<String>, Option<usize>)> {
    if objective == Objective::Clm
        && let Some(key) = ["prompt", "completion", "limit"].into_iter().find(|key| section.has(key))
    {
        return Err(section.refuse(key, "this belongs to objectives of examples, such as \"sft\""));
    }
    let (prompt, completion) = (section.text("prompt")?, section.text("completion")?);
    if prompt.is_some() != completion.is_some() {
        let lacking = if prompt.is_some() { "completion" } else { "prompt" };
        return Err(section
            .missing(lacking)
            .next("a prompt template needs a completion template, and the other way round"));
    }
    let limit = section.integer("limit", 1..=u64::MAX)?.map(|limit| limit as usize);
    Ok((prompt, completion, limit))
}

fn read_corpus(section: &Section, file: &str, objective: Objective) -> Result<Vec<CorpusPlan>> {
    let mut corpus = Vec::new();
    for value in section.values("corpus") {
        corpus.push(match value {
            Value::String(path) => CorpusPlan { path: path.clone(), weight: None },
            Value::Table(table) => {
                let inner = Section::new(file, section.name("corpus"), table, &["path", "weight"])?;
                let path = inner.text("path")?.ok_or_else(|| inner.missing("path"))?;
                CorpusPlan { path, weight: inner.number("weight", 1e-9..=1e9)? }
            }
            other => return Err(section.refuse("corpus", format!("a path is needed, not {other}"))),
        });
    }
    if corpus.is_empty() {
        return Err(section.missing("corpus").next("a path, or a set of the bundled world such as \"world:stories\""));
    }
    let weighted = corpus.iter().filter(|source| source.weight.is_some()).count();
    if weighted != 0 && weighted != corpus.len() {
        return Err(section
            .refuse("corpus", "either every source has a weight or none")
            .next("give each a weight, or none for shares by size"));
    }
    if weighted != 0 && objective != Objective::Clm {
        return Err(section
            .refuse("corpus", "weights belong to objective \"clm\"")
            .next("leave them out: every example is seen once an epoch"));
    }
    Ok(corpus)
}

fn read_optimizer(phase: &Section) -> Result<OptimizerPlan> {
    let known = ["learning_rate", "weight_decay", "beta1", "beta2", "epsilon", "clip"];
    let section = phase.section("optimizer", &known)?;
    let section =
        section.ok_or_else(|| phase.missing("optimizer").next("write optimizer = { learning_rate = 1e-3 }"))?;
    let number = |key, range, standard: f64| Ok::<f64, Error>(section.number(key, range)?.unwrap_or(standard));
    Ok(OptimizerPlan {
        learning_rate: section
            .number("learning_rate", 1e-12..=10.0)?
            .ok_or_else(|| section.missing("learning_rate"))?,
        weight_decay: number("weight_decay", 0.0..=10.0, 0.1)?,
        beta1: number("beta1", 0.0..=0.9999999, 0.9)?,
        beta2: number("beta2", 0.0..=0.9999999, 0.95)?,
        epsilon: number("epsilon", 1e-16..=1.0, 1e-8)?,
        clip: number("clip", 0.0..=1e9, 1.0)?,
    })
}

fn read_rates(phase: &Section) -> Result<Option<RatesPlan>> {
    let Some(section) = phase.section("rates", &["decay"])? else { return Ok(None) };
    Ok(section.number("decay", 1.0..=100.0)?.map(|decay| RatesPlan { decay }))
}

fn read_schedule(phase: &Section) -> Result<Schedule> {
    let kinds = ["constant", "linear", "cosine", "warmup-stable-decay", "slanted-triangular"];
    let known = ["kind", "warmup", "floor", "decay", "cut", "ratio"];
    let Some(section) = phase.section("schedule", &known)? else { return Ok(Schedule::Constant { warmup: 0 }) };
    let kind = section.choice("kind", &kinds)?.ok_or_else(|| section.missing("kind").next(kinds.join(", ")))?;
    let own: &[&str] = match kind.as_str() {
        "constant" => &["warmup"],
        "linear" | "cosine" => &["warmup", "floor"],
        "warmup-stable-decay" => &["warmup", "decay", "floor"],
        _ => &["cut", "ratio"],
    };
    if let Some(key) = known[1..].iter().find(|key| section.has(key) && !own.contains(key)) {
        return Err(section.refuse(key, format!("a {kind} schedule has only {}", own.join(", "))));
    }
    let warmup = section.integer("warmup", 0..=1 << 40)?.unwrap_or(0);
    let floor = section.number("floor", 0.0..=1.0)?.unwrap_or(0.0);
    Ok(match kind.as_str() {
        "constant" => Schedule::Constant { warmup },
        "linear" => Schedule::Linear { warmup, floor },
        "cosine" => Schedule::Cosine { warmup, floor },
        "warmup-stable-decay" => {
            Schedule::WarmupStableDecay { warmup, decay: section.number("decay", 0.0..=1.0)?.unwrap_or(0.2), floor }
        }
        _ => Schedule::SlantedTriangular {
            cut: section.number("cut", 0.0..=1.0)?.unwrap_or(0.1),
            ratio: section.number("ratio", 1.0..=1e9)?.unwrap_or(32.0),
        },
    })
}

fn read_evaluation(phase: &Section) -> Result<EvaluationPlan> {
    let section = phase.section("evaluation", &["every", "tokens", "examples"])?;
    let integer = |key, range, standard| match &section {
        Some(section) => Ok::<u64, Error>(section.integer(key, range)?.unwrap_or(standard)),
        None => Ok(standard),
    };
    Ok(EvaluationPlan {
        every: integer("every", 0..=u64::MAX, 100)?,
        tokens: integer("tokens", 1..=u64::MAX, 50_000)?,
        examples: integer("examples", 1..=1 << 32, 500)? as usize,
    })
}

impl Plan {
    /// The plan as TOML, with every default written out.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).what(|| "cannot write the plan down".into())
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
