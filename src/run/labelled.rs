//! The data of phases whose texts are scored as a whole: which classes there are, and what should be said before training.

use super::data::{Context, EVALUATION_ROWS, PhaseExamples, read_examples};
use super::material::{Material, Part};
use super::plan::{Objective, PhasePlan};
use super::suite::{ScoredTexts, Suite, SuiteKind};
use crate::corpus::chat::Chat;
use crate::corpus::examples::{EncodedExample, Example, Label, encode_labelled, number};
use crate::corpus::tokenizer::Tokenizer;
use crate::model::{Answers, Score, Target};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A class with fewer texts than this is learned by chance.
const FEW_OF_A_CLASS: usize = 8;
/// A largest class of so many times the smallest is out of balance.
const OUT_OF_BALANCE: usize = 10;
/// Fewer texts than this depend on which ones they are.
const FEW_TEXTS: usize = 64;
/// Of held-out texts, that says little below this.
const FEW_HELD_OUT: usize = 50;
/// Numbers that lie or spread wider than this are far from where a new head begins.
const WIDE: f64 = 10.0;
/// How many classes a message names.
const NAMED: usize = 8;

/// What a phase learns from, its held-out suites, what a person should know, and the score.
pub(super) type Read = (Material, Vec<Suite>, Vec<String>, Score);

/// Reads a phase that classifies, or gives numbers.
pub(super) fn read(phase: &PhasePlan, chat: &Arc<Chat>, tokenizer: &Tokenizer, context: &Context) -> Result<Read> {
    let PhaseExamples { training, held_out, labels, mut notices } = read_examples(phase, chat, context)?;
    let answers = match phase.objective {
        Objective::Regress => Answers::Number,
        _ => Answers::Classes(classes(&phase.labels, labels)?),
    };
    let score = match context.config {
        Some(config) => config.score_for(answers.clone()),
        None => Score::of_decoder(answers.clone()),
    };
    notices.extend(match &answers {
        Answers::Classes(classes) => about_classes(classes, &training, &held_out),
        Answers::Number => about_numbers(&training)?,
    });
    let (training, cut) = encoded(&training, &score, tokenizer, phase.context)?;
    let (held_out, held_out_cut) = encoded(&held_out, &score, tokenizer, phase.context)?;
    if cut + held_out_cut > 0 {
        let side = if score.pooled == crate::model::Pooled::Last { "beginning" } else { "end" };
        let (count, positions) = (cut + held_out_cut, phase.context);
        notices.push(format!("{count} texts lost their {side}: they are longer than the context of {positions}"));
    }
    let padding = tokenizer.end_of_text().unwrap_or(0);
    let examples = Part::Examples { examples: Arc::new(training), padding };
    let material = Material { sources: vec![(phase.name.clone(), examples, 1.0)] };
    let mut suites = Vec::new();
    if !held_out.is_empty() {
        let texts = ScoredTexts::new(score.clone(), &held_out, phase.context, EVALUATION_ROWS, padding)?;
        suites.push(Suite { name: phase.name.clone(), kind: SuiteKind::Scored(texts) });
    }
    Ok((material, suites, notices, score))
}

/// The classes in their order: those of the plan, or all that were found, numbers by their size. Errors: a label that the
/// plan does not name, and fewer than two classes.
pub fn classes(planned: &[String], found: BTreeMap<String, usize>) -> Result<Vec<String>> {
    if planned.is_empty() {
        let mut found: Vec<String> = found.into_keys().collect();
        if let [only] = &found[..] {
            return Err(Error::new("there is nothing to tell apart")
                .because(format!("every text is labelled \"{only}\""))
                .next("give texts of at least two classes"));
        }
        if found.iter().all(|label| number(label).is_some()) {
            found.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
        }
        return Ok(found);
    }
    let unknown: Vec<(String, usize)> = found.into_iter().filter(|(label, _)| !planned.contains(label)).collect();
    match unknown.is_empty() {
        true => Ok(planned.to_vec()),
        false => Err(Error::new("there are labels that the plan does not name")
            .because(format!("labels = [{}], and texts are labelled {}", quoted(planned), counted(&unknown)))
            .next("add them to labels, mend the rows, or leave labels out")),
    }
}

/// Texts as tokens that fit into `context` positions, and how many had to be cut.
pub fn encoded(
    examples: &[Example],
    score: &Score,
    tokenizer: &Tokenizer,
    context: usize,
) -> Result<(Vec<EncodedExample>, u64)> {
    let target = |label: &str| match &score.answers {
        Answers::Classes(labels) => labels.iter().position(|own| own == label).map(|at| Target::Class(at as u32)),
        Answers::Number => number(label).map(Target::Number),
    };
    let labels = examples.iter().map(|example| {
        let label = example.completion();
        let target = target(label).ok_or_else(|| {
            Error::new(format!("the label \"{label}\" is not one of the head's"))
                .because(format!("it has {}", quoted(score.labels())))
        })?;
        Ok(Label { target, pooled: score.pooled })
    });
    encode_labelled(examples, &labels.collect::<Result<Vec<_>>>()?, tokenizer, context)
}

