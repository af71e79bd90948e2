//! The layout of template files.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::parse::parse;
use super::source::parse_cast;
use super::template::Path;
use super::{Document, Grammar, Relation, Rule, Template};
use crate::corpus::world::language::Style;
use crate::error::{Context, Error, Result};

/// Rules that every file may use are in this namespace.
const COMMON: &str = "common";
/// The beginning of the names of rules that state a relation.
const STATEMENT: &str = "state_";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rules: BTreeMap<String, String>,
    #[serde(default)]
    document: BTreeMap<String, DocumentText>,
    #[serde(default)]
    relation: BTreeMap<String, RelationText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentText {
    #[serde(default = "one")]
    weight: usize,
    #[serde(default)]
    terse: bool,
    #[serde(default)]
    cast: String,
    text: String,
    #[serde(default)]
    gist: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelationText {
    of: String,
    answer: String,
    state: String,
    ask: String,
}

fn one() -> usize {
    1
}

pub(super) fn read(files: &[(&str, &str)]) -> Result<Grammar> {
    let mut grammar = Grammar::default();
    let mut parsed = Vec::new();
    for (space, text) in files {
        let mut file: File = toml::from_str(text).what(|| format!("cannot read the template file {space}"))?;
        state_relations(&mut file);
        for name in file.rules.keys() {
            let index = grammar.names.len();
            if grammar.names.insert(format!("{space}/{name}"), index).is_some() {
                return Err(Error::new(format!("the rule {space}/{name} is there twice")));
            }
        }
        parsed.push((*space, file));
    }
    for (space, file) in parsed {
        grammar.add(space, file).what(|| format!("cannot use the template file {space}"))?;
    }
    Ok(grammar)
}

/// Turns the statements of relations into rules: `state_R` for one relation, `fact_K` for any relation of a kind.
fn state_relations(file: &mut File) {
    for (name, relation) in &mut file.relation {
        let answer = format!("{{{}}}", relation.answer);
        relation.state = relation.state.replace("{answer}", &answer);
        file.rules.insert(format!("{STATEMENT}{name}"), relation.state.clone());
        let any = file.rules.entry(format!("fact_{}", relation.of)).or_default();
        any.push_str(&format!("{{#{STATEMENT}{name}}}\n"));
    }
}

impl Grammar {
    fn add(&mut self, space: &str, file: File) -> Result<()> {
        // Rules were numbered in this same order.
        for (name, text) in &file.rules {
            let alternatives = self.lines(space, text)?;
            self.rules.push(Rule { alternatives, once: name.starts_with(STATEMENT) });
        }
        for (name, document) in file.document {
            let text = paragraphs(&document.text);
            let document = Document {
                weight: document.weight,
                style: if document.terse { Style::Terse } else { Style::Prose },
                cast: parse_cast(&document.cast)?,
                text: self.template(space, &text)?,
                gist: self.lines(space, &document.gist)?,
                name: format!("{space}/{name}"),
            };
            self.documents.push(document);
        }
        for (name, relation) in file.relation {
            let statements = self.lines(space, &relation.state)?;
            let questions = self.lines(space, &relation.ask)?;
            let answer = Path::parse(&relation.answer);
            let probes = statements.iter().filter_map(|statement| statement.without_last(&answer)).collect();
            let answer = Template::slot(answer);
            self.relations.push(Relation { name, of: relation.of, answer, statements, probes, questions });
        }
        Ok(())
    }

    fn lines(&self, space: &str, text: &str) -> Result<Vec<Template>> {
        alternatives(text).iter().map(|line| self.template(space, line)).collect()
    }

    /// Rules are looked up in the file itself, then among the common ones.
    fn template(&self, space: &str, text: &str) -> Result<Template> {
        let find = |name: &str| {
            let own = self.names.get(&format!("{space}/{name}"));
            own.or_else(|| self.names.get(&format!("{COMMON}/{name}"))).copied()
        };
        parse(text, &find)
    }
}

/// One alternative a line; an indented line goes on with the line above.
fn alternatives(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match lines.last_mut() {
            Some(above) if line.starts_with(' ') => {
                above.push(' ');
                above.push_str(line.trim());
            }
            _ => lines.push(line.trim().into()),
        }
    }
    lines
}

/// Lines joined by spaces; an empty line is a line break..
fn paragraphs(text: &str) -> String {
    let mut out = String::new();
    for line in text.trim().lines().map(str::trim) {
        if line.is_empty() {
            out.push('\n');
        } else {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push(' ');
            }
            out.push_str(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_lines_go_on() {
        assert_eq!(alternatives("one\n  more\n\ntwo\n"), ["one more", "two"]);
    }

    #[test]
    fn empty_lines_break() {
        assert_eq!(paragraphs("a\nb\n\nc"), "a b\nc");
    }

    #[test]
    fn own_rules_hide_common_ones() {
        let common = "[rules]\nsky = \"grey\"\nsea = \"calm\"";
        let tale = "[rules]\nsky = \"blue\"\n[document.one]\ntext = \"{#sky} {#sea}\"";
        let grammar = read(&[("common", common), ("tale", tale)]).unwrap();
        assert_eq!(grammar.documents[0].name, "tale/one");
        assert!(grammar.rule("tale/sky").is_ok() && grammar.rule("tale/sea").is_err());
    }

    #[test]
    fn unknown_keys_and_rules_are_errors() {
        assert!(read(&[("tale", "[rule]\nsky = \"blue\"")]).is_err());
        let error = read(&[("tale", "[document.one]\ntext = \"{#sky}\"")]).unwrap_err().to_string();
        assert!(error.contains("tale") && error.contains("sky"), "{error}");
    }
}
