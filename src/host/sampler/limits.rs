//! How much a client may ask for.

use crate::protocol::{Lane, SampleAsk};
use crate::{Error, Result};

/// Each has a cache and perhaps weights of its own.
pub const LANES: usize = 8;
const PROMPT_BYTES: usize = 1 << 20;
const TOKENS: u64 = 1 << 16;
const STOP_TEXTS: usize = 16;
const STOP_BYTES: usize = 1024;
/// More than a model has groups that a person would name one by one.
const GRAFT_LAYERS: usize = 1024;

/// Refuses what is too much, naming it.
pub fn check(ask: &SampleAsk) -> Result<()> {
    let bound = |what: &str, asked: u64, most: u64| match asked > most {
        true => Err(Error::new(format!("{what}: {asked} is more than the {most} there may be"))),
        false => Ok(()),
    };
    let settings = &ask.settings;
    if ask.lanes.is_empty() {
        return Err(Error::new("no lane is to answer").next("add a lane"));
    }
    bound("lanes", ask.lanes.len() as u64, LANES as u64)?;
    let layers = ask.lanes.iter().map(|lane| if let Lane::Graft(graft) = lane { graft.layers.len() } else { 0 });
    bound("layers of a graft", layers.max().unwrap_or(0) as u64, GRAFT_LAYERS as u64)?;
    bound("bytes of the prompt", ask.prompt.len() as u64, PROMPT_BYTES as u64)?;
    bound("tokens to write", settings.max_tokens, TOKENS)?;
    bound("stop texts", settings.stop.len() as u64, STOP_TEXTS as u64)?;
    let longest = settings.stop.iter().map(String::len).max().unwrap_or(0);
    bound("bytes of a stop text", longest as u64, STOP_BYTES as u64)
}
