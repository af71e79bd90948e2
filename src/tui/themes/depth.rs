//! How many colours a terminal has, and the nearest it has to a colour.

use crate::tui::theme::Theme;
use ratatui::style::{Color, Style};

/// Colours of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every colour: the terminal says so itself.
    Full,
    Palette256,
    Sixteen,
}

impl Depth {
    /// From `COLORTERM` and `TERM`.
    pub fn detect(colorterm: &str, term: &str) -> Self {
        match (colorterm, term) {
            ("truecolor" | "24bit", _) => Depth::Full,
            (_, term) if term.contains("direct") => Depth::Full,
            (_, term) if term.contains("256color") => Depth::Palette256,
            _ => Depth::Sixteen,
        }
    }

    /// The theme in the colours there are.
    pub(super) fn of(self, theme: Theme) -> Theme {
        if self == Depth::Full {
            return theme;
        }
        let mut theme = theme;
        theme.styles_mut().into_iter().for_each(|(_, style)| *style = self.style(*style));
        match self {
            // Sixteen colours are too few for shades that one can read text on: panes use marks instead.
            Depth::Sixteen => {
                theme.heat.clear();
                // A person's own sixteen colours are chosen for the terminal's own background.
                for style in [&mut theme.text, &mut theme.screen, &mut theme.popup, &mut theme.header] {
                    (style.fg, style.bg) = (None, None);
                }
            }
            _ => theme.heat.iter_mut().for_each(|color| *color = self.color(*color)),
        }
        theme
    }

    fn style(self, style: Style) -> Style {
        let (fg, bg) = (style.fg.map(|color| self.color(color)), style.bg.map(|color| self.color(color)));
        // Two colours that became one would hide the text.
        let fg = if fg.is_some() && fg == bg { Some(Color::Reset) } else { fg };
        Style { fg, bg, ..style }
    }

    fn color(self, color: Color) -> Color {
        match (self, color) {
            (Depth::Palette256, Color::Rgb(red, green, blue)) => Color::Indexed(nearest_of_256([red, green, blue])),
            (Depth::Sixteen, Color::Rgb(red, green, blue)) => nearest_of_16([red, green, blue]),
            (_, color) => color,
        }
    }
}

/// Squared distance, weighted roughly as the eye weighs red, green and blue.
fn distance(one: [u8; 3], other: [u8; 3]) -> u32 {
    let part = |at: usize, weight: u32| weight * u32::from(one[at].abs_diff(other[at])).pow(2);
    part(0, 2) + part(1, 4) + part(2, 3)
}

const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Of the cube (16 to 231) and the greys (232 to 255); the first sixteen look different on every terminal.
fn nearest_of_256(color: [u8; 3]) -> u8 {
    let level = |value: u8| (0..6usize).min_by_key(|&at| LEVELS[at].abs_diff(value)).unwrap_or(0);
    let [red, green, blue] = color.map(level);
    let cube = [LEVELS[red], LEVELS[green], LEVELS[blue]];
    let grey = |index: u8| [8 + 10 * index; 3];
    let nearest_grey = (0..24u8).min_by_key(|&index| distance(color, grey(index))).unwrap_or(0);
    if distance(color, grey(nearest_grey)) < distance(color, cube) {
        232 + nearest_grey
    } else {
        (16 + 36 * red + 6 * green + blue) as u8
    }
}

/// By hue: the sixteen are named, not measured, on every terminal.
fn nearest_of_16(color: [u8; 3]) -> Color {
    let [red, green, blue] = color.map(i32::from);
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    if most - least < 40 {
        return match most {
            0..60 => Color::Black,
            60..120 => Color::DarkGray,
            120..200 => Color::Gray,
            _ => Color::White,
        };
    }
    // Parts that come more than half of the way from the least to the most shine.
    let shines = |part: i32| 2 * (part - least) > most - least;
    let is_light = most > 200;
    let (dark, light) = match (shines(red), shines(green), shines(blue)) {
        (true, false, false) => (Color::Red, Color::LightRed),
        (false, true, false) => (Color::Green, Color::LightGreen),
        (true, true, false) => (Color::Yellow, Color::LightYellow),
        (false, false, true) => (Color::Blue, Color::LightBlue),
        (true, false, true) => (Color::Magenta, Color::LightMagenta),
        (false, true, true) => (Color::Cyan, Color::LightCyan),
        _ => (Color::Gray, Color::White),
    };
    if is_light { light } else { dark }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_says_how_many_colours_it_has() {
        assert_eq!(Depth::detect("truecolor", "xterm"), Depth::Full);
        assert_eq!(Depth::detect("", "xterm-256color"), Depth::Palette256);
        assert_eq!(Depth::detect("", "linux"), Depth::Sixteen);
    }

    #[test]
    fn the_nearest_colour_is_near() {
        assert_eq!(nearest_of_256([255, 0, 0]), 196);
        assert_eq!(nearest_of_256([8, 8, 8]), 232);
        assert_eq!(nearest_of_256([0, 95, 135]), 24);
        assert_eq!(nearest_of_16([143, 211, 255]), Color::LightCyan);
        assert_eq!(nearest_of_16([255, 122, 133]), Color::LightRed);
        assert_eq!(nearest_of_16([10, 12, 20]), Color::Black);
    }
}
