//! What curves are drawn with: from the finest characters that few fonts have to those that every terminal has.

/// From the finest to the safest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// Two by four blocks a cell; of Unicode 16, few fonts have them.
    Octant,
    /// Two by four dots a cell.
    #[default]
    Braille,
    /// One by two blocks a cell.
    HalfBlock,
    Ascii,
}

impl Glyphs {
    /// For a terminal whose locale (the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is set) is this.
    pub fn for_locale(locale: &str) -> Self {
        let locale = locale.to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") { Glyphs::Braille } else { Glyphs::Ascii }
    }

    pub fn name(self) -> &'static str {
        match self {
            Glyphs::Octant => "octants",
            Glyphs::Braille => "braille",
            Glyphs::HalfBlock => "half blocks",
            Glyphs::Ascii => "ASCII",
        }
    }

    /// The next one down, and from the last one to the first.
    pub fn next(self) -> Self {
        match self {
            Glyphs::Octant => Glyphs::Braille,
            Glyphs::Braille => Glyphs::HalfBlock,
            Glyphs::HalfBlock => Glyphs::Ascii,
            Glyphs::Ascii => Glyphs::Octant,
        }
    }

    /// Dots of a cell, across and down.
    pub fn dots(self) -> (usize, usize) {
        match self {
            Glyphs::Octant | Glyphs::Braille => (2, 4),
            Glyphs::HalfBlock | Glyphs::Ascii => (1, 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utf_8_locales_get_more_than_ascii() {
        let of = Glyphs::for_locale;
        assert_eq!(
            (of("en_US.UTF-8"), of("C.utf8"), of("C"), of("")),
            (Glyphs::Braille, Glyphs::Braille, Glyphs::Ascii, Glyphs::Ascii)
        );
    }
}
