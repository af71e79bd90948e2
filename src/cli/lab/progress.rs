//! A bar over all trials of a study.

use crate::cli::output;
use crate::cli::progress::style;
use crate::lab::Watcher;
use crate::protocol::{LabProgress, LabReport};
use indicatif::ProgressBar;

/// Shows how far a study is.
#[derive(Default)]
pub struct Screen {
    bar: Option<ProgressBar>,
    phase: String,
    /// Trials that are done, and findings that were said.
    done: u64,
}

impl Watcher for Screen {
    fn begins(&mut self, phase: &str) {
        self.phase = phase.into();
        if self.bar.as_ref().is_none_or(ProgressBar::is_hidden) {
            output::note(&format!("  {phase}"));
        }
    }

    fn progress(&mut self, progress: &LabProgress) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(progress.total);
            bar.set_style(style("  {bar:16} {pos}/{len} trials  {msg}"));
            bar
        });
        bar.set_position(self.done);
        let left =
            progress.seconds_left.map_or(String::new(), |seconds| format!("  {} left", output::duration(seconds)));
        bar.set_message(format!("{}{left}", self.phase));
    }

    fn report(&mut self, report: &LabReport) {
        self.done = report.progress.done;
    }

    fn notice(&mut self, text: &str) {
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.println(format!("  note: {text}")),
            _ => output::note(&format!("  note: {text}")),
        }
    }
}

impl Screen {
    pub fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
