//! The rows of an input for themselves: what each is called, some of them alone, and how their numbers are stored.

use crate::model::Input;
use crate::ops::Precision;
use half::bf16;
use xxhash_rust::xxh3::Xxh3Default;

/// What the hidden states of a row follow from, as long as the weights below them stay: its tokens, their positions, and
/// who sees whom. 128 bits, so that two rows of one corpus are never taken for each other.
pub fn key(input: &Input, row: usize) -> u128 {
    let span = row * input.columns..(row + 1) * input.columns;
    let mut hash = Xxh3Default::new();
    let mut add = |values: &[u32]| values.iter().for_each(|value| hash.update(&value.to_ne_bytes()));
    add(&[input.columns as u32]);
    add(&input.tokens[span.clone()]);
    add(&input.positions[span.clone()]);
    match input.first_visible {
        Some(first_visible) => add(&first_visible[span]),
        // Without a table every position sees from the first on.
        None => add(&vec![0; input.columns]),
    }
    hash.digest128()
}

/// Some rows of an input.
pub struct Picked {
    rows: usize,
    columns: usize,
    tokens: Vec<u32>,
    positions: Vec<u32>,
    first_visible: Option<Vec<u32>>,
}

impl Picked {
    pub fn new(input: &Input, rows: &[usize]) -> Self {
        let columns = input.columns;
        let pick = |values: &[u32]| -> Vec<u32> {
            rows.iter().flat_map(|row| &values[row * columns..(row + 1) * columns]).copied().collect()
        };
        Self {
            rows: rows.len(),
            columns,
            tokens: pick(input.tokens),
            positions: pick(input.positions),
            first_visible: input.first_visible.map(pick),
        }
    }

    pub fn input(&self) -> Input<'_> {
        Input {
            rows: self.rows,
            columns: self.columns,
            tokens: &self.tokens,
            positions: &self.positions,
            first_visible: self.first_visible.as_deref(),
        }
    }
}

/// Bytes of one number.
pub fn scalar_bytes(precision: Precision) -> usize {
    match precision {
        Precision::F32 => size_of::<f32>(),
        Precision::Bf16 => size_of::<bf16>(),
    }
}

/// Appends `values` as they are stored to `bytes`.
pub fn encode(values: &[f32], precision: Precision, bytes: &mut Vec<u8>) {
    match precision {
        Precision::F32 => bytes.extend(values.iter().flat_map(|value| value.to_ne_bytes())),
        Precision::Bf16 => bytes.extend(values.iter().flat_map(|value| bf16::from_f32(*value).to_ne_bytes())),
    }
}

/// The other way round; `bytes` holds as many numbers as `values` has room for.
pub fn decode(bytes: &[u8], precision: Precision, values: &mut [f32]) {
    match precision {
        Precision::F32 => {
            let (scalars, _) = bytes.as_chunks::<4>();
            values.iter_mut().zip(scalars).for_each(|(value, scalar)| *value = f32::from_ne_bytes(*scalar));
        }
        Precision::Bf16 => {
            let (scalars, _) = bytes.as_chunks::<2>();
            values.iter_mut().zip(scalars).for_each(|(value, scalar)| *value = bf16::from_ne_bytes(*scalar).to_f32());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITIONS: [u32; 6] = [0, 1, 2, 0, 1, 0];

    fn input<'a>(tokens: &'a [u32], first_visible: Option<&'a [u32]>) -> Input<'a> {
        Input { rows: 2, columns: 3, tokens, positions: &POSITIONS, first_visible }
    }

    #[test]
    fn a_key_follows_from_tokens_positions_and_who_sees_whom() {
        let tokens = [7, 8, 9, 7, 8, 9];
        let plain = input(&tokens, None);
        let with_table = input(&tokens, Some(&[0, 0, 0, 0, 0, 2]));
        assert_eq!(key(&plain, 0), key(&with_table, 0));
        assert_ne!(key(&plain, 1), key(&with_table, 1), "who sees whom");
        assert_ne!(key(&plain, 0), key(&plain, 1), "positions");
        assert_ne!(key(&plain, 0), key(&input(&[7, 8, 1, 7, 8, 9], None), 0), "tokens");
    }

    #[test]
    fn picked_rows_are_those_rows() {
        let tokens = [7, 8, 9, 4, 5, 6];
        let whole = input(&tokens, Some(&[0, 0, 0, 0, 0, 2]));
        let picked = Picked::new(&whole, &[1]);
        assert_eq!((picked.input().rows, picked.input().tokens), (1, &tokens[3..]));
        assert_eq!(key(&picked.input(), 0), key(&whole, 1));
    }

    #[test]
    fn f32_comes_back_as_it_was_and_bf16_to_eight_bits() {
        let values = [0.0, -1.5, 1.0 / 3.0, f32::MIN_POSITIVE, 3e38];
        for (precision, tolerance) in [(Precision::F32, 0.0), (Precision::Bf16, 1.0 / 256.0)] {
            let (mut bytes, mut back) = (Vec::new(), [0.0; 5]);
            encode(&values, precision, &mut bytes);
            assert_eq!(bytes.len(), values.len() * scalar_bytes(precision));
            decode(&bytes, precision, &mut back);
            assert!(values.iter().zip(back).all(|(value, back)| (value - back).abs() <= tolerance * value.abs()));
        }
    }
}
