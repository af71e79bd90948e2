use super::super::{AdamWSettings, Learner, objective};
use super::*;
use crate::corpus::batches::{Batch, Batches, Packed, Rows};
use crate::corpus::examples::EncodedExample;
use crate::model::{Group, Recompute, Selector, preset};
use crate::ops::adamw;
use candle_core::Device;
use proptest::prelude::*;
use tempfile::TempDir;

const VOCABULARY: u32 = 40;

fn decoder(name: &str, seed: u64) -> Decoder {
    let config = preset::find(name).unwrap().config(VOCABULARY as usize, 24);
    Decoder::random(config, seed, DType::F32, &Device::Cpu).unwrap()
}

fn settings() -> AdamWSettings {
    let moments = adamw::Settings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8 };
    AdamWSettings { moments, weight_decay: 0.1, largest_norm: Some(1.0) }
}

/// Examples of many lengths in rows of 24: some rows hold several, some are padded.
fn examples(count: usize) -> Vec<EncodedExample> {
    let example = |index: usize| {
        let length = 4 + index * 7 % 19;
        let token = |at: usize| (index * 13 + at * at) as u32 % VOCABULARY;
        let learned = (0..length).map(|at| at > 1).collect();
        EncodedExample { tokens: (0..length).map(token).collect(), learned, label: None }
    };
    (0..count).map(example).collect()
}

fn packed() -> Packed {
    Packed::new(examples(16), 24, 3, 5, 0).unwrap()
}

fn no_budget() -> PrefixSettings {
    PrefixSettings { budget: Budget::default(), precision: Precision::F32, folder: std::env::temp_dir() }
}

/// Room for so many rows of 24 positions of 128 numbers.
fn room(memory: u64, disk: u64, folder: &TempDir) -> PrefixSettings {
    let row = 24 * 128 * 4;
    let budget = Budget { memory: memory * row, disk: disk * row };
    PrefixSettings { budget, folder: folder.path().into(), ..no_budget() }
}

/// How a learner is run in these tests.
#[derive(Clone, Default)]
struct Way {
    prefix: Option<PrefixSettings>,
    recompute: Recompute,
    parts: usize,
}

#[derive(Debug, PartialEq)]
struct Outcome {
    losses: Vec<u64>,
    weights: Vec<Vec<u32>>,
}

/// What trains from an epoch on.
type Freezing<'a> = &'a dyn Fn(usize, Group) -> bool;

/// Three epochs; returns what came of them, the cache's report at the end, and everything that was told.
fn train(name: &str, way: &Way, trains: Freezing) -> (Outcome, Option<PrefixReport>, Vec<String>) {
    let packed = packed();
    let mut decoder = decoder(name, 1);
    decoder.recompute = way.recompute;
    let mut learner = Learner::new(decoder, &[], settings()).unwrap();
    learner.cache_prefix(way.prefix.clone());
    let (mut losses, mut notices) = (Vec::new(), Vec::new());
    for step in 0..3 * packed.batches_per_epoch() {
        learner.set_trainable(|group| trains((step / packed.batches_per_epoch()) as usize, group)).unwrap();
        let report = learner.step(&packed.batch(step).unwrap().split(way.parts.max(1)), 1e-3).unwrap();
        losses.push(report.loss.to_bits());
        notices.extend(report.notices);
    }
    let bits = |tensor: &Tensor| -> Vec<u32> {
        tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|value| value.to_bits()).collect()
    };
    let weights = learner.decoder.parameters.iter().map(|(_, parameter)| bits(&parameter.value)).collect();
    (Outcome { losses, weights }, learner.prefix().and_then(PrefixCache::report), notices)
}

fn from_block(first: usize) -> impl Fn(usize, Group) -> bool {
    move |_, group| group.layer >= Layer::Block(first)
}

