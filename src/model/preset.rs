//! Model shapes by name, from about one million to 135 million parameters.

use super::config::{Config, Family, Rotary, RotaryScaling};
use crate::ops::attention::Heads;

/// A named shape; vocabulary and context come from the plan.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    pub name: &'static str,
    family: Family,
    layers: usize,
    width: usize,
    heads: usize,
    key_value_heads: usize,
    intermediate: usize,
    /// Used where the plan gives none.
    pub context: usize,
}

const fn llama(
    name: &'static str,
    (layers, width): (usize, usize),
    (heads, key_value_heads): (usize, usize),
    intermediate: usize,
    context: usize,
) -> Preset {
    Preset { name, family: Family::Llama, layers, width, heads, key_value_heads, intermediate, context }
}

const fn gpt2(name: &'static str, (layers, width): (usize, usize), heads: usize, context: usize) -> Preset {
    let intermediate = 4 * width;
    Preset { name, family: Family::Gpt2, layers, width, heads, key_value_heads: heads, intermediate, context }
}

const fn bert(name: &'static str, (layers, width): (usize, usize), heads: usize, context: usize) -> Preset {
    Preset { family: Family::Bert, ..gpt2(name, (layers, width), heads, context) }
}

pub const PRESETS: [Preset; 12] = [
    llama("llama-1m", (4, 128), (4, 2), 352, 256),
    llama("llama-3m", (6, 192), (6, 2), 512, 256),
    llama("llama-8m", (8, 256), (8, 4), 704, 512),
    llama("llama-15m", (6, 384), (6, 2), 1024, 512),
    llama("llama-42m", (8, 512), (8, 4), 1408, 1024),
    llama("llama-135m", (30, 576), (9, 3), 1536, 1024),
    gpt2("gpt2-1m", (4, 128), 4, 256),
    gpt2("gpt2-12m", (6, 384), 6, 256),
    gpt2("gpt2-124m", (12, 768), 12, 1024),
    bert("bert-1m", (4, 128), 4, 256),
    bert("bert-3m", (6, 192), 6, 256),
    bert("bert-110m", (12, 768), 12, 512),
];

pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

impl Preset {
    /// Whether it is an encoder: see [`Family::is_encoder`].
    pub fn is_encoder(&self) -> bool {
        self.family.is_encoder()
    }

    pub fn config(&self, vocabulary: usize, context: usize) -> Config {
        let has_biases = self.family.has_layer_norm();
        let is_encoder = self.family.is_encoder();
        Config {
            family: self.family,
            vocabulary,
            width: self.width,
            layers: self.layers,
            heads: Heads { query: self.heads, key_value: self.key_value_heads, dimension: self.width / self.heads },
            intermediate: self.intermediate,
            context,
            // What each family was published with.
            norm_epsilon: if is_encoder { 1e-12 } else { 1e-5 },
            tied: true,
            attention_bias: has_biases,
            mlp_bias: has_biases,
            window: None,
            begin_of_text: None,
            token_types: if is_encoder { 2 } else { 0 },
            score: None,
            rotary: (!has_biases).then_some(Rotary { theta: 10_000.0, scaling: RotaryScaling::None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_size() {
        for (name, vocabulary, millions) in [
            ("llama-1m", 2048, 1.0),
            ("llama-3m", 2048, 2.8),
            ("llama-135m", 49_152, 134.5),
            ("gpt2-124m", 50_257, 124.4),
            ("bert-1m", 2048, 1.1),
            ("bert-3m", 2048, 3.2),
            ("bert-110m", 30_522, 109.5),
        ] {
            let preset = find(name).unwrap();
            let config = preset.config(vocabulary, preset.context);
            config.validate().unwrap();
            let count = config.parameter_count() as f64 / 1e6;
            assert!((count / millions - 1.0).abs() < 0.03, "{name}: {count}M");
        }
        // What transformers counts for `BertForMaskedLM(BertConfig())`.
        assert_eq!(find("bert-110m").unwrap().config(30_522, 512).parameter_count(), 109_514_298);
    }
}
