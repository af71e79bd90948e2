use super::*;
use crate::Error;
use crate::model::{Config, ParameterId, preset};
use crate::protocol::{Graft, Lane, SampleSettings, SampledToken, Selector, Share, Side};
use crate::sample::{Generator, Sampling, Task};
use candle_core::{DType, Device};
use std::sync::LazyLock;

/// Two models under one tokenizer; checkpoints are one of them, or are not there.
struct Shelf {
    base: Arc<Decoder>,
    live: Arc<Decoder>,
    tokenizer: Arc<Tokenizer>,
}

impl Weights for Shelf {
    fn live(&self) -> Result<(Arc<Decoder>, String)> {
        Ok((self.live.clone(), "step 12".into()))
    }

    fn base(&self) -> Result<(Arc<Decoder>, String)> {
        Ok((self.base.clone(), "new weights".into()))
    }

    fn checkpoint(&self, name: &str) -> Result<(Arc<Decoder>, Arc<Tokenizer>, String)> {
        match name {
            "copy" => Ok((self.live.clone(), self.tokenizer.clone(), "step 10".into())),
            _ => Err(Error::new(format!("there is no checkpoint {name}"))),
        }
    }

    fn tokenizer(&self) -> Result<Arc<Tokenizer>> {
        Ok(self.tokenizer.clone())
    }
}

fn shelf() -> &'static Shelf {
    static SHELF: LazyLock<Shelf> = LazyLock::new(|| {
        let tokenizer = Tokenizer::train(["by the mill by the river, 水 ".repeat(20)], 290).unwrap();
        let config =
            || Config { layers: 1, ..preset::find("llama-1m").unwrap().config(tokenizer.vocabulary_size(), 128) };
        let decoder = |seed| Arc::new(Decoder::random(config(), seed, DType::F32, &Device::Cpu).unwrap());
        Shelf { base: decoder(1), live: decoder(2), tokenizer: Arc::new(tokenizer) }
    });
    &SHELF
}

fn ask(lanes: Vec<Lane>, max_tokens: u64) -> SampleAsk {
    let settings = SampleSettings { max_tokens, temperature: 1.0, top_p: 1.0, ..SampleSettings::default() };
    SampleAsk { prompt: "by the river".into(), lanes, settings }
}

fn answers(ask: &SampleAsk) -> Vec<SampleAnswer> {
    let mut replies = Vec::new();
    Sampler::new().unwrap().answer(ask, shelf(), &AtomicBool::new(false), &mut |reply| replies.push(reply));
    replies
}

fn tokens_of(replies: &[SampleAnswer], wanted: u32) -> Vec<SampledToken> {
    let of_lane = replies.iter().filter_map(|reply| match reply {
        SampleAnswer::Tokens { lane, tokens } if *lane == wanted => Some(tokens.clone()),
        _ => None,
    });
    of_lane.flatten().collect()
}

fn ends(replies: &[SampleAnswer]) -> Vec<(u32, LaneEnd)> {
    let ends = replies.iter().filter_map(|reply| match reply {
        SampleAnswer::Ended(ended) => Some((ended.lane, ended.why.clone())),
        _ => None,
    });
    let mut ends: Vec<_> = ends.collect();
    ends.sort_by_key(|(lane, _)| *lane);
    ends
}

#[test]
fn lanes_write_what_their_weights_write_alone() {
    let lanes = vec![Lane::Live, Lane::Checkpoint("copy".into()), Lane::Base];
    let replies = answers(&ask(lanes, 40));
    let ids = |lane| tokens_of(&replies, lane).iter().map(|token| token.id).collect::<Vec<_>>();
    let alone = |decoder: &Arc<Decoder>| {
        let sampling = Sampling { temperature: 1.0, seed: 7, ..Sampling::GREEDY };
        let task = Task::of_text(&shelf().tokenizer, "by the river", sampling, 40).unwrap();
        let mut generator = Generator::new(decoder.clone(), vec![task]).unwrap();
        while generator.next_token(0).unwrap().is_some() {}
        generator.answer(0).tokens.clone()
    };
    assert_eq!(ids(0), alone(&shelf().live));
    assert_eq!(tokens_of(&replies, 0), tokens_of(&replies, 1));
    assert_eq!(ids(2), alone(&shelf().base));
    assert_ne!(ids(0), ids(2));
    let first = &tokens_of(&replies, 0)[0];
    assert!(first.alternatives.len() == 8 && first.entropy > 0.0);
}

