//! The prefix cache: what the frozen layers make of a row is kept, and their forward pass skipped when the row comes
//! again (Liu et al. 2021, AutoFreeze, arXiv 2102.01386).
//!
//! Each row is kept for itself, so a batch of which some rows are known goes through the frozen layers with the others
//! alone. In f32 nothing changes by a bit. In bf16 every row is rounded, kept or not: what is learned does not depend on
//! what there was room for. Batches of so few positions that they take another way through the products, with other bits
//! ([`linear::FEW_ROWS`]), pass the cache by: nothing is looked up for them, and nothing of them is kept.
//!
//! When the budget is used up, no more rows are kept, and none is thrown out: epochs go round, and what was seen longest
//! ago is what comes next. When the frost line moves, or a weight below it is another, everything is thrown out, and the
//! memory and the file are given back.

mod rows;
mod store;
#[cfg(test)]
mod tests;

pub use rows::scalar_bytes;
pub use store::Budget;

use crate::Result;
use crate::model::{Decoder, Input, Layer, Thaw};
use crate::ops::{Precision, linear};
use candle_core::{DType, Tensor, TensorId};
use rows::Picked;
use std::collections::HashMap;
use std::path::PathBuf;
use store::{Pushed, Store};

/// What a prefix cache may take, and how it keeps what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixSettings {
    pub budget: Budget,
    pub precision: Precision,
    /// Where the file is made that takes what has no room in memory.
    pub folder: PathBuf,
}

/// How the cache stands, since the frost line moved last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrefixReport {
    /// The layer that the kept hidden states enter.
    pub layer: Layer,
    /// Rows kept, and their bytes.
    pub rows: u64,
    pub bytes: Budget,
    /// Rows that were kept already when they came, and those that were not.
    pub hits: u64,
    pub misses: u64,
    /// The share of the former in recent batches.
    pub served: f64,
}

/// What a cache did since it was made, wherever the frost line was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixTotals {
    /// Rows that were trained on, and those of them that came from the cache.
    pub rows: u64,
    pub hits: u64,
    /// The most that was kept at once, bytes in memory and on the disk together.
    pub most_bytes: u64,
}

/// The hidden states of rows at the frost line.
#[derive(Debug)]
pub struct PrefixCache {
    settings: PrefixSettings,
    kept: Option<Kept>,
    totals: PrefixTotals,
    /// What a person should know and was not told yet.
    notices: Vec<String>,
}

/// What was kept at one frost line.
#[derive(Debug)]
struct Kept {
    origin: Origin,
    /// Where each row stands in the store, by its key.
    places: HashMap<u128, usize>,
    store: Store,
    takes_more: bool,
    hits: u64,
    misses: u64,
    served: f64,
}

/// How much the newest batch counts in the share of recent ones.
const NEWEST: f64 = 0.25;

/// What hidden states follow from, apart from the row. The optimizer changes weights in place, but none that lies below
/// the frost line; whoever puts other weights there makes other tensors.
#[derive(Debug, PartialEq)]
struct Origin {
    layer: Layer,
    weights: Vec<TensorId>,
    precision: Precision,
}

impl Origin {
    /// `None` where no block lies below the frost line: an embedding is looked up as quickly as a cache.
    fn of(decoder: &Decoder, thaw: &Thaw) -> Option<Self> {
        thaw.frost_line().filter(|layer| decoder.blocks_below(*layer) > 0).map(|layer| Self::at(decoder, layer))
    }

    fn at(decoder: &Decoder, layer: Layer) -> Self {
        let below = decoder.parameters.iter().filter(|(_, parameter)| parameter.group.layer < layer);
        let weights = below.map(|(_, parameter)| parameter.value.id()).collect();
        Self { layer, weights, precision: decoder.parameters.precision }
    }
}

impl PrefixCache {
    pub fn new(settings: PrefixSettings) -> Self {
        Self { settings, kept: None, totals: PrefixTotals::default(), notices: Vec::new() }
    }

    /// `None` while nothing is kept.
    pub fn report(&self) -> Option<PrefixReport> {
        let kept = self.kept.as_ref()?;
        let (layer, rows) = (kept.origin.layer, kept.places.len() as u64);
        let (bytes, served) = (kept.store.bytes(), kept.served);
        Some(PrefixReport { layer, rows, bytes, hits: kept.hits, misses: kept.misses, served })
    }

    pub fn totals(&self) -> PrefixTotals {
        self.totals
    }

    /// Throws out, and gives back the memory and the file of, what was kept for another frost line or other weights
    /// below it.
    pub fn keep_what_fits(&mut self, decoder: &Decoder, thaw: &Thaw) {
        let origin = Origin::of(decoder, thaw);
        self.kept.take_if(|kept| Some(&kept.origin) != origin.as_ref());
    }

    /// What there is to tell since the last time.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// The layer at the frost line and the hidden states that enter it, (rows·columns, width), for
    /// [`Decoder::forward_from`]. `None` where the batch passes the cache by (see above); and, with everything kept
    /// thrown out, where no block lies below the frost line, or the model does not work in f32 on the CPU: other devices
    /// choose their products by the number of rows.
    pub fn hidden(&mut self, decoder: &Decoder, thaw: &Thaw, input: &Input) -> Result<Option<(Layer, Tensor)>> {
        self.entering(decoder, Origin::of(decoder, thaw), input)
    }