#[test]
fn nothing_changes_by_a_bit_whatever_is_kept_or_computed_again() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["llama-1m", "gpt2-1m"] {
        let (plain, none, _) = train(name, &Way::default(), &from_block(2));
        assert_eq!(none, None);
        for ((memory, disk), recompute) in
            [(100, 0), (2, 2), (0, 100), (0, 0)].into_iter().zip(Recompute::ALL.into_iter().cycle())
        {
            let way = Way { prefix: Some(room(memory, disk, &folder)), recompute, parts: 1 };
            let (outcome, report, notices) = train(name, &way, &from_block(2));
            assert_eq!(outcome, plain, "{name} {memory} {disk} {recompute}");
            let (report, distinct) = (report.unwrap(), packed().rows_per_epoch());
            assert_eq!(report.rows, distinct.min(memory + disk), "{name}");
            assert_eq!(report.hits > 0, memory + disk > 0);
            assert_eq!(notices.iter().any(|told| told.contains("full")), memory + disk < distinct, "{notices:?}");
            assert_eq!(notices.iter().any(|told| told.contains("blocks 0 to 1")), memory + disk > 0);
        }
        let way = Way { recompute: Recompute::Blocks, ..Way::default() };
        assert_eq!(train(name, &way, &|_, _| true).0, train(name, &Way::default(), &|_, _| true).0, "{name}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn accumulation_and_the_cache_go_together() {
    let folder = tempfile::tempdir().unwrap();
    for parts in [2, 3] {
        let way = Way { parts, ..Way::default() };
        let plain = train("llama-1m", &way, &from_block(3)).0;
        let kept = Way { prefix: Some(room(4, 2, &folder)), ..way };
        assert_eq!(train("llama-1m", &kept, &from_block(3)).0, plain, "{parts}");
    }
}

/// With a context of 16 and three rows in two micro-batches, one of them takes the way of few rows through the products
/// and the other does not: a row that comes to another micro-batch in another epoch has other bits there.
#[test]
fn micro_batches_of_few_positions_pass_the_cache_by() {
    let folder = tempfile::tempdir().unwrap();
    let examples: Vec<_> = examples(16).into_iter().filter(|example| example.tokens.len() <= 16).collect();
    let packed = Packed::new(examples, 16, 3, 5, 0).unwrap();
    let run = |prefix: Option<PrefixSettings>| {
        let mut learner = Learner::new(decoder("llama-1m", 1), &[], settings()).unwrap();
        learner.set_trainable(|group| group.layer >= Layer::Block(2)).unwrap();
        learner.cache_prefix(prefix);
        let step = |step| {
            let parts = packed.batch(step).unwrap().split(2);
            assert_eq!(parts.iter().map(|part| part.rows).collect::<Vec<_>>(), [1, 2]);
            learner.step(&parts, 1e-3).unwrap().loss.to_bits()
        };
        let losses: Vec<u64> = (0..6 * packed.batches_per_epoch()).map(step).collect();
        (losses, learner.prefix().map(PrefixCache::totals))
    };
    let (plain, kept) = (run(None), run(Some(room(100, 0, &folder))));
    assert_eq!(kept.0, plain.0);
    let (totals, batches) = (kept.1.unwrap(), 6 * packed.batches_per_epoch());
    assert_eq!(totals.rows, 3 * batches);
    assert!(0 < totals.hits && totals.hits <= 2 * batches, "{totals:?}");
}

#[test]
fn what_was_kept_goes_as_soon_as_the_frost_line_moves_and_totals_stay() {
    let folder = tempfile::tempdir().unwrap();
    let packed = packed();
    let mut learner = Learner::new(decoder("llama-1m", 1), &[], settings()).unwrap();
    learner.cache_prefix(Some(room(100, 0, &folder)));
    learner.set_trainable(|group| group.layer >= Layer::Block(2)).unwrap();
    let epoch = packed.batches_per_epoch();
    (0..2 * epoch).for_each(|step| drop(learner.step(&[packed.batch(step).unwrap()], 1e-3).unwrap()));
    let (report, totals) = (|learner: &Learner| learner.prefix().unwrap().report(), learner.prefix().unwrap().totals());
    let before = report(&learner).unwrap();
    assert_eq!((totals.rows, totals.hits), (6 * epoch, before.hits));
    assert_eq!(totals.most_bytes, before.bytes.memory);
    // Another choice of what trains, at the same line.
    learner.set_trainable(|group| group.layer >= Layer::Block(2) && group.layer != Layer::Block(3)).unwrap();
    assert_eq!(report(&learner), Some(before));
    learner.set_trainable(|group| group.layer >= Layer::Block(1)).unwrap();
    assert_eq!(report(&learner), None);
    learner.step(&[packed.batch(0).unwrap()], 1e-3).unwrap();
    learner.set_trainable(|_| true).unwrap();
    assert_eq!(report(&learner), None, "nothing lies below the line");
    learner.step(&[packed.batch(0).unwrap()], 1e-3).unwrap();
    let after = learner.prefix().unwrap().totals();
    assert_eq!(after, PrefixTotals { rows: totals.rows + 6, ..totals });
}

#[test]
fn freezing_and_thawing_on_the_way_begin_the_cache_anew() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [Layer::Block(2), Layer::Block(1), Layer::Block(3)];
    let trains = |epoch: usize, group: Group| group.layer >= lines[epoch];
    let plain = train("llama-1m", &Way::default(), &trains).0;
    let way = Way { prefix: Some(room(100, 0, &folder)), ..Way::default() };
    let (outcome, report, _) = train("llama-1m", &way, &trains);
    assert_eq!(outcome, plain);
    let report = report.unwrap();
    assert_eq!((report.layer, report.hits), (Layer::Block(3), 0), "nothing of the epochs before is left");
    // Down to the embedding and up again: what was kept is of other weights.
    let trains = |epoch: usize, group: Group| epoch == 1 || group.layer >= Layer::Block(2);
    let plain = train("llama-1m", &Way::default(), &trains).0;
    assert_eq!(train("llama-1m", &way, &trains).0, plain);
}

