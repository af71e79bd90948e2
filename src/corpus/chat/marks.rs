//! Marks in rendered text: where what is learned begins and ends, and where a message spelled a special token.
//!
//! Templates mark what is learned with `{% generation %}` and `{% endgeneration %}`, tags that only `transformers` knows.
//! [`with_marks`] writes each as a tag that Jinja knows, with an output of one character inside. That character is chosen
//! anew for every conversation, so that it occurs nowhere in what is said: nobody but the template can write it.

use ahash::AHashSet;
use aho_corasick::AhoCorasick;

use crate::corpus::chat::Segment;

/// What the output of a mark is called inside a template.
pub(super) const BEGIN: &str = "__frostline_begin";
pub(super) const END: &str = "__frostline_end";

/// Characters that stand for nothing else in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    pub begin: char,
    pub end: char,
    /// Stands within every spelling of a special token that a message holds.
    pub seam: char,
}

impl Marks {
    /// Three characters that none of the texts has: of those that Unicode will never use, or else of those for private
    /// use. `None` where the texts use all 65 thousand.
    pub fn absent_from<'t>(texts: impl Iterator<Item = &'t str>) -> Option<Marks> {
        let is_candidate = |c: &char| matches!(c, '\u{fdd0}'..='\u{fdef}' | '\u{f0000}'..='\u{ffffd}');
        let used: AHashSet<char> = texts.flat_map(str::chars).filter(is_candidate).collect();
        let mut free = ('\u{fdd0}'..='\u{fdef}').chain('\u{f0000}'..='\u{ffffd}').filter(|c| !used.contains(c));
        Some(Marks { begin: free.next()?, end: free.next()?, seam: free.next()? })
    }

    fn is_mark(self, c: char) -> bool {
        [self.begin, self.end, self.seam].contains(&c)
    }

    /// `text` without marks.
    pub fn stripped(self, text: &str) -> String {
        text.chars().filter(|c| !self.is_mark(*c)).collect()
    }

    /// Rendered text taken apart at its marks. `None` where an end has no beginning, or the other way round.
    pub fn segments(self, rendered: &str) -> Option<Vec<Segment>> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut depth = 0usize;
        for c in rendered.chars() {
            if c == self.begin {
                depth += 1;
            } else if c == self.end {
                depth = depth.checked_sub(1)?;
            } else {
                self.push(&mut segments, c, depth > 0);
            }
        }
        (depth == 0).then_some(segments)
    }

    /// Rendered text that has no marks of what is learned, where these ranges are; in order and apart.
    pub fn segments_of(self, rendered: &str, learned: &[std::ops::Range<usize>]) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        for (at, c) in rendered.char_indices() {
            self.push(&mut segments, c, learned.iter().any(|range| range.contains(&at)));
        }
        segments
    }

    fn push(self, segments: &mut Vec<Segment>, c: char, learned: bool) {
        match segments.last_mut() {
            Some(last) if last.learned == learned => self.extend(last, c),
            _ => {
                let mut segment = Segment::new("", learned);
                self.extend(&mut segment, c);
                segments.push(segment);
            }
        }
    }

    fn extend(self, segment: &mut Segment, c: char) {
        match c == self.seam {
            true => segment.seams.push(segment.text.len()),
            false => segment.text.push(c),
        }
    }
}

/// Finds the spellings of special tokens.
#[derive(Debug)]
pub(super) struct Specials(Option<AhoCorasick>);

impl Specials {
    /// Spellings of one character cannot be taken apart, and are not looked for.
    pub fn new(spellings: &[String]) -> Specials {
        let long: Vec<&String> = spellings.iter().filter(|spelling| spelling.chars().count() > 1).collect();
        Specials(AhoCorasick::new(long).ok().filter(|finder| finder.patterns_len() > 0))
    }

    /// Where `text` is to be cut, so that no piece of it spells a special token: after the first character of each.
    pub fn seams(&self, text: &str) -> Vec<usize> {
        let found = self.0.iter().flat_map(|finder| finder.find_overlapping_iter(text));
        let first = |start: usize| text[start..].chars().next().map_or(0, char::len_utf8);
        let mut seams: Vec<usize> = found.map(|found| found.start() + first(found.start())).collect();
        seams.sort_unstable();
        seams.dedup();
        seams
    }

    /// `text` with the character `seam` wherever it is to be cut.
    pub fn guarded(&self, text: &str, seam: char) -> String {
        let (mut guarded, mut from) = (String::with_capacity(text.len()), 0);
        for at in self.seams(text) {
            guarded.push_str(&text[from..at]);
            guarded.push(seam);
            from = at;
        }
        guarded + &text[from..]
    }

    /// Where the first special token of `text` lies.
    pub fn first(&self, text: &str) -> Option<std::ops::Range<usize>> {
        self.0.as_ref()?.find(text).map(|found| found.range())
    }

    /// Where the last special token of `text` ends.
    pub fn last_end(&self, text: &str) -> Option<usize> {
        self.0.as_ref()?.find_overlapping_iter(text).map(|found| found.end()).max()
    }
}

