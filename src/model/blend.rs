//! Weights between those of two models: mixed by a share, averaged, or taken layer by layer from one or the other.
//!
//! Parameters are matched by their place and name, so that it works for whatever a model is made of. What is the same in
//! all is shared, and takes no more memory. The models that come in are never changed.

use super::Decoder;
use super::group::{Group, Selector, check_selectors};
use super::parameters::ParameterId;
use crate::{Error, Result};
use candle_core::{DType, Tensor};

/// (1 − `share`) · base + `share` · tuned, in f32 (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903). A share of 0 gives the
/// bits of `base`, and 1 those of `tuned`. Errors: a share outside 0 to 1; models of other shapes.
pub fn interpolate(base: &Decoder, tuned: &Decoder, share: f64) -> Result<Decoder> {
    if !(0.0..=1.0).contains(&share) {
        return Err(Error::new(format!("a share of {share} is no way between two models"))
            .next("give a number from 0, the first, to 1, the second"));
    }
    check(base, tuned)?;
    if share == 0.0 || share == 1.0 {
        return Ok(if share == 0.0 { base.clone() } else { tuned.clone() });
    }
    combine(&[base, tuned], &[1.0 - share, share])
}

/// The mean of the models' weights, in f32 (model soups, Wortsman et al. 2022, arXiv 2203.05482; of one run's checkpoints:
/// Izmailov et al. 2018, arXiv 1803.05407). Errors: no model; models of other shapes.
pub fn average(models: &[&Decoder]) -> Result<Decoder> {
    let Some((first, others)) = models.split_first() else {
        return Err(Error::new("there is nothing to average").next("name two checkpoints or more"));
    };
    others.iter().try_for_each(|other| check(first, other))?;
    combine(models, &vec![1.0 / models.len() as f64; models.len()])
}

/// `live`, with the groups that `selectors` name as they are in `base`. Errors: a selector that names nothing; models of
/// other shapes.
pub fn graft(base: &Decoder, live: &Decoder, selectors: &[Selector]) -> Result<Decoder> {
    check(base, live)?;
    check_selectors(&live.parameters.groups(), selectors)?;
    let mut grafted = live.clone();
    for (id, parameter) in base.parameters.iter() {
        if selectors.iter().any(|selector| selector.matches(parameter.group)) {
            grafted.parameters[id].value = parameter.value.clone();
        }
    }
    Ok(grafted)
}

