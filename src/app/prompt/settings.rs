//! The settings of sampling: what they are called, how they are shown, and how keys change them.

use crate::app::line::Line;
use crate::protocol::SampleSettings;

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Temperature,
    TopK,
    TopP,
    MinP,
    RepetitionPenalty,
    Seed,
    MaxTokens,
    Stop,
    Chat,
}

/// Values that left and right go through. Others can be typed.
const TEMPERATURES: [f64; 15] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0];
const TOP_KS: [f64; 11] = [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 50.0, 100.0, 200.0, 500.0];
const TOP_PS: [f64; 13] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];
const MIN_PS: [f64; 9] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5];
const PENALTIES: [f64; 9] = [0.9, 1.0, 1.05, 1.1, 1.15, 1.2, 1.3, 1.5, 2.0];
const MAX_TOKENS: [f64; 10] = [1.0, 5.0, 20.0, 40.0, 80.0, 120.0, 200.0, 400.0, 800.0, 1600.0];
/// The most that the host writes.
const MOST_TOKENS: u64 = 1 << 16;

impl Setting {
    pub const ALL: [Setting; 9] = [
        Setting::Temperature,
        Setting::TopK,
        Setting::TopP,
        Setting::MinP,
        Setting::RepetitionPenalty,
        Setting::Seed,
        Setting::MaxTokens,
        Setting::Stop,
        Setting::Chat,
    ];

    /// As it is shown; the key of its explanation has the same words.
    pub fn name(self) -> &'static str {
        match self {
            Setting::Temperature => "temperature",
            Setting::TopK => "top-k",
            Setting::TopP => "top-p",
            Setting::MinP => "min-p",
            Setting::RepetitionPenalty => "repetition penalty",
            Setting::Seed => "seed",
            Setting::MaxTokens => "max tokens",
            Setting::Stop => "stop",
            Setting::Chat => "chat",
        }
    }

    /// What a value does, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Setting::Temperature => "0 always takes the likeliest token",
            Setting::TopK => "only the k likeliest tokens; 0 is off",
            Setting::TopP => "only the likeliest that make up this probability; 1 is off",
            Setting::MinP => "only tokens this likely beside the likeliest; 0 is off",
            Setting::RepetitionPenalty => "above 1 makes what stands in the text less likely; 1 is off",
            Setting::Seed => "lanes under one seed draw the same random numbers",
            Setting::MaxTokens => "the most that a lane writes",
            Setting::Stop => "lanes end before any of these texts; | between them, \\n for a new line",
            Setting::Chat => "on: the prompt is what a user says, in the lane's chat template",
        }
    }

    pub fn shown(self, settings: &SampleSettings) -> String {
        match self {
            Setting::Temperature => settings.temperature.to_string(),
            Setting::TopK => settings.top_k.to_string(),
            Setting::TopP => settings.top_p.to_string(),
            Setting::MinP => settings.min_p.to_string(),
            Setting::RepetitionPenalty => settings.repetition_penalty.to_string(),
            Setting::Seed => settings.seed.to_string(),
            Setting::MaxTokens => settings.max_tokens.to_string(),
            Setting::Stop => settings.stop.iter().map(|text| escape(text)).collect::<Vec<_>>().join("|"),
            Setting::Chat => if settings.chat { "on" } else { "off" }.into(),
        }
    }

    /// Whether it changes what is chosen.
    pub fn is_on(self, settings: &SampleSettings) -> bool {
        match self {
            Setting::TopK => settings.top_k > 0,
            Setting::TopP => settings.top_p < 1.0,
            Setting::MinP => settings.min_p > 0.0,
            Setting::RepetitionPenalty => settings.repetition_penalty != 1.0,
            Setting::Stop => !settings.stop.is_empty(),
            Setting::Chat => settings.chat,
            Setting::Temperature | Setting::Seed | Setting::MaxTokens => true,
        }
    }

    /// Takes a typed value; says why not otherwise.
    pub fn set(self, settings: &mut SampleSettings, text: &str) -> Result<(), String> {
        if self == Setting::Stop {
            settings.stop = text.split('|').filter(|part| !part.is_empty()).map(unescape).collect();
            return Ok(());
        }
        let text = text.trim();
        if self == Setting::Chat {
            settings.chat = match text {
                "on" => true,
                "off" => false,
                _ => return Err(format!("chat is on or off, not \"{text}\"")),
            };
            return Ok(());
        }
        let refuse = |form: &str| Err(format!("{} is {form}, not \"{text}\"", self.name()));
        match self {
            Setting::Seed | Setting::TopK | Setting::MaxTokens => {
                let most = if self == Setting::MaxTokens { MOST_TOKENS } else { u64::MAX };
                match (text.parse::<u64>().ok().filter(|value| *value <= most), self) {
                    (Some(value), Setting::Seed) => settings.seed = value,
                    (Some(value), Setting::TopK) => settings.top_k = value,
                    (Some(value), _) if value > 0 => settings.max_tokens = value,
                    (_, Setting::MaxTokens) => return refuse(&format!("a whole number from 1 to {MOST_TOKENS}")),
                    _ => return refuse("a whole number"),
                }
            }
            _ => {
                let value: f64 = text.replace(',', ".").parse().unwrap_or(f64::NAN);
                match self {
                    Setting::Temperature if (0.0..=100.0).contains(&value) => settings.temperature = value,
                    Setting::TopP if value > 0.0 && value <= 1.0 => settings.top_p = value,
                    Setting::MinP if (0.0..=1.0).contains(&value) => settings.min_p = value,
                    Setting::RepetitionPenalty if (0.01..=100.0).contains(&value) => {
                        settings.repetition_penalty = value;
                    }
                    Setting::Temperature => return refuse("a number from 0 to 100"),
                    Setting::TopP => return refuse("a number above 0, at most 1"),
                    Setting::MinP => return refuse("a number from 0 to 1"),
                    _ => return refuse("a number from 0.01 to 100"),
                }
            }
        }
        Ok(())
    }

    /// The next value up or down; at the ends it stays.
    pub fn step(self, settings: &mut SampleSettings, up: bool) {
        match self {
            Setting::Temperature => settings.temperature = next(&TEMPERATURES, settings.temperature, up),
            Setting::TopK => settings.top_k = next(&TOP_KS, settings.top_k as f64, up) as u64,
            Setting::TopP => settings.top_p = next(&TOP_PS, settings.top_p, up),
            Setting::MinP => settings.min_p = next(&MIN_PS, settings.min_p, up),
            Setting::RepetitionPenalty => {
                settings.repetition_penalty = next(&PENALTIES, settings.repetition_penalty, up);
            }
            Setting::Seed if up => settings.seed = settings.seed.wrapping_add(1),
            Setting::Seed => settings.seed = settings.seed.saturating_sub(1),
            Setting::MaxTokens => settings.max_tokens = next(&MAX_TOKENS, settings.max_tokens as f64, up) as u64,
            Setting::Chat => settings.chat = up,
            Setting::Stop => {}
        }
    }
}