    /// The last hidden states of a model that does not train, (rows·columns, width), those for its head; `None` where the
    /// batch passes the cache by. One cache serves one model.
    pub fn last_hidden(&mut self, decoder: &Decoder, input: &Input) -> Result<Option<Tensor>> {
        let found = self.entering(decoder, Some(Origin::at(decoder, Layer::Head)), input)?;
        Ok(found.map(|(_, hidden)| hidden))
    }

    fn entering(
        &mut self,
        decoder: &Decoder,
        origin: Option<Origin>,
        input: &Input,
    ) -> Result<Option<(Layer, Tensor)>> {
        self.totals.rows += input.rows as u64;
        let can_keep = decoder.dtype() == DType::F32 && decoder.device().is_cpu();
        let Some(origin) = origin.filter(|_| can_keep) else {
            self.kept = None;
            return Ok(None);
        };
        if takes_another_way(input.rows * input.columns) {
            return Ok(None);
        }
        let (layer, precision) = (origin.layer, self.settings.precision);
        let row_scalars = input.columns * decoder.config.width;
        let row_bytes = row_scalars * rows::scalar_bytes(precision);
        // The old rows go before new ones come: there is never memory for both.
        self.kept.take_if(|kept| kept.origin != origin || kept.store.row_bytes() != row_bytes);
        let budget = self.settings.budget;
        let kept = self.kept.get_or_insert_with(|| Kept::new(origin, Store::new(row_bytes, budget)));
        let mut hidden = vec![0.0; input.rows * row_scalars];
        let keys: Vec<u128> = (0..input.rows).map(|row| rows::key(input, row)).collect();
        let mut missing = Vec::new();
        for (row, values) in hidden.chunks_exact_mut(row_scalars).enumerate() {
            match kept.row(keys[row]) {
                Some(bytes) => rows::decode(bytes, precision, values),
                None => missing.push(row),
            }
        }
        self.totals.hits += (input.rows - missing.len()) as u64;
        if kept.count(input.rows, missing.len()) {
            self.notices.push(kept.begins(decoder.blocks_below(layer)));
        }
        if !missing.is_empty() && takes_another_way(missing.len() * input.columns) {
            // The whole batch goes with them, whose way it is.
            missing = (0..input.rows).collect();
        }
        if !missing.is_empty() {
            let fresh =
                decoder.prefix(&Picked::new(input, &missing).input(), layer)?.flatten_all()?.to_vec1::<f32>()?;
            let mut bytes = Vec::with_capacity(row_bytes);
            for (row, values) in missing.into_iter().zip(fresh.chunks_exact(row_scalars)) {
                bytes.clear();
                rows::encode(values, precision, &mut bytes);
                rows::decode(&bytes, precision, &mut hidden[row * row_scalars..(row + 1) * row_scalars]);
                self.notices.extend(kept.add(keys[row], &bytes, &self.settings));
            }
        }
        let Budget { memory, disk } = kept.store.bytes();
        self.totals.most_bytes = self.totals.most_bytes.max(memory + disk);
        let shape = (input.rows * input.columns, decoder.config.width);
        Ok(Some((layer, Tensor::from_vec(hidden, shape, decoder.device())?)))
    }
}

/// Whether so few positions take another way through the products, with other bits than many.
fn takes_another_way(positions: usize) -> bool {
    positions <= linear::FEW_ROWS
}

impl Kept {
    fn new(origin: Origin, store: Store) -> Self {
        Self { origin, places: HashMap::new(), store, takes_more: true, hits: 0, misses: 0, served: 0.0 }
    }

    fn row(&self, key: u128) -> Option<&[u8]> {
        self.store.row(*self.places.get(&key)?)
    }

    /// Counts what a batch found; says whether it was the first to find anything.
    fn count(&mut self, rows: usize, missing: usize) -> bool {
        let is_first = self.hits == 0 && missing < rows;
        let (found, missing) = ((rows - missing) as u64, missing as u64);
        (self.hits, self.misses) = (self.hits + found, self.misses + missing);
        let share = found as f64 / rows as f64;
        // A cache that is full after its first epoch is so from one batch to the next: nothing of that epoch counts.
        self.served = if self.served == 0.0 { share } else { self.served + NEWEST * (share - self.served) };
        is_first
    }

    /// Keeps a row while there is room; returns what a person should know of it.
    fn add(&mut self, key: u128, row: &[u8], settings: &PrefixSettings) -> Option<String> {
        if !self.takes_more || self.places.contains_key(&key) {
            return None;
        }
        let notice = match self.store.push(row, &settings.folder) {
            Ok(Pushed::At(place)) => {
                self.places.insert(key, place);
                return None;
            }
            Ok(Pushed::Full) => format!(
                "the prefix cache is full with {}; other rows go through the frozen layers each time. More memory or disk \
                 for prefix_cache in the plan would take them too",
                self.size()
            ),
            Err(error) => format!(
                "the prefix cache takes no more rows: {error} ({}). Training goes on with {}",
                settings.folder.display(),
                self.size()
            ),
        };
        self.takes_more = false;
        Some(notice)
    }

    fn begins(&self, blocks: usize) -> String {
        let which = if blocks == 1 { "block 0".to_string() } else { format!("blocks 0 to {}", blocks - 1) };
        format!(
            "rows come again: what the frozen {which} made of them is kept ({}), and not computed again",
            self.size()
        )
    }

    fn size(&self) -> String {
        let Budget { memory, disk } = self.store.bytes();
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        match disk {
            0 => format!("{} rows, {}", self.places.len(), megabytes(memory)),
            _ => format!("{} rows, {} and {} on disk", self.places.len(), megabytes(memory), megabytes(disk)),
        }
    }
}
