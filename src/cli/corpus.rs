//! `frostline corpus`: what a corpus is, how far it is from what a base learned from, and how its conversations are spelled.

mod against;
mod rendered;

use super::Place;
use super::output::{self, bytes, count};
use super::progress::Bar;
use crate::Result;
use crate::corpus::chat::Chat;
use crate::corpus::examples::{self, Example, Options};
use crate::corpus::source::Source;
use crate::corpus::survey::{Lengths, Survey};
use crate::run::against::{Against, Base, Sets};
use crate::run::data;
use rendered::Rendered;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of text, or a set of the bundled world such as world:stories
    path: String,
    /// Hold it against a checkpoint before training that on it: loss, and distance from what it learned from. A model's
    /// folder, RUN, RUN@STEP, RUN@PHASE or RUN@best
    #[arg(long, value_name = "CHECKPOINT")]
    base: Option<String>,
    /// With --base, what that learned from: a file, a folder, or world:SET [default: the text of its run]
    #[arg(long, value_name = "DATA", requires = "base")]
    known: Option<String>,
    /// With --base, at most about so many tokens of each are measured
    #[arg(long, value_name = "N", requires = "base", default_value_t = 20_000,
          value_parser = clap::value_parser!(u64).range(2..=1 << 40))]
    tokens: u64,
    /// Show conversations as a chat template spells them, and what of them is learned: a file in Jinja, or frostline, chatml,
    /// llama-2, llama-3, gemma, mistral
    #[arg(long, value_name = "FILE|NAME")]
    chat_template: Option<String>,
    /// Count rows of JSON that cannot be read, rather than refuse the corpus
    #[arg(long)]
    skip_broken: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    what: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Against>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rendered: Option<Rendered>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum What {
    Text(Box<Survey>),
    Examples(ExampleSurvey),
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    let source = data::open_source(&arguments.path, arguments.skip_broken, &place.home)?;
    let cancel = super::interruption()?;
    let base = arguments.base.as_ref().map(|name| Base::open(name, &place.home, &place.device)).transpose()?;
    let spelled = rendered::chat(arguments.chat_template.as_deref(), base.as_ref().map(|base| &base.tokenizer))?;
    let (what, rendered) = match &arguments.chat_template {
        None => (survey(&source, spelled.clone(), &cancel)?, None),
        Some(name) => {
            let (survey, examples) = survey_examples(&source, spelled.clone(), &cancel)?;
            let tokenizer = base.as_ref().map(|base| &base.tokenizer);
            let rendered = Rendered::of(name, &examples, spelled.as_deref(), tokenizer)?;
            (What::Examples(survey), Some(rendered))
        }
    };
    let against = base.map(|base| compare(&base, arguments, spelled, place, &cancel)).transpose()?;
    let report = Report { what, against, rendered };
    if arguments.json {
        return output::write_json(&report);
    }
    let text = match &report.what {
        What::Text(survey) => render(survey),
        What::Examples(survey) => survey.render(),
    };
    let parts = [report.against.as_ref().map(against::render), report.rendered.as_ref().map(Rendered::render)];
    output::show(&(text + &parts.into_iter().flatten().map(|part| format!("\n{part}")).collect::<String>()))
}

fn compare(
    base: &Base,
    arguments: &Arguments,
    chat: Option<Arc<Chat>>,
    place: &Place,
    cancel: &AtomicBool,
) -> Result<Against> {
    base.compare(&Sets {
        own: &arguments.path,
        known: arguments.known.as_deref(),
        chat,
        skip_broken: arguments.skip_broken,
        tokens: usize::try_from(arguments.tokens).unwrap_or(usize::MAX),
        home: &place.home,
        progress: &Bar::default(),
        cancel,
    })
}

/// Of running text, or else of examples.
fn survey(source: &Source, chat: Option<Arc<Chat>>, cancel: &AtomicBool) -> Result<What> {
    let refused = match Survey::of(source, &Bar::default(), cancel) {
        Ok(survey) => return Ok(What::Text(Box::new(survey))),
        Err(error) => error,
    };
    // Rows without running text may be examples.
    match survey_examples(source, chat, cancel) {
        Ok((survey, _)) => Ok(What::Examples(survey)),
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

fn survey_examples(
    source: &Source,
    chat: Option<Arc<Chat>>,
    cancel: &AtomicBool,
) -> Result<(ExampleSurvey, Vec<Example>)> {
    let options = Options { chat, on_broken: source.policy(), ..Options::default() };
    let read = examples::read(source.files(), &options, cancel)?;
    let held_out_examples = match source.held_out() {
        Some(files) => examples::read(files, &options, cancel)?.examples.len(),
        None => 0,
    };
    let bytes_of = |learned: bool| {
        let segments = read.examples.iter().flat_map(|example| &example.segments);
        segments.filter(|segment| segment.learned == learned).map(|segment| segment.text.len()).sum()
    };
    let survey = ExampleSurvey {
        path: source.path().to_path_buf(),
        examples: read.examples.len(),
        prompt_bytes: bytes_of(false),
        completion_bytes: bytes_of(true),
        replaced_bytes: read.replaced_bytes,
        broken_rows: read.broken_rows,
        held_out_examples,
    };
    Ok((survey, read.examples))
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
