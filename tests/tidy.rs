//! Keeps the house in order: which room may import which, how long files and functions may be, and what may not
//! stand in the sources.

use std::path::{Path, PathBuf};

/// From the ground up: a room imports only from rooms before it. `error` and `random` are the ground itself.
const ROOMS: [&str; 13] =
    ["protocol", "ops", "model", "corpus", "metrics", "learn", "sample", "run", "lab", "host", "app", "tui", "cli"];

const LONGEST_FILE: usize = 500;
const LONGEST_FUNCTION: usize = 60;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn room_of(path: &Path) -> Option<usize> {
    let relative = path.strip_prefix(root().join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    ROOMS.iter().position(|room| *room == first)
}

/// The crate's rooms that a line names: `crate::room`, or inside braces after `crate::{`.
fn named_rooms(line: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => list.split([',', '{', '}', ';']).map(str::trim).collect(),
            None => vec![rest],
        };
        for name in names {
            let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            found.extend(ROOMS.iter().position(|room| *room == name));
        }
    }
    found
}

#[test]
fn rooms_import_only_from_rooms_below_them() {
    let mut wrong = Vec::new();
    for path in rust_files(&root().join("src")) {
        let own = room_of(&path);
        let is_ground = own.is_none() && !["lib.rs", "main.rs"].iter().any(|name| path.ends_with(name));
        for statement in statements(&std::fs::read_to_string(&path).unwrap()) {
            let rooms = named_rooms(&statement).into_iter();
            if rooms.into_iter().any(|room| is_ground || own.is_some_and(|own| room > own)) {
                wrong.push(format!("{}: {statement}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that lead upwards:\n{}", wrong.join("\n"));
}

/// Rooms that reach the engine through its words alone, what else of the crate they may name, and packages that they may
/// not.
const SCREEN: [(&str, &[&str], &[&str]); 2] = [
    ("app", &["protocol", "app"], &["ratatui", "crossterm", "candle_core", "candle_nn", "tokenizers", "tokio"]),
    ("tui", &["protocol", "app", "tui"], &["candle_core", "candle_nn", "tokenizers", "tokio"]),
];

#[test]
fn the_screen_knows_no_engine_and_its_meaning_no_terminal() {
    let mut wrong = Vec::new();
    for (room, rooms, forbidden) in SCREEN {
        let files = rust_files(&root().join("src").join(room));
        assert!(files.len() > 10, "where is {room}?");
        for path in files {
            for statement in statements(&std::fs::read_to_string(&path).unwrap()) {
                let names_room = named_rooms(&statement).into_iter().any(|named| !rooms.contains(&ROOMS[named]));
                let names_package = forbidden.iter().any(|package| statement.contains(&format!("{package}::")));
                if names_room || names_package {
                    wrong.push(format!("{}: {statement}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "the screen reaches past the protocol:\n{}", wrong.join("\n"));
}

/// The lines of a source, with imports that go over several lines joined into one.
fn statements(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        match found.last_mut() {
            Some(last) if open => last.push_str(line),
            _ => found.push(line.to_string()),
        }
        let is_import = open || ["use ", "pub use ", "pub(crate) use "].iter().any(|word| line.starts_with(word));
        open = is_import && !line.ends_with(';');
    }
    found
}

#[test]
fn the_reader_of_imports_sees_them() {
    let several_lines = "use crate::{\n    Error,\n    run::Home,\n};\nlet x = 1;";
    assert_eq!(statements(several_lines), ["use crate::{Error,run::Home,};", "let x = 1;"]);
    assert_eq!(named_rooms("use crate::ops::linear;"), [1]);
    assert_eq!(named_rooms("use crate::{Error, Result, run::Home};"), [7]);
    assert_eq!(named_rooms("let x = crate::learn::step(crate::model::y);"), [5, 2]);
    assert!(named_rooms("use crate::error::Result; // see ops").is_empty());
}

#[test]
fn files_and_functions_are_short_enough_to_read() {
    let mut long = Vec::new();
    for folder in ["src", "tests"] {
        for path in rust_files(&root().join(folder)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            if lines.len() > LONGEST_FILE {
                long.push(format!("{} has {} lines", path.display(), lines.len()));
            }
            long.extend(long_functions(&lines).into_iter().map(|function| format!("{}:{function}", path.display())));
        }
    }
    assert!(long.is_empty(), "too long:\n{}", long.join("\n"));
}

/// Functions from their `fn` line to the closing brace at the same indentation, as rustfmt lays them out.
fn long_functions(lines: &[&str]) -> Vec<String> {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let is_start = |line: &str| {
        let line = line.trim_start();
        let line = match line.strip_prefix("pub(") {
            Some(rest) => rest.split_once(')').map_or(rest, |(_, after)| after.trim_start()),
            None => line.strip_prefix("pub ").unwrap_or(line),
        };
        let line =
            ["const ", "async ", "unsafe "].iter().fold(line, |line, word| line.strip_prefix(word).unwrap_or(line));
        line.starts_with("fn ")
    };
    let mut long = Vec::new();
    for (start, line) in lines.iter().enumerate().filter(|(_, line)| is_start(line)) {
        let own = indentation(line);
        let end = lines[start..]
            .iter()
            .position(|line| line.starts_with(&" ".repeat(own)) && line.trim() == "}" && indentation(line) == own);
        if let Some(length) = end.filter(|length| *length > LONGEST_FUNCTION) {
            long.push(format!("{}: {length} lines", start + 1));
        }
    }
    long
}

#[test]
fn sources_hold_no_left_overs_and_no_panics() {
    let forbidden = [
        "todo!(",
        "unimplemented!(",
        "dbg!(",
        ".unwrap()",
        ".expect(",
        "panic!(",
        "process::exit",
        "unreachable!(",
        "println!(",
    ];
    let mut found = Vec::new();
    for path in rust_files(&root().join("src")) {
        let is_test = path.file_stem().is_some_and(|stem| {
            let stem = stem.to_string_lossy();
            stem == "tests" || stem == "testing" || stem.ends_with("_tests") || path.ends_with("ops/check.rs")
        });
        let text = std::fs::read_to_string(&path).unwrap();
        let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for (number, line) in product.lines().enumerate().filter(|_| !is_test) {
            if !line.trim_start().starts_with("//") && forbidden.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "left-overs:\n{}", found.join("\n"));
}
