//! Small checkpoints for the tests of this room.

use super::*;
use crate::model::{ParameterId, Storage, preset};
use crate::ops::attention::Heads;
use crate::random::Random;
use candle_core::Tensor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use xxhash_rust::xxh3::xxh3_128;

pub fn tokenizer() -> Arc<Tokenizer> {
    static TRAINED: LazyLock<Arc<Tokenizer>> =
        LazyLock::new(|| Arc::new(Tokenizer::train(["eggs and a market, eggs and a mill"], 270).unwrap()));
    TRAINED.clone()
}

pub fn progress(reason: Reason) -> Progress {
    Progress {
        phase_steps: 3,
        tokens: 1 << 40,
        seconds: 1.1,
        journal_lines: 7,
        changes: 2,
        metrics_bytes: None,
        reason,
        is_paused: true,
        evaluated: Some(2),
        learning_rate: 3e-4,
        base_losses: BTreeMap::from([("pretrain".into(), 2.5), ("world".into(), 0.1)]),
        audit_due: false,
        signs: json!({ "seen": 3 }),
        guard: json!({ "seen": [1, 2.5, null] }),
    }
}

pub fn state_at(phase: &str, step: u64, reason: Reason) -> State {
    let (run, phase, progress) = ("small".into(), phase.into(), Some(progress(reason)));
    State { run, phase, step, loss: None, base: Some("here".into()), precision: Precision::F32, progress }
}

/// A tensor whose bits are anything: also what is no number.
fn any_bits(shape: &[usize], random: &mut Random) -> Tensor {
    let count = shape.iter().product();
    let numbers: Vec<f32> = (0..count).map(|_| f32::from_bits(random.next_u64() as u32)).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

/// A model of `layers` blocks, with weights and moments of any bits. The parameters of odd places have moments, with step
/// counts of their own.
pub fn snapshot(family: &str, is_tied: bool, layers: usize, state: State) -> Snapshot {
    let mut config = preset::find(family).unwrap().config(tokenizer().vocabulary_size(), 8);
    let key_value = if config.rotary.is_some() { 1 } else { 2 };
    (config.width, config.layers, config.intermediate, config.tied) = (8, layers, 12, is_tied);
    config.heads = Heads { query: 2, key_value, dimension: 4 };
    let mut decoder = Decoder::random(config, state.step, DType::F32, &Device::Cpu).unwrap();
    let mut random = Random::new(state.step, 1);
    let mut moments = Vec::new();
    for index in 0..decoder.parameters.len() {
        let parameter = &mut decoder.parameters[ParameterId(index)];
        let shape = parameter.value.dims().to_vec();
        parameter.value = any_bits(&shape, &mut random);
        moments.push((index % 2 == 1).then(|| Moments {
            first: any_bits(&shape, &mut random),
            second: any_bits(&shape, &mut random),
            steps: (1 << 40) + index as u64,
        }));
    }
    Snapshot { decoder: Arc::new(decoder), moments: Arc::new(moments), state, fisher: None }
}

/// The smallest there is.
pub fn small(step: u64) -> Snapshot {
    snapshot("llama-1m", true, 1, state_at("tune", step, Reason::Due))
}

/// Stores the matrices of even places in halves.
pub fn with_halves(mut snapshot: Snapshot, storage: Storage) -> Snapshot {
    let mut decoder = (*snapshot.decoder).clone();
    for index in (0..decoder.parameters.len()).step_by(2) {
        let parameter = &mut decoder.parameters[ParameterId(index)];
        // Of a usual size: what is no number has no one half.
        let drawn = Tensor::randn(0f32, 1.0, parameter.value.dims(), &Device::Cpu).unwrap();
        parameter.value = if parameter.value.rank() >= 2 { drawn.to_dtype(storage.dtype()).unwrap() } else { drawn };
    }
    snapshot.decoder = Arc::new(decoder);
    snapshot
}

/// Type, shape and bits.
fn bits(tensor: &Tensor) -> (DType, Vec<usize>, Vec<u64>) {
    let flat = tensor.flatten_all().unwrap();
    let bits = match tensor.dtype() {
        DType::BF16 => flat.to_vec1::<half::bf16>().unwrap().iter().map(|x| x.to_bits() as u64).collect(),
        DType::F16 => flat.to_vec1::<half::f16>().unwrap().iter().map(|x| x.to_bits() as u64).collect(),
        _ => flat.to_vec1::<f32>().unwrap().iter().map(|x| x.to_bits() as u64).collect(),
    };
    (tensor.dtype(), tensor.dims().to_vec(), bits)
}

/// What was read is what was written, to the bit.
pub fn assert_same(read: &(Decoder, Vec<Option<Moments>>, State), written: &Snapshot) {
    let (decoder, moments, state) = read;
    assert_eq!(state, &written.state);
    assert_eq!(decoder.parameters.len(), written.decoder.parameters.len());
    for ((_, a), (_, b)) in decoder.parameters.iter().zip(written.decoder.parameters.iter()) {
        assert_eq!((&a.name, a.decays), (&b.name, b.decays));
        assert!(bits(&a.value) == bits(&b.value), "{} has other bits", a.name);
    }
    assert_eq!(moments.len(), written.moments.len());
    for (index, (a, b)) in moments.iter().zip(written.moments.iter()).enumerate() {
        let all = |moments: &Moments| (bits(&moments.first), bits(&moments.second), moments.steps);
        assert!(a.as_ref().map(all) == b.as_ref().map(all), "the moments of parameter {index} have other bits");
    }
}

pub fn assert_reads(path: &Path, written: &Snapshot) {
    assert_same(&read(path, &Device::Cpu).unwrap(), written);
}

/// Every folder that bears a checkpoint's name is whole.
pub fn assert_nothing_half(run: &Path) {
    for name in super::super::disk::names(&run.join(CHECKPOINTS)).unwrap() {
        if name.starts_with(WHOLE) || name.starts_with(UNDONE) {
            verify(&run.join(CHECKPOINTS).join(name)).unwrap();
        }
    }
}

/// Writes a file of a checkpoint anew, and the list of checksums so that it agrees.
pub fn forge(path: &Path, name: &str, content: &[u8]) {
    std::fs::write(path.join(name), content).unwrap();
    let list = path.join(checksums::FILE);
    let mut value: Value = serde_json::from_slice(&std::fs::read(&list).unwrap()).unwrap();
    for listed in value["files"].as_array_mut().unwrap().iter_mut().filter(|listed| listed["path"] == name) {
        listed["bytes"] = json!(content.len());
        listed["xxh3_128"] = json!(format!("{:032x}", xxh3_128(content)));
    }
    value["xxh3_128"] = json!(format!("{:032x}", xxh3_128(value["files"].to_string().as_bytes())));
    std::fs::write(list, value.to_string()).unwrap();
}
