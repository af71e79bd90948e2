//! What panes are made of.

pub mod chart;
