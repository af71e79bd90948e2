//! HTML reduced to the text that a reader of the page would read.

use std::io::{self, Read};

use html5gum::emitters::callback::{Callback, CallbackEmitter, CallbackEvent};
use html5gum::{IoReader, Span, Tokenizer};

/// The text of an HTML page, as it is read.
///
/// Scripts, styles, titles, navigation, drawings and controls are left out; block elements become line breaks, and
/// paragraphs and the like blank lines; `pre` is kept as it is written; other white space is collapsed.
pub(crate) struct HtmlText<R: Read> {
    tokens: Tokenizer<IoReader<R>, CallbackEmitter<Reducer, Vec<u8>>>,
    ready: Vec<u8>,
    /// How much of `ready` has been handed out.
    taken: usize,
}

impl<R: Read> HtmlText<R> {
    /// Reads UTF-8; other bytes pass through unchanged.
    pub(crate) fn new(html: R) -> Self {
        let mut emitter = CallbackEmitter::new(Reducer::default());
        emitter.naively_switch_states(true);
        Self { tokens: Tokenizer::new_with_emitter(IoReader::new(html), emitter), ready: Vec::new(), taken: 0 }
    }
}

impl<R: Read> Read for HtmlText<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            self.taken = 0;
            match self.tokens.next() {
                Some(text) => self.ready = text?,
                None => {
                    self.ready.clear();
                    return Ok(0);
                }
            }
        }
        let length = out.len().min(self.ready.len() - self.taken);
        out[..length].copy_from_slice(&self.ready[self.taken..self.taken + length]);
        self.taken += length;
        Ok(length)
    }
}

/// White space that is owed before the next text; a wider one swallows a narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Gap {
    #[default]
    None,
    Space,
    Line,
    Paragraph,
}

impl Gap {
    fn bytes(self) -> &'static [u8] {
        match self {
            Gap::None => b"",
            Gap::Space => b" ",
            Gap::Line => b"\n",
            Gap::Paragraph => b"\n\n",
        }
    }

    /// What the start or the end of an element puts between the text before and after it.
    fn around(element: &[u8]) -> Gap {
        match element {
            b"p" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"pre" | b"blockquote" | b"ul" | b"ol" | b"dl"
            | b"table" | b"section" | b"article" | b"hr" | b"figure" => Gap::Paragraph,
            b"address" | b"aside" | b"body" | b"br" | b"caption" | b"dd" | b"details" | b"div" | b"dt"
            | b"fieldset" | b"figcaption" | b"footer" | b"form" | b"header" | b"html" | b"li" | b"main" | b"option"
            | b"summary" | b"tr" => Gap::Line,
            b"td" | b"th" => Gap::Space,
            _ => Gap::None,
        }
    }
}

/// Elements whose text is not part of what the page says.
fn is_skipped(element: &[u8]) -> bool {
    matches!(
        element,
        b"script"
            | b"style"
            | b"title"
            | b"nav"
            | b"svg"
            | b"math"
            | b"template"
            | b"iframe"
            | b"noscript"
            | b"button"
            | b"select"
            | b"textarea"
            | b"object"
    )
}

/// Turns the tokens of a page into stretches of its text, the white space before each included.
#[derive(Debug, Default)]
struct Reducer {
    /// The skipped element that is open, and how many of its name are open within one another.
    skipping: Option<(Vec<u8>, usize)>,
    /// Whether the start tag that is being read is one of them.
    opened_skipped: bool,
    /// How many `pre` elements are open.
    preformatted: usize,
    /// Whether a `pre` has just begun: a line end right there is not part of it.
    at_pre_start: bool,
    gap: Gap,
    /// Whether any text came before: a gap at the start of the page is no gap.
    started: bool,
}

impl Callback<Vec<u8>, ()> for Reducer {
    fn handle_event(&mut self, event: CallbackEvent<'_>, _: Span<()>) -> Option<Vec<u8>> {
        match event {
            CallbackEvent::OpenStartTag { name } => self.open(name),
            CallbackEvent::CloseStartTag { self_closing: true } => self.close_empty(),
            CallbackEvent::EndTag { name } => self.close(name),
            CallbackEvent::String { value } if self.skipping.is_none() => return self.text(value),
            _ => {}
        }
        None
    }
}