#[test]
fn lanes_of_one_decoder_go_through_it_together() {
    let lanes = vec![Lane::Live, Lane::Base, Lane::Checkpoint("copy".into()), Lane::Live];
    let ask = ask(lanes, 10);
    let mut replies = Vec::new();
    let last = LastBlend::default();
    let models = open(&ask, &Ends::new(shelf(), &last), &AtomicBool::new(false), &mut |reply| replies.push(reply));
    let places = |model: &OneModel| model.lanes.iter().map(|lane| lane.lane()).collect::<Vec<_>>();
    assert_eq!(models.iter().map(places).collect::<Vec<_>>(), [vec![0, 3, 2], vec![1]]);
    assert!(replies.is_empty());
    let replies = answers(&ask);
    assert_eq!(ends(&replies), [0, 1, 2, 3].map(|lane| (lane, LaneEnd::Complete)));
    assert_eq!(tokens_of(&replies, 3), tokens_of(&replies, 0));
    assert_eq!(tokens_of(&replies, 1).len(), 10);
    let started = replies.iter().filter(|reply| matches!(reply, SampleAnswer::Started(_))).count();
    assert_eq!(started, 4);
}

#[test]
fn a_prompt_that_cannot_be_answered_fails_every_lane_once() {
    let settings = SampleSettings { temperature: -1.0, ..SampleSettings::default() };
    let replies = answers(&SampleAsk { settings, ..ask(vec![Lane::Live, Lane::Base, Lane::Live], 5) });
    assert_eq!(ends(&replies).len(), 3);
    assert!(ends(&replies).iter().all(|(_, end)| matches!(end, LaneEnd::Failed(_))));
}

#[test]
fn each_lane_says_what_it_is_then_writes_then_ends() {
    let replies = answers(&ask(vec![Lane::Live], 5));
    let SampleAnswer::Started(started) = &replies[0] else { panic!("{:?}", replies[0]) };
    assert!(started.weights == "step 12" && started.prompt_perplexity.unwrap() > 1.0 && started.left_out == 0);
    // The first token is sent at once.
    assert!(matches!(&replies[1], SampleAnswer::Tokens { tokens, .. } if tokens.len() == 1));
    let SampleAnswer::Ended(ended) = replies.last().unwrap() else { panic!() };
    assert!(ended.why == LaneEnd::Complete && ended.tokens_per_second > 0.0);
}

#[test]
fn a_lane_that_fails_ends_alone() {
    let replies = answers(&ask(vec![Lane::Checkpoint("gone".into()), Lane::Live], 5));
    let ends = ends(&replies);
    assert!(matches!(&ends[0], (0, LaneEnd::Failed(why)) if why.contains("no checkpoint gone")));
    assert_eq!(ends[1], (1, LaneEnd::Complete));
    assert_eq!(tokens_of(&replies, 1).len(), 5);
}

#[test]
fn cancelling_ends_every_lane() {
    let cancel = AtomicBool::new(false);
    let mut replies = Vec::new();
    let ask = ask(vec![Lane::Live, Lane::Base], 100);
    Sampler::new().unwrap().answer(&ask, shelf(), &cancel, &mut |reply| {
        cancel.fetch_or(matches!(reply, SampleAnswer::Tokens { .. }), Ordering::Relaxed);
        replies.push(reply);
    });
    assert_eq!(ends(&replies), [(0, LaneEnd::Cancelled), (1, LaneEnd::Cancelled)]);
    assert!(tokens_of(&replies, 0).len() < 5);
}

#[test]
fn what_is_too_much_or_makes_no_sense_is_refused() {
    let too_much = [
        SampleAsk { prompt: "x".repeat(2 << 20), ..ask(vec![Lane::Live], 5) },
        ask(vec![Lane::Live], 1 << 40),
        ask(vec![Lane::Live; 9], 5),
        ask(vec![], 5),
    ];
    for ask in too_much.iter().chain([&SampleAsk {
        settings: SampleSettings { top_p: f64::NAN, ..SampleSettings::default() },
        ..ask(vec![Lane::Live], 5)
    }]) {
        let replies = answers(ask);
        assert!(matches!(&replies[0], SampleAnswer::Ended(LaneEnded { why: LaneEnd::Failed(_), .. })));
        assert!(replies.len() <= limits::LANES);
    }
}

#[test]
fn models_compute_in_the_sampler_s_one_thread() {
    let sampler = Sampler::new().unwrap();
    assert_eq!(sampler.pool.install(rayon::current_num_threads), 1);
}

