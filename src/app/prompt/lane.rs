//! A lane: which weights answer, and what they have written.

use crate::protocol::{Lane, LaneEnd, LaneStarted, SampleAnswer, SampledToken};
use std::cell::Cell;

/// Where a lane stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Progress {
    /// Nothing was asked of it.
    #[default]
    Idle,
    /// Its weights are being fetched, or it reads the prompt.
    Reading,
    Writing,
    Ended(LaneEnd),
}

/// One lane of the pane.
#[derive(Clone, Debug)]
pub struct LaneView {
    pub lane: Lane,
    pub progress: Progress,
    /// Its place in the request that it answers.
    pub slot: Option<u32>,
    /// The weights that it was asked for then: a lane's may have been changed since.
    pub asked_as: Option<Lane>,
    /// Once it has read the prompt.
    pub started: Option<LaneStarted>,
    pub tokens: Vec<SampledToken>,
    /// Once it has ended.
    pub tokens_per_second: Option<f64>,
    /// Lines above the shown ones; `None` follows the end while it is written.
    pub scroll: Cell<Option<usize>>,
    /// Lines of text and lines there is room for, as last drawn.
    pub last_lines: Cell<(usize, usize)>,
}

impl LaneView {
    pub fn new(lane: Lane) -> Self {
        Self {
            lane,
            progress: Progress::Idle,
            slot: None,
            asked_as: None,
            started: None,
            tokens: Vec::new(),
            tokens_per_second: None,
            scroll: Cell::new(None),
            last_lines: Cell::new((0, 0)),
        }
    }

    pub fn is_busy(&self) -> bool {
        matches!(self.progress, Progress::Reading | Progress::Writing)
    }

    /// The weights that what stands here was written by, where the lane's are others by now.
    pub fn written_by(&self) -> Option<&Lane> {
        self.asked_as.as_ref().filter(|lane| **lane != self.lane)
    }

    /// Everything written so far.
    pub fn text(&self) -> String {
        self.tokens.iter().map(|token| token.text.as_str()).collect()
    }

    /// Forgets the last answer and waits for one at this place of a request.
    pub fn wait(&mut self, slot: u32) {
        let (lane, progress) = (self.lane.clone(), Progress::Reading);
        *self = Self { slot: Some(slot), asked_as: Some(lane.clone()), progress, ..Self::new(lane) };
    }

    /// Takes in its part of an answer.
    pub fn take(&mut self, answer: SampleAnswer) {
        match answer {
            SampleAnswer::Started(started) => {
                self.started = Some(started);
                self.progress = Progress::Writing;
            }
            SampleAnswer::Tokens { tokens, .. } => self.tokens.extend(tokens),
            SampleAnswer::Ended(ended) => {
                self.tokens_per_second = (ended.tokens_per_second > 0.0).then_some(ended.tokens_per_second);
                self.progress = Progress::Ended(ended.why);
            }
        }
    }

    /// The first token that is not the same in `other`, once one of them has it or has ended without it.
    pub fn parting(&self, other: &LaneView) -> Option<usize> {
        let same = |(a, b): &(&SampledToken, &SampledToken)| a.id == b.id && a.text == b.text;
        let shared = self.tokens.iter().zip(&other.tokens).take_while(same).count();
        let is_parted = match shared == other.tokens.len() {
            true => matches!(other.progress, Progress::Ended(_)),
            false => true,
        };
        (is_parted && shared < self.tokens.len()).then_some(shared)
    }

    /// Scrolls by lines, as far as there are any; at the end it follows again.
    pub fn scroll_by(&self, lines: isize) {
        let (all, room) = self.last_lines.get();
        let last = all.saturating_sub(room);
        let at = self.scroll.get().unwrap_or(last).min(last).saturating_add_signed(lines);
        self.scroll.set((at < last).then_some(at));
    }
}

/// Of an answer, the place in the request of the lane that it is of.
pub fn slot_of(answer: &SampleAnswer) -> u32 {
    match answer {
        SampleAnswer::Started(started) => started.lane,
        SampleAnswer::Tokens { lane, .. } => *lane,
        SampleAnswer::Ended(ended) => ended.lane,
    }
}
