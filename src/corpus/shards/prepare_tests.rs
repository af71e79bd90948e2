use std::sync::Mutex;
use std::sync::atomic::Ordering;

use super::*;
use crate::corpus::progress::Silent;
use crate::corpus::source::OnBroken;

static NEVER: AtomicBool = AtomicBool::new(false);

struct Place {
    folder: tempfile::TempDir,
    tokenizer: Tokenizer,
}

impl Place {
    fn new() -> Place {
        let tokenizer = Tokenizer::train(["the tale of one line and another line\n".repeat(9)], 300).unwrap();
        Place { folder: tempfile::tempdir().unwrap(), tokenizer }
    }

    fn source(&self, name: &str, text: impl AsRef<[u8]>) -> Source {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        Source::open(&path).unwrap()
    }

    fn prepare(&self, source: &Source, split: Split) -> Result<Prepared> {
        let cache = self.folder.path().join("cache");
        prepare(&Preparation { source, tokenizer: &self.tokenizer, split, cache: &cache }, &Silent, &NEVER)
    }

    fn cached(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("cache")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.ends_with(".lock")).collect()
    }
}

fn text(shard: &Shard, tokenizer: &Tokenizer) -> String {
    let mut tokens = vec![0; shard.tokens() as usize];
    shard.read(0, &mut tokens).unwrap();
    tokenizer.decode(&tokens)
}

#[test]
fn rows_become_documents_that_end_in_a_mark() {
    let place = Place::new();
    let source = place.source("rows.jsonl", "{\"text\": \"one\"}\n{\"text\": \"tw\u{f6}\"}\n");
    let prepared = place.prepare(&source, Split::none()).unwrap();
    assert_eq!(text(&prepared.train, &place.tokenizer), "one<|endoftext|>tw\u{f6}<|endoftext|>");
    assert_eq!((prepared.train.documents(), prepared.train.bytes()), (2, 7));
    let second = prepared.train.document_start(1);
    let mut token = [0; 1];
    prepared.train.read(second - 1, &mut token).unwrap();
    assert_eq!(Some(token[0]), place.tokenizer.end_of_text());
    assert_eq!(prepared.train.document_start(2), prepared.train.tokens());
    assert!(prepared.held_out.is_none());
    assert!(prepared.train.read(prepared.train.tokens(), &mut token).is_err());
}

#[test]
fn a_long_text_is_divided_without_marks_inside_its_stretches() {
    let place = Place::new();
    let tale: String = (0..2000).map(|line| format!("line {line}\n")).collect();
    let source = place.source("tale.txt", &tale);
    let split = Split::plan(&source, 0.1, 7, &NEVER).unwrap();
    let prepared = place.prepare(&source, split).unwrap();
    let train = text(&prepared.train, &place.tokenizer);
    let held_out = text(prepared.held_out.as_ref().unwrap(), &place.tokenizer);
    let mut stretches: Vec<&str> = train.split("<|endoftext|>").chain(held_out.split("<|endoftext|>")).collect();
    stretches.retain(|stretch| !stretch.is_empty());
    assert_eq!(stretches.concat().len(), tale.len());
    assert!(stretches.iter().all(|stretch| tale.contains(stretch)));
    assert!((stretches.len() as u64) < prepared.train.documents());
}

#[test]
fn what_was_prepared_is_reused_until_something_changes() {
    let place = Place::new();
    let source = place.source("a.txt", "one line");
    assert!(!place.prepare(&source, Split::none()).unwrap().reused);
    assert!(place.prepare(&source, Split::none()).unwrap().reused);
    let changed = place.source("a.txt", "another line");
    assert!(!place.prepare(&changed, Split::none()).unwrap().reused);
    assert!(place.prepare(&source, Split::none()).unwrap().reused);
    assert_eq!(place.cached().len(), 2);
}

