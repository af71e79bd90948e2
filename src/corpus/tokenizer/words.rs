//! Cuts text into words as a pre-tokenizer's regular expression does, without its look-ahead.

use regex_automata::meta::{Cache, Regex};
use regex_automata::{Anchored, Input};

/// How GPT-2 cuts text, and how `ByteLevel` does by itself.
pub(super) const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// How Llama 3 does.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// How Qwen 2 and 3 do.
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How each of them ends: white space before a word leaves its last character to the word.
const TAIL: &str = r"|\s+(?!\S)|\s+";

/// Words of a text, by one of the patterns known to cover every text without a gap.
#[derive(Debug)]
pub(super) struct Words {
    /// Two patterns: the head of the known one, and `\s+`.
    regex: Regex,
}

/// Room for the search, one for each thread.
pub(super) type WordsCache = Cache;

impl Words {
    /// The splitter that is equal to `pattern`, if it is a known one.
    ///
    /// The tail's look-ahead would need a backtracking engine. Without it, `\s+` takes the whole run of white space,
    /// and gives back the last character when more follows: the same words, from a search that never backtracks.
    pub(super) fn of(pattern: &str) -> Option<Words> {
        let known = [GPT2, LLAMA3, QWEN2].contains(&pattern);
        let head = pattern.strip_suffix(TAIL).filter(|_| known)?;
        Regex::new_many(&[head, r"\s+"]).ok().map(|regex| Words { regex })
    }

    pub(super) fn cache(&self) -> WordsCache {
        self.regex.create_cache()
    }

    /// Calls `take` with each word of `text`, in order; their concatenation is `text`.
    pub(super) fn for_each<'t>(&self, text: &'t str, cache: &mut WordsCache, mut take: impl FnMut(&'t str)) {
        let mut start = 0;
        while start < text.len() {
            let end = self.end_of_word(text, start, cache);
            take(&text[start..end]);
            start = end;
        }
    }

    /// Where the word that begins at `start` ends.
    fn end_of_word(&self, text: &str, start: usize, cache: &mut WordsCache) -> usize {
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        let Some(found) = self.regex.search_half_with(cache, &input) else { return text.len() };
        let is_tail = found.pattern().as_usize() == 1;
        if !is_tail || found.offset() == text.len() {
            return found.offset();
        }
        match text[start..found.offset()].char_indices().next_back() {
            Some((last, _)) if last > 0 => start + last,
            _ => found.offset(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use tokenizers::pattern::Pattern;
    use tokenizers::utils::SysRegex;

    use super::*;

    fn words<'t>(pattern: &str, text: &'t str) -> Vec<&'t str> {
        let splitter = Words::of(pattern).unwrap();
        let mut words = Vec::new();
        splitter.for_each(text, &mut splitter.cache(), |word| words.push(word));
        words
    }

    #[test]
    fn white_space_leaves_its_last_character_to_the_next_word() {
        assert_eq!(words(GPT2, "a  bee\n\n c'll  "), ["a", " ", " bee", "\n\n", " c", "'ll", "  "]);
        assert_eq!(words(GPT2, "\n\nx\ty"), ["\n", "\n", "x", "\t", "y"]);
        assert_eq!(words(LLAMA3, "a\n\n  b 1234"), ["a", "\n\n", " ", " b", " ", "123", "4"]);
    }

    #[test]
    fn an_unknown_pattern_has_no_splitter() {
        assert!(Words::of(r"\w+|\s+(?!\S)|\s+").is_none());
    }

    /// Each known pattern as `tokenizers` matches it, and as it is matched here.
    static PATTERNS: LazyLock<Vec<(SysRegex, Words)>> = LazyLock::new(|| {
        let pair = |pattern| (SysRegex::new(pattern).unwrap(), Words::of(pattern).unwrap());
        [GPT2, LLAMA3, QWEN2].map(pair).into()
    });

    proptest! {
        #[test]
        fn words_are_those_of_the_pattern(text in r"([a-zA-Z'é雪٣0-9 ]|\PC|\s){0,60}") {
            for (regex, splitter) in PATTERNS.iter() {
                let spans = regex.find_matches(&text).unwrap();
                let expected: Vec<&str> = spans.iter().map(|&((start, end), _)| &text[start..end]).collect();
                let mut found = Vec::new();
                splitter.for_each(&text, &mut splitter.cache(), |word| found.push(word));
                prop_assert_eq!(found, expected.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>());
            }
        }
    }
}
