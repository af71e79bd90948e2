//! `frostline corpus`: what a corpus is.

use super::Place;
use super::output::{self, bytes, count};
use super::progress::Bar;
use crate::Result;
use crate::corpus::survey::{Lengths, Survey};
use crate::run::data;
use comfy_table::{Table, presets};

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
    let survey = Survey::of(&source, &Bar::default(), &*super::interruption()?)?;
    if arguments.json { output::write_json(&survey) } else { output::show(&render(&survey)) }
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
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(["kind", "files", "documents", "text"]);
    for (kind, part) in &survey.kinds {
        let kind = format!("{kind:?}").to_lowercase();
        table.add_row([kind, count(part.files), count(part.documents), bytes(part.bytes)]);
    }
    format!("{text}{table}\n")
}
