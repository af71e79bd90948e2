//! stand-in
use crate::Result;
use crate::run::Home;
#[derive(clap::Args)]
pub struct Arguments {
    path: String,
}
pub fn run(_: &Arguments, _: &Home) -> Result<()> {
    Ok(())
}
