//! A task measured by its answers: the model writes them, greedily, for held-out prompts.

use crate::corpus::batches::{HeldOutBatch, held_out_examples};
use crate::corpus::chat::Chat;
use crate::corpus::examples::{self, Example};
use crate::corpus::tokenizer::Tokenizer;
use crate::learn::evaluation;
use crate::metrics;
use crate::model::Decoder;
use crate::protocol::{LossUnit, MetricValue};
use crate::run::plan::{TaskKind, TaskPlan};
use crate::run::suite::Measure;
use crate::sample::{Generator, Sampling, Task};
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Answers that are written side by side.
const ROWS: usize = 16;

/// Held-out prompts to answer, and what the answers are compared with.
pub struct Generated {
    kind: TaskKind,
    /// Steps between measurements; 0 for the first and the last of a phase alone.
    every: u64,
    prompts: Vec<Task>,
    references: Vec<String>,
    /// How conversations are spelled, where the examples are some.
    chat: Arc<Chat>,
    /// What was asked for, in words.
    requests: Vec<String>,
    /// The same examples as they are learned, for the loss.
    batches: Vec<HeldOutBatch>,
}

impl Generated {
    /// The first of `examples`, as many as the task asks for. Errors: no examples, or one that cannot be learned from.
    pub fn new(
        task: &TaskPlan,
        examples: &[Example],
        context: usize,
        tokenizer: &Tokenizer,
        chat: Arc<Chat>,
    ) -> Result<Self> {
        let examples = &examples[..examples.len().min(task.items)];
        if examples.is_empty() {
            return Err(Error::new(format!("there is nothing to measure {} on", task.kind.name()))
                .because("no examples are held out")
                .next("hold some out, or leave out the task"));
        }
        let encoded = examples::encode(examples, tokenizer, context)?.examples;
        let padding = tokenizer.end_of_text().unwrap_or(0);
        let stop: Vec<u32> = tokenizer.end_of_text().into_iter().chain(chat.stop(tokenizer).0).collect();
        let prompt = |example| {
            let prompt = examples::prompt_tokens(example, tokenizer)?;
            Ok(Task { prompt, sampling: Sampling::GREEDY, limit: task.tokens, stop: stop.clone() })
        };
        Ok(Self {
            kind: task.kind,
            every: task.every,
            prompts: examples.iter().map(prompt).collect::<Result<_>>()?,
            references: examples.iter().map(|example| chat.spoken(example.completion()).into()).collect(),
            requests: examples.iter().map(Example::request).collect(),
            batches: held_out_examples(&encoded, context, ROWS, padding)?,
            chat,
        })
    }

    /// Whether an evaluation after `done` steps of a phase measures it.
    pub fn is_due(&self, done: u64) -> bool {
        self.every > 0 && done.is_multiple_of(self.every)
    }

    /// Writes the answers and compares them; `None` where it was cancelled. The weights are only read.
    pub fn measure(
        &self,
        decoder: &Arc<Decoder>,
        tokenizer: &Tokenizer,
        cancel: &AtomicBool,
    ) -> Result<Option<Measure>> {
        let score = evaluation::examples(decoder, &self.batches, &|token| tokenizer.token_bytes(token))?.text;
        let mut pairs = Vec::new();
        for (prompts, references) in self.prompts.chunks(ROWS).zip(self.references.chunks(ROWS)) {
            let Some(answers) = answer(decoder, tokenizer, prompts, &self.chat, cancel)? else { return Ok(None) };
            pairs.extend(answers.into_iter().zip(references.iter().cloned()));
        }
        let mut metrics = compare(self.kind, &pairs);
        if self.kind == TaskKind::Instructions {
            let items = self.requests.iter().zip(&pairs);
            let items = items.map(|(request, (answer, reference))| (&**request, &**answer, &**reference));
            let met = metrics::constraints_met(items);
            metrics.extend(met.map(|value| MetricValue { name: "constraints".into(), value }));
        }
        Ok(Some(Measure { score, metric: None, metrics, unit: LossUnit::NatsPerToken }))
    }
}

/// The answers to some prompts; `None` where it was cancelled.
fn answer(
    decoder: &Arc<Decoder>,
    tokenizer: &Tokenizer,
    prompts: &[Task],
    chat: &Chat,
    cancel: &AtomicBool,
) -> Result<Option<Vec<String>>> {
    let mut generator = Generator::new(decoder.clone(), prompts.to_vec())?;
    while !generator.read()? {
        if cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
    }
    // A token of each at a time, so that one pass reads the newest of all.
    let mut writing = true;
    while writing {
        writing = false;
        for lane in 0..prompts.len() {
            writing |= generator.next_token(lane)?.is_some();
        }
        if cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
    }
    let texts: Vec<String> = (0..prompts.len()).map(|lane| tokenizer.decode(&generator.answer(lane).tokens)).collect();
    Ok(Some(texts.iter().map(|text| chat.spoken(text).to_string()).collect()))
}

