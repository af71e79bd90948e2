//! What the engine says and is told: plain data with serde and its written form, no behaviour, no dependencies on other
//! rooms. A screen reaches the engine through these words alone.

mod command;
mod corpus;
mod course;
mod event;
mod group;
mod lab;
mod layers;
mod lineage;
mod measure;
mod message;
mod mixture;
mod prompt;
mod range;
mod status;
mod step;

pub use command::{Change, Command, GRAMMAR, Hold, Rate};
pub use corpus::*;
pub use course::{Curve, Order, Unfreeze};
pub use event::{
    Begun, By, CheckpointSaved, Evaluation, Event, Failed, Finished, Guarded, KL_BASE, MetricValue, Notice, Origin,
    OriginKind, PhaseStarted, Resumed, Retained, Rewound, SAMPLED, Steered, Step, Transfer,
};
pub use group::{Group, Kind, Layer, Selector};
pub use lab::{LabAxis, LabBetter, LabFinding, LabPoint, LabProgress, LabReport, LabSpread, LabTrial};
pub use layers::{GroupFacts, GroupReport, GroupReports};
pub use lineage::{Branch, BranchKind, Kin, KinPhase};
pub use measure::{LossUnit, METRICS, MetricFacts, MetricForm};
pub use message::{Absence, Answer, Ask, Message, Request, VERSION, Welcome};
pub use mixture::{Graft, MIXTURES, Share, Side, mixture};
pub use prompt::*;
pub use range::{RangeAnswer, RangeAsk, RangeEnd, RangeFound, RangePoint, RangeStarted};
pub use status::{GroupState, Phase, PrefixState, Preparation, Progress, State, Status, Undoable};
pub use step::{StepRecord, StepRecords};
