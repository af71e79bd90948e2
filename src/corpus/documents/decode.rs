//! Bytes of a file as UTF-8: marks dropped, UTF-16 transcoded, what is invalid replaced and counted.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use crate::corpus::kind::{UTF16_BIG, UTF16_LITTLE};

const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
/// A byte that never occurs in UTF-8: stands for a surrogate without its partner, and is later replaced and counted.
const INVALID: u8 = 0xff;

/// The text of `reader` as UTF-8 without a byte order mark; UTF-16 is told by its mark.
pub(crate) fn open_text<'a>(mut reader: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut head = Vec::with_capacity(UTF8_MARK.len());
    reader.by_ref().take(UTF8_MARK.len() as u64).read_to_end(&mut head)?;
    let little_endian = head.starts_with(&UTF16_LITTLE);
    if little_endian || head.starts_with(&UTF16_BIG) {
        let rest = Cursor::new(head.split_off(2)).chain(reader);
        return Ok(Box::new(Utf16::new(rest, little_endian)));
    }
    if head == UTF8_MARK {
        return Ok(Box::new(reader));
    }
    Ok(Box::new(Cursor::new(head).chain(reader)))
}

/// Replaces what is not UTF-8 by U+FFFD and says how many bytes that were.
pub(crate) fn lossy(bytes: Vec<u8>) -> (String, u64) {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return (text, 0),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len());
    let mut replaced = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
            replaced += chunk.invalid().len() as u64;
        }
    }
    (text, replaced)
}

/// Reads UTF-16 as UTF-8.
struct Utf16<R> {
    units: BufReader<R>,
    little_endian: bool,
    /// A unit that was read but belongs to the next character.
    pending: Option<u16>,
    /// UTF-8 not handed out yet.
    ready: Cursor<Vec<u8>>,
}

impl<R: Read> Utf16<R> {
    fn new(reader: R, little_endian: bool) -> Self {
        Self { units: BufReader::new(reader), little_endian, pending: None, ready: Cursor::default() }
    }

    /// The next code unit; an odd byte at the end of the text is no unit and dropped.
    fn unit(&mut self) -> io::Result<Option<u16>> {
        if let Some(unit) = self.pending.take() {
            return Ok(Some(unit));
        }
        let mut bytes = [0; 2];
        match self.units.read_exact(&mut bytes) {
            Ok(()) if self.little_endian => Ok(Some(u16::from_le_bytes(bytes))),
            Ok(()) => Ok(Some(u16::from_be_bytes(bytes))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Transcodes some more characters into `ready`; leaves it empty at the end of the text.
    fn refill(&mut self) -> io::Result<()> {
        let mut text = Vec::with_capacity(4 << 10);
        while text.len() < 4 << 10 {
            let Some(first) = self.unit()? else { break };
            let second = if is_high_surrogate(first) { self.unit()? } else { None };
            match char::decode_utf16([first].into_iter().chain(second)).next() {
                Some(Ok(character)) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                _ => {
                    text.push(INVALID);
                    self.pending = second;
                }
            }
        }
        self.ready = Cursor::new(text);
        Ok(())
    }
}

fn is_high_surrogate(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ready.fill_buf()?.is_empty() {
            self.refill()?;
        }
        self.ready.read(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (String, u64) {
        let mut text = Vec::new();
        open_text(bytes).unwrap().read_to_end(&mut text).unwrap();
        lossy(text)
    }

    #[test]
    fn marks_are_dropped_and_utf16_is_transcoded() {
        assert_eq!(read(b"\xef\xbb\xbfhi"), ("hi".into(), 0));
        assert_eq!(read(b"h"), ("h".into(), 0));
        assert_eq!(read(b""), (String::new(), 0));
        let text = "naïve 雪 🜂\n".repeat(2000);
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(read(&[&UTF16_LITTLE[..], &little].concat()), (text.clone(), 0));
        assert_eq!(read(&[&UTF16_BIG[..], &big].concat()), (text, 0));
    }

    #[test]
    fn a_lone_surrogate_is_replaced_and_counted() {
        let units = [0xfeff, 0xd83d, 0x0041, 0xde00, 0x0042, 0xd83d];
        let bytes: Vec<u8> = units.into_iter().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&bytes), ("\u{fffd}A\u{fffd}B\u{fffd}".into(), 3));
    }

    #[test]
    fn invalid_bytes_are_replaced_and_counted() {
        assert_eq!(lossy(b"a\xffb\xe2\x82".to_vec()), ("a\u{fffd}b\u{fffd}".into(), 3));
    }
}