impl Reducer {
    fn open(&mut self, name: &[u8]) {
        if let Some((skipped, depth)) = &mut self.skipping {
            self.opened_skipped = skipped == name;
            *depth += self.opened_skipped as usize;
            return;
        }
        self.opened_skipped = is_skipped(name);
        if self.opened_skipped {
            self.skipping = Some((name.to_vec(), 1));
            return;
        }
        self.gap = self.gap.max(Gap::around(name));
        if name == b"pre" {
            self.preformatted += 1;
            self.at_pre_start = true;
        }
    }

    /// A start tag that ends in `/>` closes at once, but only in drawings: elsewhere HTML ignores the slash.
    fn close_empty(&mut self) {
        if let Some((skipped, depth)) = &mut self.skipping
            && self.opened_skipped
            && (skipped == b"svg" || skipped == b"math")
        {
            *depth -= 1;
            if *depth == 0 {
                self.skipping = None;
            }
        }
    }

    fn close(&mut self, name: &[u8]) {
        if let Some((skipped, depth)) = &mut self.skipping {
            *depth -= (skipped == name) as usize;
            // The end of the page's body ends what was left open in it.
            if *depth == 0 || name == b"body" || name == b"html" {
                self.skipping = None;
            }
            return;
        }
        self.gap = self.gap.max(Gap::around(name));
        if name == b"pre" {
            self.preformatted = self.preformatted.saturating_sub(1);
            self.at_pre_start = false;
        }
    }

    fn text(&mut self, value: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(value.len() + 2);
        if self.preformatted > 0 {
            self.preformatted_text(value, &mut out);
        } else {
            self.flowing_text(value, &mut out);
        }
        (!out.is_empty()).then_some(out)
    }

    fn preformatted_text(&mut self, mut value: &[u8], out: &mut Vec<u8>) {
        if std::mem::take(&mut self.at_pre_start) {
            value = value.strip_prefix(b"\n").unwrap_or(value);
        }
        if !value.is_empty() {
            self.begin(out);
            out.extend_from_slice(value);
        }
    }

    fn flowing_text(&mut self, value: &[u8], out: &mut Vec<u8>) {
        let words = value.split(u8::is_ascii_whitespace);
        for (index, word) in words.enumerate() {
            if index > 0 {
                self.gap = self.gap.max(Gap::Space);
            }
            if !word.is_empty() {
                self.begin(out);
                out.extend_from_slice(word);
            }
        }
    }

    /// Writes the gap that is owed.
    fn begin(&mut self, out: &mut Vec<u8>) {
        let gap = std::mem::take(&mut self.gap);
        if self.started {
            out.extend_from_slice(gap.bytes());
        }
        self.started = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reduce(html: &str) -> String {
        let mut text = String::new();
        HtmlText::new(html.as_bytes()).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn keeps_what_is_read_and_drops_what_is_not() {
        let html = "<!DOCTYPE html><head><title>T</title><style>p{}</style><script>if (a<b) {'</p>'}</script>\
                    <body><nav>Home <nav>inner</nav> more</nav><h1>Snow &amp; ice</h1>\n<p>One\n  two <b>three</b>.</p>\
                    <svg><text>x</text></svg><p>Four<br>five</p><!-- no -->";
        assert_eq!(reduce(html), "Snow & ice\n\nOne two three.\n\nFour\nfive");
    }

    #[test]
    fn an_empty_part_of_a_drawing_does_not_end_it() {
        assert_eq!(reduce("<svg><path d=\"M0 0\"/><text>x</text></svg>y"), "y");
        assert_eq!(reduce("<math><mi/><math/><mi>x</mi></math>y"), "y");
    }

    #[test]
    fn preformatted_text_keeps_its_lines() {
        let html = "<p>Code:</p><pre><code>\nfn main() {\n    <span>a</span>();\n}\n</code></pre><p>End</p>";
        assert_eq!(reduce(html), "Code:\n\nfn main() {\n    a();\n}\n\n\nEnd");
    }

    #[test]
    fn lists_and_tables_become_lines() {
        assert_eq!(reduce("<ul><li>a</li><li>b</li></ul>c"), "a\nb\n\nc");
        assert_eq!(reduce("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"), "a b\nc");
    }

    #[test]
    fn broken_markup_never_swallows_the_page() {
        assert_eq!(reduce("a < b &nosuch; <p"), "a < b &nosuch;");
        assert_eq!(reduce("<svg/>after"), "after");
        assert_eq!(reduce("<svg><svg/></svg>after"), "after");
        assert_eq!(reduce("</pre></nav>x"), "x");
        assert_eq!(reduce(""), "");
    }
}
