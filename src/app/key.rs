//! Keys as keymaps write them: `space`, `tab`, `s-tab`, `c-z`, `F2`, `?`, `pgdn`.

use std::fmt;
use std::str::FromStr;

/// A key with its modifiers. Shift is part of a character and stands alone only with named keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub code: Code,
    pub control: bool,
    pub alt: bool,
    pub shift: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    Char(char),
    Function(u8),
    Enter,
    Escape,
    Tab,
    Backspace,
    Delete,
    Insert,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    PageUp,
    PageDown,
}

const NAMES: [(&str, Code); 15] = [
    ("space", Code::Char(' ')),
    ("enter", Code::Enter),
    ("esc", Code::Escape),
    ("tab", Code::Tab),
    ("backspace", Code::Backspace),
    ("del", Code::Delete),
    ("ins", Code::Insert),
    ("left", Code::Left),
    ("right", Code::Right),
    ("up", Code::Up),
    ("down", Code::Down),
    ("home", Code::Home),
    ("end", Code::End),
    ("pgup", Code::PageUp),
    ("pgdn", Code::PageDown),
];

impl Key {
    pub const fn plain(code: Code) -> Self {
        Self { code, control: false, alt: false, shift: false }
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut key = Key::plain(Code::Escape);
        let mut rest = text;
        while let Some((modifier, after)) = rest.split_once('-').filter(|(_, after)| !after.is_empty()) {
            match modifier {
                "c" => key.control = true,
                "a" => key.alt = true,
                "s" => key.shift = true,
                _ => break,
            }
            rest = after;
        }
        key.code = code(rest).ok_or_else(|| {
            format!("\"{text}\" is no key: write one character, a name such as space, enter, pgdn or f2, with c-, a- or s- before it")
        })?;
        Ok(key)
    }
}

fn code(text: &str) -> Option<Code> {
    if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Some(*code);
    }
    let mut characters = text.chars();
    match (characters.next(), characters.as_str()) {
        (Some(character), "") if !character.is_control() => Some(Code::Char(character)),
        (Some('f'), number) => number.parse().ok().filter(|number| (1..=24).contains(number)).map(Code::Function),
        _ => None,
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (is_held, prefix) in [(self.control, "c-"), (self.alt, "a-"), (self.shift, "s-")] {
            if is_held {
                f.write_str(prefix)?;
            }
        }
        match (NAMES.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, Code::Char(character)) => write!(f, "{character}"),
            (None, Code::Function(number)) => write!(f, "f{number}"),
            // Every other code has a name.
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_as_they_are_written() {
        for text in ["space", "c-z", "s-tab", "?", "-", "c--", "f12", "a-left", "]", "A"] {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
        }
        for text in ["", "f99", "hyper-x", "spac", "c-"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }
}
