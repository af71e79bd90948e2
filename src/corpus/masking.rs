//! Masking for masked language modelling: which tokens of a row are hidden, and what stands in their place (Devlin et al.
//! 2018, BERT, arXiv 1810.04805).

use crate::corpus::batches::{Batch, IGNORE};
use crate::corpus::tokenizer::Tokenizer;
use crate::error::{Error, Result};
use crate::random::Random;

/// Of the chosen tokens so many percent become the mask token, and so many another token; the others stay.
const MASKED: usize = 80;
const REPLACED: usize = 10;
/// Keeps these draws apart from all others of the same seed.
const STREAM: u64 = 0x6d61_736b;

/// Hides a share of the tokens of rows. What it hides of a row follows from a key alone.
#[derive(Debug)]
pub struct Masker {
    share: f64,
    mask: u32,
    /// Stands first in every row, and is never hidden.
    begin: Option<u32>,
    /// By id: whether a token is text, which alone is hidden and put in another's place.
    is_text: Vec<bool>,
    text: Vec<u32>,
    /// By id, where whole words are hidden together.
    edges: Option<Vec<Edges>>,
}

/// Whether a token begins, and ends, with a letter or digit that nothing sets apart from its neighbour. A space at its end
/// is the mark of the word that follows, which no merge joined to it.
#[derive(Clone, Copy, Debug, Default)]
struct Edges {
    goes_on: bool,
    ends_open: bool,
}

impl Masker {
    /// Hides `share` of a row's tokens of text, or about as many in whole words. Errors: a tokenizer without a mask token,
    /// or, for whole words, one whose tokens do not say where words begin.
    pub fn new(tokenizer: &Tokenizer, share: f64, whole_words: bool) -> Result<Self> {
        let mask = tokenizer.mask().ok_or_else(no_mask_token)?;
        if whole_words && !tokenizer.marks_words() {
            return Err(Error::new("whole words cannot be masked with this tokenizer")
                .because("none of its tokens begins with a space, as byte-level and SentencePiece ones do, or with ## inside words, as WordPiece's do")
                .next("set masking = { whole_words = false }"));
        }
        let ids = 0..tokenizer.vocabulary_size() as u32;
        let is_text: Vec<bool> = ids.clone().map(|id| tokenizer.token_bytes(id) > 0).collect();
        let edges = |id| {
            let bytes = tokenizer.bytes(id);
            Edges {
                goes_on: bytes.first().is_some_and(is_of_word),
                ends_open: bytes.last().is_some_and(|last| is_of_word(last) || *last == b' '),
            }
        };
        Ok(Self {
            share,
            mask,
            begin: tokenizer.begin_of_text(),
            text: ids.clone().filter(|&id| is_text[id as usize]).collect(),
            is_text,
            edges: whole_words.then(|| ids.map(edges).collect()),
        })
    }

    /// One for models without a tokenizer: every id but the mask's is text, and no row begins with a mark.
    #[cfg(test)]
    pub(crate) fn of_ids(vocabulary: u32, mask: u32, share: f64) -> Self {
        let is_text: Vec<bool> = (0..vocabulary).map(|id| id != mask).collect();
        let text = (0..vocabulary).filter(|&id| id != mask).collect();
        Self { share, mask, begin: None, is_text, text, edges: None }
    }

    pub fn mask(&self) -> u32 {
        self.mask
    }

    pub fn share(&self) -> f64 {
        self.share
    }

    /// How many of `columns` positions are left for text, behind the token that every row begins with.
    pub fn room(&self, columns: usize) -> usize {
        columns.saturating_sub(usize::from(self.begin.is_some())).max(1)
    }

