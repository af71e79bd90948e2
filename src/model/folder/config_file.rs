//! `config.json`, as `transformers` writes it for Llama, Mistral (a Llama with a sliding window), GPT-2 and BERT.

use super::super::config::{Config, Family, Llama3Scaling, Rotary, RotaryScaling};
use super::bert_file::{BertFile, bert_json};
use super::files::{Files, write_json};
use super::{not_a_model, score_file};
use crate::ops::attention::Heads;
use crate::{Context, Result};
use candle_core::DType;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// Reads and validates a folder's `config.json`.
pub fn read(folder: &Path) -> Result<Config> {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).what(|| format!("cannot read {}", path.display()))?;
    let value: Value = serde_json::from_str(&text).what(|| format!("cannot understand {}", path.display()))?;
    let answers = score_file::read(&value, folder)?;
    let config = match value.get("model_type").and_then(Value::as_str) {
        Some("llama") => parse::<LlamaFile>(value, &path)?.config(folder)?,
        Some("mistral") => {
            // Where the file says nothing, transformers takes 4096; null turns the window off.
            let window = value.get("sliding_window").map_or(Ok(Some(4096)), Option::deserialize);
            let window = window.what(|| format!("cannot understand {}", path.display()))?;
            Config { window, ..parse::<LlamaFile>(value, &path)?.config(folder)? }
        }
        Some("gpt2") => parse::<Gpt2File>(value, &path)?.config(folder)?,
        Some("bert") => parse::<BertFile>(value, &path)?.config(folder)?,
        other => {
            let found = other.unwrap_or("missing");
            let why = format!("model_type is {found}, and llama, mistral, gpt2 or bert is known");
            return Err(not_a_model(folder, why));
        }
    };
    let config = Config { score: answers.map(|answers| config.score_for(answers)), ..config };
    config.validate().map_err(|error| error.within(format!("cannot use {}", path.display())))?;
    Ok(config)
}

fn parse<T: for<'a> Deserialize<'a>>(value: Value, path: &Path) -> Result<T> {
    serde_json::from_value(value).what(|| format!("cannot understand {}", path.display()))
}

pub(super) fn yes() -> bool {
    true
}

fn default_theta() -> f64 {
    10_000.0
}

#[derive(Deserialize)]
struct LlamaFile {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "default_llama_epsilon")]
    rms_norm_eps: f64,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default = "default_llama_activation")]
    hidden_act: String,
    rope_theta: Option<f64>,
    rope_scaling: Option<RopeFile>,
    /// Where newer releases keep both.
    rope_parameters: Option<RopeFile>,
    bos_token_id: Option<u32>,
}

fn default_llama_epsilon() -> f64 {
    1e-6
}

fn default_llama_activation() -> String {
    "silu".into()
}

#[derive(Deserialize, Clone)]
struct RopeFile {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

impl RopeFile {
    fn scaling(&self, folder: &Path) -> Result<RotaryScaling> {
        let need = |value: Option<f64>, name: &str| {
            value
                .filter(|v| v.is_finite() && *v > 0.0)
                .ok_or_else(|| not_a_model(folder, format!("its rotary scaling needs a positive {name}")))
        };
        match self.rope_type.as_deref().unwrap_or("default") {
            "default" => Ok(RotaryScaling::None),
            "linear" => Ok(RotaryScaling::Linear(need(self.factor, "factor")?)),
            "llama3" => Ok(RotaryScaling::Llama3(Llama3Scaling {
                factor: need(self.factor, "factor")?,
                low_frequency_factor: need(self.low_freq_factor, "low_freq_factor")?,
                high_frequency_factor: need(self.high_freq_factor, "high_freq_factor")?,
                original_context: need(self.original_max_position_embeddings, "original_max_position_embeddings")?,
            })),
            other => Err(not_a_model(
                folder,
                format!("rotary scaling \"{other}\" is not known; default, linear and llama3 are"),
            )),
        }
    }
}

impl LlamaFile {
    fn config(self, folder: &Path) -> Result<Config> {
        if self.hidden_act != "silu" {
            return Err(not_a_model(folder, format!("hidden_act is {}, and silu is known", self.hidden_act)));
        }
        if self.num_attention_heads == 0 {
            return Err(not_a_model(folder, "num_attention_heads is 0"));
        }
        let rope = self.rope_parameters.as_ref().or(self.rope_scaling.as_ref());
        let scaling = rope.map_or(Ok(RotaryScaling::None), |rope| rope.scaling(folder))?;
        let theta = rope.and_then(|rope| rope.rope_theta).or(self.rope_theta).unwrap_or_else(default_theta);
        let dimension = self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads);
        Ok(Config {
            family: Family::Llama,
            vocabulary: self.vocab_size,
            width: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: Heads {
                query: self.num_attention_heads,
                key_value: self.num_key_value_heads.unwrap_or(self.num_attention_heads),
                dimension,
            },
            intermediate: self.intermediate_size,
            context: self.max_position_embeddings,
            norm_epsilon: self.rms_norm_eps,
            tied: self.tie_word_embeddings,
            attention_bias: self.attention_bias,
            mlp_bias: self.mlp_bias,
            rotary: Some(Rotary { theta, scaling }),
            window: None,
            token_types: 0,
            begin_of_text: self.bos_token_id,
            score: None,
        })
    }
}

