//! The sets that the bundled world can be expanded into.

/// One data set of the bundled world; each has a `train.jsonl` and a `test.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Set {
    Stories,
    Ledger,
    Facts,
    Sentiment,
    Questions,
    Summaries,
    Translation,
    Instructions,
    Preferences,
}

impl Set {
    pub const ALL: [Set; 9] = [
        Set::Stories,
        Set::Ledger,
        Set::Facts,
        Set::Sentiment,
        Set::Questions,
        Set::Summaries,
        Set::Translation,
        Set::Instructions,
        Set::Preferences,
    ];

    /// The name in plans and of the folder.
    pub fn name(self) -> &'static str {
        match self {
            Set::Stories => "stories",
            Set::Ledger => "ledger",
            Set::Facts => "facts",
            Set::Sentiment => "sentiment",
            Set::Questions => "questions",
            Set::Summaries => "summaries",
            Set::Translation => "translation",
            Set::Instructions => "instructions",
            Set::Preferences => "preferences",
        }
    }

    /// One line for help texts: what a row holds.
    pub fn describe(self) -> &'static str {
        match self {
            Set::Stories => "text: tales, gossip, letters, almanac pages of one river valley; the pretraining corpus",
            Set::Ledger => "text: terse logs and customs ledgers of a harbour guild; a second domain",
            Set::Facts => "prompt, completion: sentences of the valley to be finished with a fact of it",
            Set::Sentiment => "text, label: villagers' opinions, positive or negative",
            Set::Questions => "prompt, completion: questions on the valley's facts; test asks about other households",
            Set::Summaries => "prompt, completion: a short story and its gist in one sentence",
            Set::Translation => "prompt, completion: sentences in English and in a small constructed language",
            Set::Instructions => "messages: requests with answers that can be checked",
            Set::Preferences => "prompt, chosen, rejected: a kind, true, short reply and a rude, false or rambling one",
        }
    }

    /// The set of that name.
    pub fn parse(name: &str) -> Option<Set> {
        Set::ALL.into_iter().find(|set| set.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for set in Set::ALL {
            assert_eq!(Set::parse(set.name()), Some(set));
            assert!(!set.describe().is_empty());
        }
        assert_eq!(Set::parse("Stories"), None);
    }
}
