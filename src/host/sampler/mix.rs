//! The weights of one answer's lanes: base and live as they are when it begins, and what lies between them.

use super::Weights;
use crate::model::{Decoder, blend};
use crate::protocol::{Graft, Lane, Share, Side};
use crate::{Error, Result};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Weights, with words for what they are.
type Got = (Arc<Decoder>, String);

/// The blend that was made last, for as long as base and live are those it was made of. It takes memory for what differs
/// between them; a graft takes none, and is not kept.
#[derive(Default)]
pub struct LastBlend(Mutex<Option<Blended>>);

struct Blended {
    share: Share,
    /// Held by no more than their address, which nothing else can have meanwhile: weights are let go of with training.
    base: Weak<Decoder>,
    live: Weak<Decoder>,
    decoder: Arc<Decoder>,
}

/// Where the lanes of one answer get base and live: once, so that all are of the same step.
pub struct Ends<'a> {
    pub weights: &'a dyn Weights,
    last: &'a LastBlend,
    base: Mutex<Option<Got>>,
    live: Mutex<Option<Got>>,
}

impl<'a> Ends<'a> {
    pub fn new(weights: &'a dyn Weights, last: &'a LastBlend) -> Self {
        Self { weights, last, base: Mutex::default(), live: Mutex::default() }
    }

    pub fn base(&self) -> Result<Got> {
        once(&self.base, || self.weights.base())
    }

    pub fn live(&self) -> Result<Got> {
        once(&self.live, || self.weights.live())
    }

    /// (1 − share) · base + share · live. At its ends it is the base or the live weights themselves.
    pub fn blend(&self, share: Share) -> Result<Got> {
        let ((base, from), (live, to)) = self.both()?;
        let words = format!("{from} → {to}");
        match share {
            Share::BASE => return Ok((base, words)),
            Share::LIVE => return Ok((live, words)),
            _ => {}
        }
        let mut last = self.last.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = last.as_ref().filter(|known| known.is_of(share, &base, &live)) {
            return Ok((known.decoder.clone(), words));
        }
        // The one before is let go of first: there is never room taken for both by this.
        *last = None;
        let decoder = Arc::new(blend::interpolate(&base, &live, share.value()).map_err(apart)?);
        *last =
            Some(Blended { share, base: Arc::downgrade(&base), live: Arc::downgrade(&live), decoder: decoder.clone() });
        Ok((decoder, words))
    }

    /// One side's layers in the other side's weights, all of them shared.
    pub fn graft(&self, graft: &Graft) -> Result<Got> {
        let ((base, from), (live, to)) = self.both()?;
        let (donor, host) = match graft.from {
            Side::Base => (&base, &live),
            Side::Live => (&live, &base),
        };
        Ok((Arc::new(blend::graft(donor, host, &graft.layers).map_err(apart)?), format!("{from} → {to}")))
    }

    fn both(&self) -> Result<(Got, Got)> {
        Ok((self.base()?, self.live()?))
    }
}

impl Blended {
    fn is_of(&self, share: Share, base: &Arc<Decoder>, live: &Arc<Decoder>) -> bool {
        let is = |known: &Weak<Decoder>, own: &Arc<Decoder>| std::ptr::eq(known.as_ptr(), Arc::as_ptr(own));
        self.share == share && is(&self.base, base) && is(&self.live, live)
    }
}

fn once(kept: &Mutex<Option<Got>>, get: impl FnOnce() -> Result<Got>) -> Result<Got> {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    match kept.as_ref() {
        Some(got) => Ok(got.clone()),
        None => Ok(kept.insert(get()?).clone()),
    }
}

/// The general advice of [`blend`] is about names on the command line.
fn apart(error: Error) -> Error {
    match error.what.starts_with("these models") {
        true => Error {
            what: "base and live cannot be mixed".into(),
            next: Some("take the lanes base and live beside each other".into()),
            ..error
        },
        false => error,
    }
}

/// Whether a lane needs what is live: such lanes get their weights first.
pub fn is_at_hand(lane: &Lane) -> bool {
    !matches!(lane, Lane::Checkpoint(_))
}
