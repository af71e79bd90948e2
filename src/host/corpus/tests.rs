use super::*;
use crate::corpus::batches::{Batches, Packed};
use crate::corpus::examples::{Example, encode};
use crate::corpus::tokenizer::Tokenizer;
use crate::model::{Decoder, preset};
use crate::protocol::{CorpusAnswer, CorpusAsk, Place};
use crate::run::Home;
use crate::run::plan;
use candle_core::{DType, Device};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const TEXT: &str = "the miller went to the mill\nand the river went by\nthe end\n";

fn service(folder: &Path) -> CorpusService {
    let text = folder.join("a.txt");
    std::fs::write(&text, TEXT.repeat(20)).unwrap();
    let plan_path = folder.join("plan.toml");
    let toml = format!(
        "name = \"a\"\n[tokenizer]\nvocabulary = 300\n[model]\npreset = \"gpt2-1m\"\n[[phase]]\nname = \"pretrain\"\nobjective = \"clm\"\ncorpus = \"{}\"\nsteps = 1\noptimizer = {{ learning_rate = 1e-3 }}\n",
        text.display()
    );
    std::fs::write(&plan_path, toml).unwrap();
    let plan = plan::load(plan_path.to_str().unwrap(), &plan::Overrides::default()).unwrap();
    CorpusService::new(Home::find(Some(folder)).unwrap(), &plan).unwrap()
}

fn ask(service: &CorpusService, ask: CorpusAsk) -> CorpusAnswer {
    let mut answers = Vec::new();
    service.answer(&ask, &AtomicBool::new(false), &mut |answer| answers.push(answer));
    answers.pop().unwrap()
}

fn decoder(context: usize) -> Decoder {
    let config = preset::find("gpt2-1m").unwrap().config(40, context);
    Decoder::random(config, 7, DType::F32, &Device::Cpu).unwrap()
}

#[test]
fn every_question_has_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path());
    let source = folder.path().join("a.txt").display().to_string();
    let tokens = |surprise| CorpusAsk::Tokens { source: source.clone(), offset: 28, surprise };
    let CorpusAnswer::Failed(why) = ask(&service, tokens(None)) else { panic!("there is no tokenizer") };
    assert!(why.contains("not there yet"), "{why}");

    let tokenizer = Arc::new(Tokenizer::train([TEXT], 300).unwrap());
    service.set_tokenizer(tokenizer.clone());
    let CorpusAnswer::Page(page) =
        ask(&service, CorpusAsk::Page { source: source.clone(), place: Place::Row(2), rows: 3 })
    else {
        panic!("a page")
    };
    assert_eq!((page.rows[0].number, page.rows[0].offset, page.facts.rows), (Some(2), 28, 60));

    service.set_scorer(Box::new(|lane: &Lane, tokens: &[u32]| {
        Ok((format!("{lane}, step 3"), tokens.iter().skip(1).map(|&token| token as f32).collect()))
    }));
    let CorpusAnswer::Tokens(scored) = ask(&service, tokens(Some(Lane::Live))) else { panic!("tokens") };
    assert_eq!(scored.weights.as_deref(), Some("live, step 3"));
    assert!(
        scored.tokens.iter().all(|token| token.surprise == Some(token.id as f32)),
        "each token has its own surprise"
    );

    let search = CorpusAsk::Search { source: source.clone(), pattern: "river".into(), from: 0, backwards: false };
    assert!(matches!(ask(&service, search), CorpusAnswer::Found(Some(hit)) if hit.offset == 28));
    assert!(
        matches!(ask(&service, CorpusAsk::Lengths { source: source.clone() }), CorpusAnswer::Lengths(lengths) if lengths.rows == 60)
    );

    let step_one = Packed::new(encode(&[Example::pair("the", " mill")], &tokenizer, 16).unwrap().examples, 16, 1, 0, 0);
    let batches = step_one.unwrap();
    let tokenizer_of_batches = tokenizer.clone();
    service
        .set_batches(Arc::new(move |step| batch_view(step, "tune", &batches.batch(step)?, &tokenizer_of_batches, &[])));
    let CorpusAnswer::Batch(batch) = ask(&service, CorpusAsk::Batch { step: 4 }) else { panic!("a batch") };
    let text = |learned| {
        batch.rows[0]
            .iter()
            .filter(|token| token.learned == learned)
            .map(|token| token.text.as_str())
            .collect::<String>()
    };
    assert_eq!(
        (text(false).as_str(), text(true).as_str(), batch.phase.as_str()),
        ("the", " mill<|endoftext|>", "tune")
    );
}

#[test]
fn a_source_that_changed_is_opened_anew_by_the_next_question() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path());
    let path = folder.path().join("b.txt");
    std::fs::write(&path, "one\n").unwrap();
    let page = || ask(&service, CorpusAsk::Page { source: path.display().to_string(), place: Place::End, rows: 9 });
    assert!(matches!(page(), CorpusAnswer::Page(_)));
    std::fs::write(&path, "one and two\n").unwrap();
    assert!(matches!(page(), CorpusAnswer::Failed(why) if why.contains("changed")));
    assert!(matches!(page(), CorpusAnswer::Page(page) if page.rows[0].bytes == 12));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(page(), CorpusAnswer::Failed(_)));
    assert!(matches!(page(), CorpusAnswer::Failed(why) if why.contains("next:")));
}

#[test]
fn a_text_longer_than_the_context_is_scored_as_a_short_one_where_it_begins() {
    let tokens: Vec<u32> = (0..50).map(|index| index * 7 % 30).collect();
    let short = surprises(&decoder(64), &tokens).unwrap();
    let long = surprises(&decoder(16), &tokens).unwrap();
    assert_eq!((short.len(), long.len()), (49, 49));
    let far = |at: usize| (short[at] - long[at]).abs();
    assert!((0..16).all(|at| far(at) < 1e-4), "the first window sees the same");
    assert!(long.iter().all(|surprise| surprise.is_finite() && *surprise > 0.0));
    // The token after the first window is predicted from the half of it that is read again.
    let again = surprises(&decoder(16), &tokens[8..]).unwrap();
    assert!((long[16] - again[8]).abs() < 1e-4);
    assert!(surprises(&decoder(16), &tokens[..1]).unwrap().is_empty());
}