#[derive(Deserialize)]
struct Gpt2File {
    vocab_size: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    n_positions: usize,
    #[serde(default = "default_gpt2_epsilon")]
    layer_norm_epsilon: f64,
    #[serde(default = "default_gpt2_activation")]
    activation_function: String,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
    #[serde(default = "yes")]
    scale_attn_weights: bool,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
    bos_token_id: Option<u32>,
}

fn default_gpt2_epsilon() -> f64 {
    1e-5
}

fn default_gpt2_activation() -> String {
    "gelu_new".into()
}

impl Gpt2File {
    fn config(self, folder: &Path) -> Result<Config> {
        if !["gelu_new", "gelu_pytorch_tanh"].contains(&self.activation_function.as_str()) {
            let found = self.activation_function;
            return Err(not_a_model(folder, format!("activation_function is {found}, and gelu_new is known")));
        }
        if !self.scale_attn_weights || self.scale_attn_by_inverse_layer_idx {
            return Err(not_a_model(folder, "its attention is scaled in a way of its own"));
        }
        if self.n_head == 0 || !self.n_embd.is_multiple_of(self.n_head) {
            return Err(not_a_model(folder, format!("{} heads do not divide a width of {}", self.n_head, self.n_embd)));
        }
        Ok(Config {
            family: Family::Gpt2,
            vocabulary: self.vocab_size,
            width: self.n_embd,
            layers: self.n_layer,
            heads: Heads { query: self.n_head, key_value: self.n_head, dimension: self.n_embd / self.n_head },
            intermediate: self.n_inner.unwrap_or(4 * self.n_embd),
            context: self.n_positions,
            norm_epsilon: self.layer_norm_epsilon,
            tied: self.tie_word_embeddings,
            attention_bias: true,
            mlp_bias: true,
            rotary: None,
            window: None,
            token_types: 0,
            begin_of_text: self.bos_token_id,
            score: None,
        })
    }
}

/// Writes `config.json`, and `generation_config.json` for what generates.
pub(super) fn write(config: &Config, dtype: DType, end_of_text: Option<u32>, files: &mut dyn Files) -> Result<()> {
    let dtype = match dtype {
        DType::BF16 => "bfloat16",
        DType::F16 => "float16",
        DType::F64 => "float64",
        _ => "float32",
    };
    let mut value = match config.family {
        Family::Llama => llama_json(config),
        Family::Gpt2 => gpt2_json(config),
        Family::Bert => bert_json(config),
    };
    value["torch_dtype"] = json!(dtype);
    value["dtype"] = json!(dtype);
    if let Some(score) = &config.score {
        score_file::write(score, config.family, end_of_text, &mut value);
    }
    let begin_of_text = config.begin_of_text.or(end_of_text);
    value["bos_token_id"] = json!(begin_of_text);
    value["eos_token_id"] = json!(end_of_text);
    write_json(files, "config.json", &value)?;
    if config.family.is_encoder() {
        return Ok(());
    }
    let generation = json!({ "bos_token_id": begin_of_text, "eos_token_id": end_of_text });
    write_json(files, "generation_config.json", &generation)
}

