//! What a phase learns from, apart from how long its rows are: a later phase can read it again, in rows of its own.

use super::data::PhaseData;
use super::plan::Plan;
use super::steering::REPLAY;
use crate::corpus::batches::{Batches, Mixture, Packed, Rows, Windows};
use crate::corpus::examples::EncodedExample;
use crate::corpus::shards::Shard;
use crate::model::Score;
use crate::random::mix;
use crate::{Error, Result};
use std::sync::Arc;

/// The sources of a phase, each with its name and weight.
pub struct Material {
    pub sources: Vec<(String, Part, f64)>,
}

/// What a phase itself brings to its batches.
pub struct Own<'a> {
    pub material: &'a Material,
    /// What its model scores texts by.
    pub score: Option<&'a Score>,
}

/// One source, tokenised.
pub enum Part {
    Text(Arc<Shard>),
    /// Rows are filled up with the token `padding`.
    Examples {
        examples: Arc<Vec<EncodedExample>>,
        padding: u32,
    },
}

/// A source as rows, with its name and weight.
type Source = (String, Arc<dyn Rows>, f64);

impl Part {
    /// Batches of `rows` rows of `context` positions. Examples that are longer are cut as [`EncodedExample::fitted`] says.
    fn batches(&self, context: usize, rows: usize, seed: u64) -> Result<Arc<dyn Batches>> {
        match self {
            Part::Text(shard) => Ok(Arc::new(Windows::new(shard.clone(), context, rows, seed)?)),
            Part::Examples { examples, padding } => {
                let examples = match examples.iter().any(|example| example.read() > context) {
                    true => Arc::new(examples.iter().map(|example| example.fitted(context)).collect()),
                    false => examples.clone(),
                };
                Ok(Arc::new(Packed::new(examples, context, rows, seed, *padding)?))
            }
        }
    }
}

impl Material {
    fn rows(&self, context: usize, seed: u64) -> Result<Vec<Source>> {
        let source = |(name, part, weight): &(String, Part, f64)| {
            let rows: Arc<dyn Rows> = part.batches(context, 1, seed)?;
            Ok((name.clone(), rows, *weight))
        };
        self.sources.iter().map(source).collect()
    }

    /// What a person should know of its examples in rows of `context` positions, where some are longer: they are cut when
    /// they are replayed.
    fn cut(&self, name: &str, context: usize) -> Option<String> {
        let examples = self.sources.iter().filter_map(|(_, part, _)| match part {
            Part::Examples { examples, .. } => Some(examples),
            Part::Text(_) => None,
        });
        let count = examples.flat_map(|examples| examples.iter()).filter(|e| e.tokens.len() > context + 1).count();
        (count > 0).then(|| {
            format!(
                "{count} examples of the phase {name} are longer than the context of {context}: where they are replayed, they \
                 lose the beginning of their prompt first, and the end of their completion last"
            )
        })
    }

    /// All sources together, as one.
    fn as_one(&self, context: usize, seed: u64) -> Result<Arc<dyn Rows>> {
        let mut sources = self.rows(context, seed)?;
        match sources.len() {
            1 => sources.pop().map(|(_, rows, _)| rows).ok_or_else(|| Error::new("there are no rows")),
            _ => Ok(Arc::new(Mixture::new(sources, 1, seed)?)),
        }
    }
}

/// The batches of phase `index`: its own rows, and those of the phases that it stands on, in their `earlier` data. These
/// wait with a share of 0 where the plan replays nothing, so that `replay` can give them one. Also what a person should
/// know: phases that cannot be replayed. Errors: the plan wants one of those.
pub fn batches(
    plan: &Plan,
    index: usize,
    own: Own,
    earlier: &[Arc<PhaseData>],
    seed: u64,
) -> Result<(Arc<dyn Batches>, Vec<String>)> {
    let phase = &plan.phases[index];
    let (mut replayed, mut notices) = (Vec::new(), Vec::new());
    for ancestor in plan.ancestors(index) {
        let name = &plan.phases[ancestor].name;
        // Another order than the phase itself had.
        let has_other_head = plan.phases[ancestor].objective.scores() && earlier[ancestor].score.as_ref() != own.score;
        let rows = match has_other_head {
            true => Err(Error::new("its head had other labels")),
            false => earlier[ancestor].material.as_one(phase.context, mix(seed, 1 + ancestor as u64)),
        };
        notices.extend(earlier[ancestor].material.cut(name, phase.context));
        match rows {
            Ok(rows) => replayed.push((name.clone(), rows)),
            Err(error) if phase.replay.as_ref().is_some_and(|replay| replay.takes(name)) => {
                return Err(error.within(format!("the phase {name} cannot be replayed")));
            }
            Err(error) => notices.push(format!("the phase {name} cannot be replayed: {error}")),
        }
    }
    if let ([(_, part, _)], true) = (&own.material.sources[..], replayed.is_empty()) {
        return Ok((part.batches(phase.context, phase.batch, seed)?, notices));
    }
    let own = own.material.rows(phase.context, seed)?;
    let total: f64 = own.iter().map(|(_, _, weight)| weight).sum();
    let taken = |name: &String| phase.replay.as_ref().is_some_and(|replay| replay.takes(name));
    let count = replayed.iter().filter(|(name, _)| taken(name)).count();
    let share = phase.replay.as_ref().map_or(0.0, |replay| replay.share);
    let share = if count == 0 { 0.0 } else { share };
    let own = own.into_iter().map(|(name, rows, weight)| (name, rows, weight / total * (1.0 - share)));
    let replayed = replayed.into_iter().map(|(name, rows)| {
        let part = if taken(&name) { share / count as f64 } else { 0.0 };
        (format!("{REPLAY}{name}"), rows, part)
    });
    Ok((Arc::new(Mixture::new(own.chain(replayed).collect(), phase.batch, seed)?), notices))
}