    /// Appends a row: the first token, `tokens` (no more than there is [`Masker::room`] for), and padding, which sees only
    /// itself. With a key, some are hidden, and are the row's targets.
    pub fn push_row(&self, tokens: &[u32], key: Option<u64>, batch: &mut Batch) {
        let start = batch.inputs.len();
        batch.inputs.extend(self.begin);
        batch.inputs.extend_from_slice(tokens);
        let length = batch.inputs.len() - start;
        batch.targets.resize(start + length, IGNORE);
        batch.positions.extend(0..length as u32);
        batch.first_visible.resize(start + length, 0);
        batch.push_padding(batch.context - length, 0);
        batch.rows += 1;
        if let Some(key) = key {
            let first = start + length - tokens.len();
            self.hide(&mut batch.inputs[first..start + length], &mut batch.targets[first..start + length], key);
        }
    }

    /// The same with the token at `place` of `tokens` hidden alone: each is in turn for a pseudo-perplexity.
    pub fn push_hiding(&self, tokens: &[u32], places: &[usize], batch: &mut Batch) {
        let first = batch.inputs.len() + usize::from(self.begin.is_some());
        self.push_row(tokens, None, batch);
        for place in places {
            batch.targets[first + place] = batch.inputs[first + place];
            batch.inputs[first + place] = self.mask;
        }
    }

    /// The places in `tokens` that can be hidden.
    pub fn candidates(&self, tokens: &[u32]) -> Vec<usize> {
        (0..tokens.len()).filter(|&place| self.can_hide(tokens[place])).collect()
    }

    fn can_hide(&self, token: u32) -> bool {
        self.is_text.get(token as usize).copied().unwrap_or(false)
    }

    /// At least one token where there is any of text, and else the share, rounded; of whole words no more than that unless
    /// the first one is longer.
    fn hide(&self, tokens: &mut [u32], targets: &mut [u32], key: u64) {
        let mut random = Random::new(key, STREAM);
        let mut words = self.words(tokens);
        let candidates: usize = words.iter().map(|(_, length)| length).sum();
        let wanted = ((self.share * candidates as f64).round() as usize).max(1);
        random.shuffle(&mut words);
        let mut hidden = 0;
        for (start, length) in words {
            if hidden > 0 && hidden + length > wanted {
                continue;
            }
            for place in start..start + length {
                targets[place] = tokens[place];
                tokens[place] = match random.below(100) {
                    0..MASKED => self.mask,
                    draw if draw < MASKED + REPLACED => self.text[random.below(self.text.len())],
                    _ => tokens[place],
                };
            }
            hidden += length;
            if hidden >= wanted {
                break;
            }
        }
    }

    /// What is hidden together: start and length, tokens of text alone.
    fn words(&self, tokens: &[u32]) -> Vec<(usize, usize)> {
        let mut words: Vec<(usize, usize)> = Vec::new();
        for place in self.candidates(tokens) {
            let edges = |place: usize| self.edges.as_ref().map(|edges| edges[tokens[place] as usize]);
            let goes_on = place > 0
                && edges(place - 1).is_some_and(|before| before.ends_open)
                && edges(place).is_some_and(|own| own.goes_on);
            match words.last_mut().filter(|(start, length)| goes_on && start + *length == place) {
                Some((_, length)) => *length += 1,
                None => words.push((place, 1)),
            }
        }
        words
    }
}

