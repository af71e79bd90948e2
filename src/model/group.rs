//! How parameters are addressed. The words themselves are plain data and stand in [`crate::protocol`], so that a screen
//! can speak of groups without an engine.

pub use crate::protocol::{Group, Kind, Layer, Selector};
use crate::{Error, Result};

/// Refuses a selector that names none of `groups`.
pub fn check_selectors(groups: &[Group], selectors: &[Selector]) -> Result<()> {
    match selectors.iter().find(|selector| !groups.iter().any(|group| selector.matches(*group))) {
        None => Ok(()),
        Some(selector) => {
            let groups: Vec<String> = groups.iter().map(Group::to_string).collect();
            Err(Error::new(format!("\"{selector}\" names nothing in this model"))
                .next(format!("it has {}", groups.join(", "))))
        }
    }
}
