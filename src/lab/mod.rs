//! The lab: studies that compare methods over seeds, settings and rates. A study is made of ordinary runs, one or two for
//! each seed, whose plans stand in its folder: every trial is a phase of one of them, and can be looked at, sampled and
//! carried out again like any other.

mod carry_out;
mod design;
mod files;
mod finder;
mod findings;
mod gather;
mod interpolation;
mod pace;
mod plan_text;
mod report;
mod settings;
mod spread;
mod studies;
#[cfg(test)]
mod testing;

pub use carry_out::{Request, Watcher, carry_out};
pub use files::{all, read};
pub use settings::{Examples, Settings, Study};