/// Letters and digits, and every byte of a character beyond ASCII.
fn is_of_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// What is said of a tokenizer that cannot be used for masks.
pub fn no_mask_token() -> Error {
    Error::new("the tokenizer has no mask token")
        .because("masked language modelling hides tokens behind one, such as [MASK] or <mask>")
        .next(
            "let the plan train a tokenizer (tokenizer = { vocabulary = 4096 }), which has one then, or add it in \
             transformers: tokenizer.add_special_tokens({\"mask_token\": \"[MASK]\"}), then save_pretrained",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "the cook sells fresh fish, bread and reddish berries at the harbour market every morning. ";

    fn tokenizer() -> Tokenizer {
        Tokenizer::train([TEXT.repeat(3)], 285).unwrap().with_mask().unwrap()
    }

    fn row(masker: &Masker, tokens: &[u32], columns: usize, key: Option<u64>) -> Batch {
        let mut batch = Batch::with_capacity(1, columns);
        masker.push_row(tokens, key, &mut batch);
        batch
    }

    #[test]
    fn fifteen_in_a_hundred_are_hidden_and_of_these_eighty_ten_and_ten() {
        let tokenizer = tokenizer();
        let masker = Masker::new(&tokenizer, 0.15, false).unwrap();
        let tokens = tokenizer.encode(&TEXT.repeat(20)).unwrap();
        let [mut hidden, mut masked, mut kept] = [0.0; 3];
        for key in 0..100 {
            let batch = row(&masker, &tokens, tokens.len() + 1, Some(key));
            assert_eq!(batch.inputs[0], tokenizer.end_of_text().unwrap(), "the token that rows begin with");
            assert_eq!(batch.learned(), (0.15 * tokens.len() as f64).round() as usize);
            for (place, &target) in batch.targets.iter().enumerate() {
                let input = batch.inputs[place];
                if target == IGNORE {
                    assert!(place == 0 || input == tokens[place - 1]);
                    continue;
                }
                assert_eq!(target, tokens[place - 1]);
                assert!(!tokenizer.is_special(input) || input == masker.mask());
                hidden += 1.0;
                masked += f64::from(input == masker.mask());
                kept += f64::from(input == target);
            }
        }
        // Some thousands of draws: three deviations of the share of 0.8 are 0.02.
        assert!((masked / hidden - 0.8).abs() < 0.02 && (kept / hidden - 0.1).abs() < 0.02, "{masked} {kept} {hidden}");
    }

    #[test]
    fn words_are_hidden_whole() {
        let tokenizer = tokenizer();
        let masker = Masker::new(&tokenizer, 0.3, true).unwrap();
        let tokens = tokenizer.encode(TEXT).unwrap();
        let words = masker.words(&tokens);
        let spelled: Vec<String> =
            words.iter().map(|&(start, length)| tokenizer.decode(&tokens[start..start + length])).collect();
        assert_eq!(spelled[..6], ["the", " cook", " sells", " fresh", " fish", ","]);
        assert!(words.len() < tokens.len(), "no word has two tokens");
        for key in 0..50 {
            let batch = row(&masker, &tokens, tokens.len() + 1, Some(key));
            let is_hidden = |place: usize| batch.targets[place + 1] != IGNORE;
            for &(start, length) in &words {
                let hidden = (start..start + length).filter(|&place| is_hidden(place)).count();
                assert!(hidden == 0 || hidden == length);
            }
            assert!(batch.learned() <= (0.3 * tokens.len() as f64).round() as usize && batch.learned() > 0);
        }
    }

    #[test]
    fn a_tokenizer_without_a_mask_or_without_words_is_refused() {
        let plain = Tokenizer::train([TEXT.repeat(3)], 320).unwrap();
        let error = Masker::new(&plain, 0.15, false).unwrap_err();
        assert!(error.to_string().contains("no mask token") && error.next.unwrap().contains("add_special_tokens"));
        let letters = Tokenizer::train(["abcabcabc"], 300).unwrap().with_mask().unwrap();
        assert!(Masker::new(&letters, 0.15, false).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_hidden_follows_from_the_key_and_never_from_the_columns(
            length in 1usize..60, more in 1usize..20, key: u64, whole: bool,
        ) {
            let tokenizer = tokenizer();
            let masker = Masker::new(&tokenizer, 0.15, whole).unwrap();
            let tokens = &tokenizer.encode(TEXT).unwrap().repeat(3)[..length];
            let (one, other) = (row(&masker, tokens, length + 1, Some(key)), row(&masker, tokens, length + more, Some(key)));
            prop_assert_eq!(&one.inputs[..], &other.inputs[..=length]);
            prop_assert_eq!(&one.targets[..], &other.targets[..=length]);
            prop_assert!(one.learned() > 0);
            let padding = length + 1..length + more;
            prop_assert!(padding.clone().all(|place| other.first_visible[place] == place as u32));
            prop_assert!(padding.into_iter().all(|place| other.targets[place] == IGNORE));
        }
    }
}