/// The neighbour of a value in a rising list that it need not be in.
fn next(values: &[f64], value: f64, up: bool) -> f64 {
    let found = match up {
        true => values.iter().find(|other| **other > value),
        false => values.iter().rev().find(|other| **other < value),
    };
    found.copied().unwrap_or(value)
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t")
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            (other, false) => plain.push(other),
        }
    }
    plain
}

/// The list of settings, open in the pane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettingsList {
    pub selected: usize,
    /// The value that is being typed.
    pub typing: Option<Line>,
}

impl SettingsList {
    pub fn setting(&self) -> Setting {
        Setting::ALL[self.selected.min(Setting::ALL.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_step_and_stay_at_their_ends() {
        let mut settings = SampleSettings { temperature: 0.85, top_p: 1.0, seed: 0, ..SampleSettings::default() };
        Setting::Temperature.step(&mut settings, true);
        Setting::TopP.step(&mut settings, true);
        Setting::Seed.step(&mut settings, false);
        assert_eq!((settings.temperature, settings.top_p, settings.seed), (0.9, 1.0, 0));
        (0..30).for_each(|_| Setting::Temperature.step(&mut settings, false));
        assert_eq!(settings.temperature, 0.0);
    }

    #[test]
    fn typed_values_are_taken_or_refused_with_why() {
        let mut settings = SampleSettings::default();
        for (setting, text) in [
            (Setting::Temperature, "1.25"),
            (Setting::TopK, "30"),
            (Setting::TopP, "0,5"),
            (Setting::MinP, "0.1"),
            (Setting::RepetitionPenalty, "1.5"),
            (Setting::Seed, "99"),
            (Setting::MaxTokens, "5"),
            (Setting::Chat, "on"),
        ] {
            setting.set(&mut settings, text).unwrap();
            assert_eq!(setting.shown(&settings), text.replace(',', "."));
        }
        for (setting, text) in [
            (Setting::Temperature, "-1"),
            (Setting::Temperature, "NaN"),
            (Setting::TopK, "1.5"),
            (Setting::TopP, "0"),
            (Setting::MinP, "2"),
            (Setting::RepetitionPenalty, "0"),
            (Setting::Seed, ""),
            (Setting::MaxTokens, "0"),
            (Setting::Chat, "yes"),
        ] {
            let before = settings.clone();
            assert!(setting.set(&mut settings, text).unwrap_err().contains(setting.name()));
            assert_eq!(settings, before);
        }
    }

    #[test]
    fn stop_texts_read_back_as_they_are_shown() {
        let mut settings = SampleSettings::default();
        Setting::Stop.set(&mut settings, "\\n\\n|THE END|a\\\\b|").unwrap();
        assert_eq!(settings.stop, ["\n\n", "THE END", "a\\b"]);
        assert_eq!(Setting::Stop.shown(&settings), "\\n\\n|THE END|a\\\\b");
    }
}
