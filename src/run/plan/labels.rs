//! What phases of texts that are scored as a whole read: their texts, and their labels.

use super::section::Section;
use super::{Objective, PhasePlan, Plan};
use crate::Result;
use crate::corpus::examples::Template;

/// The fields that a row's text and label stand in where the plan names none.
pub const TEXT: &str = "text";
pub const LABEL: &str = "label";

/// Keys of these phases alone.
const KEYS: [&str; 3] = ["text", "label", "labels"];

/// (template or field of the text, field of the label, labels in their order)
pub(super) type LabelsPlan = (Option<String>, Option<String>, Vec<String>);

impl Objective {
    /// Whether whole texts are scored: classified, or given a number.
    pub fn scores(self) -> bool {
        matches!(self, Objective::Classify | Objective::Regress)
    }
}

impl PhasePlan {
    /// How rows become texts with labels; `None` where the phase scores nothing.
    pub fn labelled(&self) -> Result<Option<Template>> {
        if !self.objective.scores() {
            return Ok(None);
        }
        let (text, label) = (self.text.as_deref().unwrap_or(TEXT), self.label.as_deref().unwrap_or(LABEL));
        Template::labelled(text, label).map(Some)
    }
}

impl Plan {
    /// Whether the model scores texts when it is through with phase `index`: that phase does, or one that it stands on.
    pub fn scores(&self, index: usize) -> bool {
        std::iter::once(index).chain(self.ancestors(index)).any(|at| self.phases[at].objective.scores())
    }
}

pub(super) fn read_labels(phase: &Section, objective: Objective) -> Result<LabelsPlan> {
    if !objective.scores() {
        return match KEYS.into_iter().find(|key| phase.has(key)) {
            Some(key) => Err(phase.refuse(key, "this belongs to objectives \"classify\" and \"regress\"")),
            None => Ok((None, None, Vec::new())),
        };
    }
    if let Some(key) = ["prompt", "completion"].into_iter().find(|key| phase.has(key)) {
        return Err(phase
            .refuse(key, "this belongs to objective \"sft\"")
            .next("write text = \"a field, or a template such as Review: {text}\" and label = \"a field\""));
    }
    let (text, label) = (phase.text("text")?, phase.text("label")?);
    let (text, label) = (text.unwrap_or(TEXT.into()), label.unwrap_or(LABEL.into()));
    Template::labelled(&text, &label)
        .map_err(|error| error.within(format!("{} cannot be understood", phase.name("text"))))?;
    let labels = phase.texts("labels")?;
    if phase.has("labels") {
        check_labels(phase, objective, &labels)?;
    }
    Ok((Some(text), Some(label), labels))
}

fn check_labels(phase: &Section, objective: Objective, labels: &[String]) -> Result<()> {
    if objective == Objective::Regress {
        return Err(phase
            .refuse("labels", "this belongs to objective \"classify\"")
            .next("leave it out: numbers have no classes"));
    }
    if labels.len() < 2 {
        let advice = "name all classes in their order, or leave it out to take those that are found";
        return Err(phase.refuse("labels", "to tell classes apart takes two of them").next(advice));
    }
    let twice = labels.iter().enumerate().find(|(at, label)| labels[..*at].contains(label));
    match (twice, labels.iter().find(|label| label.trim() != **label || label.is_empty())) {
        (Some((_, label)), _) => Err(phase.refuse("labels", format!("\"{label}\" stands in it twice"))),
        (None, Some(label)) => {
            Err(phase.refuse("labels", format!("\"{label}\" is empty, or has white space at its ends")))
        }
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Overrides;
    use super::super::read::parse;
    use super::super::testing::with;
    use super::*;

    #[test]
    fn phases_of_labels_are_read_and_written_out_again() {
        for (objective, lines) in [
            ("classify", ""),
            ("classify", "text = \"Review: {review}\"\nlabel = \"stars\"\nlabels = [\"1\", \"2\"]\nlimit = 9"),
            ("regress", "label = \"score\""),
        ] {
            let plan = with(objective, lines).unwrap();
            assert_eq!(plan.phases[0].objective.name(), objective);
            assert_eq!(parse("x", &plan.to_toml().unwrap(), &Overrides::default()).unwrap(), plan);
            assert!(plan.scores(0) && plan.phases[0].labelled().unwrap().is_some());
        }
        let phase = &with("classify", "").unwrap().phases[0];
        assert_eq!((phase.text.as_deref(), phase.label.as_deref(), phase.labels.len()), (Some(TEXT), Some(LABEL), 0));
        assert!(!with("sft", "").unwrap().scores(0));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let cases = [
            ("sft", "labels = [\"a\", \"b\"]", "phase.a.labels"),
            ("clm", "text = \"a\"", "phase.a.text"),
            ("classify", "prompt = \"{a}\"", "phase.a.prompt"),
            ("classify", "labels = [\"a\"]", "phase.a.labels"),
            ("classify", "labels = []", "phase.a.labels"),
            ("classify", "labels = [\"a\", \"b\", \"a\"]", "twice"),
            ("classify", "labels = [\"a\", \" b\"]", "white space"),
            ("regress", "labels = [\"a\", \"b\"]", "phase.a.labels"),
            ("classify", "text = \"{a\"", "phase.a.text"),
            ("classify", "task = { kind = \"sentiment\" }", "phase.a.task"),
            ("classify", "corpus = { path = \"a\", weight = 1.0 }", "corpus"),
        ];
        for (objective, lines, part) in cases {
            let lines = lines.to_string();
            let error = with(objective, &lines).unwrap_err().to_string();
            assert!(error.contains(part), "{lines}: {error}");
        }
    }
}