#[test]
fn a_head_a_norm_or_part_of_a_block_can_train_alone() {
    let folder = tempfile::tempdir().unwrap();
    let way = Way { prefix: Some(room(100, 0, &folder)), ..Way::default() };
    let only: [fn(Group) -> bool; 2] =
        [|group| group.layer == Layer::Norm, |group| group.to_string() == "block.2/mlp" || group.layer == Layer::Norm];
    for (only, layer) in only.into_iter().zip([Layer::Norm, Layer::Block(2)]) {
        let plain = train("gpt2-1m", &Way::default(), &|_, group| only(group)).0;
        let (outcome, report, _) = train("gpt2-1m", &way, &|_, group| only(group));
        assert_eq!(outcome, plain);
        assert_eq!(report.unwrap().layer, layer);
    }
}

#[test]
fn an_untied_head_alone_takes_its_own_input_from_the_cache() {
    let mut config = preset::find("llama-1m").unwrap().config(VOCABULARY as usize, 24);
    config.tied = false;
    let untied = || Decoder::random(config.clone(), 1, DType::F32, &Device::Cpu).unwrap();
    let frozen: Vec<Selector> = ["embedding", "block.0-3", "norm"].map(|name| name.parse().unwrap()).into();
    let run = |prefix: Option<PrefixSettings>| {
        let mut learner = Learner::new(untied(), &frozen, settings()).unwrap();
        learner.cache_prefix(prefix);
        let batch = packed().batch(0).unwrap();
        let losses: Vec<u64> =
            (0..3).map(|_| learner.step(std::slice::from_ref(&batch), 1e-2).unwrap().loss.to_bits()).collect();
        (losses, learner.prefix().and_then(PrefixCache::report).map(|report| (report.layer, report.hits)))
    };
    let folder = tempfile::tempdir().unwrap();
    let (plain, kept) = (run(None), run(Some(room(100, 0, &folder))));
    assert_eq!(kept.0, plain.0);
    assert_eq!(kept.1, Some((Layer::Head, 6)));
}

/// The hidden states that a cache gives for a batch, as bits.
fn hidden(cache: &mut PrefixCache, decoder: &Decoder, batch: &Batch) -> Vec<u32> {
    let frozen: Vec<Selector> = ["embedding", "block.0-1"].map(|name| name.parse().unwrap()).into();
    let thaw = Thaw::all_but(&decoder.parameters, &frozen).unwrap();
    let (layer, hidden) = cache.hidden(decoder, &thaw, &objective::input(batch)).unwrap().unwrap();
    assert_eq!(layer, Layer::Block(2));
    hidden.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|value| value.to_bits()).collect()
}

