//! Prompts that were sent before.

/// Prompts that are kept, and the bytes of all of them together.
const MOST: usize = 200;
const MOST_BYTES: usize = 1 << 20;

/// Older prompts, and the place in them while a person goes through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The newest last.
    entries: Vec<String>,
    /// The entry that is shown, and what stood there before the first look back.
    shown: Option<(usize, String)>,
}

impl History {
    /// Keeps a prompt that was sent; one that was kept already moves to the end.
    pub fn keep(&mut self, text: &str) {
        self.shown = None;
        self.entries.retain(|entry| entry != text);
        self.entries.push(text.to_string());
        while self.entries.len() > MOST || self.entries.iter().map(String::len).sum::<usize>() > MOST_BYTES {
            self.entries.remove(0);
        }
    }

    /// The entry before the one shown; `current` is what stands in the editor.
    pub fn older(&mut self, current: &str) -> Option<String> {
        let (before, draft) = match self.shown.take() {
            Some((index, draft)) => (index, draft),
            None => (self.entries.len(), current.to_string()),
        };
        // What stands there already is no step back.
        let at = (0..before).rev().find(|&index| self.entries[index] != current);
        self.shown = Some((at.unwrap_or(before), draft)).filter(|(index, _)| *index < self.entries.len());
        at.map(|index| self.entries[index].clone())
    }

    /// The entry after the one shown, and at last what stood there before.
    pub fn newer(&mut self) -> Option<String> {
        let (index, draft) = self.shown.take()?;
        match self.entries.get(index + 1) {
            Some(entry) => {
                let entry = entry.clone();
                self.shown = Some((index + 1, draft));
                Some(entry)
            }
            None => Some(draft),
        }
    }

    /// The text was edited: the next look back begins at the newest again.
    pub fn leave(&mut self) {
        self.shown = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_back_and_forth_and_keeps_what_was_being_written() {
        let mut history = History::default();
        assert_eq!(history.older("draft"), None);
        ["one", "two", "one", "three"].iter().for_each(|text| history.keep(text));
        assert_eq!(history.older("draft").unwrap(), "three");
        assert_eq!(history.older("three").unwrap(), "one");
        assert_eq!(history.older("one").unwrap(), "two");
        assert_eq!(history.older("two"), None);
        assert_eq!(history.newer().unwrap(), "one");
        assert_eq!(history.newer().unwrap(), "three");
        assert_eq!(history.newer().unwrap(), "draft");
        assert_eq!(history.newer(), None);
        assert_eq!(history.older("three").unwrap(), "one", "what stands there is no step back");
    }

    #[test]
    fn is_bounded() {
        let mut history = History::default();
        (0..500).for_each(|number| history.keep(&number.to_string()));
        assert_eq!(history.entries.len(), MOST);
        history.keep(&"x".repeat(MOST_BYTES));
        assert_eq!(history.entries.len(), 1);
    }
}
