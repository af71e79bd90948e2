//! How long work reports where it stands, and how it is asked to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Kind, Result};

/// Receives the progress of long work; the command line draws it, tests count it.
pub trait Progress: Sync {
    /// Work on `what` begins; `total_bytes` is how much [`Progress::advance`] will report, where known.
    fn begin(&self, what: &str, total_bytes: Option<u64>);
    /// `bytes` more of the source have been dealt with.
    fn advance(&self, bytes: u64);
    /// The work that began last is over.
    fn finish(&self);
}

/// Progress that nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str, _total_bytes: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn finish(&self) {}
}

/// Work that has begun; it is finished when this is dropped, however the work ends.
pub(crate) struct Running<'a>(&'a dyn Progress);

impl<'a> Running<'a> {
    pub(crate) fn begin(progress: &'a dyn Progress, what: &str, total_bytes: u64) -> Self {
        progress.begin(what, Some(total_bytes));
        Running(progress)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// An error of kind [`Kind::Interrupted`] once `cancel` is set.
pub(crate) fn check(cancel: &AtomicBool, what: &str) -> Result<()> {
    if cancel.load(Ordering::Relaxed) {
        let mut error = Error::new(format!("{what} was interrupted"));
        error.kind = Kind::Interrupted;
        return Err(error);
    }
    Ok(())
}
