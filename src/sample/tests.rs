use super::*;
use crate::corpus::tokenizer::Tokenizer;
use crate::model::{Config, Decoder, preset};
use candle_core::{DType, Device};
use std::sync::{Arc, LazyLock};

/// A tokenizer with few merges: many characters are several tokens.
fn tokenizer() -> Arc<Tokenizer> {
    static TOKENIZER: LazyLock<Arc<Tokenizer>> = LazyLock::new(|| {
        Arc::new(Tokenizer::train(["é, 水 and 🦀 by the mill by the river ".repeat(20)], 290).unwrap())
    });
    TOKENIZER.clone()
}

fn decoder() -> Arc<Decoder> {
    static DECODER: LazyLock<Arc<Decoder>> = LazyLock::new(|| {
        let config = preset::find("llama-1m").unwrap().config(tokenizer().vocabulary_size(), 256);
        let config = Config { layers: 1, ..config };
        Arc::new(Decoder::random(config, 3, DType::F32, &Device::Cpu).unwrap())
    });
    DECODER.clone()
}

fn generator(limit: usize) -> Generator {
    let sampling = Sampling { temperature: 1.0, seed: 5, ..Sampling::GREEDY };
    Generator::new(decoder(), vec![Task::of_text(&tokenizer(), "by the 水", sampling, limit).unwrap()]).unwrap()
}

fn write(stop: &[&str], limit: usize) -> (String, Vec<Written>, Option<Ended>) {
    let stop = stop.iter().map(|text| text.to_string()).collect();
    let mut generator = generator(limit);
    let mut writer = Writer::new(0, tokenizer(), stop, Some(3));
    let mut written = Vec::new();
    while generator.answer(0).ended.is_none() {
        written.extend(writer.advance(&mut generator).unwrap());
    }
    assert!(writer.advance(&mut generator).unwrap().is_empty() && writer.finish().is_empty());
    (written.iter().map(|token| token.text.as_str()).collect(), written, generator.answer(0).ended)
}

#[test]
fn pieces_of_text_join_to_the_decoded_answer() {
    let mut alone = generator(200);
    while alone.next_token(0).unwrap().is_some() {}
    let alone = alone.answer(0);
    let (text, written, ended) = write(&[], 200);
    assert_eq!(written.iter().map(|token| token.id).collect::<Vec<_>>(), alone.tokens);
    let plain: Vec<u32> = alone.tokens.iter().copied().filter(|id| !tokenizer().is_special(*id)).collect();
    assert_eq!(text, tokenizer().decode(&plain));
    assert_eq!(ended, alone.ended);
    // Random bytes: characters in several tokens, and broken ones.
    assert!(text.contains('\u{fffd}') && written.iter().any(|token| token.text.is_empty()));
}

#[test]
fn reports_are_asked_for() {
    let (_, written, _) = write(&[], 5);
    let report = written[0].report.as_ref().unwrap();
    assert!(report.alternatives.len() == 3 && report.entropy > 0.0 && report.probability > 0.0);
    let mut writer = Writer::new(0, tokenizer(), Vec::new(), None);
    assert!(writer.advance(&mut generator(1)).unwrap()[0].report.is_none());
}

#[test]
fn an_answer_ends_before_the_first_stop_text_wherever_tokens_end() {
    let (whole, _, _) = write(&[], 40);
    let starts: Vec<usize> = whole.char_indices().map(|(at, _)| at).collect();
    for from in (0..starts.len().saturating_sub(5)).step_by(7) {
        for length in [1, 2, 5] {
            let end = starts.get(from + length).copied().unwrap_or(whole.len());
            let stop = &whole[starts[from]..end];
            let (text, _, ended) = write(&["", "never this", stop], 40);
            assert_eq!(text, whole[..whole.find(stop).unwrap()], "stop {stop:?}");
            assert_eq!(ended, Some(Ended::StopText));
        }
    }
}

#[test]
fn a_beginning_of_a_stop_text_that_does_not_go_on_is_text() {
    let (whole, _, _) = write(&[], 40);
    let last: String = whole.chars().rev().take(2).collect::<Vec<_>>().into_iter().rev().collect();
    let (text, _, ended) = write(&[&format!("{last}and more")], 40);
    assert_eq!((text, ended), (whole, Some(Ended::Complete)));
}
