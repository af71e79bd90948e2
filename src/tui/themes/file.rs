//! The file of a theme: a palette of names, and styles by what they mean.

use crate::tui::theme::Theme;
use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Shades between the stops of a theme's heat: few enough that a small change of a figure changes no cell.
const SHADES: usize = 24;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    inherits: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "for people; read so that it is allowed")]
    about: String,
    #[serde(default)]
    palette: BTreeMap<String, String>,
    #[serde(default)]
    styles: BTreeMap<String, StyleText>,
}

/// A style as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum StyleText {
    Foreground(String),
    List(Vec<StyleText>),
    Whole(WholeStyle),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WholeStyle {
    fg: Option<String>,
    bg: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    reverse: bool,
}

/// A theme's file, read; its names are not looked up yet.
#[derive(Clone, Debug)]
pub struct ThemeFile {
    pub inherits: Option<String>,
    parts: Parts,
    text: String,
}

impl ThemeFile {
    pub fn read(text: &str) -> Result<Self, String> {
        let parts: Parts = toml::from_str(text).map_err(|error| {
            let before = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.bytes().take(before).filter(|byte| *byte == b'\n').count() + 1;
            format!("line {line}: {}", error.message())
        })?;
        Ok(Self { inherits: parts.inherits.clone(), parts, text: text.to_string() })
    }

    /// Says where a word stands that is wrong.
    fn at(&self, word: &str, why: String) -> String {
        match self.text.lines().position(|line| line.trim_start().starts_with(word)) {
            Some(line) => format!("line {}: {why}", line + 1),
            None => why,
        }
    }
}

impl Theme {
    /// Every style with the name that it has in a file.
    pub(super) fn styles_mut(&mut self) -> Vec<(&'static str, &mut Style)> {
        let mut styles = vec![
            ("text", &mut self.text),
            ("dim", &mut self.dim),
            ("title", &mut self.title),
            ("border", &mut self.border),
            ("border_focused", &mut self.border_focused),
            ("key", &mut self.key),
            ("cursor", &mut self.cursor),
            ("selection", &mut self.selection),
            ("frozen", &mut self.frozen),
            ("training", &mut self.training),
            ("base", &mut self.base),
            ("live", &mut self.live),
            ("good", &mut self.good),
            ("warning", &mut self.warning),
            ("error", &mut self.error),
            ("pending", &mut self.pending),
            ("ghost", &mut self.ghost),
            ("mark", &mut self.mark),
            ("branch", &mut self.branch),
            ("undone", &mut self.undone),
            ("masked", &mut self.masked),
            ("learned", &mut self.learned),
            ("screen", &mut self.screen),
            ("popup", &mut self.popup),
            ("header", &mut self.header),
        ];
        styles.extend(self.series.iter_mut().map(|style| ("series", style)));
        styles
    }
}

/// The theme of a file and of those it inherits from: the file itself first, its ancestors after it.
pub fn resolve(chain: &[ThemeFile]) -> Result<Theme, String> {
    let mut palette: BTreeMap<&str, Color> = BTreeMap::new();
    for file in chain.iter().rev() {
        for (name, text) in &file.parts.palette {
            let color = text.parse().map_err(|_| file.at(name, not_a_color(text)))?;
            palette.insert(name, color);
        }
    }
    let mut theme = Theme::default();
    for file in chain.iter().rev() {
        for (role, text) in &file.parts.styles {
            set(&mut theme, role, text, &palette).map_err(|why| file.at(role, why))?;
        }
    }
    Ok(theme)
}

fn set(theme: &mut Theme, role: &str, text: &StyleText, palette: &BTreeMap<&str, Color>) -> Result<(), String> {
    match (role, text) {
        ("heat", StyleText::List(stops)) => {
            let stops: Vec<Style> = stops.iter().map(|stop| style(stop, palette)).collect::<Result<_, _>>()?;
            let colors: Vec<Color> = stops.iter().filter_map(|stop| stop.fg).collect();
            theme.heat = shades(&colors);
        }
        ("series", StyleText::List(list)) if list.len() == theme.series.len() => {
            for (place, text) in theme.series.iter_mut().zip(list) {
                *place = style(text, palette)?;
            }
        }
        ("heat" | "series", _) => {
            return Err(format!("\"{role}\" is a list of colours ({} for series)", theme.series.len()));
        }
        _ => {
            let found = style(text, palette)?;
            let mut styles = theme.styles_mut();
            match styles.iter_mut().find(|(name, _)| *name == role) {
                Some((_, place)) => **place = found,
                None => {
                    let names = styles.iter().map(|(name, _)| *name);
                    return Err(format!("there is no style \"{role}\"{}", did_you_mean(role, names)));
                }
            }
        }
    }
    Ok(())
}

