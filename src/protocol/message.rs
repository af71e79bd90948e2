//! What goes over the socket: requests one way, messages the other.

use super::corpus::{CorpusAnswer, CorpusAsk};
use super::lab::LabReport;
use super::layers::{GroupFacts, GroupReports};
use super::lineage::{Branch, Kin};
use super::prompt::{SampleAnswer, SampleAsk};
use super::range::{RangeAnswer, RangeAsk};
use super::{Command, Event, Status, StepRecords};
use serde::{Deserialize, Serialize};

/// Both sides compare this first; a client of another version is told so, and nothing else.
pub const VERSION: u32 = 5;

/// From a client to the host. Ids are the client's own; answers carry them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub id: u64,
    pub ask: Ask,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// The first request of a client.
    Attach {
        version: u32,
        /// Whether a person looks on: what happens after the last of those left is told to the next. Clients that only ask
        /// for something do not count.
        #[serde(default)]
        looks_on: bool,
    },
    /// Answered once, when it took effect or was refused.
    Steer(Command),
    /// Answered as it is written, and with its end.
    Sample(SampleAsk),
    Corpus(CorpusAsk),
    /// A learning-rate range test on a fork of the live weights. Answered as it goes on, and with its end.
    RangeTest(RangeAsk),
    /// Ends the work of an earlier request.
    Cancel(u64),
    /// Makes a new run that has this run's steps up to `at` in common with it; the newest checkpoint's without a step.
    /// Answered with [`Answer::Forked`].
    Fork {
        at: Option<u64>,
        name: Option<String>,
    },
    /// The runs that this one is related to. Answered with [`Answer::Lineage`].
    Lineage,
    /// What the lab of this run's home found. Answered with [`Answer::Lab`].
    Lab,
    /// Finish the step, save, and end the host.
    Stop,
}

/// From the host to a client. Histories are sent from where the client stands, in order and without gaps, as quickly as
/// it reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// The first message: what the run is.
    Welcome(Box<Welcome>),
    Status(Box<Status>),
    /// What the model's groups cost. Sent when the model is there, and again when it changes.
    Facts(Vec<GroupFacts>),
    Steps(StepRecords),
    /// Everything but steps: phases, evaluations, checkpoints, changes, notices; `start` is the index of the first.
    Events {
        start: u64,
        events: Vec<Event>,
    },
    Groups(GroupReports),
    /// Curves beside the run's own: what was taken back, and the runs that this one is related to. All of them, each
    /// time one of them changed.
    Branches(Vec<Branch>),
    Answer {
        id: u64,
        answer: Answer,
    },
    /// The host ends, or refuses this client, and why.
    Goodbye(String),
}

/// What a client needs to know of a run once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    pub version: u32,
    pub run: String,
    pub path: String,
    /// The validated plan.
    pub plan: String,
    /// The names of its phases, in order.
    pub phases: Vec<String>,
    /// The place of the phase that each starts from; `None` for the run's first weights.
    pub parents: Vec<Option<usize>>,
    /// Sources of text in the plan: name as written there, and the phase that reads it.
    pub sources: Vec<(String, String)>,
    pub device: String,
    /// The host's process.
    pub process: u32,
    /// Where the run stood when the last client left; `None` where none was there before, or one still is.
    #[serde(default)]
    pub absence: Option<Absence>,
}

/// What the last client had seen when it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// Seconds since 1970.
    pub since: u64,
    /// Steps done.
    pub step: u64,
    /// Events that there were.
    pub events: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// A command took effect after this many steps.
    Applied {
        step: u64,
        effect: String,
    },
    /// It did not, and why.
    Refused(String),
    /// A new run, and the step that it goes on from.
    Forked {
        run: String,
        step: u64,
    },
    Lineage(Vec<Kin>),
    /// Every study, without its single trials.
    Lab(Vec<LabReport>),
    Sample(SampleAnswer),
    Corpus(CorpusAnswer),
    RangeTest(RangeAnswer),
}
