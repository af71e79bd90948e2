//! A host for tests: it answers what the pane asks, from rows in memory.

use super::*;
use crate::protocol::{CorpusAnswer, CorpusPage, Message, RowSegment, RowTokens, SourceFacts, Welcome};

/// Rows of a source, of one byte more than their text each.
pub(crate) fn rows(texts: &[&str]) -> Vec<CorpusRow> {
    let mut offset = 0;
    let row = |(index, text): (usize, &&str)| {
        let parts: Vec<&str> = text.split('→').collect();
        let last = parts.len() - 1;
        let segments =
            parts.iter().enumerate().map(|(part, text)| RowSegment { text: (*text).into(), learned: part == last });
        let bytes = text.len() as u64 + 1;
        offset += bytes;
        CorpusRow {
            offset: offset - bytes,
            bytes,
            number: Some(index as u64 + 1),
            file: "train.txt".into(),
            segments: segments.collect(),
            is_cut: text.contains("(cut)"),
            broken: text.contains("(broken)").then(|| "it is not JSON".into()),
        }
    };
    texts.iter().enumerate().map(row).collect()
}

/// Tokens of a text: a word each, with the space before it, and a surprise that grows with its length.
pub(crate) fn tokens(row: &CorpusRow, has_surprise: bool) -> Vec<TokenView> {
    let mut views = Vec::new();
    for segment in &row.segments {
        for word in segment.text.split_inclusive(' ') {
            let surprise = has_surprise.then_some(word.len() as f32 * 0.9 - 1.0).filter(|_| !views.is_empty());
            views.push(TokenView {
                id: word.len() as u32 * 7,
                text: word.into(),
                surprise,
                learned: segment.learned,
                is_special: word.starts_with("<|"),
                is_label: false,
            });
        }
    }
    views
}

pub(crate) fn welcome() -> Message {
    Message::Welcome(Box::new(Welcome {
        version: 1,
        run: "tinyworld".into(),
        path: "/runs/tinyworld".into(),
        plan: String::new(),
        phases: vec!["pretrain".into(), "sentiment".into()],
        parents: vec![None, Some(0)],
        sources: ["world:stories", "world:facts", "world:sentiment"]
            .map(|name| (name.into(), "pretrain".into()))
            .into(),
        device: "cpu".into(),
        process: 1,
        absence: None,
    }))
}

/// What a host would answer to everything that was asked; says what that was.
pub(crate) fn serve(app: &mut App, rows: &[CorpusRow]) -> Vec<CorpusAsk> {
    let mut asked = Vec::new();
    for _ in 0..50 {
        let requests = app.take_requests();
        if requests.is_empty() {
            break;
        }
        for request in requests {
            let Ask::Corpus(question) = request.ask else { continue };
            if let Some(answer) = answer(&question, rows) {
                answered(app, request.id, answer);
            }
            asked.push(question);
        }
    }
    asked
}

fn answer(question: &CorpusAsk, rows: &[CorpusRow]) -> Option<CorpusAnswer> {
    let bytes: u64 = rows.iter().map(|row| row.bytes).sum();
    Some(match question {
        CorpusAsk::Page { source, place, rows: count } => {
            let count = *count as usize;
            let holding = |byte: u64| rows.iter().position(|row| row.offset + row.bytes > byte).unwrap_or(rows.len());
            let range = match *place {
                Place::Byte(byte) => holding(byte)..holding(byte) + count,
                Place::Before(byte) => holding(byte).saturating_sub(count)..holding(byte),
                Place::Row(number) => number as usize - 1..number as usize - 1 + count,
                Place::Share(share) => holding((bytes as f64 * share) as u64)..rows.len(),
                Place::End => rows.len().saturating_sub(count)..rows.len(),
            };
            let range = range.start.min(rows.len())..range.end.min(rows.len());
            let facts =
                SourceFacts { source: source.clone(), files: 1, bytes, rows: rows.len() as u64, indexed: bytes };
            CorpusAnswer::Page(CorpusPage {
                facts,
                at_start: range.start == 0,
                at_end: range.end == rows.len(),
                rows: rows[range].to_vec(),
            })
        }
        CorpusAsk::Tokens { source, offset, surprise } => {
            let row = rows.iter().find(|row| row.offset == *offset)?;
            CorpusAnswer::Tokens(RowTokens {
                source: source.clone(),
                offset: *offset,
                tokens: tokens(row, surprise.is_some()),
                weights: surprise.as_ref().map(|lane| format!("{lane}, step 1240")),
                is_cut: false,
            })
        }
        CorpusAsk::Search { pattern, from, backwards, .. } => {
            let text = |row: &CorpusRow| row.segments.iter().map(|segment| segment.text.as_str()).collect::<String>();
            let hit = |row: &CorpusRow| text(row).find(pattern.as_str()).map(|at| (row.offset, at));
            let found = match backwards {
                true => rows.iter().filter(|row| row.offset < *from).rev().find_map(hit),
                false => rows.iter().filter(|row| row.offset >= *from).find_map(hit),
            };
            CorpusAnswer::Found(found.map(|(offset, at)| SearchHit {
                offset,
                start: at as u64,
                end: (at + pattern.len()) as u64,
            }))
        }
        CorpusAsk::Lengths { source } => CorpusAnswer::Lengths(RowLengths {
            source: source.clone(),
            rows: 2048,
            bytes_per_token: Some(3.94),
            histogram: vec![(24, 12), (32, 170), (48, 520), (64, 790), (96, 402), (128, 121), (192, 33)],
            median: 58,
            longest: 171,
        }),
        CorpusAsk::Batch { step } => CorpusAnswer::Batch(BatchView {
            step: *step,
            phase: "sentiment".into(),
            rows: rows.iter().take(4).map(|row| tokens(row, false)).collect(),
        }),
    })
}

/// An app that is attached and has been answered, drawn at a size.
pub(crate) fn attached(rows: &[CorpusRow], size: (u16, u16)) -> App {
    let mut app = App::new();
    app.focus = Pane::Corpus;
    app.corpus.last_size.set(size);
    app.message(welcome());
    refresh(&mut app);
    serve(&mut app, rows);
    app
}

/// The action of a key in this pane, carried out as the shell would.
pub(crate) fn press(app: &mut App, keys: &str) {
    for name in keys.split(' ') {
        let key = name.parse().unwrap();
        if app.corpus.is_typing() && typed(app, key) {
            continue;
        }
        if let Some(action) = ACTIONS.iter().find(|action| action.keys.contains(&name)) {
            match (action.refusal)(app) {
                Some(why) => app.refuse(why),
                None => (action.run)(app),
            }
        }
    }
}
