//! `frostline corpus`: what a corpus is.

use super::Place;
use super::output::{self, bytes, count};
use super::progress::Bar;
use crate::Result;
use crate::corpus::examples::{self, Options};
use crate::corpus::source::Source;
use crate::corpus::survey::{Lengths, Survey};
use crate::run::data;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of text, or a set of the bundled world such as world:stories
    path: String,
    /// Count rows of JSON that cannot be read, rather than refuse the corpus
    #[arg(long)]
    skip_broken: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    let source = data::open_source(&arguments.path, arguments.skip_broken, &place.home)?;
    let cancel = super::interruption()?;
    let refused = match Survey::of(&source, &Bar::default(), &cancel) {
        Ok(survey) if arguments.json => return output::write_json(&survey),
        Ok(survey) => return output::show(&render(&survey)),
        Err(error) => error,
    };
    // Rows without running text may be examples.
    match survey_examples(&source, &cancel) {
        Ok(survey) if arguments.json => output::write_json(&survey),
        Ok(survey) => output::show(&survey.render()),
        Err(_) => Err(refused),
    }
}

/// What a set of examples is.
#[derive(Serialize)]
struct ExampleSurvey {
    path: PathBuf,
    examples: usize,
    /// Of text that is only read.
    prompt_bytes: usize,
    /// Of text that is learned.
    completion_bytes: usize,
    replaced_bytes: u64,
    broken_rows: u64,
    held_out_examples: usize,
}

fn survey_examples(source: &Source, cancel: &AtomicBool) -> Result<ExampleSurvey> {
    let options = Options { on_broken: source.policy(), ..Options::default() };
    let read = examples::read(source.files(), &options, cancel)?;
    let held_out_examples = match source.held_out() {
        Some(files) => examples::read(files, &options, cancel)?.examples.len(),
        None => 0,
    };
    let bytes_of = |learned: bool| {
        let segments = read.examples.iter().flat_map(|example| &example.segments);
        segments.filter(|segment| segment.learned == learned).map(|segment| segment.text.len()).sum()
    };
    Ok(ExampleSurvey {
        path: source.path().to_path_buf(),
        examples: read.examples.len(),
        prompt_bytes: bytes_of(false),
        completion_bytes: bytes_of(true),
        replaced_bytes: read.replaced_bytes,
        broken_rows: read.broken_rows,
        held_out_examples,
    })
}

impl ExampleSurvey {
    fn render(&self) -> String {
        let mean = |total: usize| bytes(total as u64 / self.examples.max(1) as u64);
        let mut text = format!(
            "{}\n{} examples: on average {} are read and {} learned\n",
            self.path.display(),
            count(self.examples as u64),
            mean(self.prompt_bytes),
            mean(self.completion_bytes),
        );
        if self.held_out_examples > 0 {
            text += &format!("{} more are held out by the source itself\n", count(self.held_out_examples as u64));
        }
        for (number, what) in [(self.broken_rows, "broken rows skipped"), (self.replaced_bytes, "bytes replaced")] {
            if number > 0 {
                text += &format!("{} {what}\n", count(number));
            }
        }
        text
    }
}

fn render(survey: &Survey) -> String {
    let mut text = format!("{}\n{}", survey.path.display(), figures(survey));
    if let Some(held_out) = &survey.held_out {
        text += &format!("held out by the source itself:\n{}", figures(held_out));
    }
    text
}

fn figures(survey: &Survey) -> String {
    let mut text = format!(
        "{} documents with {} of text, in {} files of {}\n",
        count(survey.documents),
        bytes(survey.bytes),
        count(survey.files),
        bytes(survey.source_bytes),
    );
    let Lengths { min, median, p95, max } = survey.lengths;
    let [min, median, p95, max] = [min, median, p95, max].map(bytes);
    text += &format!("a document has from {min} to {max}; half have at most {median}, 95% at most {p95}\n");
    let odd = [
        (survey.skipped_binaries, "binary files skipped"),
        (survey.broken_rows, "broken rows skipped"),
        (survey.replaced_bytes, "bytes that were no UTF-8 replaced"),
    ];
    for (number, what) in odd.into_iter().filter(|(number, _)| *number > 0) {
        text += &format!("{} {what}\n", count(number));
    }
    let mut table = output::table(["kind", "files", "documents", "text"]);
    for (kind, part) in &survey.kinds {
        let kind = format!("{kind:?}").to_lowercase();
        table.add_row([kind, count(part.files), count(part.documents), bytes(part.bytes)]);
    }
    format!("{text}\n{}\n", output::lay_out(table, 2))
}
