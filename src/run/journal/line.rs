//! How a line of a journal is written: JSON with a hash at its end, which follows from the line and from all lines before
//! it. A line that was changed, left out or moved is found, and named.

use crate::protocol::Event;
use crate::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What stands between a line's content and its hash.
const MARK: &[u8] = b",\"check\":\"";
/// Digits of a hash.
const DIGITS: usize = 16;

/// The hash before the first line.
pub const START: u64 = 0;

/// What a line says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Content<E> {
    /// Milliseconds since 1970.
    #[serde(default)]
    pub time: u64,
    #[serde(flatten)]
    pub event: E,
}

/// A line with its end, and the hash that the next one follows.
pub fn write(time: u64, event: &Event, before: u64) -> Result<(Vec<u8>, u64)> {
    let mut line = serde_json::to_vec(&Content { time, event }).what(|| "cannot write a line of the journal".into())?;
    let hash = xxh3_64_with_seed(&line, before);
    line.pop();
    line.extend_from_slice(MARK);
    line.extend_from_slice(format!("{hash:0DIGITS$x}\"}}\n").as_bytes());
    Ok((line, hash))
}

/// Reads a whole line, without its end. `before` is `None` in journals whose first line has no hash: they were written
/// before there were any.
pub fn read(line: &[u8], before: Option<u64>) -> Result<(Content<Event>, u64)> {
    let Some(before) = before else { return Ok((parse(line)?, START)) };
    let (content, hash) = split(line).ok_or_else(|| Error::new("it has no check at its end"))?;
    let content = [content, b"}"].concat();
    if xxh3_64_with_seed(&content, before) != hash {
        return Err(Error::new("its check does not fit it and the lines before it"));
    }
    Ok((parse(&content)?, hash))
}

fn parse(text: &[u8]) -> Result<Content<Event>> {
    serde_json::from_slice(text).what(|| "it cannot be understood".into())
}

/// Whether a line carries a hash.
pub fn is_checked(line: &[u8]) -> bool {
    split(line).is_some()
}

/// What comes before the hash, without the closing brace, and the hash.
fn split(line: &[u8]) -> Option<(&[u8], u64)> {
    let rest = line.strip_suffix(b"\"}")?;
    let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    let is_lower = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let hash = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().filter(|_| is_lower)?;
    Some((rest.strip_suffix(MARK)?, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Notice;
    use proptest::prelude::*;

    fn notice(text: &str) -> Event {
        Event::Notice(Notice { phase: None, step: 3, text: text.into() })
    }

    #[test]
    fn a_line_reads_back_and_is_plain_json() {
        let event = notice("a \"quoted\" ,\"check\":\"0123456789abcdef\"} text");
        let (line, hash) = write(7, &event, START).unwrap();
        let line = line.strip_suffix(b"\n").unwrap();
        let (content, read_hash) = read(line, Some(START)).unwrap();
        assert_eq!((content.time, content.event, read_hash), (7, event, hash));
        let json: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(json["notice"]["step"], 3);
        assert!(read(line, Some(1)).is_err(), "it follows from what comes before");
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_found(text in ".{0,40}", place in 0usize..10_000, bit in 0u8..8) {
            let (mut line, _) = write(7, &notice(&text), 5).unwrap();
            line.pop();
            let place = place % line.len();
            line[place] ^= 1 << bit;
            prop_assert!(read(&line, Some(5)).is_err());
        }
    }
}
