//! Frames on the socket: a length of four bytes, big-endian, and a message as MessagePack with named fields.

use crate::{Context, Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{ErrorKind, Read, Write};

/// Nothing that a client asks is larger, nor a host's answer.
pub const LARGEST_REQUEST: usize = 1 << 20;
pub const LARGEST_MESSAGE: usize = 64 << 20;

/// A value as a frame.
pub fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    rmp_serde::encode::write_named(&mut frame, value)
        .map_err(|error| Error::new("cannot write a message").because(error))?;
    let length = u32::try_from(frame.len() - 4).map_err(|_| Error::new("a message is too large to send"))?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

/// A value out of a frame, without its length.
pub fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<T> {
    rmp_serde::from_slice(frame).map_err(|error| {
        Error::new("cannot understand what the other side said")
            .because(error)
            .next("it may be of another version: stop the run, and open it again")
    })
}

/// The length of a frame, checked before memory is taken.
pub fn length(header: [u8; 4], largest: usize) -> Result<usize> {
    let length = u32::from_be_bytes(header) as usize;
    match length <= largest {
        true => Ok(length),
        false => Err(Error::new(format!("a message of {length} bytes was refused"))
            .because(format!("none may be larger than {largest}"))),
    }
}

/// Reads the next frame; `None` where the other side has ended between two frames.
pub fn read<T: DeserializeOwned>(from: &mut impl Read, largest: usize) -> Result<Option<T>> {
    let mut header = [0; 4];
    match from.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(Error::new("the connection broke").because(error)),
    }
    let mut frame = vec![0; length(header, largest)?];
    from.read_exact(&mut frame).what(|| "the connection broke".into())?;
    decode(&frame).map(Some)
}

/// Writes a frame.
pub fn write(to: &mut impl Write, value: &impl Serialize) -> Result<()> {
    to.write_all(&encode(value)?).what(|| "the connection broke".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Answer, Ask, Command, Message, Request, SampleAsk, StepRecord, StepRecords};

    #[test]
    fn messages_come_out_as_they_went_in() {
        let mut records = StepRecords { start: 5, ..StepRecords::default() };
        let record = StepRecord {
            step: 6,
            loss: f32::INFINITY,
            learning_rate: 0.1,
            gradient_norm: 2.0,
            tokens_per_second: 3.0,
            seconds: 4.0,
            changes: 0,
            pull: Some(0.5),
        };
        records.push(record);
        let messages = [
            Message::Steps(records),
            Message::Answer { id: 3, answer: Answer::Refused("no".into()) },
            Message::Goodbye("over".into()),
        ];
        for message in messages {
            let frame = encode(&message).unwrap();
            assert_eq!(read::<Message>(&mut &frame[..], LARGEST_MESSAGE).unwrap(), Some(message));
        }
        let command: Command = "rate block.0-1/mlp x0.5".parse().unwrap();
        let sample = SampleAsk { prompt: "a".into(), lanes: vec![], settings: Default::default() };
        for ask in [Ask::Steer(command), Ask::Stop, Ask::Sample(sample)] {
            let request = Request { id: 9, ask };
            let frame = encode(&request).unwrap();
            assert_eq!(read::<Request>(&mut &frame[..], LARGEST_REQUEST).unwrap(), Some(request));
        }
    }

    #[test]
    fn what_is_no_message_is_refused_before_memory_is_taken() {
        let refused = |bytes: &[u8]| read::<Message>(&mut &bytes[..], LARGEST_MESSAGE);
        assert!(refused(&[0xff; 8]).is_err());
        assert!(refused(&[0, 0, 0, 4, 1]).is_err());
        assert!(refused(&[0, 0, 0, 1, 0xc1]).is_err());
        assert_eq!(refused(&[]).unwrap(), None);
    }
}
