//! How parameters are addressed: a group is (layer, kind), one cell of the layer grid.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A row of the grid, from the bottom up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    Embedding,
    Block(usize),
    Norm,
    Head,
}

/// A column of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Embedding,
    Attention,
    Mlp,
    Norm,
    Head,
    /// Of whole texts: classes or a number, beside the head for tokens.
    Score,
}

/// One cell: the parameters of one kind in one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Group {
    pub layer: Layer,
    pub kind: Kind,
}

impl Group {
    pub fn new(layer: Layer, kind: Kind) -> Self {
        Self { layer, kind }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layer::Embedding => f.write_str("embedding"),
            Layer::Block(index) => write!(f, "block.{index}"),
            Layer::Norm => f.write_str("norm"),
            Layer::Head => f.write_str("head"),
        }
    }
}

impl Kind {
    /// From left to right.
    pub const ALL: [Kind; 6] = [Kind::Embedding, Kind::Attention, Kind::Mlp, Kind::Norm, Kind::Head, Kind::Score];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Embedding => "embedding",
            Kind::Attention => "attention",
            Kind::Mlp => "mlp",
            Kind::Norm => "norm",
            Kind::Head => "head",
            Kind::Score => "score",
        })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.layer, self.kind)
    }
}

/// Layers that a selector names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Layers {
    All,
    One(Layer),
    /// Blocks first to last, both included.
    Blocks(usize, usize),
}

impl TryFrom<String> for Selector {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.text
    }
}

impl From<Group> for Selector {
    fn from(group: Group) -> Self {
        Self { text: group.to_string(), layers: Layers::One(group.layer), kind: Some(group.kind) }
    }
}

impl From<Layer> for Selector {
    fn from(layer: Layer) -> Self {
        Self { text: layer.to_string(), layers: Layers::One(layer), kind: None }
    }
}

/// Names groups: `all`, `embedding`, `block.3`, `block.0-3`, `norm`, `head`, each optionally with `/kind`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector {
    text: String,
    layers: Layers,
    kind: Option<Kind>,
}

impl Selector {
    pub fn matches(&self, group: Group) -> bool {
        let layer = match (&self.layers, group.layer) {
            (Layers::All, _) => true,
            (Layers::One(layer), own) => *layer == own,
            (Layers::Blocks(first, last), Layer::Block(index)) => (*first..=*last).contains(&index),
            (Layers::Blocks(..), _) => false,
        };
        layer && self.kind.is_none_or(|kind| kind == group.kind)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (layer, kind) = match text.split_once('/') {
            Some((layer, kind)) => (layer, Some(kind)),
            None => (text, None),
        };
        let refused = || {
            Error::new(format!("\"{text}\" names no layers")).next(
                "write all, embedding, block.3, block.0-3, norm or head, with /attention, /mlp or /norm for a kind",
            )
        };
        let layers = parse_layers(layer).ok_or_else(refused)?;
        let kind = match kind {
            None => None,
            Some(name) => Some(Kind::ALL.into_iter().find(|k| k.to_string() == name).ok_or_else(refused)?),
        };
        Ok(Self { text: text.to_string(), layers, kind })
    }
}

impl FromStr for Layer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match parse_layers(text) {
            Some(Layers::One(layer)) => Ok(layer),
            _ => Err(Error::new(format!("\"{text}\" names no layer")).next("write embedding, block.3, norm or head")),
        }
    }
}

fn parse_layers(text: &str) -> Option<Layers> {
    let number = |digits: &str| digits.parse::<usize>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
    match text {
        "all" => Some(Layers::All),
        "embedding" => Some(Layers::One(Layer::Embedding)),
        "norm" => Some(Layers::One(Layer::Norm)),
        "head" => Some(Layers::One(Layer::Head)),
        _ => {
            let range = text.strip_prefix("block.")?;
            match range.split_once('-') {
                None => number(range).map(|index| Layers::One(Layer::Block(index))),
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    (first <= last).then_some(Layers::Blocks(first, last))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_name_what_they_say() {
        let attention = |index| Group::new(Layer::Block(index), Kind::Attention);
        let cases = [
            ("all", attention(0), true),
            ("block.0-3", attention(3), true),
            ("block.0-3", attention(4), false),
            ("block.3", attention(3), true),
            ("block.3/mlp", attention(3), false),
            ("all/attention", attention(9), true),
            ("embedding", Group::new(Layer::Embedding, Kind::Embedding), true),
            ("norm", Group::new(Layer::Block(1), Kind::Norm), false),
            ("head", Group::new(Layer::Head, Kind::Head), true),
        ];
        for (text, group, expected) in cases {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.matches(group), expected, "{text} {group}");
            assert_eq!(selector.to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "block", "block.", "block.x", "block.+1", "block.3-1", "block.1/", "head/keys", "embeding"] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
