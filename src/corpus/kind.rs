//! What a file of a corpus holds, by its name and its first bytes.

use std::path::Path;

use serde::Serialize;

/// What a file holds, which decides how documents are taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Text,
    Markdown,
    Code,
    /// Reduced to its text.
    Html,
    /// One JSON object with `text` a line.
    Jsonl,
    /// An array of objects with `text`, or of strings.
    Json,
}

impl Kind {
    pub const ALL: [Kind; 6] = [Kind::Text, Kind::Markdown, Kind::Code, Kind::Html, Kind::Jsonl, Kind::Json];

    /// The kind that the file's name tells; a name that tells nothing is text.
    pub fn of(path: &Path) -> Kind {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "html" | "htm" | "xhtml" => Kind::Html,
            "jsonl" | "ndjson" => Kind::Jsonl,
            "json" => Kind::Json,
            "md" | "markdown" | "mdx" => Kind::Markdown,
            known if CODE.contains(&known) => Kind::Code,
            _ => Kind::Text,
        }
    }

    /// Whether each document is a row that names its text, rather than a stretch of the file.
    pub fn is_rows(self) -> bool {
        matches!(self, Kind::Jsonl | Kind::Json)
    }
}

/// Extensions of source code: they only label the survey, since code is read as text is.
const CODE: &[&str] = &[
    "asm", "bash", "bat", "c", "cc", "clj", "cmake", "cpp", "cs", "css", "cu", "cuh", "cxx", "dart", "el", "erl", "ex",
    "exs", "fs", "go", "gradle", "h", "hh", "hpp", "hs", "ini", "java", "jl", "js", "jsx", "kt", "kts", "lisp", "lua",
    "m", "mjs", "ml", "mli", "mm", "nim", "nix", "php", "pl", "pm", "proto", "ps1", "py", "pyi", "r", "rb", "rkt",
    "rs", "s", "scala", "scm", "sh", "sql", "swift", "tcl", "tex", "toml", "ts", "tsx", "v", "vb", "vhd", "vue", "xml",
    "yaml", "yml", "zig", "zsh",
];

/// How many bytes at the start of a file are looked at.
pub(crate) const HEAD: usize = 8 << 10;

/// Whether the first bytes of a file (at most [`HEAD`] of them) are those of a binary file.
///
/// UTF-16 with its mark is text. A NUL byte, the mark of a format that may go on for long without one, or mostly
/// control bytes, is binary. Bytes that are not UTF-8 do not make a file binary: text in an old encoding has them.
pub(crate) fn is_binary(head: &[u8]) -> bool {
    if head.starts_with(&UTF16_LITTLE) || head.starts_with(&UTF16_BIG) {
        return false;
    }
    let marks: [&[u8]; 6] = [b"%PDF-", b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"];
    if head.contains(&0) || marks.iter().any(|mark| head.starts_with(mark)) {
        return true;
    }
    let control = head.iter().filter(|&&byte| byte < 0x20 && !matches!(byte, b'\t'..=b'\r' | 0x1b)).count();
    control * 10 > head.len()
}

/// The byte order marks of UTF-16.
pub(crate) const UTF16_LITTLE: [u8; 2] = [0xff, 0xfe];
pub(crate) const UTF16_BIG: [u8; 2] = [0xfe, 0xff];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_kinds() {
        assert_eq!(Kind::of(Path::new("a/b.HTML")), Kind::Html);
        assert_eq!(Kind::of(Path::new("rows.jsonl")), Kind::Jsonl);
        assert_eq!(Kind::of(Path::new("README.md")), Kind::Markdown);
        assert_eq!(Kind::of(Path::new("lib.rs")), Kind::Code);
        assert_eq!(Kind::of(Path::new("LICENSE")), Kind::Text);
        assert_eq!(Kind::of(Path::new("notes.2024")), Kind::Text);
    }

    #[test]
    fn binary_is_told_from_text_in_any_encoding() {
        assert!(is_binary(b"\x7fELF\x02\x01\x01\0\0"));
        assert!(is_binary(b"%PDF-1.7 and then some readable words"));
        assert!(!is_binary(b"caf\xe9 cr\xe8me in Latin-1"));
        assert!(!is_binary(b"\xff\xfeh\0i\0"));
        assert!(!is_binary(b""));
    }
}
