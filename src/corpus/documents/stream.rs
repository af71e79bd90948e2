//! Runs work over all parts of a corpus on all cores, and takes the results in order.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{SyncSender, sync_channel};

use rayon::prelude::*;
use serde::Serialize;

use crate::corpus::documents::{Raw, Reader};
use crate::corpus::progress::{Progress, check};
use crate::error::{Error, Result};

/// Parts are handed over in batches of about this many bytes, in memory or as they were read…
const BATCH_BYTES: u64 = 8 << 20;
/// …or this many parts, whichever comes first.
const BATCH_PARTS: usize = 8 << 10;
/// Batches that may wait, so that reading and working overlap.
const BATCHES_WAITING: usize = 2;

/// What was met on the way through a corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Files left out because they hold no text.
    pub skipped_binaries: u64,
}

/// Reads all of `reader` and gives each part to `work`, on any thread, and its result to `take`, in order.
///
/// A batch or two are in memory at a time, whatever the size of the corpus. The first error in order ends it all, and
/// so does `cancel`.
pub fn for_each<T: Send>(
    reader: Reader<'_>,
    progress: &dyn Progress,
    cancel: &AtomicBool,
    work: impl Fn(Raw) -> Result<T> + Sync,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<Counts> {
    for_each_batch(reader, cancel, |batch| {
        let bytes: u64 = batch.iter().map(|raw| raw.source_bytes).sum();
        let results: Vec<Result<T>> = batch.into_par_iter().map(&work).collect();
        for result in results {
            take(result?)?;
        }
        progress.advance(bytes);
        Ok(true)
    })
}

/// Reads `reader` in a thread of its own and hands over its parts in batches, in order, for as long as `take` wants
/// more.
pub fn for_each_batch(
    mut reader: Reader<'_>,
    cancel: &AtomicBool,
    mut take: impl FnMut(Vec<Raw>) -> Result<bool>,
) -> Result<Counts> {
    std::thread::scope(|scope| {
        let (sender, batches) = sync_channel(BATCHES_WAITING);
        let reading = scope.spawn(move || {
            let outcome = read_batches(&mut reader, &sender);
            outcome.map(|()| Counts { skipped_binaries: reader.skipped_binaries() })
        });
        for batch in &batches {
            check(cancel, "reading the corpus")?;
            if !take(batch)? {
                break;
            }
        }
        // The reader stops at its next batch when nobody is left to take it.
        drop(batches);
        reading.join().map_err(|_| Error::new("reading the corpus failed").because("its thread ended"))?
    })
}

fn read_batches(reader: &mut Reader<'_>, sender: &SyncSender<Vec<Raw>>) -> Result<()> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for raw in reader.by_ref() {
        let raw = match raw {
            Ok(raw) => raw,
            Err(error) => {
                // What came before is worked on first: an error in it is the one to report.
                let _ = sender.send(batch);
                return Err(error);
            }
        };
        bytes += (raw.size() as u64).max(raw.source_bytes);
        batch.push(raw);
        if bytes >= BATCH_BYTES || batch.len() >= BATCH_PARTS {
            bytes = 0;
            if sender.send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
        }
    }
    let _ = sender.send(batch);
    Ok(())
}
