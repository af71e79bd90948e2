//! Text to template.

use super::source::{self, Source};
use super::template::{Filter, Path, Piece, Template, Wanted};
use crate::error::{Context, Error, Result};

/// Finds a rule's index by the name written in a template.
pub(super) type FindRule<'a> = &'a dyn Fn(&str) -> Option<usize>;

/// Parses one template; the error quotes it.
pub(super) fn parse(text: &str, find: FindRule) -> Result<Template> {
    let mut parser = Parser { rest: text, find };
    let parsed = parser.sequence(false).and_then(|template| match parser.rest {
        "" => Ok(template),
        rest => Err(Error::new(format!("unmatched bracket at {rest:?}"))),
    });
    parsed.what(|| format!("cannot read the template {text:?}"))
}

struct Parser<'t> {
    rest: &'t str,
    find: FindRule<'t>,
}

impl Parser<'_> {
    /// Pieces up to the end of the text, or up to `|` or `]` inside alternatives.
    fn sequence(&mut self, inside: bool) -> Result<Template> {
        let mut pieces = Vec::new();
        while let Some(next) = self.rest.chars().next() {
            match next {
                '{' => pieces.push(self.slot()?),
                '[' => pieces.push(self.choice()?),
                ']' => break,
                '|' if inside => break,
                '|' | '}' => return Err(Error::new(format!("stray {next:?}"))),
                _ => {
                    let length = self.rest.find(['{', '[', '}', ']', '|']).unwrap_or(self.rest.len());
                    let (text, rest) = self.rest.split_at(length);
                    pieces.push(Piece::Text(text.into()));
                    self.rest = rest;
                }
            }
        }
        Ok(Template { pieces })
    }

    fn choice(&mut self) -> Result<Piece> {
        let mut alternatives = Vec::new();
        loop {
            // Past the opening bracket or the bar.
            self.rest = self.rest.get(1..).unwrap_or_default();
            alternatives.push(self.sequence(true)?);
            match self.rest.chars().next() {
                Some('|') => {}
                Some(']') => break,
                _ => return Err(Error::new("an alternative is not closed")),
            }
        }
        self.rest = &self.rest[1..];
        Ok(Piece::Choice(alternatives))
    }

    fn slot(&mut self) -> Result<Piece> {
        let end = self.rest.find('}').ok_or_else(|| Error::new("a slot is not closed"))?;
        let inner = self.rest[1..end].trim();
        self.rest = &self.rest[end + 1..];
        self.slot_of(inner).what(|| format!("cannot read the slot {{{inner}}}"))
    }

    fn slot_of(&self, inner: &str) -> Result<Piece> {
        if let Some(call) = inner.strip_prefix('#') {
            let (name, argument) = match call.split_once(':') {
                Some((name, argument)) => (name, Some(Path::parse(argument))),
                None => (call, None),
            };
            let rule = (self.find)(name).ok_or_else(|| Error::new(format!("there is no rule {name}")))?;
            return Ok(Piece::Rule { rule, argument });
        }
        if let Some(path) = inner.strip_prefix('!') {
            return Ok(Piece::Guard { path: Path::parse(path), wanted: Wanted::Absent });
        }
        if let Some(guard) = inner.strip_prefix('?') {
            let (path, wanted) = match guard.split_once('=') {
                Some((path, value)) => (path, Wanted::Equal(value.into())),
                None => (guard, Wanted::Present),
            };
            return Ok(Piece::Guard { path: Path::parse(path), wanted });
        }
        if let Some((name, source)) = inner.split_once('=') {
            let source: Source = source::parse(source.trim())?;
            return Ok(Piece::Let { name: name.trim().into(), source });
        }
        value(inner)
    }
}

/// A path or a range, with filters.
fn value(inner: &str) -> Result<Piece> {
    let mut parts = inner.split('|');
    let path = parts.next().unwrap_or_default();
    let filters = parts
        .map(|name| Filter::parse(name).ok_or_else(|| Error::new(format!("there is no filter {name}"))))
        .collect::<Result<Vec<_>>>()?;
    if let Some((low, high)) = path.split_once('-')
        && let (Ok(low), Ok(high)) = (low.parse(), high.parse())
    {
        return Ok(Piece::Range { low, high, filters });
    }
    let Some(first) = path.chars().next() else { return Err(Error::new("the slot is empty")) };
    let capital = first.is_uppercase();
    let path = Path::parse(&(first.to_lowercase().to_string() + &path[first.len_utf8()..]));
    Ok(Piece::Slot { path, filters, capital })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text, &|name| (name == "known").then_some(0)).unwrap_err().to_string()
    }

    #[test]
    fn parses_nested_alternatives() {
        let template = parse("a [b|c {x|s} [d|]] {2-4} {#known:x}", &|_| Some(0)).unwrap();
        let mut pieces = 0;
        template.visit(&mut |_| pieces += 1);
        assert_eq!(pieces, 12);
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(refused("a [b|c").contains("not closed"));
        assert!(refused("a ]").contains("unmatched"));
        assert!(refused("a {b").contains("not closed"));
        assert!(refused("{#unknown}").contains("no rule unknown"));
        assert!(refused("{x|shout}").contains("no filter shout"));
        assert!(refused("{}").contains("empty"));
    }
}
