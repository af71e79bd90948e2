//! Every name in a template must mean something: a misspelt one would only make its alternative be passed over.

use std::collections::{BTreeMap, BTreeSet};

use super::template::{Path, Piece, Template};
use super::{Grammar, source::Source};
use crate::corpus::world::facts::is_attribute;
use crate::corpus::world::lexicon::Lexicon;
use crate::error::{Error, Result};

/// Names that are there in every text; `this` is the argument of a rule.
const ALWAYS: [&str; 3] = ["this", "season", "day"];

pub(super) fn check(grammar: &Grammar, lexicon: &Lexicon) -> Result<()> {
    let templates = by_space(grammar);
    for (space, templates) in &templates {
        let mut bound: BTreeSet<&str> = ALWAYS.into();
        for document in grammar.documents.iter().filter(|document| space_of(&document.name) == *space) {
            bound.extend(document.cast.iter().map(|binding| binding.name.as_str()));
            for path in document.cast.iter().flat_map(|binding| binding.source.paths()) {
                check_path(path, &bound, lexicon).map_err(|error| error.within(format!("the cast of {space}")))?;
            }
        }
        let mut paths: Vec<Path> = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for template in templates {
            template.visit(&mut |piece| {
                paths.extend(paths_of(piece));
                if let Piece::Let { name, .. } = piece {
                    names.push(name.clone());
                }
            });
        }
        bound.extend(names.iter().map(String::as_str));
        for path in &paths {
            check_path(path, &bound, lexicon).map_err(|error| error.within(format!("the templates of {space}")))?;
        }
    }
    Ok(())
}

/// All templates by the file that they come from.
fn by_space(grammar: &Grammar) -> BTreeMap<&str, Vec<&Template>> {
    let mut spaces: BTreeMap<&str, Vec<&Template>> = BTreeMap::new();
    for (name, &index) in &grammar.names {
        let rule = grammar.rules.get(index);
        spaces.entry(space_of(name)).or_default().extend(rule.into_iter().flat_map(|rule| &rule.alternatives));
    }
    for document in &grammar.documents {
        let templates = spaces.entry(space_of(&document.name)).or_default();
        templates.push(&document.text);
        templates.extend(&document.gist);
    }
    for relation in &grammar.relations {
        spaces.entry("common").or_default().extend(&relation.questions);
    }
    spaces
}

fn space_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(space, _)| space)
}

fn paths_of(piece: &Piece) -> Vec<Path> {
    match piece {
        Piece::Rule { argument, .. } => argument.iter().cloned().collect(),
        Piece::Guard { path, .. } | Piece::Slot { path, .. } => vec![path.clone()],
        Piece::Let { source, .. } => Source::paths(source).into_iter().cloned().collect(),
        Piece::Text(_) | Piece::Choice(_) | Piece::Range { .. } => Vec::new(),
    }
}

fn check_path(path: &Path, bound: &BTreeSet<&str>, lexicon: &Lexicon) -> Result<()> {
    let root = path.root.as_str();
    if !bound.contains(root) && lexicon.find_list(root).is_none() && lexicon.find_table(root).is_none() {
        return Err(Error::new(format!("nothing is named {root}")).because(format!("in {path:?}")));
    }
    let steps = path.case().map_or(path.steps.as_slice(), |(steps, _)| steps);
    match steps.iter().find(|step| !is_attribute(step) && !lexicon.is_field(step)) {
        Some(step) => Err(Error::new(format!("nothing has the property {step}")).because(format!("in {path:?}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(template: &str) -> String {
        let lexicon = Lexicon::read(&[("words", "[lists]\nbird = \"heron\"")]).unwrap();
        let text = format!("[document.one]\ncast = \"hero = person\"\ntext = \"{template}\"");
        Grammar::read(&[("tale", &text)], &lexicon).map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn misspelt_names_are_errors() {
        assert_eq!(refused("{hero.home.river} {bird|a} {x = bird}{x}"), "");
        assert!(refused("{hreo}").contains("hreo"));
        assert!(refused("{hero.hoem}").contains("hoem"));
        assert!(refused("[a|{?hero.hoem}]").contains("hoem"));
    }
}