fn llama_json(config: &Config) -> Value {
    let rotary = config.rotary.unwrap_or(Rotary { theta: default_theta(), scaling: RotaryScaling::None });
    let scaling = match rotary.scaling {
        RotaryScaling::None => Value::Null,
        RotaryScaling::Linear(factor) => json!({ "rope_type": "linear", "factor": factor }),
        RotaryScaling::Llama3(scaling) => json!({
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.low_frequency_factor,
            "high_freq_factor": scaling.high_frequency_factor,
            "original_max_position_embeddings": scaling.original_context as u64,
        }),
    };
    let mut parameters = if scaling.is_null() { json!({ "rope_type": "default" }) } else { scaling.clone() };
    parameters["rope_theta"] = json!(rotary.theta);
    let mut value = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads.query,
        "num_key_value_heads": config.heads.key_value,
        "head_dim": config.heads.dimension,
        "intermediate_size": config.intermediate,
        "max_position_embeddings": config.context,
        "rms_norm_eps": config.norm_epsilon,
        "tie_word_embeddings": config.tied,
        "attention_bias": config.attention_bias,
        "mlp_bias": config.mlp_bias,
        "hidden_act": "silu",
        "attention_dropout": 0.0,
        "rope_theta": rotary.theta,
        "rope_scaling": scaling,
        "rope_parameters": parameters,
    });
    if let Some(window) = config.window {
        value["architectures"] = json!(["MistralForCausalLM"]);
        value["model_type"] = json!("mistral");
        value["sliding_window"] = json!(window);
    }
    value
}

fn gpt2_json(config: &Config) -> Value {
    json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocabulary,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads.query,
        "n_inner": config.intermediate,
        "n_positions": config.context,
        "layer_norm_epsilon": config.norm_epsilon,
        "activation_function": "gelu_new",
        "tie_word_embeddings": config.tied,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Plain;
    use super::*;

    fn read_text(text: &str) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), text).unwrap();
        read(folder.path())
    }

    #[test]
    fn what_is_written_is_read_back() {
        for preset in super::super::super::preset::PRESETS {
            let config = preset.config(777, 99);
            let folder = tempfile::tempdir().unwrap();
            write(&config, DType::F32, Some(3), &mut Plain(folder.path())).unwrap();
            let written = Config { begin_of_text: Some(3), ..config };
            assert_eq!(read(folder.path()).unwrap(), written);
            write(
                &Config { begin_of_text: Some(1), ..written.clone() },
                DType::F32,
                Some(3),
                &mut Plain(folder.path()),
            )
            .unwrap();
            assert_eq!(read(folder.path()).unwrap().begin_of_text, Some(1));
        }
    }

    #[test]
    fn a_llama_with_a_window_is_a_mistral() {
        let config = Config { window: Some(9), ..super::super::super::preset::find("llama-1m").unwrap().config(7, 16) };
        let folder = tempfile::tempdir().unwrap();
        write(&config, DType::F32, None, &mut Plain(folder.path())).unwrap();
        assert_eq!(read(folder.path()).unwrap(), config);
        let text = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let with = |window: Option<Value>| {
            let mut value = value.clone();
            value.as_object_mut().unwrap().shift_remove("sliding_window");
            window.into_iter().for_each(|window| value["sliding_window"] = window);
            read_text(&value.to_string()).map(|config| config.window)
        };
        assert_eq!(with(None).unwrap(), Some(4096));
        assert_eq!(with(Some(Value::Null)).unwrap(), None);
        assert!(with(Some(json!(0))).unwrap_err().to_string().contains("window of 0"));
        assert!(with(Some(json!("wide"))).is_err());
        assert!(Config { attention_bias: true, ..config }.validate().is_err());
    }

    #[test]
    fn bad_files_are_refused_with_a_reason() {
        let gpt2 = |heads: usize| {
            format!(r#"{{"model_type":"gpt2","vocab_size":9,"n_embd":8,"n_layer":1,"n_head":{heads},"n_positions":4}}"#)
        };
        assert!(read_text(&gpt2(2)).is_ok());
        let cases = [
            ("{".to_string(), "cannot understand"),
            (r#"{"model_type":"mamba"}"#.into(), "mamba"),
            (r#"{"model_type":"llama"}"#.into(), "vocab_size"),
            (gpt2(0), "0 heads"),
            (gpt2(3), "3 heads"),
            (gpt2(2).replace("\"n_layer\":1", "\"n_layer\":99999999"), "layers is 99999999"),
        ];
        for (text, part) in cases {
            let error = read_text(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
