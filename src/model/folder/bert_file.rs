//! `config.json` of a BERT encoder, as `transformers` writes it for `BertForMaskedLM`.

use super::super::config::{Config, Family};
use super::not_a_model;
use crate::Result;
use crate::ops::attention::Heads;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

#[derive(Deserialize)]
pub(super) struct BertFile {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "default_types")]
    type_vocab_size: usize,
    #[serde(default = "default_epsilon")]
    layer_norm_eps: f64,
    #[serde(default = "default_activation")]
    hidden_act: String,
    #[serde(default = "default_positions")]
    position_embedding_type: String,
    #[serde(default)]
    is_decoder: bool,
    #[serde(default = "super::config_file::yes")]
    tie_word_embeddings: bool,
    bos_token_id: Option<u32>,
}

fn default_types() -> usize {
    2
}

fn default_epsilon() -> f64 {
    1e-12
}

fn default_activation() -> String {
    "gelu".into()
}

fn default_positions() -> String {
    "absolute".into()
}

impl BertFile {
    pub(super) fn config(self, folder: &Path) -> Result<Config> {
        if self.hidden_act != "gelu" {
            return Err(not_a_model(folder, format!("hidden_act is {}, and gelu is known", self.hidden_act)));
        }
        if self.position_embedding_type != "absolute" {
            let found = self.position_embedding_type;
            return Err(not_a_model(folder, format!("position_embedding_type is {found}, and absolute is known")));
        }
        if self.is_decoder {
            return Err(not_a_model(folder, "it is a BERT made into a decoder (is_decoder), and encoders are known"));
        }
        let (width, heads) = (self.hidden_size, self.num_attention_heads);
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(not_a_model(folder, format!("{heads} heads do not divide a width of {width}")));
        }
        Ok(Config {
            family: Family::Bert,
            vocabulary: self.vocab_size,
            width,
            layers: self.num_hidden_layers,
            heads: Heads { query: heads, key_value: heads, dimension: width / heads },
            intermediate: self.intermediate_size,
            context: self.max_position_embeddings,
            norm_epsilon: self.layer_norm_eps,
            tied: self.tie_word_embeddings,
            attention_bias: true,
            mlp_bias: true,
            rotary: None,
            window: None,
            begin_of_text: self.bos_token_id,
            token_types: self.type_vocab_size,
            score: None,
        })
    }
}

pub(super) fn bert_json(config: &Config) -> Value {
    json!({
        "architectures": ["BertForMaskedLM"],
        "model_type": "bert",
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads.query,
        "intermediate_size": config.intermediate,
        "max_position_embeddings": config.context,
        "type_vocab_size": config.token_types,
        "layer_norm_eps": config.norm_epsilon,
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "tie_word_embeddings": config.tied,
        "attention_probs_dropout_prob": 0.0,
        "hidden_dropout_prob": 0.0,
        // No row of the embedding is left out of training, as one named here would be.
        "pad_token_id": Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use super::super::config_file;

    #[test]
    fn what_is_no_plain_encoder_is_refused_with_a_reason() {
        let plain = r#"{"model_type":"bert","vocab_size":9,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,
            "intermediate_size":16,"max_position_embeddings":4}"#;
        let read = |more: &str| {
            let folder = tempfile::tempdir().unwrap();
            let text = plain.replace("\"hidden_size\":8", &format!("\"hidden_size\":8{more}"));
            std::fs::write(folder.path().join("config.json"), text).unwrap();
            config_file::read(folder.path())
        };
        assert_eq!(read("").unwrap().token_types, 2);
        let cases = [
            (",\"hidden_act\":\"relu\"", "relu"),
            (",\"position_embedding_type\":\"relative_key\"", "relative_key"),
            (",\"is_decoder\":true", "is_decoder"),
            (",\"type_vocab_size\":0", "kinds of segment"),
        ];
        for (more, part) in cases {
            let error = read(more).unwrap_err().to_string();
            assert!(error.contains(part), "{more}: {error}");
        }
    }
}
