//! Which key does what: the table's own keys, changed by a keymap file.

use super::action::{self, Action, Scope};
use super::{Key, Pane};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Bindings by scope and key.
#[derive(Clone, Debug)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

#[derive(Clone, Copy, Debug)]
struct Binding {
    scope: Scope,
    key: Key,
    action: &'static str,
}

impl Default for Keymap {
    /// The keys that stand in the table of actions.
    fn default() -> Self {
        let own = |action: &'static Action| {
            let keys = action.keys.iter().filter_map(|text| text.parse().ok());
            keys.map(|key| Binding { scope: action.scope, key, action: action.name })
        };
        Self { bindings: action::all().flat_map(own).collect() }
    }
}

/// Names of the sections of a keymap file, and where they bind.
const SECTIONS: [(&str, Scope); 6] = [
    ("everywhere", Scope::Everywhere),
    ("corpus", Scope::In(Pane::Corpus)),
    ("graphs", Scope::In(Pane::Graphs)),
    ("layers", Scope::In(Pane::Layers)),
    ("prompt", Scope::In(Pane::Prompt)),
    ("editing", Scope::Editing),
];

/// What a key is bound to in order to do nothing.
const NOTHING: &str = "none";

impl Keymap {
    /// The table's own keys with the changes of a file: sections by scope, in each `"key" = "action"`. The error says
    /// the line and what to write instead.
    pub fn read(text: &str) -> Result<Self, String> {
        let sections: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            format!("line {line}: {}", error.message())
        })?;
        let mut keymap = Self::default();
        for (section, changes) in &sections {
            keymap.change(section, changes).map_err(|(word, why)| {
                let line = text.lines().position(|line| line.contains(word)).map_or(1, |at| at + 1);
                format!("line {line}: {why}")
            })?;
        }
        Ok(keymap)
    }

    /// On failure: the word of the file that is wrong, and why.
    fn change<'a>(&mut self, section: &'a str, changes: &'a BTreeMap<String, String>) -> Result<(), (&'a str, String)> {
        let Some((_, scope)) = SECTIONS.iter().find(|(name, _)| *name == section) else {
            let names = SECTIONS.map(|(name, _)| name).join(", ");
            return Err((section, format!("there is no section [{section}]; write one of: {names}")));
        };
        let mut seen: Vec<Key> = Vec::new();
        for (text, name) in changes {
            let key: Key = text.parse().map_err(|why| (text.as_str(), why))?;
            if seen.contains(&key) {
                return Err((text, format!("the key {key} is bound twice in [{section}]; keep one of the two")));
            }
            seen.push(key);
            self.bindings.retain(|binding| (binding.scope, binding.key) != (*scope, key));
            if name != NOTHING {
                let action = bindable(name, *scope, section).map_err(|why| (name.as_str(), why))?;
                self.bindings.push(Binding { scope: *scope, key, action: action.name });
            }
        }
        Ok(())
    }

    /// What the key does in this scope itself.
    pub fn action(&self, scope: Scope, key: Key) -> Option<&'static Action> {
        let binding = self.bindings.iter().find(|binding| (binding.scope, binding.key) == (scope, key))?;
        action::find(binding.action)
    }

    /// The keys of an action, the table's own first.
    pub fn keys(&self, name: &str) -> impl Iterator<Item = Key> {
        self.bindings.iter().filter(move |binding| binding.action == name).map(|binding| binding.key)
    }

    /// As help shows them: `tab`, `? f1`; empty where there is none.
    pub fn keys_text(&self, name: &str) -> String {
        let mut text = String::new();
        for key in self.keys(name) {
            let space = if text.is_empty() { "" } else { " " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{space}{key}");
        }
        text
    }
}

fn bindable(name: &str, scope: Scope, section: &str) -> Result<&'static Action, String> {
    let Some(action) = action::find(name) else {
        let near = action::all().max_by(|one, other| {
            strsim::jaro_winkler(one.name, name).total_cmp(&strsim::jaro_winkler(other.name, name))
        });
        let near = near.map_or("", |action| action.name);
        return Err(format!("there is no action \"{name}\"; did you mean \"{near}\"? Help lists them all"));
    };
    // In a pane everything that works everywhere works too.
    if action.scope != scope && action.scope != Scope::Everywhere {
        let place = action.place();
        return Err(format!("\"{name}\" works in [{place}], not in [{section}]; move the line there"));
    }
    Ok(action)
}

fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    #[test]
    fn every_default_key_reads_and_is_unique_in_its_scope() {
        let mut seen = HashSet::new();
        for action in action::all() {
            for text in action.keys {
                let key: Key = text.parse().unwrap_or_else(|why| panic!("{}: {why}", action.name));
                assert!(seen.insert((action.scope, key)), "{text} is bound twice in {:?}", action.scope);
            }
        }
    }

    #[test]
    fn global_keys_are_left_alone_by_panes() {
        let globals: HashSet<&str> =
            super::super::global::ACTIONS.iter().flat_map(|action| action.keys).copied().collect();
        for action in action::all().filter(|action| matches!(action.scope, Scope::In(_))) {
            for key in action.keys.iter().filter(|key| **key != "esc") {
                assert!(!globals.contains(key), "{} takes the global key {key}", action.name);
            }
        }
    }

    #[test]
    fn a_file_moves_takes_away_and_adds_keys() {
        let keymap =
            Keymap::read("[everywhere]\n\"Z\" = \"zoom\"\n\"q\" = \"none\"\n[layers]\n\"x\" = \"undo\"\n").unwrap();
        assert_eq!(keymap.keys_text("zoom"), "z Z");
        assert!(keymap.action(Scope::Everywhere, key("q")).is_none());
        assert_eq!(keymap.action(Scope::In(Pane::Layers), key("x")).unwrap().name, "undo");
    }

    #[test]
    fn mistakes_name_their_line_and_what_to_write() {
        let cases = [
            ("[everywhere]\n\"z\" = \"zom\"", "line 2: there is no action \"zom\"; did you mean \"zoom\"?"),
            ("\n[elsewhere]\n", "line 2: there is no section [elsewhere]"),
            ("[everywhere]\n\"hyper-x\" = \"zoom\"", "line 2: \"hyper-x\" is no key"),
            ("[everywhere]\n\"space\" = \"zoom\"\n\" \" = \"help\"", "bound twice"),
            ("[everywhere]\nz = 3", "line 2:"),
            ("[everywhere\n", "line 1:"),
        ];
        for (text, expected) in cases {
            let why = Keymap::read(text).unwrap_err();
            assert!(why.contains(expected), "{text:?}: {why}");
        }
    }
}
