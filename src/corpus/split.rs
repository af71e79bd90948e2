//! Which documents are held out: decided by what they say, so that copies are never on both sides.

use std::sync::atomic::AtomicBool;

use rayon::prelude::*;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::corpus::documents::{Reader, for_each_batch};
use crate::corpus::source::Source;
use crate::error::{Error, Result};

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Train,
    HeldOut,
}

/// Divides documents into those to train on and those held out, by a hash of their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    seed: u64,
    /// Documents whose hash lies below it are held out.
    threshold: u64,
    /// Whether some were to be held out, but there is no second document to train on.
    undivided: bool,
}

impl Split {
    /// The split that holds nothing out.
    pub fn none() -> Split {
        Split { seed: 0, threshold: 0, undivided: false }
    }

    /// Holds out about `fraction` of the documents of `source`, chosen by `seed`.
    ///
    /// Of two or more different documents at least one falls on each side. To see to that, documents are read until
    /// both sides have one, which in a small corpus may be all of them. A single document, or copies of one, is
    /// trained on and nothing held out, whatever the seed: the split is [`Split::undivided`]. A source with held-out
    /// files of its own is not divided. Errors: a fraction outside 0 to 0.5, or a corpus that cannot be read.
    pub fn plan(source: &Source, fraction: f64, seed: u64, cancel: &AtomicBool) -> Result<Split> {
        if !(0.0..=0.5).contains(&fraction) {
            return Err(Error::new(format!("cannot hold out {fraction} of a corpus"))
                .because("it has to be a fraction from 0 to 0.5")
                .next("hold out 0.05, say"));
        }
        if fraction == 0.0 || source.held_out().is_some() {
            return Ok(Split::none());
        }
        let threshold = ((fraction * u64::MAX as f64) as u64).max(1);
        let (mut least, mut greatest) = (u64::MAX, 0);
        for_each_batch(Reader::new(source.files()), cancel, |batch| {
            let hashes: Vec<Vec<u64>> = batch
                .into_par_iter()
                .map(|raw| {
                    let documents = raw.parse(source.files(), source.policy())?.documents;
                    Ok(documents.iter().map(|document| hash(&document.text, seed)).collect())
                })
                .collect::<Result<_>>()?;
            for hash in hashes.into_iter().flatten() {
                least = least.min(hash);
                greatest = greatest.max(hash);
            }
            Ok(least >= threshold || greatest < threshold)
        })?;
        if least >= greatest {
            return Ok(Split { undivided: true, ..Split::none() });
        }
        Ok(Split { seed, threshold: adjusted(threshold, least, greatest), undivided: false })
    }

    /// Whether nothing is held out although it was asked for, because all there is is one document.
    pub fn undivided(&self) -> bool {
        self.undivided
    }

    /// Whether any documents are held out.
    pub fn divides(&self) -> bool {
        self.threshold > 0
    }

    /// The side of a document, by its text.
    pub fn side(&self, text: &str) -> Side {
        if hash(text, self.seed) < self.threshold { Side::HeldOut } else { Side::Train }
    }

    /// The same for two splits only if they divide alike.
    pub fn fingerprint(&self) -> u64 {
        xxh3_64_with_seed(&self.threshold.to_le_bytes(), self.seed)
    }
}

fn hash(text: &str, seed: u64) -> u64 {
    xxh3_64_with_seed(text.as_bytes(), seed)
}

/// Moves `threshold` just so far that hashes from `least` up to a larger `greatest` fall on both sides.
fn adjusted(threshold: u64, least: u64, greatest: u64) -> u64 {
    match (least >= threshold, greatest < threshold) {
        (true, _) => least + 1,
        (_, true) => greatest,
        _ => threshold,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn sides(texts: &[String], fraction: f64, seed: u64) -> Vec<Side> {
        let folder = tempfile::tempdir().unwrap();
        for (index, text) in texts.iter().enumerate() {
            fs::write(folder.path().join(format!("{index:04}.txt")), text).unwrap();
        }
        let source = Source::open(folder.path()).unwrap();
        let split = Split::plan(&source, fraction, seed, &AtomicBool::new(false)).unwrap();
        texts.iter().map(|text| split.side(text)).collect()
    }

    #[test]
    fn about_the_fraction_is_held_out_and_another_seed_holds_out_others() {
        let texts: Vec<String> = (0..400).map(|index| format!("document {index}")).collect();
        let held_out = |seed| sides(&texts, 0.1, seed).iter().filter(|&&side| side == Side::HeldOut).count();
        assert!((20..65).contains(&held_out(1)), "{}", held_out(1));
        assert_ne!(sides(&texts, 0.1, 1), sides(&texts, 0.1, 2));
        assert_eq!(sides(&texts, 0.1, 1), sides(&texts, 0.1, 1));
    }

    #[test]
    fn a_single_document_is_trained_on_and_fractions_are_checked() {
        assert_eq!(sides(&["only".into(), "only".into()], 0.4, 3), [Side::Train, Side::Train]);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), "a").unwrap();
        let source = Source::open(folder.path()).unwrap();
        for seed in 0..9 {
            let split = Split::plan(&source, 0.4, seed, &AtomicBool::new(false)).unwrap();
            assert!(split.undivided() && !split.divides() && split.fingerprint() == Split::none().fingerprint());
        }
        assert!(!Split::plan(&source, 0.0, 3, &AtomicBool::new(false)).unwrap().undivided());
        assert!(Split::plan(&source, 0.9, 0, &AtomicBool::new(false)).is_err());
        assert!(Split::plan(&source, f64::NAN, 0, &AtomicBool::new(false)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn two_documents_or_more_fall_on_both_sides(count in 2usize..12, fraction in 0.001f64..0.5, seed: u64) {
            let texts: Vec<String> = (0..count).map(|index| format!("document {index}")).collect();
            let sides = sides(&texts, fraction, seed);
            prop_assert!(sides.contains(&Side::Train) && sides.contains(&Side::HeldOut));
        }
    }
}
