//! The pretraining corpus: tales and pages of the valley, told until there are enough of them.

use std::collections::HashSet;

use super::{Fact, Row, Rows, Scene, all_facts, weighted};
use crate::corpus::world::facts::SEED;
use crate::corpus::world::grammar::Document;
use crate::corpus::world::language::Style;
use crate::error::Result;
use crate::random::Random;

const BYTES: usize = 4_900_000;
/// Beyond the indices of the corpus: stories that are told for other sets start here.
pub(super) const BEYOND: usize = 1_000_000;
const TEST_PERCENT: usize = 5;
/// Times that the register states each fact, and the most lines on a page of it.
const READINGS: usize = 24;
const LINES: usize = 8;

pub(super) fn rows(scene: Scene) -> Result<Rows> {
    let mut documents = scene.grammar.documents_of("tale_")?;
    documents.extend(scene.grammar.documents_of("page_")?);
    let mut rows = tell(scene, "stories", &documents, BYTES);
    rows.train.extend(read_register(scene)?);
    Random::named(SEED, "order of stories", 0).shuffle(&mut rows.train);
    Ok(rows)
}

/// Tells documents up to a number of bytes, no text twice; about one in twenty goes to the test half.
pub(super) fn tell(scene: Scene, name: &str, documents: &[&Document], bytes: usize) -> Rows {
    let mut rows = Rows { train: Vec::new(), test: Vec::new() };
    let mut seen = HashSet::new();
    let mut told = 0;
    // No document is shorter than 50 bytes, so that this ends whatever the templates say.
    for index in 0..bytes / 50 {
        if told >= bytes {
            break;
        }
        let mut random = Random::named(SEED, name, index as u64);
        let Some(document) = weighted(documents, &mut random) else { break };
        let Some(telling) = scene.teller(&document.name, index).document(document) else { continue };
        if !seen.insert(telling.text.clone()) {
            continue;
        }
        told += telling.text.len();
        let half = if random.chance(TEST_PERCENT) { &mut rows.test } else { &mut rows.train };
        half.push(Row::Text { text: telling.text });
    }
    rows
}

/// The register of the valley: every fact in every reading, a few lines a page, the wordings in turn. Thus no fact is
/// missing, and each is stated in each of its wordings.
fn read_register(scene: Scene) -> Result<Vec<Row>> {
    let mut random = Random::named(SEED, "register", 0);
    let headings = scene.grammar.rule("roll/heading")?;
    let mut rows = Vec::new();
    let facts = all_facts(scene);
    for of_subject in facts.chunk_by(|one, next| one.subject.is_same(&next.subject)) {
        let mut order: Vec<&Fact> = of_subject.iter().collect();
        for reading in 0..READINGS {
            random.shuffle(&mut order);
            let pages = order.len().div_ceil(LINES);
            for page in order.chunks(order.len().div_ceil(pages)) {
                let mut teller = scene.teller("register", rows.len());
                let heading = random.pick(headings).and_then(|heading| teller.text(heading, Style::Prose));
                let lines = page.iter().filter_map(|fact| statement(scene, fact, reading));
                let text = heading.into_iter().chain(lines).collect::<Vec<_>>().join("\n");
                rows.push(Row::Text { text });
            }
        }
    }
    Ok(rows)
}

/// A fact in one of its wordings, in turn.
fn statement(scene: Scene, fact: &Fact, turn: usize) -> Option<String> {
    let wordings = &fact.relation.statements;
    let turned = (0..wordings.len()).filter_map(|step| wordings.get((turn + step) % wordings.len()));
    turned.into_iter().find_map(|wording| scene.say(fact.subject, wording, Style::Prose))
}
