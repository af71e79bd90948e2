//! Texts with what they should be scored as.

use std::sync::atomic::AtomicBool;

use serde_json::Value;

use super::{Example, Examples, Template};
use crate::corpus::documents::{Raw, Reader, SKIP_ADVICE, field_names, for_each};
use crate::corpus::progress::Silent;
use crate::corpus::source::{OnBroken, SourceFile};
use crate::error::{Error, Result};

/// What labels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelKind {
    Class,
    Number,
}

/// How many rows without a label are named.
const NAMED: usize = 5;

/// Rows without a label.
#[derive(Default)]
struct Unlabelled {
    count: u64,
    /// Where the first stand.
    places: Vec<String>,
    /// The fields that the first one has.
    fields: String,
}

impl Unlabelled {
    fn add(&mut self, place: String, fields: String) {
        if self.count == 0 {
            self.fields = fields;
        }
        if self.places.len() < NAMED {
            self.places.push(place);
        }
        self.count += 1;
    }

    /// Where they stand, for people.
    fn named(&self) -> String {
        let others = self.count - self.places.len() as u64;
        let more = if others > 0 { format!(" and {others} more") } else { String::new() };
        format!("{}{more}", self.places.join(", "))
    }
}

/// What a row holds.
enum Found {
    /// And the bytes of its row that were not UTF-8.
    Labelled(Example, u64),
    /// Where it stands, and its fields.
    Unlabelled(String, String),
    Broken,
    Nothing,
}

/// Reads the rows of JSONL and JSON files as texts with labels: the prompt of each example is its text, the completion its
/// label. Rows without a label are refused together, or left out where broken rows are; what a person should know of that
/// comes beside the examples.
///
/// Errors: a file of another kind; rows without a text, with a label that is none of its kind, or without a label, named
/// by file and line; nothing labelled at all.
pub fn read_labelled(
    files: &[SourceFile],
    (template, kind): (&Template, LabelKind),
    on_broken: OnBroken,
    cancel: &AtomicBool,
) -> Result<(Examples, Option<String>)> {
    super::refuse_other_kinds(files)?;
    let (mut read, mut unlabelled) = (Examples::default(), Unlabelled::default());
    let work = |raw: Raw| found(raw, files, (template, kind), on_broken);
    for_each(Reader::new(files), &Silent, cancel, work, |found| {
        match found {
            Found::Labelled(example, replaced_bytes) => {
                read.examples.push(example);
                read.replaced_bytes += replaced_bytes;
            }
            Found::Unlabelled(place, fields) => unlabelled.add(place, fields),
            Found::Broken => read.broken_rows += 1,
            Found::Nothing => {}
        }
        Ok(())
    })?;
    if unlabelled.count > 0 && (on_broken == OnBroken::Refuse || read.examples.is_empty()) {
        return Err(Error::new(format!("{} rows have no label", unlabelled.count))
            .because(format!("it is missing, null or empty in {}", unlabelled.named()))
            .next(format!(
                "label them, or name the field with label = \"…\" (the first has {}); {SKIP_ADVICE}",
                unlabelled.fields
            )));
    }
    if read.examples.is_empty() {
        let names: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
        return Err(Error::new(format!("there are no labelled texts in {}", names.join(", ")))
            .because(format!("{} rows were broken and left out", read.broken_rows))
            .next(
                "rows are objects with a text and a label, such as {\"text\": \"Fine bread.\", \"label\": \"good\"}",
            ));
    }
    let notice = (unlabelled.count > 0)
        .then(|| format!("{} rows without a label left out: {}", unlabelled.count, unlabelled.named()));
    Ok((read, notice))
}

fn found(raw: Raw, files: &[SourceFile], (template, kind): (&Template, LabelKind), policy: OnBroken) -> Result<Found> {
    let file = &files[raw.file];
    let Some(row) = raw.into_row() else { return Ok(Found::Nothing) };
    let place = format!("{}:{}", file.path.display(), row.line);
    let labelled = row.parse().and_then(|(value, replaced_bytes)| {
        let Value::Object(fields) = value else { return Err("it is not a JSON object".into()) };
        let (text, label) = template.fill_labelled(&fields)?;
        let Some(label) = label else { return Ok(Found::Unlabelled(place.clone(), field_names(&fields))) };
        match kind == LabelKind::Number && number(&label).is_none() {
            true => Err(format!("its label {label:?} is no finite number")),
            false => Ok(Found::Labelled(Example::pair(text, label), replaced_bytes)),
        }
    });
    match labelled {
        Ok(found) => Ok(found),
        Err(_) if policy == OnBroken::Skip => Ok(Found::Broken),
        Err(why) => {
            Err(Error::new(format!("{place} is no labelled text")).because(why).next(format!("mend it; {SKIP_ADVICE}")))
        }
    }
}

/// A label as a number that a model can learn.
pub(crate) fn number(label: &str) -> Option<f32> {
    label.parse().ok().filter(|number: &f32| number.is_finite())
}