/// The groups in which the models differ, from the bottom up. Errors: models of other shapes.
pub fn differing(first: &Decoder, other: &Decoder) -> Result<Vec<Group>> {
    check(first, other)?;
    let mut found = Vec::new();
    for (id, parameter) in first.parameters.iter() {
        if !found.contains(&parameter.group) && !are_same(&[&parameter.value, &other.parameters[id].value])? {
            found.push(parameter.group);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The sum of the models' weights, each times its factor; the factors come to 1.
fn combine(models: &[&Decoder], factors: &[f64]) -> Result<Decoder> {
    let mut mixed = models[0].clone();
    for id in (0..mixed.parameters.len()).map(ParameterId) {
        let values: Vec<&Tensor> = models.iter().map(|model| &model.parameters[id].value).collect();
        if are_same(&values)? {
            continue;
        }
        let mut sum: Option<Tensor> = None;
        for (value, factor) in values.into_iter().zip(factors) {
            let part = (value.to_dtype(DType::F32)? * *factor)?;
            sum = Some(sum.map_or_else(|| Ok(part.clone()), |sum| sum + &part)?);
        }
        if let Some(sum) = sum {
            mixed.parameters[id].value = sum;
        }
    }
    Ok(mixed)
}

/// Whether all are the first one, or have its bits.
fn are_same(values: &[&Tensor]) -> Result<bool> {
    let Some((first, others)) = values.split_first() else { return Ok(true) };
    if others.iter().all(|other| other.id() == first.id()) {
        return Ok(true);
    }
    if others.iter().any(|other| other.dtype() != first.dtype()) {
        return Ok(false);
    }
    let numbers = |value: &Tensor| value.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>();
    let own = numbers(first)?;
    for other in others {
        if numbers(other)?.iter().zip(&own).any(|(a, b)| a.to_bits() != b.to_bits()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses models between which there is no way: of other shapes or configurations.
pub fn check(first: &Decoder, other: &Decoder) -> Result<()> {
    let refused = |why: String| {
        Err(Error::new("these models cannot be mixed")
            .because(why)
            .next("take checkpoints of one run, or of runs that began with the same model"))
    };
    if first.parameters.len() != other.parameters.len() {
        return refused(format!(
            "one has {} parameters, and the other {}",
            first.parameters.len(),
            other.parameters.len()
        ));
    }
    for ((_, a), (_, b)) in first.parameters.iter().zip(other.parameters.iter()) {
        if a.name != b.name || a.value.dims() != b.value.dims() {
            return refused(format!(
                "one has {} of {:?}, where the other has {} of {:?}",
                a.name,
                a.value.dims(),
                b.name,
                b.value.dims()
            ));
        }
    }
    // Equal shapes may still be other models: other heads, rotary frequencies, or norms.
    let (mut own, mut others) = (first.config.clone(), other.config.clone());
    (own.begin_of_text, others.begin_of_text) = (None, None);
    if own != others {
        return refused("their configurations differ: heads, context, positions or norms".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::preset;
    use super::*;
    use crate::ops::attention::Heads;
    use candle_core::Device;

    fn model(seed: u64, layers: usize) -> Decoder {
        let mut config = preset::find("llama-1m").unwrap().config(20, 8);
        (config.width, config.layers, config.intermediate, config.tied) = (8, layers, 12, true);
        config.heads = Heads { query: 2, key_value: 1, dimension: 4 };
        Decoder::random(config, seed, DType::F32, &Device::Cpu).unwrap()
    }

    fn numbers(model: &Decoder) -> Vec<Vec<f32>> {
        let of = |value: &Tensor| value.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        model.parameters.iter().map(|(_, parameter)| of(&parameter.value)).collect()
    }

    fn close(found: &Decoder, expected: impl Fn(usize, usize) -> f64) {
        for (i, values) in numbers(found).iter().enumerate() {
            for (j, value) in values.iter().enumerate() {
                assert!((*value as f64 - expected(i, j)).abs() < 1e-6, "{i} {j}");
            }
        }
    }

    #[test]
    fn a_blend_lies_where_its_share_says_and_its_ends_are_exact() {
        let (a, b) = (model(1, 2), model(2, 2));
        let (x, y) = (numbers(&a), numbers(&b));
        assert_eq!(numbers(&interpolate(&a, &b, 0.0).unwrap()), x);
        assert_eq!(numbers(&interpolate(&a, &b, 1.0).unwrap()), y);
        close(&interpolate(&a, &b, 0.3).unwrap(), |i, j| 0.7 * x[i][j] as f64 + 0.3 * y[i][j] as f64);
        // The models themselves are as they were.
        assert_eq!((numbers(&a), numbers(&b)), (x, y));
        for share in [-0.1, 1.1, f64::NAN] {
            assert!(interpolate(&a, &b, share).is_err());
        }
    }

    #[test]
    fn an_average_is_the_mean_and_what_is_the_same_is_shared() {
        let (a, b, c) = (model(1, 1), model(2, 1), model(3, 1));
        let all = [numbers(&a), numbers(&b), numbers(&c)];
        let mean = |i: usize, j: usize| all.iter().map(|model| model[i][j] as f64).sum::<f64>() / 3.0;
        close(&average(&[&a, &b, &c]).unwrap(), mean);
        assert!(average(&[]).is_err());
        // Another copy of the same bits is not added up, which would round, nor held twice.
        let same = average(&[&a, &model(1, 1)]).unwrap();
        for ((_, own), (_, shared)) in a.parameters.iter().zip(same.parameters.iter()) {
            assert_eq!(own.value.id(), shared.value.id());
        }
    }

    #[test]
    fn a_graft_takes_what_is_named_from_the_base_and_the_rest_from_the_other() {
        let (base, live) = (model(1, 3), model(2, 3));
        let selectors: Vec<Selector> = ["block.0-1".parse().unwrap(), "embedding".parse().unwrap()].into();
        let grafted = graft(&base, &live, &selectors).unwrap();
        for (id, parameter) in grafted.parameters.iter() {
            let is_named = selectors.iter().any(|selector| selector.matches(parameter.group));
            let from = if is_named { &base } else { &live };
            assert_eq!(parameter.value.id(), from.parameters[id].value.id(), "{}", parameter.name);
        }
        let named = |group: &Group| selectors.iter().any(|selector| selector.matches(*group));
        let norms = |group: &Group| group.kind == crate::model::Kind::Norm;
        let expected: Vec<Group> =
            live.parameters.groups().into_iter().filter(|group| named(group) && !norms(group)).collect();
        // Norms begin with ones in every model.
        assert_eq!(differing(&live, &grafted).unwrap(), expected);
        assert!(graft(&base, &live, &["block.3".parse().unwrap()]).is_err());
    }

    #[test]
    fn models_of_other_shapes_are_refused() {
        let (a, mut b) = (model(1, 1), model(2, 1));
        let error = interpolate(&a, &model(2, 2), 0.5).unwrap_err().to_string();
        assert!(error.contains("parameters") && error.contains("next:"), "{error}");
        b.config.norm_epsilon *= 2.0;
        assert!(average(&[&a, &b]).unwrap_err().to_string().contains("configurations"));
    }
}
