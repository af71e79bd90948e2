//! Named actions: one table feeds keys, help, palette, footer and docs.

use super::{App, Pane, corpus, graphs, layers, prompt};

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

/// For actions that can always be done.
pub fn always(_: &App) -> Option<String> {
    None
}

/// Every action there is, in the order of help.
pub fn all() -> impl Iterator<Item = &'static Action> {
    corpus::ACTIONS.iter().chain(graphs::ACTIONS).chain(layers::ACTIONS).chain(prompt::ACTIONS)
}