#[test]
fn damage_is_seen_and_mended() {
    let place = Place::new();
    let source = place.source("a.txt", "one line and another");
    let path = place.prepare(&source, Split::none()).unwrap().folder.join("train.tokens");
    let whole = fs::read(&path).unwrap();
    for damaged in [&whole[..whole.len() - 1], &whole[..10], b"", &[&whole[..], b"x"].concat()] {
        fs::write(&path, damaged).unwrap();
        let prepared = place.prepare(&source, Split::none()).unwrap();
        assert!(!prepared.reused);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
    let mut beyond = whole.clone();
    beyond[HEADER..].fill(0xff);
    fs::write(&path, beyond).unwrap();
    let prepared = place.prepare(&source, Split::none()).unwrap();
    assert!(prepared.train.read(0, &mut [0]).unwrap_err().to_string().contains("damaged"));
}

const HEADER: usize = crate::corpus::shards::format::HEADER_BYTES;

#[test]
fn a_file_of_its_own_is_held_out() {
    let place = Place::new();
    let (train, test) = (place.source("t.txt", "to learn"), place.source("h.txt", "to ask"));
    let pair = Source::pair(train.path(), test.path()).unwrap();
    let prepared = place.prepare(&pair, Split::none()).unwrap();
    assert_eq!(text(&prepared.train, &place.tokenizer), "to learn<|endoftext|>");
    assert_eq!(text(&prepared.held_out.unwrap(), &place.tokenizer), "to ask<|endoftext|>");
    assert_eq!(prepared.summary.files, 2);
}

#[test]
fn a_single_document_is_trained_on_whatever_the_seed() {
    let place = Place::new();
    let source = place.source("a.txt", "one line");
    for seed in 0..5 {
        let prepared = place.prepare(&source, Split::plan(&source, 0.1, seed, &NEVER).unwrap()).unwrap();
        assert_eq!(text(&prepared.train, &place.tokenizer), "one line<|endoftext|>");
        assert!(prepared.held_out.is_none() && prepared.undivided);
        assert_eq!(prepared.reused, seed > 0);
    }
    assert!(!place.prepare(&source, Split::none()).unwrap().undivided);
}

#[test]
fn broken_rows_and_bytes_are_counted_or_refused_and_nothing_stays() {
    let place = Place::new();
    let source = place.source("rows.jsonl", b"{\"text\": \"a\xff\"}\nbroken\n");
    let error = place.prepare(&source, Split::none()).unwrap_err().to_string();
    assert!(error.contains("rows.jsonl:2"), "{error}");
    assert!(place.cached().is_empty());
    let prepared = place.prepare(&source.on_broken(OnBroken::Skip), Split::none()).unwrap();
    let expected = Summary { files: 1, skipped_binaries: 0, broken_rows: 1, replaced_bytes: 1 };
    assert_eq!(prepared.summary, expected);
}

#[test]
fn a_corpus_without_text_is_refused() {
    let place = Place::new();
    let source = place.source("blank.txt", " \n\n ");
    assert!(place.prepare(&source, Split::none()).unwrap_err().to_string().contains("has no text"));
    let folder = place.folder.path().join("binaries");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a"), b"\0\0").unwrap();
    let error = place.prepare(&Source::open(&folder).unwrap(), Split::none()).unwrap_err().to_string();
    assert!(error.contains("1 passed over as binary"), "{error}");
    assert!(place.cached().is_empty());
}

/// Sets `cancel` as soon as work begins, and counts what is reported.
struct Canceller<'a>(&'a AtomicBool, Mutex<u64>);

impl Progress for Canceller<'_> {
    fn begin(&self, _: &str, _: Option<u64>) {
        self.0.store(true, Ordering::Relaxed);
    }
    fn advance(&self, bytes: u64) {
        *self.1.lock().unwrap() += bytes;
    }
    fn finish(&self) {}
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    let place = Place::new();
    let source = place.source("a.txt", "one line\n".repeat(100));
    let cache = place.folder.path().join("cache");
    let request = Preparation { source: &source, tokenizer: &place.tokenizer, split: Split::none(), cache: &cache };
    let cancel = AtomicBool::new(false);
    let error = prepare(&request, &Canceller(&cancel, Mutex::new(0)), &cancel).unwrap_err();
    assert_eq!(error.kind, crate::error::Kind::Interrupted);
    assert!(place.cached().is_empty());
}

#[test]
fn one_thread_and_many_give_the_same_shards() {
    let place = Place::new();
    let text: String = (0..30_000).map(|line| format!("line {line} of the tale\n")).collect();
    let source = place.source("tale.txt", text);
    let split = Split::plan(&source, 0.1, 7, &NEVER).unwrap();
    let shards = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let prepared = pool.install(|| place.prepare(&source, split).unwrap());
        let tokens = ["train.tokens", "held-out.tokens"].map(|name| fs::read(prepared.folder.join(name)).unwrap());
        fs::remove_dir_all(prepared.folder).unwrap();
        tokens
    });
    assert_eq!(shards[0], shards[1]);
}

#[test]
fn two_at_once_make_it_once() {
    let place = Place::new();
    let source = place.source("a.txt", "one line\n".repeat(1000));
    let prepared: Vec<Prepared> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| place.prepare(&source, Split::none()).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(prepared.iter().filter(|prepared| !prepared.reused).count(), 1);
}
