//! The pages `docs/keys.md` and `docs/explanations.md`, as the tables of actions and explanations write them.

use super::action;
use super::explain;
use super::help::SCOPES;
use crate::protocol::{GRAMMAR, MIXTURES};
use std::fmt::Write as _;

/// Every key there is.
pub fn keys_page() -> String {
    let mut page = String::from(
        "# Keys\n\nThis page is written from the table of actions; `?` shows the same in the program. A keymap file \
         (`keymap.toml` in the configuration folder) changes any of them: a section for each place, `\"key\" = \"action\"` \
         in it, `\"none\"` to take a key away.\n",
    );
    // What works everywhere is the last group of help, where one's own pane comes first; here it is read first.
    let (others, everywhere) = SCOPES.split_at(SCOPES.len() - 1);
    for (scope, title) in everywhere.iter().chain(others) {
        let actions: Vec<_> = action::all().filter(|action| action.scope == *scope).collect();
        if actions.is_empty() {
            continue;
        }
        let _ = write!(page, "\n## {title}\n\n| key | action | what it does |\n|---|---|---|\n");
        for action in actions {
            let keys: Vec<String> = action.keys.iter().map(|key| format!("`{}`", escaped(key))).collect();
            let _ = writeln!(page, "| {} | `{}` | {} |", keys.join(" "), action.name, escaped(action.help));
        }
    }
    page.push_str("\n## Commands\n\nTyped after `:`, or given to `frostline send RUN 'COMMAND'`.\n\n");
    page.push_str("| command | what it does |\n|---|---|\n");
    for (form, help) in GRAMMAR {
        let _ = writeln!(page, "| `{}` | {} |", escaped(form), escaped(help));
    }
    page.push_str("\n## Lanes\n\nTyped after `:`, or where a lane is added (`a` in the prompt pane).\n\n");
    page.push_str("| lane | what it is |\n|---|---|\n");
    for (form, help) in MIXTURES {
        let _ = writeln!(page, "| `{}` | {} |", escaped(form), escaped(help));
    }
    page
}

/// Everything that explains itself.
pub fn explanations_page() -> String {
    let mut page = String::from(
        "# What the figures mean\n\nThis page is written from the table that the program shows at `e`: what a figure, \
         lens or setting is, how it is computed, what is normal, and where it comes from.\n",
    );
    for explanation in explain::all() {
        let _ = write!(page, "\n## {}\n\n{}\n", explanation.title, explanation.what);
        if !explanation.formula.is_empty() {
            let _ = write!(page, "\n```\n{}\n```\n", explanation.formula);
        }
        for (name, text) in [("Normal", explanation.normal), ("Source", explanation.source)] {
            if !text.is_empty() {
                let _ = write!(page, "\n*{name}:* {text}\n");
            }
        }
    }
    page
}

/// Bars would end a cell of the table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// `FROSTLINE_UPDATE_DOCS=1` writes the page anew.
    fn compare(name: &str, expected: &str) {
        let path = Path::new(file!()).ancestors().nth(3).unwrap().join("docs").join(name);
        if std::env::var_os("FROSTLINE_UPDATE_DOCS").is_some() {
            std::fs::write(&path, expected).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == expected, "docs/{name} is out of date: run the tests with FROSTLINE_UPDATE_DOCS=1");
    }

    #[test]
    fn the_pages_are_what_the_tables_say() {
        compare("keys.md", &keys_page());
        compare("explanations.md", &explanations_page());
    }
}
