//! Themes: five that come with the program, and any number of a person's own, as TOML.

mod depth;
mod file;

pub use depth::Depth;

use super::theme::Theme;
use file::ThemeFile;
use std::path::Path;

/// The name and the text of every theme that comes with the program.
const BUILT_IN: [(&str, &str); 5] = [
    ("frost", include_str!("../../../themes/frost.toml")),
    ("ember", include_str!("../../../themes/ember.toml")),
    ("paper", include_str!("../../../themes/paper.toml")),
    ("contrast", include_str!("../../../themes/contrast.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
];

/// What a person sees who chose nothing.
pub const DEFAULT: &str = "frost";
/// What a person sees who wants no colours.
pub const WITHOUT_COLOURS: &str = "mono";

/// A theme may inherit from one that inherits, and so on, this far.
const GENERATIONS: usize = 8;

/// The names of all themes; `folder` holds a person's own, as `NAME.toml`.
pub fn names(folder: Option<&Path>) -> Vec<String> {
    let mut names: Vec<String> = BUILT_IN.map(|(name, _)| name.to_string()).to_vec();
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let mut own: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "toml"))
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_string()))
        .filter(|name| !names.contains(name))
        .collect();
    own.sort();
    names.extend(own);
    names
}

/// The theme of this name, in as many colours as the terminal has. A person's own goes before one of the same name that
/// comes with the program. The error names file and line and says what to write.
pub fn load(name: &str, folder: Option<&Path>, depth: Depth) -> Result<Theme, String> {
    let mut chain: Vec<ThemeFile> = Vec::new();
    let mut next = Some((name.to_string(), folder));
    while let Some((name, folder)) = next {
        if chain.len() == GENERATIONS {
            return Err(format!("theme {name}: it inherits from itself, or through more than {GENERATIONS} themes"));
        }
        let (text, is_own) = text_of(&name, folder)?;
        let file = ThemeFile::read(&text).map_err(|why| format!("theme {name}: {why}"))?;
        // An own frost.toml that inherits from frost means the one that comes with the program.
        next = file.inherits.clone().map(|parent| {
            let folder = folder.filter(|_| !(is_own && parent == name));
            (parent, folder)
        });
        chain.push(file);
    }
    let theme = file::resolve(&chain).map_err(|why| format!("theme {name}: {why}"))?;
    Ok(depth.of(theme))
}

fn text_of(name: &str, folder: Option<&Path>) -> Result<(String, bool), String> {
    let is_plain = !name.contains(['/', '\\']) && !name.starts_with('.');
    if let Some(folder) = folder.filter(|_| is_plain) {
        match std::fs::read_to_string(folder.join(format!("{name}.toml"))) {
            Ok(text) => return Ok((text, true)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("theme {name} cannot be read: {error}")),
        }
    }
    match BUILT_IN.iter().find(|(own, _)| *own == name) {
        Some((_, text)) => Ok(((*text).to_string(), false)),
        None => Err(format!("there is no theme \"{name}\"; there are: {}", names(folder).join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Color;

    /// The contrast of two colours as WCAG 2 computes it: 1 to 21.
    fn contrast(one: Color, other: Color) -> f64 {
        let luminance = |color| {
            let Color::Rgb(red, green, blue) = color else { panic!("{color:?} is no colour of its own") };
            let linear = |value: u8| {
                let value = f64::from(value) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_theme_can_be_read_by_eye() {
        for (name, _) in BUILT_IN.iter().filter(|(name, _)| *name != WITHOUT_COLOURS) {
            let theme = load(name, None, Depth::Full).unwrap();
            let ground = theme.screen.bg.unwrap();
            assert_eq!(theme.text.bg, None);
            let roles = [theme.text, theme.dim, theme.title, theme.key, theme.frozen, theme.training, theme.base];
            let more = [
                theme.live,
                theme.good,
                theme.warning,
                theme.error,
                theme.pending,
                theme.mark,
                theme.masked,
                theme.branch,
                theme.undone,
            ];
            for style in roles.into_iter().chain(more).chain(theme.series) {
                let found = contrast(style.fg.unwrap(), ground);
                assert!(found >= 4.5, "{name}: {:?} has contrast {found:.1}", style.fg);
            }
            let worst = theme.heat.iter().map(|&color| contrast(theme.text.fg.unwrap(), color)).fold(21.0, f64::min);
            assert!(worst >= 4.5, "{name}: text on heat has contrast {worst:.1}");
            assert!(contrast(theme.cursor.fg.unwrap(), theme.cursor.bg.unwrap()) >= 4.5, "{name}: cursor");
        }
    }

    #[test]
    fn mono_has_no_colours() {
        for depth in [Depth::Full, Depth::Sixteen] {
            let theme = load(WITHOUT_COLOURS, None, depth).unwrap();
            assert!(theme.heat.is_empty());
            for style in [theme.text, theme.frozen, theme.error, theme.series[3], theme.cursor] {
                assert_eq!((style.fg, style.bg), (None, None));
            }
        }
    }

    #[test]
    fn own_themes_inherit_and_mistakes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("frost.toml", "inherits = \"frost\"\n[palette]\nice = \"#010203\"\n");
        write("loop.toml", "inherits = \"loop2\"\n");
        write("loop2.toml", "inherits = \"loop\"\n");
        write("bad.toml", "inherits = \"frost\"\n[styles]\nfrosen = \"ice\"\n");
        write("worse.toml", "inherits = \"frost\"\n[styles]\nfrozen = \"iec\"\n");
        let load = |name| load(name, Some(folder.path()), Depth::Full);
        assert_eq!(load("frost").unwrap().frozen.fg, Some(Color::Rgb(1, 2, 3)));
        assert!(load("loop").unwrap_err().contains("inherits from itself"));
        let why = load("bad").unwrap_err();
        assert!(why.contains("line 3") && why.contains("\"frozen\""), "{why}");
        let why = load("worse").unwrap_err();
        assert!(why.contains("line 3") && why.contains("iec"), "{why}");
        assert!(load("../frost").is_err());
        assert!(names(Some(folder.path())).contains(&"worse".to_string()));
    }
}