/// A template whose marks of what is learned are tags that Jinja knows, on the same lines; and whether it has any.
///
/// `{% generation %}` becomes `{% with %}{{ BEGIN }}{% set _ = 0 %}` and its end `{% set _ = 0 %}{{ END }}{% endwith %}`:
/// a scope of its own, as in `transformers`, and at both ends a tag, since only tags take the white space around them away.
pub(super) fn with_marks(source: &str) -> (String, bool) {
    let (mut out, mut rest, mut has_marks) = (String::with_capacity(source.len() + 256), source, false);
    while let Some(at) = rest.match_indices('{').map(|(at, _)| at).find(|&at| is_opening(&rest[at..])) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = tag_length(rest);
        let tag = &rest[..length];
        match words(tag) {
            Some((left, "generation", right)) => {
                has_marks = true;
                out.push_str(&format!("{{%{left} with %}}{{{{ {BEGIN} }}}}{{% set __ = 0 {right}%}}"));
                out.push_str(&lines_of(tag));
            }
            Some((left, "endgeneration", right)) => {
                has_marks = true;
                out.push_str(&format!("{{%{left} set __ = 0 %}}{{{{ {END} }}}}{{% endwith {right}%}}"));
                out.push_str(&lines_of(tag));
            }
            _ => out.push_str(tag),
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    (out, has_marks)
}

fn is_opening(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|opening| text.starts_with(opening))
}

/// A tag over several lines is written on one; a comment keeps the numbers of the lines after it.
fn lines_of(tag: &str) -> String {
    match tag.matches('\n').count() {
        0 => String::new(),
        lines => format!("{{#{}#}}", "\n".repeat(lines)),
    }
}

/// Bytes of the comment, output or tag that `text` begins with; a raw block counts as one.
fn tag_length(text: &str) -> usize {
    let closing = match &text[..2] {
        "{#" => return text.find("#}").map_or(text.len(), |at| at + 2),
        "{{" => "}}",
        _ => "%}",
    };
    let end = end_outside_of_strings(text, closing);
    if !matches!(words(&text[..end]), Some((_, "raw", _))) {
        return end;
    }
    let mut from = end;
    while let Some(at) = text[from..].find("{%") {
        let length = end_outside_of_strings(&text[from + at..], "%}");
        let tag = &text[from + at..][..length];
        from += at + 2;
        if matches!(words(tag), Some((_, "endraw", _))) {
            return from - 2 + length;
        }
    }
    text.len()
}

fn end_outside_of_strings(text: &str, closing: &str) -> usize {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices().skip(2) {
        match quote {
            Some(open) => {
                if escaped || c == '\\' {
                    escaped = !escaped;
                } else if c == open {
                    quote = None;
                }
            }
            None if c == '"' || c == '\'' => quote = Some(c),
            None if text[at..].starts_with(closing) => return at + closing.len(),
            None => {}
        }
    }
    text.len()
}

/// The inside of a `{% tag %}` between its signs for white space; `None` for what is no whole tag.
fn words(tag: &str) -> Option<(&str, &str, &str)> {
    let inner = tag.strip_prefix("{%")?.strip_suffix("%}")?;
    let signs: &[char] = &['-', '+'];
    let after = inner.strip_prefix(signs).unwrap_or(inner);
    let left = &inner[..inner.len() - after.len()];
    let inside = after.strip_suffix(signs).unwrap_or(after);
    Some((left, inside.trim(), &after[inside.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tags_are_marks() {
        let kept =
            "{# {% generation %} #}{{ '{% generation %}' }}{% raw %}{% generation %}{% endraw %}{% if generation %}";
        assert_eq!(with_marks(kept), (kept.to_string(), false));
        let (marked, has) = with_marks("a\n{%- generation\n-%}\nb{%+ endgeneration %}c");
        assert!(has);
        let begin = "a\n{%- with %}{{ __frostline_begin }}{% set __ = 0 -%}{#\n#}";
        assert_eq!(marked, format!("{begin}\nb{{%+ set __ = 0 %}}{{{{ __frostline_end }}}}{{% endwith %}}c"));
        for torn in ["{", "{%", "{% generation", "{{ 'a", "{% raw %}{% gen", "x{#"] {
            assert_eq!(with_marks(torn), (torn.to_string(), false));
        }
    }

    #[test]
    fn marks_are_characters_that_no_text_has() {
        let all: String = ('\u{fdd0}'..='\u{fded}').collect();
        let marks = Marks::absent_from([all.as_str(), "a"].into_iter()).unwrap();
        assert_eq!((marks.begin, marks.end, marks.seam), ('\u{fdee}', '\u{fdef}', '\u{f0000}'));
        let segments = marks.segments("a\u{fdee}b\u{f0000}c\u{fdef}d").unwrap();
        let found: Vec<_> = segments.iter().map(|s| (s.text.as_str(), s.learned, s.seams.as_slice())).collect();
        assert_eq!(found, [("a", false, &[][..]), ("bc", true, &[1]), ("d", false, &[])]);
        assert_eq!((marks.segments("a\u{fdef}"), marks.segments("\u{fdee}a")), (None, None));
        let every: String = ('\u{fdd0}'..='\u{fdef}').chain('\u{f0000}'..='\u{ffffd}').collect();
        assert_eq!(Marks::absent_from([every.as_str()].into_iter()), None);
    }

    #[test]
    fn no_piece_of_a_guarded_text_spells_a_special_token() {
        let spellings = ["<|end|>", "<|", "é<", "x"].map(String::from);
        let specials = Specials::new(&spellings);
        let text = "xé<|end|><|end|><<|";
        let guarded = specials.guarded(text, '|');
        assert_eq!(guarded.chars().filter(|c| *c == '|').count(), 5 + specials.seams(text).len());
        let mut pieces = Vec::new();
        let mut from = 0;
        for at in specials.seams(text).into_iter().chain([text.len()]) {
            pieces.push(&text[from..at]);
            from = at;
        }
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| spellings[..3].iter().all(|special| !piece.contains(special))), "{pieces:?}");
        assert!(Specials::new(&[]).seams(text).is_empty());
        assert_eq!((specials.first(" é<|end|>"), specials.last_end("<|end|> a")), (Some(1..4), Some(7)));
    }
}
