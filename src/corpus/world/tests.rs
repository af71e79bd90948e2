//! What every set must keep.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::OnceLock;

use super::facts::{SEED, World};
use super::tasks::{Row, Rows, Scene, all_facts, rows};
use super::*;

/// All that a row says, without the format around it.
fn texts(row: &Row) -> Vec<&str> {
    match row {
        Row::Text { text } | Row::Labelled { text, .. } => vec![text],
        Row::Pair { prompt, completion } => vec![prompt, completion],
        Row::Preference { prompt, chosen, rejected } => vec![prompt, chosen, rejected],
        Row::Messages { messages } => messages.iter().map(|message| message.content.as_str()).collect(),
    }
}

/// The rows of a set, made once for all tests.
fn lines_of(set: Set) -> (&'static [Row], &'static [Row]) {
    static SETS: [OnceLock<Rows>; 9] = [const { OnceLock::new() }; 9];
    let rows = SETS[set as usize].get_or_init(|| rows(set).unwrap());
    (&rows.train, &rows.test)
}

/// The pretraining text of the train half.
fn stories() -> String {
    lines_of(Set::Stories).0.iter().flat_map(texts).collect::<Vec<_>>().join("\n")
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '"']).flat_map(|part| part.split_inclusive(['.', '!', '?'])).map(str::trim)
}

/// A change of what is written needs a new VERSION, or caches would keep the old one: then take the new hash over here.
#[test]
fn each_version_has_its_hash() {
    let mut bytes = Vec::new();
    for set in Set::ALL {
        let (train, test) = lines_of(set);
        train.iter().chain(test).for_each(|row| serde_json::to_writer(&mut bytes, row).unwrap());
    }
    assert_eq!((VERSION, xxhash_rust::xxh3::xxh3_64(&bytes)), (1, 16696065326045013493));
}

#[test]
fn sets_are_full() {
    let least = [
        (Set::Stories, 8000, 300),
        (Set::Ledger, 4000, 200),
        (Set::Facts, 40, 300),
        (Set::Sentiment, 1000, 400),
        (Set::Questions, 1200, 200),
        (Set::Summaries, 800, 150),
        (Set::Translation, 2000, 300),
        (Set::Instructions, 1200, 200),
        (Set::Preferences, 800, 150),
    ];
    for (set, train, test) in least {
        let rows = lines_of(set);
        assert!(rows.0.len() >= train && rows.1.len() >= test, "{}: {} {}", set.name(), rows.0.len(), rows.1.len());
    }
    assert!((4_000_000..6_500_000).contains(&stories().len()));
}

#[test]
fn train_and_test_share_nothing() {
    for set in Set::ALL {
        let (train, test) = lines_of(set);
        let train: HashSet<&str> = train.iter().map(Row::key).collect();
        let shared: Vec<&str> = test.iter().map(Row::key).filter(|key| train.contains(key)).collect();
        assert!(shared.is_empty(), "{}: {shared:?}", set.name());
    }
}

#[test]
fn questions_are_held_out_with_their_subjects() {
    let (train, test) = lines_of(Set::Questions);
    let married = |rows: &[Row]| -> BTreeSet<String> {
        let pairs = rows.iter().filter_map(|row| match row {
            Row::Pair { prompt, completion } => {
                let asked = prompt.strip_prefix("Question: Who is ")?.strip_suffix(" married to?\nAnswer:")?;
                Some([asked.to_string(), completion.trim().to_string()])
            }
            _ => None,
        });
        pairs.flatten().collect()
    };
    let (train, test) = (married(train), married(test));
    assert!(train.len() > 10 && test.len() > 3);
    assert!(train.is_disjoint(&test));
}

#[test]
fn labels_are_balanced() {
    let (train, test) = lines_of(Set::Sentiment);
    for half in [train, test] {
        let positive = half.iter().filter(|row| matches!(row, Row::Labelled { label: "positive", .. })).count();
        assert_eq!(positive * 2, half.len());
    }
}

#[test]
fn sentiment_is_tested_with_words_that_train_lacks_and_stories_have() {
    let (train, test) = lines_of(Set::Sentiment);
    let words = |text: &str| -> HashSet<String> {
        text.to_lowercase().split(|letter: char| !letter.is_alphabetic()).map(String::from).collect()
    };
    let known: HashSet<String> = train.iter().flat_map(texts).flat_map(words).collect();
    let told = words(&stories());
    let with_new_words = test.iter().filter(|row| !words(row.key()).is_subset(&known)).count();
    assert!(with_new_words * 4 > test.len(), "{with_new_words}");
    let untold: BTreeSet<String> =
        test.iter().flat_map(texts).flat_map(words).filter(|word| !told.contains(word)).collect();
    assert!(untold.len() < 12, "{untold:?}");
}

#[test]
fn every_fact_is_stated_in_the_stories() {
    let stories = stories();
    let mut stated: HashMap<&str, usize> = HashMap::new();
    for sentence in sentences(&stories) {
        *stated.entry(sentence).or_default() += 1;
    }
    for wordings in statements() {
        let times: usize = wordings.iter().map(|sentence| stated.get(sentence.as_str()).copied().unwrap_or(0)).sum();
        assert!(times >= 8, "{wordings:?} are stated {times} times");
    }
}