#[test]
fn another_weight_below_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut decoder, batch) = (decoder("llama-1m", 1), packed().batch(0).unwrap());
    let mut cache = PrefixCache::new(room(100, 0, &folder));
    let before = hidden(&mut cache, &decoder, &batch);
    assert_eq!(hidden(&mut cache, &decoder, &batch), before);
    assert_eq!(cache.report().unwrap().hits, 3);
    let (id, _) = decoder.parameters.iter().find(|(_, p)| p.name == "block.1.mlp.down.weight").unwrap();
    decoder.parameters[id].value = (&decoder.parameters[id].value * 2.0).unwrap();
    assert_ne!(hidden(&mut cache, &decoder, &batch), before);
    assert_eq!(cache.report().unwrap().hits, 0);
    // A weight above the line may be what it likes.
    let (id, _) = decoder.parameters.iter().find(|(_, p)| p.name == "block.2.mlp.down.weight").unwrap();
    decoder.parameters[id].value = (&decoder.parameters[id].value * 2.0).unwrap();
    hidden(&mut cache, &decoder, &batch);
    assert_eq!(cache.report().unwrap().hits, 3);
}

#[test]
fn a_failing_disk_is_told_once_and_training_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let plain = train("llama-1m", &Way::default(), &from_block(2)).0;
    let way = Way { prefix: Some(PrefixSettings { folder: file, ..room(2, 100, &folder) }), ..Way::default() };
    let (outcome, report, notices) = train("llama-1m", &way, &from_block(2));
    assert_eq!(outcome, plain);
    assert_eq!(report.unwrap().rows, 2, "what was in memory serves on");
    assert_eq!(notices.iter().filter(|told| told.contains("takes no more rows")).count(), 1, "{notices:?}");
}

#[test]
fn bf16_takes_half_and_stays_close_whatever_there_is_room_for() {
    let folder = tempfile::tempdir().unwrap();
    let plain = train("llama-1m", &Way::default(), &from_block(2)).0;
    let way = |memory: u64| {
        let prefix = PrefixSettings { precision: Precision::Bf16, ..room(memory, 0, &folder) };
        train("llama-1m", &Way { prefix: Some(prefix), ..Way::default() }, &from_block(2))
    };
    let (whole, report, _) = way(100);
    let report = report.unwrap();
    assert_eq!(report.bytes.memory, report.rows * 24 * 128 * 2);
    assert_eq!(way(1).0, whole, "rounded, kept or not");
    assert_ne!(whole, plain);
    for (rounded, exact) in whole.losses.iter().zip(&plain.losses) {
        let (rounded, exact) = (f64::from_bits(*rounded), f64::from_bits(*exact));
        assert!((rounded - exact).abs() < 2e-3 * exact, "{rounded} {exact}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What the cache stands on: a row is what it would be among any others.
    #[test]
    fn hidden_states_of_a_row_do_not_depend_on_the_others(
        chosen in prop::collection::vec(any::<bool>(), 12),
        columns in 1usize..40,
        name in prop::sample::select(vec!["llama-1m", "gpt2-1m"]),
    ) {
        let decoder = Decoder::random(preset::find(name).unwrap().config(40, 40), 1, DType::F32, &Device::Cpu).unwrap();
        let count = chosen.len() * columns;
        let tokens: Vec<u32> = (0..count).map(|at| (at * at % 37) as u32).collect();
        let positions: Vec<u32> = (0..count).map(|at| (at % columns) as u32).collect();
        let input = Input { rows: chosen.len(), columns, tokens: &tokens, positions: &positions, first_visible: None };
        let rows: Vec<usize> = (0..chosen.len()).filter(|row| chosen[*row]).collect();
        // Few positions take another way through the products, and pass the cache by.
        prop_assume!(rows.len() * columns > linear::FEW_ROWS);
        let bits = |tensor: Tensor| -> Vec<u32> {
            tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|value| value.to_bits()).collect()
        };
        let whole = bits(decoder.prefix(&input, Layer::Block(2)).unwrap());
        let part = bits(decoder.prefix(&Picked::new(&input, &rows).input(), Layer::Block(2)).unwrap());
        let per_row = columns * decoder.config.width;
        for (row, values) in rows.iter().zip(part.chunks(per_row)) {
            prop_assert!(values == &whole[row * per_row..(row + 1) * per_row], "row {} of {:?}", row, rows);
        }
    }
}
