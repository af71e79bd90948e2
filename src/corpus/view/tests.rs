use super::*;
use crate::corpus::tokenizer::Tokenizer;
use crate::protocol::{CorpusRow, Place, SearchHit};
use proptest::prelude::*;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const BLOCK: usize = 8 << 10;
static NEVER: AtomicBool = AtomicBool::new(false);

fn open(path: &Path) -> View {
    let view = View::open("test", &Source::open(path).unwrap(), Reading::default());
    view.index.wait(Duration::from_secs(60));
    view
}

/// A file of these bytes, open.
fn view_of(bytes: &[u8]) -> (tempfile::TempDir, View) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), bytes).unwrap();
    let view = open(&folder.path().join("a.txt"));
    (folder, view)
}

/// Where rows begin, by the rule as it is written, over everything at once.
fn naive_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut begin = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        starts.push(begin);
        let end = begin + line.len();
        let cuts = (0..end).step_by(BLOCK).filter(|&cut| cut >= begin + BLOCK);
        starts.extend(cuts.map(|cut| {
            // A cut inside a character goes before it.
            let before = cut.saturating_sub(3).max(begin);
            let inside = (before..cut).find(|&at| {
                let length = match bytes[at] {
                    0xc0..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xff => 4,
                    _ => 1,
                };
                at + length > cut && bytes[at + 1..=cut].iter().all(|byte| byte & 0xc0 == 0x80)
            });
            inside.unwrap_or(cut)
        }));
        begin = end;
    }
    starts
}

fn naive_texts(bytes: &[u8]) -> Vec<(u64, String)> {
    let starts = naive_starts(bytes);
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let text = |row: &[u8]| {
        let line = row.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line)).unwrap_or(row);
        String::from_utf8_lossy(line).into_owned()
    };
    starts.iter().zip(ends).map(|(&start, end)| (start as u64, text(&bytes[start..end]))).collect()
}

fn text_of(row: &CorpusRow) -> String {
    row.segments.iter().map(|segment| segment.text.as_str()).collect()
}

fn all_forwards(view: &View, rows: u32) -> Vec<CorpusRow> {
    let (mut found, mut at) = (Vec::new(), 0);
    loop {
        let page = view.page(Place::Byte(at), rows).unwrap();
        assert_eq!(page.at_start, at == 0);
        at = page.rows.last().map_or(0, |row| row.offset + row.bytes);
        found.extend(page.rows);
        if page.at_end {
            return found;
        }
    }
}

fn all_backwards(view: &View, rows: u32) -> Vec<CorpusRow> {
    let mut page = view.page(Place::End, rows).unwrap();
    let mut found = page.rows;
    while !page.at_start {
        page = view.page(Place::Before(found[0].offset), rows).unwrap();
        found.splice(0..0, page.rows);
    }
    found
}

