use super::super::{Decoder, Input, ParameterId, Parameters, Thaw, preset};
use super::*;
use candle_core::{DType, Device, Var};

const TOKENS: [u32; 12] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8];
const PLACES: [u32; 12] = [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5];
/// The positions that stand for texts: (row 0, row 1).
const ENDS: [u32; 2] = [4, 11];

fn input() -> Input<'static> {
    Input { rows: 2, columns: 6, tokens: &TOKENS, positions: &PLACES, first_visible: None }
}

fn labels(names: &[&str]) -> Answers {
    Answers::Classes(names.iter().map(|name| name.to_string()).collect())
}

fn small(name: &str, dtype: DType) -> Decoder {
    let config = preset::find(name).unwrap().config(17, 8);
    let heads = crate::ops::attention::Heads { query: 2, key_value: 2, dimension: 4 };
    let config = Config { width: 8, layers: 2, intermediate: 12, heads, ..config };
    Decoder::random(config, 5, dtype, &Device::Cpu).unwrap()
}

fn bits(parameters: &Parameters) -> Vec<(String, Vec<u64>)> {
    let of = |value: &Tensor| value.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let all = parameters.iter();
    all.map(|(_, p)| (p.name.clone(), of(&p.value).into_iter().map(f64::to_bits).collect())).collect()
}

/// Every shape that a score can have, with targets for two texts.
fn shapes() -> Vec<(Score, [Target; 2])> {
    let classes = labels(&["bad", "fair", "good"]);
    let plain = Score::of_decoder(classes.clone());
    let pooler = Score { answers: classes, pooled: Pooled::First, dense: true, bias: true };
    let (which, numbers) = ([Target::Class(2), Target::Class(0)], [Target::Number(1.5), Target::Number(-2.0)]);
    let number = Score { dense: true, ..Score::of_decoder(Answers::Number) };
    vec![(plain, which), (pooler, which), (number, numbers), (Score::of_decoder(Answers::Number), numbers)]
}

fn loss(decoder: &Decoder, targets: &[Target]) -> f64 {
    let hidden = decoder.forward(&input(), None).unwrap().hidden;
    let pooled = crate::ops::embedding::forward(&hidden, &ENDS).unwrap();
    0.5 * decoder.score_losses(&pooled, targets).unwrap().iter().map(|scored| scored.loss).sum::<f64>()
}

fn gradients(decoder: &Decoder, targets: &[Target]) -> Gradients {
    let thaw = Thaw::of_groups(&decoder.parameters, |_| true);
    let mut gradients = Gradients::new(&thaw);
    let pass = decoder.forward(&input(), Some(&thaw)).unwrap();
    let pooled = crate::ops::embedding::forward(&pass.hidden, &ENDS).unwrap();
    let (_, d_pooled) = decoder.score_losses_and_gradients(&pooled, targets, 0.5, &mut gradients).unwrap();
    let mut d_hidden = None;
    crate::ops::embedding::backward(&d_pooled, &ENDS, TOKENS.len(), &mut d_hidden).unwrap();
    decoder.backward(pass, &d_hidden.unwrap(), &input(), &thaw, &mut gradients).unwrap();
    gradients
}

#[test]
fn gradients_are_those_of_finite_differences_in_f64() {
    for family in ["llama-1m", "gpt2-1m", "bert-1m"] {
        for (score, targets) in shapes() {
            let decoder = small(family, DType::F64).with_score(&score, 3).unwrap();
            let gradients = gradients(&decoder, &targets);
            // The head for tokens, which a tied decoder lacks and an encoder always has, is not asked.
            for (id, parameter) in decoder.parameters.iter().filter(|(_, p)| p.group.kind != Kind::Head) {
                let values = parameter.value.flatten_all().unwrap().to_vec1::<f64>().unwrap();
                let gradient = gradients.get(id).map(|g| g.flatten_all().unwrap().to_vec1::<f64>().unwrap());
                let gradient = gradient.unwrap_or_else(|| panic!("{} got no gradient", parameter.name));
                // A few places of each are enough: every code path is in each.
                for at in (0..values.len()).step_by(values.len().div_ceil(4).max(1)) {
                    let shifted = |by: f64| {
                        let mut values = values.clone();
                        values[at] += by;
                        let mut other = decoder.clone();
                        other.parameters[id].value =
                            Tensor::from_vec(values, parameter.value.shape(), &Device::Cpu).unwrap();
                        loss(&other, &targets)
                    };
                    let slope = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                    let (name, found) = (&parameter.name, gradient[at]);
                    assert!((slope - found).abs() <= 1e-6 * (1.0 + slope.abs()), "{name}[{at}]: {found} {slope}");
                }
            }
        }
    }
}

