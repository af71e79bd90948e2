//! The other side of the socket: a connection as two channels.

use super::HostPlace;
use super::frame;
use crate::protocol::{Ask, Message, Request, VERSION};
use crate::run::{Holder, Lock};
use crate::{Context, Error, Result};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

/// Messages that may wait here; more wait on the socket, and then at the host.
const WAITING: usize = 64;

/// A connection to a host. It ends when either channel is dropped.
pub struct Connection {
    pub requests: Sender<Request>,
    /// Ends with the connection, after a [`Message::Goodbye`] that says why.
    pub messages: Receiver<Message>,
}

/// Whether a run has a host now.
pub fn is_hosted(run: &Path) -> bool {
    !matches!(Lock::holder(&HostPlace::of(run)), Holder::Nobody)
}

/// Connects to the host of a run, to ask it something.
pub fn connect(run: &Path) -> Result<Connection> {
    speak(reach(run)?, false)
}

/// Connects to the host of a run for a person who looks on.
pub fn look_on(run: &Path) -> Result<Connection> {
    over(reach(run)?)
}

fn reach(run: &Path) -> Result<UnixStream> {
    let socket = HostPlace::of(run).socket();
    UnixStream::connect(&socket).map_err(|error| {
        Error::new(format!("no host of the run {} can be reached", run.display()))
            .because(format!("{}: {error}", socket.display()))
            .next("start one with `frostline RUN`")
    })
}

/// Speaks over a connection that is there, for a person who looks on.
pub fn over(stream: UnixStream) -> Result<Connection> {
    speak(stream, true)
}

fn speak(stream: UnixStream, looks_on: bool) -> Result<Connection> {
    let failed = || "cannot use the connection to the host".to_string();
    let (mut reader, mut writer) = (stream.try_clone().what(failed)?, stream.try_clone().what(failed)?);
    let (requests, asked) = channel::<Request>();
    let (told, messages) = sync_channel(WAITING);
    frame::write(&mut writer, &Request { id: 0, ask: Ask::Attach { version: VERSION, looks_on } })?;
    spawn("requests", move || {
        // Until whoever asks is gone, or the host.
        while let Ok(request) = asked.recv() {
            if frame::write(&mut writer, &request).is_err() {
                return;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    })?;
    spawn("messages", move || {
        let last = loop {
            match frame::read::<Message>(&mut reader, frame::LARGEST_MESSAGE) {
                Ok(Some(Message::Goodbye(why))) => break why,
                Ok(Some(message)) => {
                    if told.send(message).is_err() {
                        return;
                    }
                }
                Ok(None) => break "the host went away".into(),
                Err(error) => break error.to_string(),
            }
        };
        let _ = told.send(Message::Goodbye(last));
    })?;
    Ok(Connection { requests, messages })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let builder = std::thread::Builder::new().name(name.into());
    builder.spawn(work).map(|_| ()).what(|| format!("cannot start the thread for {name}"))
}
