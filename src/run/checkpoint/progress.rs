//! What going on from a checkpoint needs beside weights and moments.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a run stood when a checkpoint was taken. Every number comes back with the bits that it had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps of the phase that are done.
    pub phase_steps: u64,
    /// Of the whole run.
    pub tokens: u64,
    /// Of the whole run.
    #[serde(with = "exact")]
    pub seconds: f64,
    /// Lines of the journal that it stands on.
    pub journal_lines: u64,
    /// Commands among them.
    pub changes: u64,
    /// The length of the metrics when everything up to here was in them; `None` where that is not known.
    pub metrics_bytes: Option<u64>,
    pub reason: Reason,
    pub is_paused: bool,
    /// The step that was evaluated last.
    pub evaluated: Option<u64>,
    #[serde(with = "exact")]
    pub learning_rate: f64,
    /// What the base measured on each suite.
    #[serde(with = "exact_values")]
    pub base_losses: BTreeMap<String, f64>,
    /// Whether the next step looks for parameters that get no gradient.
    pub audit_due: bool,
    /// What the guards know, in their own words.
    pub guard: serde_json::Value,
    /// What warnings are judged by, likewise; nothing in checkpoints of before.
    #[serde(default)]
    pub signs: serde_json::Value,
}

/// Why a checkpoint was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The plan asks for one every so many steps. Only these are ever removed.
    Due,
    /// A person did.
    Asked,
    /// The phase is over.
    End,
    /// The run was stopped.
    Stopped,
}

/// A number that JSON can say stands there as it is (and is read to the bit); any other as its bits, such as
/// `"0x7ff8000000000000"`.
mod exact {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt;

    pub fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        match number.is_finite() {
            true => serializer.serialize_f64(*number),
            false => serializer.serialize_str(&format!("{:#018x}", number.to_bits())),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(Number)
    }

    struct Number;

    impl Visitor<'_> for Number {
        type Value = f64;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a number, or its bits as hexadecimal text")
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
            Ok(number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
            Ok(number as f64)
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
            Ok(number as f64)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
            let bits = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
            bits.map(f64::from_bits).ok_or_else(|| E::custom(format!("\"{text}\" is no number's bits")))
        }
    }
}

/// The same for the values of a map.
mod exact_values {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    #[derive(Serialize, Deserialize)]
    struct Value(#[serde(with = "super::exact")] f64);

    pub fn serialize<S: Serializer>(map: &BTreeMap<String, f64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(name, number)| (name, Value(*number))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
        let map = BTreeMap::<String, Value>::deserialize(deserializer)?;
        Ok(map.into_iter().map(|(name, Value(number))| (name, number)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::progress;
    use super::*;
    use proptest::prelude::*;

    fn comes_back(bits: u64) {
        let number = f64::from_bits(bits);
        let before = Progress {
            seconds: number,
            learning_rate: number,
            base_losses: BTreeMap::from([("a".into(), number), ("b".into(), 0.1)]),
            guard: serde_json::json!({ "spread": if number.is_finite() { number } else { 0.5 } }),
            ..progress(Reason::Due)
        };
        for text in [serde_json::to_string(&before).unwrap(), serde_json::to_string_pretty(&before).unwrap()] {
            let after: Progress = serde_json::from_str(&text).unwrap();
            let all = |progress: &Progress| {
                let Progress { seconds, learning_rate, base_losses, guard, .. } = progress;
                let spread = guard["spread"].as_f64().unwrap();
                [*seconds, *learning_rate, base_losses["a"], base_losses["b"], spread].map(f64::to_bits)
            };
            assert_eq!(all(&after), all(&before), "{text}");
        }
    }

    #[test]
    fn odd_numbers_come_back_to_the_bit() {
        let odd =
            [0.0, -0.0, 1.0, -3.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, 5e-324];
        odd.into_iter().for_each(|number| comes_back(number.to_bits()));
        comes_back(0x7ff0_0000_0000_0001);
        assert!(serde_json::from_str::<Progress>("{\"seconds\": \"nan\"}").is_err());
    }

    proptest! {
        #[test]
        fn any_number_comes_back_to_the_bit(bits in any::<u64>()) {
            comes_back(bits);
        }

        #[test]
        fn so_do_numbers_of_a_usual_size(number in -1e3f64..1e3) {
            comes_back(number.to_bits());
        }
    }
}
