//! Named actions: one table feeds keys, help, palette, footer and docs.

use super::{App, Pane, corpus, global, graphs, layers, prompt};

/// Where an action can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Everywhere,
    In(Pane),
    /// While text is typed into the prompt's editor: only keys bound here are not text.
    Editing,
}

/// Something a person can do.
pub struct Action {
    /// Unique, such as `layers.freeze`: for keymaps and the palette.
    pub name: &'static str,
    pub scope: Scope,
    /// The keys it has unless a keymap says otherwise, as [`super::Key`] reads them.
    pub keys: &'static [&'static str],
    /// One or two words for the footer.
    pub label: &'static str,
    /// One sentence for help, palette and docs.
    pub help: &'static str,
    /// Whether the footer shows it when it can be done.
    pub in_footer: bool,
    /// Why it cannot be done now.
    pub refusal: fn(&App) -> Option<String>,
    pub run: fn(&mut App),
}

/// An action that the footer does not show.
pub const fn action(
    scope: Scope,
    name: &'static str,
    keys: &'static [&'static str],
    label: &'static str,
    help: &'static str,
    refusal: fn(&App) -> Option<String>,
    run: fn(&mut App),
) -> Action {
    Action { name, scope, keys, label, help, in_footer: false, refusal, run }
}

/// For actions that can always be done.
pub fn always(_: &App) -> Option<String> {
    None
}

/// Every action there is.
pub fn all() -> impl Iterator<Item = &'static Action> {
    global::ACTIONS
        .iter()
        .chain(corpus::ACTIONS)
        .chain(graphs::ACTIONS)
        .chain(layers::ACTIONS)
        .chain(prompt::ACTIONS)
        .chain(prompt::mixture::ACTIONS)
}

/// The action of this name.
pub fn find(name: &str) -> Option<&'static Action> {
    all().find(|action| action.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_action_is_named_once_and_says_what_it_does() {
        let mut names = HashSet::new();
        for action in all() {
            assert!(names.insert(action.name), "{} is there twice", action.name);
            assert!(!action.name.contains(char::is_whitespace), "{:?}", action.name);
            assert!(action.help.chars().count() > 8, "{} has no help", action.name);
            assert!((1..=20).contains(&action.label.chars().count()), "{} has no short label", action.name);
        }
    }
}
