//! What the screen shows: the terminal, the panes, the widgets they are made of, the themes.

mod bars;
mod effects;
mod family;
#[cfg(test)]
mod family_tests;
mod frame;
mod input;
mod lab;
mod range_test;
#[cfg(test)]
mod range_test_tests;
mod layout;
mod overlays;
pub mod panes;
mod run;
mod screen;
mod settings;
pub mod svg;
mod terminal;
pub mod text;
pub mod theme;
pub mod themes;
mod welcome;
pub mod widgets;
mod workbench;

#[cfg(test)]
mod monkey_tests;
#[cfg(test)]
mod tests;

pub use frame::{Drawn, draw};
pub use run::{Entry, Exit, Link, Options, Starter, run};