fn style(text: &StyleText, palette: &BTreeMap<&str, Color>) -> Result<Style, String> {
    let color = |name: &String| match palette.get(name.as_str()) {
        Some(color) => Ok(*color),
        None => {
            name.parse().map_err(|_| format!("{}{}", not_a_color(name), did_you_mean(name, palette.keys().copied())))
        }
    };
    match text {
        StyleText::Foreground(name) => Ok(Style::new().fg(color(name)?)),
        StyleText::List(_) => Err("one style is wanted, not a list".into()),
        StyleText::Whole(whole) => {
            let modifiers = [
                (whole.bold, Modifier::BOLD),
                (whole.dim, Modifier::DIM),
                (whole.italic, Modifier::ITALIC),
                (whole.underline, Modifier::UNDERLINED),
                (whole.reverse, Modifier::REVERSED),
            ];
            let fg = whole.fg.as_ref().map(color).transpose()?;
            let bg = whole.bg.as_ref().map(color).transpose()?;
            let held = modifiers.into_iter().filter(|(is_on, _)| *is_on).map(|(_, modifier)| modifier).collect();
            Ok(Style { fg, bg, ..Style::new() }.add_modifier(held))
        }
    }
}

fn not_a_color(text: &str) -> String {
    format!("\"{text}\" is no colour: write #rrggbb, a name of the palette, or one of the terminal's such as light-red")
}

fn did_you_mean<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = names.max_by(|one, other| strsim::jaro_winkler(one, word).total_cmp(&strsim::jaro_winkler(other, word)));
    near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"))
}

/// Colours between the stops, evenly.
fn shades(stops: &[Color]) -> Vec<Color> {
    let parts: Vec<[f64; 3]> = stops
        .iter()
        .filter_map(|color| match color {
            Color::Rgb(red, green, blue) => Some([*red, *green, *blue].map(f64::from)),
            _ => None,
        })
        .collect();
    let Some(last) = parts.len().checked_sub(1) else { return Vec::new() };
    let shade = |index: usize| {
        let place = last as f64 * index as f64 / (SHADES - 1) as f64;
        let (low, share) = (place.floor() as usize, place.fract());
        let (one, other) = (parts[low.min(last)], parts[(low + 1).min(last)]);
        let [red, green, blue] = [0, 1, 2].map(|part| (one[part] + share * (other[part] - one[part])).round() as u8);
        Color::Rgb(red, green, blue)
    };
    (0..SHADES).map(shade).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_begin_and_end_at_the_stops() {
        let stops = [Color::Rgb(0, 0, 0), Color::Rgb(46, 92, 23)];
        let found = shades(&stops);
        assert_eq!((found.len(), found[0], found[SHADES - 1]), (SHADES, stops[0], stops[1]));
        assert_eq!(found[1], Color::Rgb(2, 4, 1));
        assert!(shades(&[]).is_empty());
    }

    #[test]
    fn wrong_files_say_where() {
        for (text, expected) in [
            ("about = \"x\"\n[styles]\ntext = 3\n", "line 3"),
            ("colour = 1\n", "line 1"),
            ("[palette]\nice = \"blu\"\n", "line 2: \"blu\" is no colour"),
            ("[styles]\nseries = [\"red\"]\n", "line 2"),
            ("[styles]\ntext = { fg = \"red\", blink = true }\n", "line 2"),
        ] {
            let why = ThemeFile::read(text).and_then(|file| resolve(&[file]).map(drop)).unwrap_err();
            assert!(why.contains(expected), "{text:?}: {why}");
        }
    }
}
