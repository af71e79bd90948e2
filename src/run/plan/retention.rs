//! A bound on forgetting, and what is done about crossing it.

use super::section::Section;
use crate::Result;
use serde::Serialize;

/// How much a phase may forget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RetentionPlan {
    /// Nats per token above the base's loss.
    pub bound: f64,
    /// On which suite: an earlier phase or a probe by its name; the one that is forgotten most where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    pub hold: Hold,
}

/// What holds a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Crossing it is said, and nothing else is done.
    #[default]
    None,
    /// The share of replayed rows is raised while the bound is crossed, and lowered again far below it.
    Replay,
}

pub(super) fn read_retention(phase: &Section) -> Result<Option<RetentionPlan>> {
    let Some(section) = phase.section("retention", &["bound", "suite", "hold"])? else { return Ok(None) };
    let bound = section.number("bound", 0.0..=100.0)?;
    let bound = bound.ok_or_else(|| section.missing("bound").next("nats per token, such as 0.05"))?;
    let hold = match section.choice("hold", &["none", "replay"])?.as_deref() {
        Some("replay") => Hold::Replay,
        _ => Hold::None,
    };
    Ok(Some(RetentionPlan { bound, suite: section.text("suite")?, hold }))
}