/// Lines of all lengths that matter, with all ends and all kinds of bytes.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        4 => "[a-c é雪]{0,12}".prop_map(String::into_bytes),
        1 => ("[ab雪🜂é]", BLOCK / 3..3 * BLOCK).prop_map(|(text, times)| text.repeat(times / 2).into_bytes()),
        1 => (BLOCK - 5..2 * BLOCK + 5).prop_map(|length| vec![b'x'; length]),
    ];
    let end = prop::sample::select(vec!["\n", "\n", "\r\n", "\n\n", "", "\r"]);
    let lines = prop::collection::vec((piece, end), 1..24);
    let joined = lines.prop_map(|lines| {
        lines.into_iter().flat_map(|(piece, end)| [piece, end.as_bytes().to_vec()].concat()).collect::<Vec<u8>>()
    });
    joined.prop_filter("a source has bytes, and the mark of an encoding is no text", |bytes| {
        !bytes.is_empty()
            && ![&[0xff, 0xfe][..], &[0xfe, 0xff], &[0xef, 0xbb, 0xbf]].iter().any(|mark| bytes.starts_with(mark))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn pages_are_the_lines_that_a_naive_reader_finds(bytes in content(), rows in 1u32..20, share in 0.0f64..1.0) {
        let (_folder, view) = view_of(&bytes);
        let expected = naive_texts(&bytes);
        let forwards = all_forwards(&view, rows);
        let found: Vec<(u64, String)> = forwards.iter().map(|row| (row.offset, text_of(row))).collect();
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(&all_backwards(&view, rows), &forwards);
        prop_assert_eq!(view.facts().rows, expected.len() as u64);
        prop_assert!(forwards.iter().all(|row| row.bytes < 2 * BLOCK as u64));
        for (row, number) in forwards.iter().zip(1..) {
            prop_assert_eq!(row.number, Some(number));
            let last_byte = row.offset + row.bytes - 1;
            prop_assert_eq!(&view.page(Place::Row(number), 1).unwrap().rows[0], row);
            prop_assert_eq!(&view.row(last_byte).unwrap(), row);
        }
        let somewhere = (bytes.len() as f64 * share) as u64;
        let inside = view.page(Place::Share(share), 1).unwrap().rows.remove(0);
        prop_assert!(inside.offset <= somewhere && somewhere < inside.offset + inside.bytes);
    }

    #[test]
    fn a_search_finds_what_a_naive_one_finds(
        bytes in content(),
        pattern in prop::sample::select(vec!["a", "^b", "c$", "^$", "雪.*a", "a\\s*b|b", "\\Aa", "[^a]b", "x{90}$", "B", "\\bc", ""]),
    ) {
        let (_folder, view) = view_of(&bytes);
        let search = Pattern::new(pattern).unwrap();
        let starts = naive_starts(&bytes);
        let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
        let expected: Vec<u64> = starts
            .iter()
            .zip(ends)
            .filter(|(start, end)| search.find(record::trimmed(&bytes[**start..*end])).is_some())
            .map(|(&start, _)| start as u64)
            .collect();
        let (mut forwards, mut from) = (Vec::new(), 0);
        while let Some(hit) = view.search(&search, from, false, &NEVER, &mut |_, _| {}).unwrap() {
            forwards.push(hit.offset);
            from = hit.offset + 1;
        }
        prop_assert_eq!(&forwards, &expected);
        let (mut backwards, mut from) = (Vec::new(), bytes.len() as u64);
        while let Some(hit) = view.search(&search, from, true, &NEVER, &mut |_, _| {}).unwrap() {
            backwards.push(hit.offset);
            from = hit.offset;
        }
        backwards.reverse();
        prop_assert_eq!(&backwards, &expected);
    }
}

fn folder_of(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

#[test]
fn a_folder_is_one_stretch_and_a_binary_file_in_it_one_row() {
    let files: [(&str, &[u8]); 4] =
        [("a.txt", b"one\ntwo"), ("b.bin", b"\0\n\n\n"), ("c.jsonl", b"{\"text\":\"three\"}\n"), ("d.txt", b"four\n")];
    let folder = folder_of(&files);
    let view = open(folder.path());
    let rows = all_forwards(&view, 2);
    let shown: Vec<(String, &str)> = rows.iter().map(|row| (text_of(row), row.file.as_str())).collect();
    let expected = [("one", "a.txt"), ("two", "a.txt"), ("", "b.bin"), ("three", "c.jsonl"), ("four", "d.txt")];
    assert_eq!(shown, expected.map(|(text, file)| (text.to_string(), file)));
    assert!(rows[2].broken.as_ref().unwrap().contains("binary"));
    assert_eq!(rows.iter().map(|row| row.number.unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!((view.facts().rows, view.facts().files), (5, 4));
    assert_eq!(all_backwards(&view, 2), rows);
    for (row, number) in rows.iter().zip(1..) {
        assert_eq!(&view.page(Place::Row(number), 1).unwrap().rows[0], row);
    }
    let hit = view.search(&Pattern::new("T").unwrap(), 0, false, &NEVER, &mut |_, _| {}).unwrap();
    assert_eq!(hit, None, "a capital letter makes case matter");
    let hit = view.search(&Pattern::new("e.$").unwrap(), 0, false, &NEVER, &mut |_, _| {}).unwrap();
    assert_eq!(hit, Some(SearchHit { offset: rows[3].offset, start: 3, end: 5 }));
    let hit = view.search(&Pattern::new("o").unwrap(), rows[4].offset, true, &NEVER, &mut |_, _| {}).unwrap();
    assert_eq!(hit.unwrap().offset, rows[1].offset);
}

#[test]
fn records_are_searched_as_they_read() {
    let folder =
        folder_of(&[("a.jsonl", b"{\"text\": \"snow \\u96ea\\nand ice\", \"note\": \"mill\"}\n{\"text\": \"b\"}\n")]);
    let view = open(folder.path());
    let find = |pattern| view.search(&Pattern::new(pattern).unwrap(), 0, false, &NEVER, &mut |_, _| {}).unwrap();
    assert_eq!(find("雪\nand").map(|hit| (hit.offset, hit.start, hit.end)), Some((0, 5, 12)));
    assert!(find("^and").is_some() && find("mill").is_none());
}

#[test]
fn an_index_stays_small_and_exact() {
    let folder = tempfile::tempdir().unwrap();
    for file in 0..300 {
        std::fs::write(folder.path().join(format!("{file:03}.txt")), "line\n".repeat(file % 7 + 1)).unwrap();
    }
    let files = Arc::new(Files::new(&Source::open(folder.path()).unwrap()));
    let index = Index::begin_with(files.clone(), 1, 16);
    index.wait(Duration::from_secs(60));
    assert!(index.entries() <= 16 && index.entries() >= 8, "{}", index.entries());
    let mut number = 0;
    for file in 0..300 {
        for line in 0..(file % 7 + 1) as u64 {
            number += 1;
            let spot = files::Spot { file, at: 5 * line };
            assert_eq!(index.number(spot).unwrap(), Some(number));
            assert_eq!(index.find(number).unwrap(), Some(spot));
        }
    }
    assert_eq!((index.counted().rows, index.find(number + 1).unwrap()), (number, None));
}

#[test]
fn what_changes_or_vanishes_under_a_view_is_an_error() {
    let (folder, view) = view_of(&b"a line\n".repeat(100_000));
    let path = folder.path().join("a.txt");
    assert_eq!(view.page(Place::Row(100_000), 1).unwrap().rows[0].number, Some(100_000));
    std::fs::write(&path, "short\n").unwrap();
    for place in [Place::Byte(0), Place::End, Place::Row(50_000)] {
        let error = view.page(place, 10).unwrap_err().to_string();
        assert!(error.contains("changed since it was opened") && error.contains("next:"), "{error}");
    }
    assert!(view.search(&Pattern::new("line").unwrap(), 0, false, &NEVER, &mut |_, _| {}).is_err());
    let view = open(&path);
    std::fs::remove_file(&path).unwrap();
    assert!(view.page(Place::Byte(0), 10).unwrap_err().to_string().contains("cannot read"));
}

#[test]
fn a_bad_pattern_says_what_is_wrong_and_a_search_can_be_stopped() {
    let error = Pattern::new("a(b").unwrap_err().to_string();
    assert!(error.contains("unclosed group") && error.contains("backslash"), "{error}");
    assert!(Pattern::new("\\w{1000}{1000}{1000}").is_err());
    let (_folder, view) = view_of(b"a\nb\n");
    let stopped = AtomicBool::new(true);
    let pattern = Pattern::new("b").unwrap();
    assert!(view.search(&pattern, 0, false, &stopped, &mut |_, _| {}).unwrap_err().to_string().contains("interrupted"));
}

#[test]
fn lengths_are_those_of_the_rows_and_the_same_every_time() {
    let lines: String = (0..150_000).map(|line| "a ".repeat(line % 9 + 1) + "\n").collect();
    let tokenizer = Tokenizer::train([&lines[..2000]], 300).unwrap();
    let (_folder, view) = view_of(lines.as_bytes());
    let lengths = view.lengths(&tokenizer, &NEVER).unwrap();
    assert_eq!(lengths.rows, 128 * 16);
    assert_eq!(lengths, view.lengths(&tokenizer, &NEVER).unwrap());
    let (_folder, view) = view_of(&lines.as_bytes()[..1200]);
    assert_eq!(view.lengths(&tokenizer, &NEVER).unwrap().rows, view.facts().rows);
}
