//! The task of a phase, whose answers are generated and compared.

use super::Objective;
use super::section::Section;
use crate::Result;
use serde::Serialize;

/// What is generated at evaluations, and how often.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskPlan {
    pub kind: TaskKind,
    /// Steps between them, besides the first and the last: a multiple of those between evaluations.
    pub every: u64,
    /// At most this many held-out prompts.
    pub items: usize,
    /// At most this many tokens of an answer.
    pub tokens: usize,
}

/// What answers are measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// Accuracy and macro-F1 of the label that an answer begins with.
    Sentiment,
    /// Exact match and token F1.
    QuestionAnswering,
    /// ROUGE-L.
    Summarisation,
    /// chrF and BLEU.
    Translation,
    /// Exact match, case and punctuation included, and the share of checkable constraints that are met.
    Instructions,
}

impl TaskKind {
    pub const ALL: [TaskKind; 5] = [
        TaskKind::Sentiment,
        TaskKind::QuestionAnswering,
        TaskKind::Summarisation,
        TaskKind::Translation,
        TaskKind::Instructions,
    ];

    /// As plans and commands write it.
    pub fn name(self) -> &'static str {
        match self {
            TaskKind::Sentiment => "sentiment",
            TaskKind::QuestionAnswering => "question-answering",
            TaskKind::Summarisation => "summarisation",
            TaskKind::Translation => "translation",
            TaskKind::Instructions => "instructions",
        }
    }

    pub fn parse(name: &str) -> Option<TaskKind> {
        TaskKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a task measures where the plan does not say.
pub const ITEMS: usize = 50;
pub const TOKENS: usize = 64;

/// `evaluated` steps lie between evaluations.
pub(super) fn read_task(phase: &Section, objective: Objective, evaluated: u64) -> Result<Option<TaskPlan>> {
    let Some(section) = phase.section("task", &["kind", "every", "items", "tokens"])? else { return Ok(None) };
    if objective != Objective::Sft {
        return Err(phase.refuse("task", "this belongs to objective \"sft\""));
    }
    let name = section.choice("kind", &TaskKind::ALL.map(TaskKind::name))?;
    let kind = name.as_deref().and_then(TaskKind::parse).ok_or_else(|| {
        section.missing("kind").next(format!("one of {}", TaskKind::ALL.map(TaskKind::name).join(", ")))
    })?;
    let every = section.integer("every", 0..=1 << 40)?.unwrap_or(evaluated);
    if every > 0 && (evaluated == 0 || !every.is_multiple_of(evaluated)) {
        return Err(section
            .refuse("every", format!("evaluations are every {evaluated} steps, and a task is part of some of them"))
            .next("give a multiple of that, or leave it out"));
    }
    Ok(Some(TaskPlan {
        kind,
        every,
        items: section.integer("items", 1..=1 << 20)?.map_or(ITEMS, |items| items as usize),
        tokens: section.integer("tokens", 1..=1 << 20)?.map_or(TOKENS, |tokens| tokens as usize),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::Overrides;
    use super::super::read::parse;
    use super::super::testing::with;
    use super::*;

    #[test]
    fn a_task_is_read_and_written_out_again() {
        for kind in TaskKind::ALL {
            let plan =
                with("sft", &format!("task = {{ kind = \"{}\", every = 200, items = 9 }}", kind.name())).unwrap();
            assert_eq!(plan.phases[0].task, Some(TaskPlan { kind, every: 200, items: 9, tokens: TOKENS }));
            assert_eq!(parse("x", &plan.to_toml().unwrap(), &Overrides::default()).unwrap(), plan);
        }
        let plan = with("sft", "evaluation = { every = 7 }\ntask = { kind = \"sentiment\" }").unwrap();
        assert_eq!(plan.phases[0].task.as_ref().unwrap().every, 7);
        assert_eq!(with("sft", "").unwrap().phases[0].task, None);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let cases = [
            ("clm", "task = { kind = \"translation\" }", "phase.a.task"),
            ("sft", "task = { kind = \"poetry\" }", "phase.a.task.kind"),
            ("sft", "task = { items = 3 }", "phase.a.task.kind"),
            ("sft", "task = { kind = \"translation\", every = 150 }", "phase.a.task.every"),
            ("sft", "evaluation = { every = 0 }\ntask = { kind = \"translation\", every = 5 }", "phase.a.task.every"),
            ("sft", "task = { kind = \"translation\", items = 0 }", "phase.a.task.items"),
        ];
        for (objective, lines, key) in cases {
            let error = with(objective, lines).unwrap_err().to_string();
            assert!(error.contains(key), "{lines}: {error}");
        }
    }
}
