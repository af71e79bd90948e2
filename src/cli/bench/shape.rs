//! The shape of a model that is measured, from flags.

use crate::model::config::{Rotary, RotaryScaling};
use crate::model::{Config, Family, preset};
use crate::ops::attention::Heads;
use crate::{Error, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;

/// Scalars in anything that is measured (32 GiB in f32). What is larger fits few machines that compute on their
/// processor: it is refused before memory is taken.
const MOST_SCALARS: usize = 1 << 33;
/// Positions of a row where no flag says otherwise.
const CONTEXT: usize = 256;
/// Tokens of the default shape's vocabulary.
const VOCABULARY: usize = 4096;

/// What a preset brings.
const SIZES: [&str; 6] = ["family", "layers", "heads", "kv_heads", "width", "intermediate"];

// A model's shape; without flags a GPT-2 of 12.3 million parameters, as in `benches/peers/`. No doc comment: it would
// stand in the help of each bench.
#[derive(Args)]
pub struct Shape {
    /// A shape by its name, such as gpt2-124m, instead of the six flags below; takes --vocabulary
    #[arg(long, value_name = "NAME", conflicts_with_all = SIZES)]
    preset: Option<String>,
    #[arg(long, value_enum, default_value_t = FamilyName::Gpt2)]
    family: FamilyName,
    #[arg(long, value_name = "N", default_value_t = 6)]
    layers: usize,
    #[arg(long, value_name = "N", default_value_t = 6)]
    heads: usize,
    /// Key-value heads, for llama [default: as many as heads]
    #[arg(long, value_name = "N")]
    kv_heads: Option<usize>,
    #[arg(long, value_name = "N", default_value_t = 384)]
    width: usize,
    /// Width inside the MLP [default: 4 times the width]
    #[arg(long, value_name = "N")]
    intermediate: Option<usize>,
    /// Positions of a row
    #[arg(long, value_name = "N", default_value_t = CONTEXT)]
    context: usize,
    /// Tokens that the model knows [default: 4096; a --preset has none of its own]
    #[arg(long, value_name = "N")]
    vocabulary: Option<usize>,
    /// Give the head a weight of its own
    #[arg(long)]
    untied: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FamilyName {
    Gpt2,
    Llama,
    /// An encoder; every position has a loss here
    Bert,
}

impl FamilyName {
    fn family(self) -> Family {
        match self {
            Self::Gpt2 => Family::Gpt2,
            Self::Llama => Family::Llama,
            Self::Bert => Family::Bert,
        }
    }
}

/// A shape as it is reported.
#[derive(Serialize)]
pub struct ShapeReport {
    family: &'static str,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    width: usize,
    intermediate: usize,
    context: usize,
    vocabulary: usize,
    tied: bool,
}

impl Shape {
    /// The model that the flags describe. A shape that no model can have is an error.
    pub fn config(&self) -> Result<Config> {
        let mut config = match &self.preset {
            Some(name) => {
                let preset = preset::find(name).ok_or_else(|| {
                    let names: Vec<&str> = preset::PRESETS.iter().map(|preset| preset.name).collect();
                    Error::usage(format!("there is no shape \"{name}\"")).next(format!("one of {}", names.join(", ")))
                })?;
                let vocabulary = self.vocabulary.ok_or_else(|| {
                    Error::usage(format!("{name} says nothing of the vocabulary"))
                        .next("give --vocabulary, such as 50257 for GPT-2's")
                })?;
                preset.config(vocabulary, self.context)
            }
            None => self.described()?,
        };
        config.tied = !self.untied;
        config.validate()?;
        check_size("the model", &[config.parameter_count()], "a smaller shape")?;
        Ok(config)
    }

    fn described(&self) -> Result<Config> {
        let (heads, width) = (self.heads, self.width);
        let key_value = self.kv_heads.unwrap_or(heads);
        let family = self.family.family();
        let (has_biases, is_encoder) = (family.has_layer_norm(), family.is_encoder());
        if heads == 0 || !width.is_multiple_of(heads) {
            let why = format!("a width of {width} cannot be shared by {heads} heads evenly");
            return Err(Error::usage("the model's shape is impossible").because(why));
        }
        if has_biases && key_value != heads {
            return Err(
                Error::usage(format!("{} has no grouped-query attention", family.name())).next("leave --kv-heads out")
            );
        }
        Ok(Config {
            family,
            vocabulary: self.vocabulary.unwrap_or(VOCABULARY),
            width,
            layers: self.layers,
            heads: Heads { query: heads, key_value, dimension: width / heads },
            intermediate: self.intermediate.unwrap_or(width.saturating_mul(4)),
            context: self.context,
            norm_epsilon: 1e-5,
            tied: true,
            attention_bias: has_biases,
            mlp_bias: has_biases,
            rotary: (!has_biases).then_some(Rotary { theta: 10_000.0, scaling: RotaryScaling::None }),
            begin_of_text: None,
            token_types: if is_encoder { 2 } else { 0 },
            score: None,
            window: None,
        })
    }
}

/// Refuses what would take more memory than any machine has, before it is taken: `sizes` multiplied are its scalars.
pub fn check_size(what: &str, sizes: &[usize], smaller: &str) -> Result<()> {
    let scalars = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    match scalars {
        Some(0..=MOST_SCALARS) => Ok(()),
        _ => Err(Error::usage(format!("{what} would be too large to be measured"))
            .because(format!("it would have more than {MOST_SCALARS} scalars"))
            .next(format!("give {smaller}"))),
    }
}

impl ShapeReport {
    pub fn of(config: &Config) -> Self {
        Self {
            family: config.family.name(),
            layers: config.layers,
            heads: config.heads.query,
            kv_heads: config.heads.key_value,
            width: config.width,
            intermediate: config.intermediate,
            context: config.context,
            vocabulary: config.vocabulary,
            tied: config.tied,
        }
    }

    /// In a line, for a person.
    pub fn describe(&self) -> String {
        let Self { family, layers, width, context, vocabulary, .. } = self;
        format!("{family}, {layers} layers of width {width}, context {context}, vocabulary {vocabulary}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        shape: Shape,
    }

    fn config(flags: &str) -> Result<Config> {
        let line = Line::try_parse_from(std::iter::once("bench").chain(flags.split_whitespace()));
        line.map_err(|error| Error::usage(error.to_string()))?.shape.config()
    }

    #[test]
    fn flags_and_presets_make_shapes() {
        let small = config("").unwrap();
        assert_eq!(small, config("--preset gpt2-12m --vocabulary 4096").unwrap());
        // As the peers count it.
        assert_eq!(small.parameter_count(), 12_318_720);
        let llama = config("--family llama --heads 6 --kv-heads 2 --intermediate 1024 --vocabulary 8192").unwrap();
        assert_eq!(llama, config("--preset llama-15m --vocabulary 8192").unwrap());
        let gpt2 = config("--preset gpt2-124m --vocabulary 50257 --context 1024").unwrap();
        assert_eq!(gpt2.parameter_count(), 124_439_808, "as published");
        let untied = config("--untied").unwrap();
        assert_eq!(untied.parameter_count() - small.parameter_count(), 4096 * 384);
    }

    #[test]
    fn impossible_shapes_are_refused() {
        for (flags, part) in [
            ("--heads 0", "0 heads"),
            ("--heads 7", "384"),
            ("--kv-heads 2", "grouped-query"),
            ("--layers 0", "layers is 0"),
            ("--family llama --heads 6 --kv-heads 4", "4 key-value heads"),
            ("--preset gpt2-124", "gpt2-124m"),
            ("--preset gpt2-124m --layers 3", "--layers"),
            ("--preset gpt2-124m", "--vocabulary"),
            ("--width 4194304 --heads 1", "too large"),
            ("--width 18446744073709551614 --heads 1", "width"),
        ] {
            let error = config(flags).err().unwrap_or_else(|| panic!("{flags} is taken")).to_string();
            assert!(error.contains(part), "{flags}: {error}");
        }
    }
}
