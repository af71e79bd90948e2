//! Lanes of weights that lie between the base and the live ones, and how a person writes them: `blend 0.3`,
//! `graft block.0-1 from base`.

use super::{Lane, Selector};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far it is from the base, 0, to the live weights, 1. In thousandths, so that the same share is the same lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Share(u16);

/// Which of the two weights a part of a graft comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Side {
    Base,
    Live,
}

/// Layers of one side, set into the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Graft {
    /// At least one.
    pub layers: Vec<Selector>,
    /// Where these layers come from; all others come from the other side.
    pub from: Side,
}

/// The forms, with what they do.
pub const MIXTURES: [(&str, &str); 2] = [
    ("blend SHARE", "a lane of (1 − share) · base + share · live, share from 0 to 1"),
    (
        "graft LAYER… [from base|live]",
        "a lane whose layers named here come from the base, or from live, and the others not",
    ),
];

impl Share {
    pub const BASE: Self = Self(0);
    pub const HALF: Self = Self(500);
    pub const LIVE: Self = Self(1000);

    /// The nearest thousandth; `None` outside of 0 to 1.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then(|| Self((share * 1000.0).round() as u16))
    }

    pub fn value(self) -> f64 {
        f64::from(self.0) / 1000.0
    }

    /// So many thousandths further, or back; at the ends it stays.
    pub fn moved(self, thousandths: i16) -> Self {
        Self(self.0.saturating_add_signed(thousandths).min(Self::LIVE.0))
    }
}

impl TryFrom<u16> for Share {
    type Error = Error;

    fn try_from(thousandths: u16) -> Result<Self> {
        match thousandths <= Self::LIVE.0 {
            true => Ok(Self(thousandths)),
            false => Err(Error::new(format!("{thousandths} thousandths are no share"))),
        }
    }
}

impl From<Share> for u16 {
    fn from(share: Share) -> Self {
        share.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value())
    }
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Base => Self::Live,
            Self::Live => Self::Base,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base => "base",
            Self::Live => "live",
        })
    }
}

impl fmt::Display for Graft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers: Vec<String> = self.layers.iter().map(Selector::to_string).collect();
        write!(f, "graft {} from {}", layers.join(", "), self.from)
    }
}

/// Reads `blend 0.3` or `graft block.0-1, norm from live`; `None` where the text does not begin so. Layers are divided by
/// commas or spaces; without a side they come from the base. Errors: a share that is none, layers that are none.
pub fn mixture(text: &str) -> Option<Result<Lane>> {
    let (verb, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    match verb {
        "blend" => Some(blend(rest.trim())),
        "graft" => Some(graft(rest)),
        _ => None,
    }
}

fn blend(text: &str) -> Result<Lane> {
    let share = text.replace(',', ".").parse().ok().and_then(Share::new);
    share.map(Lane::Blend).ok_or_else(|| {
        Error::new(format!("\"{text}\" is no share")).next("write a number from 0, the base, to 1, live: blend 0.3")
    })
}

fn graft(text: &str) -> Result<Lane> {
    let mut words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let from = match words.as_slice() {
        [.., "from", "live"] => Side::Live,
        _ => Side::Base,
    };
    if let [.., "from", "base" | "live"] = words.as_slice() {
        words.truncate(words.len() - 2);
    }
    if words.is_empty() {
        return Err(Error::new("a graft needs layers").next("write graft block.0-1, or graft norm head from live"));
    }
    let layers = words.into_iter().map(str::parse).collect::<Result<_>>()?;
    Ok(Lane::Graft(Graft { layers, from }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_written_as_they_are_read() {
        for (text, shown) in [
            ("blend 0.3", "blend 0.3"),
            (" blend  0,125", "blend 0.125"),
            ("blend 1", "blend 1"),
            ("graft block.0-1", "graft block.0-1 from base"),
            ("graft block.0-1,norm head/head from live", "graft block.0-1, norm, head/head from live"),
            ("graft embedding from base", "graft embedding from base"),
        ] {
            let lane = mixture(text).unwrap().unwrap();
            assert_eq!(lane.to_string(), shown);
            assert_eq!(mixture(&lane.to_string()).unwrap().unwrap(), lane);
        }
        for text in ["blend", "blend x", "blend 1.1", "blend -0.1", "blend NaN", "graft", "graft from base", "graft x"]
        {
            assert!(mixture(text).unwrap().unwrap_err().to_string().contains("next:"), "{text}");
        }
        assert!(mixture("owl@800").is_none() && mixture("blend:a:b:0.3").is_none());
    }

    #[test]
    fn shares_move_within_their_ends_and_only_true_ones_are_taken_from_others() {
        let share = Share::new(0.3).unwrap();
        assert_eq!((share.moved(50).value(), share.moved(-400), share.moved(900)), (0.35, Share::BASE, Share::LIVE));
        assert_eq!((Share::try_from(1000).unwrap(), u16::from(Share::HALF)), (Share::LIVE, 500));
        assert!(Share::try_from(1001).is_err());
        let packed = rmp_serde::to_vec_named(&Lane::Blend(Share(7000))).unwrap();
        assert!(rmp_serde::from_slice::<Lane>(&packed).is_err());
    }
}