#[test]
fn gradients_are_those_of_autograd() {
    for (score, targets) in shapes() {
        let decoder = small("llama-1m", DType::F64).with_score(&score, 3).unwrap();
        let hidden = decoder.forward(&input(), None).unwrap().hidden;
        let pooled = Var::from_tensor(&crate::ops::embedding::forward(&hidden, &ENDS).unwrap()).unwrap();
        let of_score = |(id, p): (ParameterId, &crate::model::Parameter)| {
            (p.group.kind == Kind::Score).then(|| (id, p.name.clone(), Var::from_tensor(&p.value).unwrap()))
        };
        let vars: Vec<(ParameterId, String, Var)> = decoder.parameters.iter().filter_map(of_score).collect();
        let var = |name: &str| vars.iter().find(|(_, own, _)| own == name).map(|(_, _, var)| var.as_tensor());
        let linear = |x: &Tensor, name: &str| {
            let y = x.matmul(&var(&format!("{name}.weight")).unwrap().t().unwrap()).unwrap();
            var(&format!("{name}.bias")).map_or(y.clone(), |bias| y.broadcast_add(bias).unwrap())
        };
        let x = match score.dense {
            true => linear(&pooled, "score.dense").tanh().unwrap(),
            false => pooled.as_tensor().clone(),
        };
        let scores = linear(&x, "score.output");
        let loss = match score.answers {
            Answers::Classes(_) => {
                let wanted = targets.map(|target| match target {
                    Target::Class(class) => class,
                    Target::Number(_) => unreachable!(),
                });
                let shifted = scores.broadcast_sub(&scores.max_keepdim(1).unwrap().detach()).unwrap();
                let log_sum = shifted.exp().unwrap().sum_keepdim(1).unwrap().log().unwrap();
                let wanted = Tensor::from_slice(&wanted, (2, 1), &Device::Cpu).unwrap();
                (log_sum - shifted.gather(&wanted, 1).unwrap()).unwrap().sum_all().unwrap()
            }
            Answers::Number => {
                let wanted = targets.map(|target| match target {
                    Target::Number(number) => f64::from(number),
                    Target::Class(_) => unreachable!(),
                });
                (scores - Tensor::from_slice(&wanted, (2, 1), &Device::Cpu).unwrap())
                    .unwrap()
                    .sqr()
                    .unwrap()
                    .sum_all()
                    .unwrap()
            }
        };
        let oracle = (loss * 0.5).unwrap().backward().unwrap();
        let thaw = Thaw::of_groups(&decoder.parameters, |_| true);
        let mut own = Gradients::new(&thaw);
        let (_, d_pooled) = decoder.score_losses_and_gradients(&pooled, &targets, 0.5, &mut own).unwrap();
        let close = |a: &Tensor, b: &Tensor| {
            let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            assert!(difference < 1e-12, "{difference}");
        };
        close(&d_pooled, oracle.get(&pooled).unwrap());
        vars.iter().for_each(|(id, _, var)| close(own.get(*id).unwrap(), oracle.get(var).unwrap()));
    }
}

#[test]
fn a_score_comes_and_goes_and_leaves_the_rest_alone() {
    let bare = small("gpt2-1m", DType::F32);
    let two = Score::of_decoder(labels(&["a", "b"]));
    let three = Score::of_decoder(labels(&["a", "b", "c"]));
    let scored = bare.clone().with_score(&two, 9).unwrap();
    assert_eq!(scored.parameters.len(), bare.parameters.len() + 1);
    assert_eq!(scored.parameters.count(), scored.config.parameter_count());
    assert_eq!(scored.parameters.groups(), scored.config.groups());
    assert_eq!(bits(&bare.parameters)[..], bits(&scored.parameters)[..bare.parameters.len()]);
    // The same score is kept, whatever the seed; another is drawn anew, and the same as in a model that begins with it.
    let kept = scored.clone().with_score(&two, 10).unwrap();
    assert_eq!(bits(&kept.parameters), bits(&scored.parameters));
    let other = scored.with_score(&three, 9).unwrap();
    assert_eq!(other.parameters.len(), bare.parameters.len() + 1);
    let new = Decoder::random(bare.config.clone().scoring(three), 9, DType::F32, &Device::Cpu).unwrap();
    assert_eq!(bits(&new.parameters).last(), bits(&other.parameters).last());
}

#[test]
fn impossible_scores_and_targets_are_refused() {
    let bare = small("llama-1m", DType::F32);
    for wrong in [labels(&["a"]), labels(&["a", "a"]), labels(&[])] {
        assert!(bare.clone().with_score(&Score::of_decoder(wrong), 1).is_err());
    }
    let pooled = Tensor::ones((2, 8), DType::F32, &Device::Cpu).unwrap();
    let error = bare.scores(&pooled).unwrap_err().to_string();
    assert!(error.contains("classify"), "{error}");
    let two = bare.with_score(&Score::of_decoder(labels(&["a", "b"])), 1).unwrap();
    for wrong in [&[Target::Class(2), Target::Class(0)][..], &[Target::Number(1.0), Target::Class(0)], &[]] {
        assert!(two.score_losses(&pooled, wrong).is_err());
    }
    let best = two.score_losses(&pooled, &[Target::Class(0), Target::Class(1)]).unwrap();
    let chances = best[0].probabilities();
    assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-12 && best[0].loss > 0.0);
    assert_eq!(best[0].best(), usize::from(chances[1] > chances[0]));
}
