//! Who was spoken of last, so that pronouns are used where it is clear who is meant.

use super::template::Case;

/// Sentences after which a name is said again.
const LONGEST_RUN: u8 = 4;

/// The person spoken of last, of each gender, in the current paragraph.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Discourse {
    woman: Option<usize>,
    man: Option<usize>,
    run: u8,
}

impl Discourse {
    /// A person was named.
    pub fn name(&mut self, person: usize, woman: bool) {
        *self.last(woman) = Some(person);
        self.run = 0;
    }

    /// Whether a pronoun would be understood as this person; if so it is counted as used.
    pub fn takes_pronoun(&mut self, person: usize, woman: bool) -> bool {
        let clear = *self.last(woman) == Some(person) && self.run < LONGEST_RUN;
        self.run = if clear { self.run + 1 } else { 0 };
        clear
    }

    /// A new paragraph names people anew.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    fn last(&mut self, woman: bool) -> &mut Option<usize> {
        if woman { &mut self.woman } else { &mut self.man }
    }
}

/// The pronoun of a case.
pub(super) fn pronoun(case: Case, woman: bool) -> &'static str {
    match (case, woman) {
        (Case::Subject, true) => "she",
        (Case::Subject, false) => "he",
        (Case::Object | Case::Possessive, true) => "her",
        (Case::Object, false) => "him",
        (Case::Possessive, false) => "his",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pronouns_need_a_clear_antecedent() {
        let mut discourse = Discourse::default();
        assert!(!discourse.takes_pronoun(1, true));
        discourse.name(1, true);
        discourse.name(2, false);
        assert!(discourse.takes_pronoun(1, true));
        assert!(discourse.takes_pronoun(2, false));
        discourse.name(3, true);
        assert!(!discourse.takes_pronoun(1, true));
        discourse.forget();
        assert!(!discourse.takes_pronoun(2, false));
    }

    #[test]
    fn names_come_back_after_a_while() {
        let mut discourse = Discourse::default();
        discourse.name(1, true);
        let pronouns = (0..10).filter(|_| discourse.takes_pronoun(1, true)).count();
        assert_eq!(pronouns, 8);
    }
}