#[test]
fn a_prompt_in_a_conversation_is_spelled_in_the_lanes_format() {
    let plain = ask(vec![Lane::Live], 2);
    let settings = SampleSettings { chat: true, ..plain.settings.clone() };
    let chat = SampleAsk { settings, ..plain.clone() };
    let read = |ask: &SampleAsk| {
        answers(ask).iter().find_map(|reply| match reply {
            SampleAnswer::Started(started) => Some(started.prompt_tokens),
            _ => None,
        })
    };
    let spelled = shelf().tokenizer.encode("<|user|>\nby the river<|end|>\n<|assistant|>\n").unwrap();
    assert_eq!(read(&chat), Some(spelled.len() as u64));
    assert_ne!(read(&plain), read(&chat));
}

fn opened(lanes: &[Lane], weights: &dyn Weights, last: &LastBlend) -> Vec<Arc<Decoder>> {
    let ends = Ends::new(weights, last);
    lanes.iter().map(|lane| Voice::of(lane, &ends).unwrap().decoder).collect()
}

fn first(decoder: &Decoder, id: usize) -> f32 {
    decoder.parameters[ParameterId(id)].value.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]
}

#[test]
fn a_blend_lies_between_its_ends_which_it_is_at_0_and_1_and_is_kept_for_the_next_time() {
    let last = LastBlend::default();
    let blends: Vec<Lane> = [0.0, 0.25, 1.0].map(|share| Lane::Blend(Share::new(share).unwrap())).into();
    let found = opened(&blends, shelf(), &last);
    let (base, live) = (&shelf().base, &shelf().live);
    assert!(Arc::ptr_eq(&found[0], base) && Arc::ptr_eq(&found[2], live));
    for id in 0..base.parameters.len() {
        let expected = 0.75 * first(base, id) + 0.25 * first(live, id);
        assert!((first(&found[1], id) - expected).abs() < 1e-6, "{id}");
    }
    assert!(Arc::ptr_eq(&opened(&blends, shelf(), &last)[1], &found[1]), "the same share is not blended again");
    let other = Shelf { live: Arc::new((**live).clone()), base: base.clone(), tokenizer: shelf().tokenizer.clone() };
    let again = opened(&blends[1..2], &other, &last);
    assert!(!Arc::ptr_eq(&again[0], &found[1]), "of other weights it is another blend");
}

#[test]
fn a_graft_shares_what_it_is_made_of_either_way_round() {
    let layers: Vec<Selector> = ["block.0/mlp".parse().unwrap(), "norm".parse().unwrap()].into();
    let graft = |from| Lane::Graft(Graft { layers: layers.clone(), from });
    let found = opened(&[graft(Side::Base), graft(Side::Live)], shelf(), &LastBlend::default());
    for (id, parameter) in shelf().base.parameters.iter() {
        let is_named = layers.iter().any(|layer| layer.matches(parameter.group));
        let (base, live) = (parameter.value.id(), shelf().live.parameters[id].value.id());
        let expected = if is_named { [base, live] } else { [live, base] };
        assert_eq!(found.iter().map(|decoder| decoder.parameters[id].value.id()).collect::<Vec<_>>(), expected);
    }
    let wrong = Lane::Graft(Graft { layers: vec!["block.7".parse().unwrap()], from: Side::Base });
    let replies = answers(&ask(vec![wrong, Lane::Live], 2));
    assert!(matches!(&ends(&replies)[0], (0, LaneEnd::Failed(why)) if why.contains("block.7")), "{replies:?}");
    assert_eq!(ends(&replies)[1], (1, LaneEnd::Complete));
}

#[test]
fn base_and_live_of_other_shapes_are_refused_in_words() {
    let config = Config { layers: 2, ..shelf().base.config.clone() };
    let base = Arc::new(Decoder::random(config, 3, DType::F32, &Device::Cpu).unwrap());
    let shelf = Shelf { base, live: shelf().live.clone(), tokenizer: shelf().tokenizer.clone() };
    for lane in
        [Lane::Blend(Share::HALF), Lane::Graft(Graft { layers: vec!["norm".parse().unwrap()], from: Side::Base })]
    {
        let last = LastBlend::default();
        let Err(error) = Voice::of(&lane, &Ends::new(&shelf, &last)) else { panic!("{lane} is no model") };
        let said = error.to_string();
        assert!(said.contains("base and live cannot be mixed") && said.contains("parameters"), "{said}");
    }
}