/// A statement, and how it begins where its subject was named before.
fn with_pronouns(statement: String) -> Vec<String> {
    let (first, rest) = statement.split_once(' ').unwrap_or((&statement, ""));
    let pronouns = if first.ends_with("'s") { ["Her", "His"] } else { ["She", "He"] };
    let mut forms: Vec<String> = pronouns.iter().map(|pronoun| format!("{pronoun} {rest}")).collect();
    forms.push(statement);
    forms
}

/// All facts, each in all its wordings.
fn statements() -> Vec<Vec<String>> {
    let lexicon = sources::lexicon().unwrap();
    let grammar = sources::grammar(&lexicon).unwrap();
    let world = World::build(&lexicon, SEED).unwrap();
    let scene = Scene { grammar: &grammar, world: &world };
    let told = all_facts(scene).into_iter().map(|fact| {
        let wordings = fact.relation.statements.iter();
        wordings.filter_map(|statement| scene.say(fact.subject, statement, language::Style::Prose)).collect()
    });
    told.collect()
}

#[test]
fn probes_are_facts_in_the_words_of_the_stories() {
    let (train, test) = lines_of(Set::Facts);
    let stories = stories();
    let stated: HashSet<&str> = sentences(&stories).collect();
    let probes: Vec<String> = train.iter().chain(test).map(|row| texts(row).concat()).collect();
    let verbatim = probes.iter().filter(|probe| stated.contains(probe.as_str())).count();
    // The others are stated in another wording, which is itself told of other subjects.
    assert!(verbatim * 10 > probes.len() * 8, "{verbatim} of {}", probes.len());
}

#[test]
fn texts_are_well_formed() {
    for set in Set::ALL {
        let (train, test) = lines_of(set);
        for text in train.iter().chain(test).flat_map(texts) {
            assert!(!text.contains(['{', '}', '[', ']', '|', '@']), "{text}");
            assert!(!text.contains("  ") && !text.contains(" .") && !text.contains(" ,"), "{text}");
            assert!(!text.contains("..") || text.contains("..."), "{text}");
            let words: Vec<&str> = text.split_whitespace().collect();
            for pair in words.windows(2) {
                let vowel = pair[1].starts_with(['a', 'e', 'i', 'o'])
                    && !pair[1].starts_with("one")
                    && !pair[1].starts_with("eu");
                assert!(!(matches!(pair[0], "a" | "A") && vowel && set != Set::Translation), "{pair:?} in {text}");
                assert!(!(pair[0] == pair[1] && pair[0].len() > 2 && set == Set::Stories), "{pair:?} in {text}");
            }
        }
    }
}

#[test]
fn the_corpus_is_rich() {
    let stories = stories();
    let words: HashSet<String> = stories
        .to_lowercase()
        .split(|letter: char| !letter.is_alphabetic() && letter != '-')
        .filter(|word| !word.is_empty())
        .map(String::from)
        .collect();
    assert!(words.len() > 3500, "{}", words.len());
    // Facts are repeated on purpose; other sentences should not be.
    let stated: HashSet<String> = statements().into_iter().flatten().flat_map(with_pronouns).collect();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let long = |sentence: &&str| sentence.split(' ').count() >= 5 && !stated.contains(*sentence);
    for sentence in sentences(&stories).filter(long) {
        *times.entry(sentence).or_default() += 1;
    }
    let all: usize = times.values().sum();
    let repeated: usize = times.values().filter(|times| **times > 1).sum();
    println!("{} forms, {repeated} of {all} long sentences repeated", words.len());
    assert!(repeated * 20 < all * 9, "{repeated} of {all}");
}

#[test]
fn the_domains_differ() {
    let frequent = |set| -> HashSet<String> {
        let (train, _) = lines_of(set);
        let mut times: HashMap<String, usize> = HashMap::new();
        for word in train.iter().flat_map(texts).flat_map(str::split_whitespace).filter(|word| word.len() > 4) {
            *times.entry(word.trim_matches(|letter: char| !letter.is_alphabetic()).to_lowercase()).or_default() += 1;
        }
        let mut words: Vec<_> = times.into_iter().filter(|(word, _)| !word.is_empty()).collect();
        words.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        words.into_iter().take(300).map(|(word, _)| word).collect()
    };
    let shared = frequent(Set::Stories).intersection(&frequent(Set::Ledger)).count();
    assert!(shared < 30, "{shared}");
}

#[test]
fn expanding_writes_once_and_whole() {
    let cache = tempfile::tempdir().unwrap();
    let folders: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| expand(Set::Preferences, cache.path()).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(folders[0], folders[1]);
    let read = |name: &str| std::fs::read_to_string(folders[0].join(name)).unwrap();
    assert_eq!(read("train.jsonl").lines().count(), 800);
    assert!(read("test.jsonl").lines().all(|line| line.starts_with("{\"prompt\":")));
    let left = std::fs::read_dir(folders[0].parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "a temporary folder was left behind");
    std::fs::write(folders[0].join("train.jsonl"), "kept").unwrap();
    expand(Set::Preferences, cache.path()).unwrap();
    assert_eq!(read("train.jsonl"), "kept");
}

#[test]
fn a_cache_that_cannot_be_written_is_an_error() {
    let error = expand(Set::Preferences, Path::new("/dev/null/cache")).unwrap_err().to_string();
    assert!(error.contains("preferences") && error.contains("next:"), "{error}");
}