fn quoted(labels: &[String]) -> String {
    let named: Vec<String> = labels.iter().take(NAMED).map(|label| format!("\"{label}\"")).collect();
    let more = if labels.len() > NAMED { format!(" and {} more", labels.len() - NAMED) } else { String::new() };
    format!("{}{more}", named.join(", "))
}

fn counted(labels: &[(String, usize)]) -> String {
    let named: Vec<String> =
        labels.iter().take(NAMED).map(|(label, count)| format!("\"{label}\" ({count} times)")).collect();
    let more = if labels.len() > NAMED { format!(" and {} more", labels.len() - NAMED) } else { String::new() };
    format!("{}{more}", named.join(", "))
}

/// How often each class occurs, in their order.
fn counts(classes: &[String], examples: &[Example]) -> Vec<(String, usize)> {
    let count = |class: &String| examples.iter().filter(|example| example.completion() == class).count();
    classes.iter().map(|class| (class.clone(), count(class))).collect()
}

/// Labels too few, too uneven, or missing; and what a guess is worth.
fn about_classes(classes: &[String], training: &[Example], held_out: &[Example]) -> Vec<String> {
    let mut notices = Vec::new();
    let learned = counts(classes, training);
    let missing: Vec<String> =
        learned.iter().filter(|(_, count)| *count == 0).map(|(class, _)| class.clone()).collect();
    if !missing.is_empty() {
        notices.push(format!(
            "no text to learn from is labelled {}: such texts will be taken for another class; label some, raise limit, or \
             leave the class out",
            quoted(&missing)
        ));
    }
    let few: Vec<(String, usize)> =
        learned.iter().filter(|(_, count)| (1..FEW_OF_A_CLASS).contains(count)).cloned().collect();
    if !few.is_empty() {
        notices.push(format!(
            "labels too few: {}; label at least {FEW_OF_A_CLASS} of each, put rare classes together, or start from a model \
             that knows more and freeze its lower layers",
            counted(&few)
        ));
    }
    let (most, least) =
        (learned.iter().max_by_key(|(_, count)| *count), learned.iter().filter(|(_, count)| *count > 0));
    if let (Some((largest, most)), Some((smallest, least))) = (most, least.min_by_key(|(_, count)| *count))
        && *most > OUT_OF_BALANCE * least
    {
        notices.push(format!(
            "classes out of balance: \"{largest}\" has {most} texts and \"{smallest}\" {least}; go by macro-F1 rather than \
             accuracy, and label more of the rare ones or drop some of the frequent"
        ));
    }
    notices.extend(about_count(training.len(), held_out.len()));
    let held = counts(classes, held_out);
    if let Some((class, count)) = held.iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 0) {
        let share = 100.0 * *count as f64 / held_out.len() as f64;
        notices.push(format!("always answering \"{class}\" is right for {share:.0}% of the held-out texts"));
    }
    notices
}

fn about_count(training: usize, held_out: usize) -> Option<String> {
    if training < FEW_TEXTS {
        return Some(format!(
            "only {training} texts to learn from: what comes out depends on which they are; try several seeds, label more, or \
             freeze all but the upper layers"
        ));
    }
    (1..FEW_HELD_OUT).contains(&held_out).then(|| {
        format!(
            "only {held_out} held-out texts: one of them is {:.0} points of accuracy; raise held_out",
            100.0 / held_out as f64
        )
    })
}

/// Errors: every number is the same.
fn about_numbers(training: &[Example]) -> Result<Vec<String>> {
    let numbers: Vec<f64> = training.iter().filter_map(|example| number(example.completion())).map(f64::from).collect();
    let count = numbers.len().max(1) as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / count;
    if variance == 0.0 {
        return Err(Error::new("there is nothing to predict")
            .because(format!("every text is labelled {mean}"))
            .next("give texts with different numbers"));
    }
    let deviation = variance.sqrt();
    let mut notices = vec![format!(
        "labels have mean {mean:.3} and deviation {deviation:.3}: always guessing the mean has a loss of {variance:.4}"
    )];
    if mean.abs() > WIDE || deviation > WIDE {
        notices.push(
            "a new head begins near 0, and a squared error this large makes large gradients: bring the labels to about -1 to 1, \
             such as (label - mean) / deviation, and back after predicting"
                .into(),
        );
    }
    notices.extend((training.len() < FEW_TEXTS).then(|| about_count(training.len(), 0)).flatten());
    Ok(notices)
}

#[cfg(test)]
#[path = "labelled_tests.rs"]
mod tests;
