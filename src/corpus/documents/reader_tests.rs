use std::fs;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::corpus::source::Source;

fn read(source: &Source) -> Result<(Vec<Document>, u64, u64)> {
    let mut reader = Reader::new(source.files());
    let (mut documents, mut broken, mut moved) = (Vec::new(), 0, 0);
    for raw in reader.by_ref() {
        let raw = raw?;
        moved += raw.source_bytes;
        let parsed = raw.parse(source.files(), source.policy())?;
        documents.extend(parsed.documents);
        broken += parsed.broken_rows;
    }
    assert!(moved <= source.size());
    Ok((documents, broken, reader.skipped_binaries()))
}

fn source(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> Source {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    Source::open(&path).unwrap()
}

#[test]
fn a_folder_gives_one_document_a_file_and_counts_binaries() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), b"one \xff two").unwrap();
    fs::write(folder.path().join("b.html"), "<p>three</p>").unwrap();
    fs::write(folder.path().join("c.bin"), b"\0\0\0").unwrap();
    fs::write(folder.path().join("d.json"), "{\"name\": \"a package, not a row\"}").unwrap();
    fs::write(folder.path().join("e.json"), "[{\"text\": \"four\"}, {\"text\": \"five\"}]").unwrap();
    fs::write(folder.path().join("f.txt"), " \n ").unwrap();
    let (documents, broken, binaries) = read(&Source::open(folder.path()).unwrap()).unwrap();
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    assert_eq!(texts, ["one \u{fffd} two", "three", "{\"name\": \"a package, not a row\"}", "four", "five"]);
    assert_eq!((documents[0].replaced_bytes, broken, binaries), (1, 0, 1));
}

#[test]
fn a_single_file_is_cut_and_its_pieces_are_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..3000).map(|line| format!("line {line} of the tale\n\n")).collect();
    let (documents, ..) = read(&source(folder.path(), "tale.txt", &text)).unwrap();
    assert!((30..200).contains(&documents.len()), "{} pieces", documents.len());
    assert_eq!(documents.iter().map(|document| document.text.as_str()).collect::<String>(), text);
    assert!(!documents[0].continues && documents[1..].iter().all(|document| document.continues));
}

#[test]
fn a_large_file_is_streamed_like_a_small_one_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..400_000).map(|line| format!("line {line}\n")).collect();
    assert!(text.len() as u64 > WHOLE_HTML_BYTES);
    let (documents, ..) = read(&source(folder.path(), "tale.txt", &text)).unwrap();
    assert_eq!(documents.iter().map(|document| document.text.as_str()).collect::<String>(), text);
    let html = format!("<title>no</title><pre>{text}</pre>");
    let (documents, ..) = read(&source(folder.path(), "tale.html", html)).unwrap();
    assert_eq!(documents.iter().map(|document| document.text.as_str()).collect::<String>(), text);
}

#[test]
fn a_large_file_without_any_seam_is_still_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (documents, ..) = read(&source(folder.path(), "a.txt", "é".repeat(3 << 20))).unwrap();
    assert!(documents.iter().all(|document| document.text.len() <= 32 << 10 && document.replaced_bytes == 0));
}

#[test]
fn a_broken_row_is_named_or_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "{\"text\": \"one\"}\n{\"text\": \"tw\n\"three\"\n{\"title\": \"x\", \"body\": \"y\"}\n{\"text\": 5}\n";
    let source = source(folder.path(), "rows.jsonl", rows);
    let error = read(&source).unwrap_err().to_string();
    assert!(error.contains("rows.jsonl:2 ") && error.contains("next:"), "{error}");
    assert!(error.contains("skip_broken = true") && error.contains("--skip-broken"), "{error}");
    let (documents, broken, _) = read(&source.on_broken(OnBroken::Skip)).unwrap();
    assert_eq!((documents.len(), broken), (2, 3));
}

#[test]
fn a_very_long_row_is_cut_without_loss() {
    let folder = tempfile::tempdir().unwrap();
    let text = "word ".repeat(1 << 20);
    let rows = format!("{{\"text\": \"{text}\"}}\n{{\"text\": \"short\"}}\n");
    let (documents, ..) = read(&source(folder.path(), "rows.jsonl", rows)).unwrap();
    let continues: Vec<bool> = documents.iter().map(|document| document.continues).collect();
    assert_eq!(continues, [false, true, true, true, true, false]);
    assert_eq!(documents[..5].iter().map(|document| document.text.as_str()).collect::<String>(), text);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), "secret.txt", "text");
    fs::set_permissions(source.path(), fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(source.path()).is_ok() {
        return; // Whoever runs this test may read everything.
    }
    let error = read(&source).unwrap_err().to_string();
    assert!(error.contains("secret.txt") && error.contains("next:"), "{error}");
}

#[test]
fn a_row_without_text_names_the_fields_it_has() {
    let fields = json!({"title": 1, "body": 2});
    assert_eq!(row_text(fields).unwrap_err(), "it has no field `text`, only: title, body");
    assert_eq!(row_text(json!([1])).unwrap_err(), "it is neither an object nor a string");
}

#[test]
fn a_row_that_is_too_long_is_a_broken_row() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [&b"{\"text\": \"one\"}\n"[..], &vec![b'x'; (64 << 20) + 1], b"\n{\"text\": \"three\"}\n"].concat();
    let source = source(folder.path(), "rows.jsonl", rows);
    let error = read(&source).unwrap_err().to_string();
    assert!(error.contains("rows.jsonl:2 ") && error.contains("longer than 64 MiB"), "{error}");
    assert!(error.contains("skip_broken = true"), "{error}");
    let (documents, broken, _) = read(&source.on_broken(OnBroken::Skip)).unwrap();
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    assert_eq!((texts.as_slice(), broken), (&["one", "three"][..], 1));
}

#[test]
fn a_file_that_ends_too_early_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = read(&source(folder.path(), "rows.json", "[{\"text\": \"one\"},\n")).unwrap_err().to_string();
    assert!(error.contains("rows.json:2 ") && error.contains("ends too early"), "{error}");
}

#[test]
fn a_named_binary_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = read(&source(folder.path(), "model.bin", b"ab\0\0cd")).unwrap_err().to_string();
    assert!(error.contains("model.bin is not text"), "{error}");
}

#[test]
fn a_stride_takes_an_even_sample() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..100).map(|row| format!("{{\"text\": \"{row}\"}}\n")).collect();
    let source = source(folder.path(), "rows.jsonl", rows);
    let sample = Reader::every(source.files(), 25).map(|raw| raw.unwrap().parse(source.files(), OnBroken::Refuse));
    let texts: Vec<String> = sample.map(|parsed| parsed.unwrap().documents[0].text.clone()).collect();
    assert_eq!(texts, ["0", "25", "50", "75"]);
}