/// The measures of a kind of task, the one that stands for all first. Pairs are (answer, reference).
fn compare(kind: TaskKind, pairs: &[(String, String)]) -> Vec<MetricValue> {
    let found = match kind {
        TaskKind::Sentiment => {
            let labels: BTreeSet<&str> = pairs.iter().map(|(_, label)| label.as_str()).collect();
            let pairs: Vec<(&str, Option<&str>)> =
                pairs.iter().map(|(answer, label)| (label.as_str(), label_of(answer, &labels))).collect();
            vec![("accuracy", metrics::accuracy(&pairs)), ("macro_f1", metrics::macro_f1(&pairs))]
        }
        TaskKind::QuestionAnswering => vec![
            ("exact_match", metrics::mean(pairs, metrics::exact_match)),
            ("token_f1", metrics::mean(pairs, metrics::token_f1)),
        ],
        TaskKind::Summarisation => vec![("rouge_l", metrics::mean(pairs, metrics::rouge_l))],
        TaskKind::Translation => vec![("chrf", metrics::chrf(pairs)), ("bleu", metrics::bleu(pairs))],
        // Case and punctuation may be what a request asks for.
        TaskKind::Instructions => {
            vec![("exact_match", metrics::mean(pairs, |answer, reference| f64::from(answer == reference)))]
        }
    };
    found.into_iter().map(|(name, value)| MetricValue { name: name.into(), value }).collect()
}

/// The longest label that a text begins with as a word of its own, whatever its case.
fn label_of<'a>(text: &str, labels: &BTreeSet<&'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let begins = |label: &&&str| {
        let rest = text.strip_prefix(&label.to_lowercase());
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    labels.iter().filter(begins).max_by_key(|label| label.len()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(kind: TaskKind, pairs: &[(&str, &str)]) -> Vec<(String, f64)> {
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        compare(kind, &pairs).into_iter().map(|metric| (metric.name, metric.value)).collect()
    }

    #[test]
    fn a_label_is_what_an_answer_begins_with() {
        let labels = BTreeSet::from(["good", "good enough", "bad"]);
        let cases = [("Good.", "good"), ("good enough, I think", "good enough"), ("bad bad", "bad"), ("good", "good")];
        for (text, label) in cases {
            assert_eq!(label_of(text, &labels), Some(label));
        }
        assert_eq!(["", "goodness", "not bad"].map(|text| label_of(text, &labels)), [None; 3]);
    }

    #[test]
    fn every_kind_has_its_measures() {
        let found = compared(TaskKind::Sentiment, &[("good!", "good"), ("nothing", "bad")]);
        assert_eq!(found, [("accuracy".into(), 0.5), ("macro_f1".into(), 0.5)]);
        let found = compared(TaskKind::QuestionAnswering, &[("The mill.", "mill"), ("a red cart", "a cart")]);
        assert_eq!(found, [("exact_match".into(), 0.5), ("token_f1".into(), (1.0 + 2.0 / 3.0) / 2.0)]);
        assert_eq!(compared(TaskKind::Summarisation, &[("a b", "a b")]), [("rouge_l".into(), 1.0)]);
        let found = compared(TaskKind::Translation, &[("one two three four", "one two three four")]);
        assert!(found.iter().all(|(_, value)| (value - 1.0).abs() < 1e-12), "{found:?}");
        assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["chrf", "bleu"]);
        let found = compared(TaskKind::Instructions, &[("MILL", "MILL"), ("mill", "MILL")]);
        assert_eq!(found, [("exact_match".into(), 0.5)]);
    }

    #[test]
    fn answers_are_the_same_however_many_are_asked_and_can_be_cancelled() {
        let tokenizer = Tokenizer::train(["who sells fish? the cook sells fish."], 300).unwrap();
        let shape = crate::model::preset::find("llama-1m").unwrap().config(300, 48);
        let config = crate::model::Config { layers: 1, ..shape };
        let device = candle_core::Device::Cpu;
        let decoder = Arc::new(Decoder::random(config, 1, candle_core::DType::F32, &device).unwrap());
        let examples: Vec<Example> =
            (0..20).map(|index| Example::pair(format!("who sells fish {index}?"), " the cook")).collect();
        let task = TaskPlan { kind: TaskKind::QuestionAnswering, every: 0, items: 18, tokens: 6 };
        let chat = Arc::new(Chat::default());
        let generated = Generated::new(&task, &examples, 48, &tokenizer, chat.clone()).unwrap();
        assert_eq!((generated.prompts.len(), &*generated.references[17]), (18, "the cook"));
        let (on, off) = (AtomicBool::new(true), AtomicBool::new(false));
        assert_eq!(generated.measure(&decoder, &tokenizer, &on).unwrap(), None);
        let measured = generated.measure(&decoder, &tokenizer, &off).unwrap();
        assert!(measured.is_some() && measured == generated.measure(&decoder, &tokenizer, &off).unwrap());
        let together = answer(&decoder, &tokenizer, &generated.prompts[..ROWS], &chat, &off).unwrap().unwrap();
        for (prompt, answered) in generated.prompts.iter().zip(together) {
            let alone = answer(&decoder, &tokenizer, std::slice::from_ref(prompt), &chat, &off).unwrap();
            assert_eq!(alone, Some(vec![answered]));
        }
        let told = Example::pair("Is it fish? Yes or no?", " No");
        let asked = TaskPlan { kind: TaskKind::Instructions, ..task.clone() };
        let asked = Generated::new(&asked, &[told], 48, &tokenizer, chat.clone()).unwrap();
        let metrics = asked.measure(&decoder, &tokenizer, &off).unwrap().unwrap().metrics;
        assert_eq!(metrics.iter().map(|metric| &*metric.name).collect::<Vec<_>>(), ["exact_match", "constraints"]);
        assert!(Generated::new(&task, &[], 48, &tokenizer, chat).is_err());
    }

    #[test]
    fn marks_of_messages_are_no_part_of_an_answer() {
        let chat = Chat::default();
        assert_eq!(chat.spoken(" Grey Hollow<|end|>\n<|user|>"), "Grey Hollow");
        assert_eq!(chat.spoken(""), "");
    }
}
