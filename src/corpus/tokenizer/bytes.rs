//! What each token stands for in bytes.

use std::sync::LazyLock;

use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::ModelWrapper;

/// The printable character that byte-level tokenizers write for each byte.
static CHARACTERS: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut next = 0x100;
    std::array::from_fn(|byte| match byte {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => byte as u8 as char,
        _ => {
            let character = char::from_u32(next).unwrap_or(char::REPLACEMENT_CHARACTER);
            next += 1;
            character
        }
    })
});

/// The byte that each of those characters stands for; they all lie below U+0144.
static BYTES: LazyLock<[Option<u8>; 0x144]> = LazyLock::new(|| {
    let mut bytes = [None; 0x144];
    for (byte, &character) in CHARACTERS.iter().enumerate() {
        bytes[character as usize] = Some(byte as u8);
    }
    bytes
});

/// Writes the bytes of `word` as byte-level tokenizers spell them.
pub(super) fn spell(word: &str, out: &mut String) {
    out.clear();
    out.extend(word.bytes().map(|byte| CHARACTERS[byte as usize]));
}

/// All characters that stand for bytes.
pub(super) fn alphabet() -> impl Iterator<Item = char> {
    CHARACTERS.iter().copied()
}

/// The bytes that a byte-level token spells; a character that stands for no byte stands for itself.
fn unspell(token: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(token.len());
    for character in token.chars() {
        match BYTES.get(character as usize) {
            Some(Some(byte)) => bytes.push(*byte),
            _ => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// The bytes of every token, by id.
#[derive(Debug)]
pub(super) struct TokenBytes {
    /// Whether they are exact: concatenated, they are the text.
    exact: bool,
    bytes: Vec<u8>,
    /// Where each token's bytes begin; one more than there are tokens.
    starts: Vec<usize>,
    special: Vec<bool>,
}

impl TokenBytes {
    pub(super) fn of(tokenizer: &tokenizers::Tokenizer) -> TokenBytes {
        let exact = matches!(tokenizer.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        let joins_words = matches!(tokenizer.get_model(), ModelWrapper::WordPiece(_));
        let vocabulary = tokenizer.get_vocab(true);
        let added = tokenizer.get_added_tokens_decoder();
        let size = vocabulary.values().max().map_or(0, |&last| last as usize + 1);
        let mut tokens = vec![""; size];
        for (token, &id) in &vocabulary {
            tokens[id as usize] = token;
        }
        let mut table = TokenBytes { exact, bytes: Vec::new(), starts: vec![0], special: vec![false; size] };
        for (id, token) in tokens.into_iter().enumerate() {
            let added = added.get(&(id as u32));
            table.special[id] = added.is_some_and(|token| token.special);
            match added {
                Some(added) => table.bytes.extend_from_slice(added.content.as_bytes()),
                None if exact => table.bytes.extend(unspell(token)),
                None => table.bytes.extend(guess(token, joins_words)),
            }
            table.starts.push(table.bytes.len());
        }
        table
    }

    /// How many ids there are: one more than the last.
    pub(super) fn len(&self) -> usize {
        self.special.len()
    }

    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    pub(super) fn is_special(&self, id: u32) -> bool {
        self.special.get(id as usize).copied().unwrap_or(false)
    }

    /// The bytes of a token; none for an id that there is not.
    pub(super) fn get(&self, id: u32) -> &[u8] {
        let id = id as usize;
        match (self.starts.get(id), self.starts.get(id + 1)) {
            (Some(&start), Some(&end)) => &self.bytes[start..end],
            _ => &[],
        }
    }
}

/// The bytes that a token of another kind most likely stands for: SentencePiece's mark is a space, `<0xNN>` a byte,
/// and a WordPiece token that does not continue a word has a space before it.
fn guess(token: &str, joins_words: bool) -> Vec<u8> {
    let hexadecimal = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    if let Some(byte) = hexadecimal.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
        return vec![byte];
    }
    match token.strip_prefix("##") {
        Some(rest) if joins_words => rest.into(),
        None if joins_words => format!(" {token}").into_bytes(),
        _ => token.replace('\u{2581}', " ").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_is_the_one_of_gpt2_and_comes_back() {
        let mut spelled = String::new();
        spell(" é\n", &mut spelled);
        assert_eq!(spelled, "ĠÃ©Ċ");
        assert_eq!(unspell(&spelled), " é\n".as_bytes());
        assert_eq!(alphabet().count(), 256);
        assert!(alphabet().all(|character| (character as usize) < 0x144));
    }

    #[test]
    fn other_tokens_are_guessed() {
        assert_eq!(guess("\u{2581}the", false), b" the");
        assert_eq!(guess("<0x0A>", false), b"\n");
        assert_eq!(guess("##ing", true), b"ing");
        assert_eq!(guess("walk", true), b" walk");
    }
}
