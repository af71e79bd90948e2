//! How a phase spells the conversations that it learns from.

use super::Objective;
use super::section::Section;
use crate::Result;
use crate::corpus::chat::Moment;
use serde::Serialize;

/// What templates take for today where the plan says nothing: any day, as long as it is always the same.
const DATE: &str = "2025-01-01";

/// The chat template of a phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChatPlan {
    /// A file in Jinja, one that is known here, or one that the tokenizer's files name. Without it, the one of the phase
    /// that this one starts from, the tokenizer's own, or the built-in format.
    #[serde(rename = "chat_template", skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The day that `strftime_now` writes, so that the same plan gives the same text on any day.
    #[serde(rename = "chat_date", skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

impl ChatPlan {
    /// What templates take for now.
    pub fn moment(&self) -> Moment {
        let day = self.date.as_deref().and_then(Moment::parse).or_else(|| Moment::parse(DATE));
        day.unwrap_or_else(Moment::now)
    }
}

pub(super) fn read_chat(phase: &Section, objective: Objective) -> Result<ChatPlan> {
    let (template, date) = (phase.text("chat_template")?, phase.text("chat_date")?);
    for (key, value) in [("chat_template", &template), ("chat_date", &date)] {
        if value.is_some() && objective != Objective::Sft {
            return Err(phase.refuse(key, "this belongs to objective \"sft\""));
        }
    }
    if template.as_deref().is_some_and(str::is_empty) {
        return Err(phase.refuse("chat_template", "it is empty").next("name a file, or leave it out"));
    }
    match &date {
        Some(day) if Moment::parse(day).is_none() => {
            Err(phase.refuse("chat_date", format!("there is no day \"{day}\"")).next("write it as \"2025-01-31\""))
        }
        _ => Ok(ChatPlan { template, date }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Overrides;
    use super::super::read::parse;
    use super::super::testing::with;
    use super::*;

    #[test]
    fn a_template_and_a_day_are_read_and_written_out_again() {
        let plan = with("sft", "chat_template = \"chatml\"\nchat_date = \"2024-02-29\"").unwrap();
        let chat = &plan.phases[0].chat;
        assert_eq!((chat.template.as_deref(), chat.moment()), (Some("chatml"), Moment::parse("2024-02-29").unwrap()));
        assert_eq!(parse("x", &plan.to_toml().unwrap(), &Overrides::default()).unwrap(), plan);
        let plain = with("sft", "").unwrap().phases[0].chat.clone();
        assert_eq!((&plain, plain.moment()), (&ChatPlan::default(), Moment::parse(DATE).unwrap()));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let cases = [
            ("clm", "chat_template = \"chatml\"", "phase.a.chat_template"),
            ("clm", "chat_date = \"2024-02-28\"", "phase.a.chat_date"),
            ("sft", "chat_template = \"\"", "phase.a.chat_template"),
            ("sft", "chat_date = \"2023-02-29\"", "phase.a.chat_date"),
        ];
        for (objective, lines, key) in cases {
            let error = with(objective, lines).unwrap_err().to_string();
            assert!(error.contains(key), "{lines}: {error}");
        }
    }
}
