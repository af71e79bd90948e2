//! Names of weights that lie between checkpoints: `blend:A:B:SHARE`, `average:A:B…` and `graft:BASE:LIVE:LAYERS`.

use super::super::home::Home;
use super::{names, open};
use crate::corpus::tokenizer::Tokenizer;
use crate::model::{Decoder, Selector, blend};
use crate::{Error, Result};
use candle_core::Device;
use std::path::PathBuf;

/// What a name means: the folder of one checkpoint, or a mixture of several.
#[derive(Clone, Debug, PartialEq)]
pub enum Named {
    One(PathBuf),
    /// `share` of the second, the rest of the first.
    Blend {
        base: PathBuf,
        tuned: PathBuf,
        share: f64,
    },
    Average(Vec<PathBuf>),
    /// `live`, with `layers` taken from `base`.
    Graft {
        base: PathBuf,
        live: PathBuf,
        layers: Vec<Selector>,
    },
}

impl Named {
    /// Reads a name. What [`super::resolve`] takes means one checkpoint; `blend:`, `average:` and `graft:` stand before
    /// others, divided by colons. A colon inside a name is written `\:`. Layers are divided by commas. Errors: a
    /// checkpoint that is not there; a mixture that is not written so.
    pub fn find(name: &str, home: &Home) -> Result<Self> {
        let resolve = |name: &String| names::resolve(name, home);
        let Some((kind, rest)) = name.split_once(':').filter(|(kind, _)| ["blend", "average", "graft"].contains(kind))
        else {
            return names::resolve(name, home).map(Self::One);
        };
        let parts = divide(rest);
        let refused = |why: &str| {
            Error::new(format!("{name} names no weights"))
                .because(why)
                .next("write blend:A:B:0.3, average:A:B or graft:BASE:LIVE:block.0-1; a colon inside a name is \\:")
        };
        match (kind, parts.as_slice()) {
            ("blend", [base, tuned, share]) => {
                let share = share.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
                let share =
                    share.ok_or_else(|| refused("the share is a number from 0, the first, to 1, the second"))?;
                Ok(Self::Blend { base: resolve(base)?, tuned: resolve(tuned)?, share })
            }
            ("graft", [base, live, layers]) => {
                let layers = layers.split(',').map(|layer| layer.trim().parse()).collect::<Result<_>>()?;
                Ok(Self::Graft { base: resolve(base)?, live: resolve(live)?, layers })
            }
            ("average", [_, _, ..]) => Ok(Self::Average(parts.iter().map(resolve).collect::<Result<_>>()?)),
            ("average", _) => Err(refused("an average is of two checkpoints or more")),
            _ => Err(refused("it needs two checkpoints, and then the share or the layers")),
        }
    }

    /// Reads the weights, and the tokenizer that all of them must have.
    pub fn open(&self, device: &Device) -> Result<(Decoder, Tokenizer)> {
        match self {
            Self::One(path) => open(path, device),
            Self::Blend { base, tuned, share } => {
                let (models, tokenizer) = open_all([base, tuned], device)?;
                Ok((blend::interpolate(&models[0], &models[1], *share)?, tokenizer))
            }
            Self::Average(paths) => {
                let (models, tokenizer) = open_all(paths, device)?;
                Ok((blend::average(&models.iter().collect::<Vec<_>>())?, tokenizer))
            }
            Self::Graft { base, live, layers } => {
                let (models, tokenizer) = open_all([base, live], device)?;
                Ok((blend::graft(&models[0], &models[1], layers)?, tokenizer))
            }
        }
    }
}

/// Divides at colons; a backslash before one makes it part of a name.
fn divide(text: &str) -> Vec<String> {
    let (mut parts, mut current) = (Vec::new(), String::new());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' if rest.next_if_eq(&':').is_some() => current.push(':'),
            ':' => parts.push(std::mem::take(&mut current)),
            _ => current.push(c),
        }
    }
    parts.push(current);
    parts
}

fn open_all<'a>(paths: impl IntoIterator<Item = &'a PathBuf>, device: &Device) -> Result<(Vec<Decoder>, Tokenizer)> {
    let (mut models, mut tokenizer): (Vec<Decoder>, Option<Tokenizer>) = (Vec::new(), None);
    for path in paths {
        let (decoder, own) = open(path, device)?;
        if tokenizer.as_ref().is_some_and(|first| first.fingerprint() != own.fingerprint()) {
            return Err(Error::new("these models cannot be mixed")
                .because(format!("{} has another tokenizer than the first", path.display()))
                .next("take checkpoints of one run, or of runs that began with the same model"));
        }
        models.push(decoder);
        tokenizer.get_or_insert(own);
    }
    let tokenizer = tokenizer.ok_or_else(|| Error::new("there is nothing to mix"))?;
    Ok((models, tokenizer))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{small, tokenizer};
    use super::*;
    use crate::model::ParameterId;

    #[test]
    fn names_of_mixtures_are_read_and_opened() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::find(Some(folder.path())).unwrap();
        // A colon in the path of one.
        let run = folder.path().join("a:b");
        std::fs::create_dir(&run).unwrap();
        let paths: Vec<PathBuf> =
            [1, 2].map(|step| super::super::save(&run, &small(step), &tokenizer()).unwrap()).into();
        let [a, b] = [0, 1].map(|index| paths[index].to_str().unwrap().replace(':', "\\:"));
        let find = |name: &str| Named::find(name, &home);
        let [base, tuned] = [0, 1].map(|index| paths[index].clone());
        assert_eq!(find(base.to_str().unwrap()).unwrap(), Named::One(base.clone()));
        let blend = Named::Blend { base: base.clone(), tuned: tuned.clone(), share: 1.0 };
        assert_eq!(find(&format!("blend:{a}:{b}:1")).unwrap(), blend);
        assert_eq!(find(&format!("average:{a}:{b}")).unwrap(), Named::Average(paths.clone()));
        let graft = find(&format!("graft:{a}:{b}:embedding,block.0/mlp")).unwrap();
        let bits = |decoder: &Decoder, id| {
            let values = decoder.parameters[ParameterId(id)].value.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            values.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let (from, to) = (small(1).decoder, small(2).decoder);
        let (grafted, blended) = (graft.open(&Device::Cpu).unwrap().0, blend.open(&Device::Cpu).unwrap().0);
        for (id, parameter) in to.parameters.iter() {
            let is_grafted = ["embedding/embedding", "block.0/mlp"].contains(&parameter.group.to_string().as_str());
            assert_eq!(bits(&grafted, id.0), bits(if is_grafted { &from } else { &to }, id.0), "{}", parameter.name);
            assert_eq!(bits(&blended, id.0), bits(&to, id.0));
        }
        for wrong in [
            format!("blend:{a}:{b}"),
            format!("blend:{a}:{b}:2"),
            format!("average:{a}"),
            format!("graft:{a}:{b}:x"),
            "blend:no:nothing:0.5".into(),
        ] {
            assert!(find(&wrong).unwrap_err().to_string().contains("next:"), "{wrong}");
        }
    }
}
