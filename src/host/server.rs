//! The loop that serves clients. Every client has a task that reads what it asks and one that writes what it has not
//! got yet; one that does not read costs a waiting task and nothing else.

use super::HostPlace;
use super::answering::{self, Prompt};
use super::attendance::Attendance;
use super::corpus::CorpusService;
use super::family::Family;
use super::frame;
use super::history::{Cursor, Shared};
use super::orders::{Order, Reply};
use super::service::Work;
use super::trainer::SharedShelf;
use crate::protocol::{Absence, Answer, Ask, Command, Message, Request, VERSION};
use crate::{Context, Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// History is sent at most this often, but for what an answer rests on; answers at once.
const PERIOD: Duration = Duration::from_millis(100);
/// Answers that may wait for a client.
const OUTBOX: usize = 512;
/// Clients there may be at once.
const MOST_CLIENTS: u32 = 64;
/// How long a client may take to say that it attaches.
const GREETING: Duration = Duration::from_secs(5);
/// How long the end of the host waits for clients to hear of it.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often the loop looks at signals, and at whether anybody is left.
const TICK: Duration = Duration::from_millis(100);

/// What clients' tasks work with.
pub struct Service {
    pub shared: Arc<Shared>,
    pub orders: SyncSender<Order>,
    pub shelf: SharedShelf,
    pub cancel: Arc<AtomicBool>,
    pub sampling: Arc<AtomicU32>,
    pub corpus: Arc<CorpusService>,
    pub work: Work,
    pub(super) family: Mutex<Option<Arc<dyn Family>>>,
    attendance: Attendance,
    /// Commands that wait for the end of the step.
    pending: Mutex<Vec<(u64, String)>>,
    next_pending: AtomicU64,
    prompts: SyncSender<Prompt>,
    clients: AtomicU32,
    /// A range test runs: there is memory for one.
    pub(super) tests_rates: AtomicBool,
    stop_asked: AtomicBool,
    over: AtomicBool,
    closing: watch::Sender<Option<String>>,
}

impl Service {
    pub fn new(
        work: &Work,
        shared: Arc<Shared>,
        corpus: Arc<CorpusService>,
        orders: SyncSender<Order>,
        shelf: SharedShelf,
        sampling: Arc<AtomicU32>,
        cancel: Arc<AtomicBool>,
    ) -> (Self, Receiver<Prompt>) {
        let (prompts, asked) = answering::prompts();
        let attendance = Attendance::new(HostPlace::of(&work.run).seen(), &shared);
        let service = Self {
            shared,
            family: Mutex::default(),
            attendance,
            prompts,
            orders,
            shelf,
            cancel,
            sampling,
            corpus,
            work: work.clone(),
            pending: Mutex::default(),
            next_pending: AtomicU64::new(0),
            clients: AtomicU32::new(0),
            tests_rates: AtomicBool::new(false),
            stop_asked: AtomicBool::new(false),
            over: AtomicBool::new(false),
            closing: watch::Sender::new(None),
        };
        (service, asked)
    }

    /// Asks the training thread to finish its step, save and end.
    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }

    pub fn training_is_over(&self) {
        self.over.store(true, Ordering::Release);
        self.shared.touch();
    }

    fn stop(&self) {
        self.stop_asked.store(true, Ordering::Relaxed);
        self.cancel();
    }

    /// Changes what everybody sees of the run's status.
    pub fn change_status(&self, change: impl FnOnce(&mut crate::protocol::Status)) {
        let mut history = self.shared.lock();
        let mut status = history.status.clone();
        change(&mut status);
        history.set_status(status);
        drop(history);
        self.shared.touch();
    }

    pub fn count_sampling(&self, change: impl FnOnce(u32) -> u32) {
        let count = change(self.sampling.load(Ordering::Relaxed));
        self.sampling.store(count, Ordering::Relaxed);
        self.change_status(|status| status.sampling = count);
    }

    /// Hands a prompt to the sampler, which takes one after the other.
    pub(super) fn sample(&self, prompt: Prompt) {
        match self.prompts.try_send(prompt) {
            Ok(()) => {}
            Err(TrySendError::Full(prompt)) => prompt.refuse("too many prompts wait already"),
            Err(TrySendError::Disconnected(prompt)) => prompt.refuse("the sampler is gone"),
        }
    }

    pub(super) fn is_looked_at(&self) -> bool {
        self.clients.load(Ordering::Relaxed) > 0
    }

    fn count_clients(&self, change: impl FnOnce(u32) -> u32) {
        let count = change(self.clients.load(Ordering::Relaxed));
        self.clients.store(count, Ordering::Relaxed);
        self.change_status(|status| status.clients = count);
    }

    /// Hands a command to the training thread; `answer` is called exactly once.
    fn steer(self: &Arc<Self>, command: Command, answer: impl FnOnce(Answer) + Send + 'static) {
        let state = self.shared.lock().status.state.clone();
        if !state.is_live() {
            return answer(Answer::Refused(format!("the run is {}", state.name())));
        }
        let ticket = self.next_pending.fetch_add(1, Ordering::Relaxed);
        self.set_pending(|pending| pending.push((ticket, command.to_string())));
        let service = self.clone();
        let reply = Reply::new(move |given| {
            service.set_pending(|pending| pending.retain(|(other, _)| *other != ticket));
            answer(given);
        });
        match self.orders.try_send(Order::Steer(command, reply)) {
            Ok(()) => {}
            Err(TrySendError::Full(Order::Steer(_, reply))) => {
                reply.answer(Answer::Refused("too many commands wait for this step to end".into()));
            }
            // Whoever drops the reply says that training is over.
            Err(_) => {}
        }
    }

    fn set_pending(&self, change: impl FnOnce(&mut Vec<(u64, String)>)) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut pending);
        let texts = pending.iter().map(|(_, text)| text.clone()).collect();
        drop(pending);
        self.change_status(|status| status.pending = texts);
    }
}

/// Makes the socket, for its owner alone. One that was left behind by a host that was killed is replaced: the lock is
/// held, so nobody listens there.
pub fn listen(place: &HostPlace) -> Result<std::os::unix::net::UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let path = place.socket();
    let failed = || format!("cannot make the socket {}", path.display());
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::new(failed()).because(error));
        }
        _ => {}
    }
    // Bound under another name and then renamed: whoever sees it can connect, and its rights are right by then.
    let fresh = path.with_extension("new");
    let _ = std::fs::remove_file(&fresh);
    let listener = std::os::unix::net::UnixListener::bind(&fresh).what(failed)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).what(failed)?;
    listener.set_nonblocking(true).what(failed)?;
    std::fs::rename(&fresh, &path).what(failed)?;
    Ok(listener)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().max_blocking_threads(64).thread_name("client");
    builder.build().what(|| "cannot start the host's loop".into())
}

/// Serves until the host is to end: it is stopped, or the run is over and nobody looks. With a client of its `own`
/// process, it ends when that one does.
pub fn run(
    listener: std::os::unix::net::UnixListener,
    own: Option<std::os::unix::net::UnixStream>,
    service: &Arc<Service>,
    work: &Work,
) -> Result<()> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let listener = UnixListener::from_std(listener).what(|| "cannot listen".into())?;
        serve(listener, own, service, work).await
    });
    runtime.shutdown_timeout(FAREWELL);
    outcome
}

async fn serve(
    listener: UnixListener,
    own: Option<std::os::unix::net::UnixStream>,
    service: &Arc<Service>,
    work: &Work,
) -> Result<()> {
    let mut sessions = tokio::task::JoinSet::new();
    let own = match own {
        Some(stream) => {
            let failed = || "cannot serve a connection".to_string();
            stream.set_nonblocking(true).what(failed)?;
            Some(sessions.spawn(session(UnixStream::from_std(stream).what(failed)?, service.clone())))
        }
        None => None,
    };
    let mut quiet_since = Instant::now();
    let following = tokio::spawn(service.clone().follow_family());
    loop {
        let deadline = Instant::now() + TICK;
        tokio::select! {
            stream = accept(&listener) => {
                if let Some(stream) = stream {
                    sessions.spawn(session(stream, service.clone()));
                }
            }
            _ = sleep_until(deadline) => {}
        }
        while sessions.try_join_next().is_some() {}
        let own_is_gone = own.as_ref().is_some_and(|session| session.is_finished());
        if work.stop.load(Ordering::Relaxed) || own_is_gone {
            service.stop();
        }
        let over = service.over.load(Ordering::Acquire);
        if over && service.stop_asked.load(Ordering::Relaxed) {
            break;
        }
        if !over || !sessions.is_empty() {
            quiet_since = Instant::now();
        } else if quiet_since.elapsed() > work.patience {
            break;
        }
    }
    following.abort();
    service.closing.send_replace(Some("the host ended".into()));
    let _ = timeout(FAREWELL, async { while sessions.join_next().await.is_some() {} }).await;
    Ok(())
}

/// The next client of the same user; others are let go.
async fn accept(listener: &UnixListener) -> Option<UnixStream> {
    let Ok((stream, _)) = listener.accept().await else {
        // Too many open files, most likely: it passes.
        tokio::time::sleep(TICK).await;
        return None;
    };
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own).then_some(stream)
}

/// One client from its greeting to its end.
async fn session(stream: UnixStream, service: Arc<Service>) {
    let (mut reader, mut writer) = stream.into_split();
    let greeting = timeout(GREETING, read_request(&mut reader)).await;
    let (refusal, looks_on) = match greeting {
        Ok(Ok(Some(Request { ask: Ask::Attach { version, looks_on }, .. }))) => (refused_version(version), looks_on),
        _ => (Some("a client has to attach first".into()), false),
    };
    let too_many = service.clients.load(Ordering::Relaxed) >= MOST_CLIENTS;
    let refusal = refusal.or_else(|| too_many.then(|| format!("{MOST_CLIENTS} clients are attached already")));
    if let Some(why) = refusal {
        let _ = timeout(GREETING, write_message(&mut writer, &Message::Goodbye(why))).await;
        return;
    }
    service.count_clients(|count| count + 1);
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    let desk = super::desk::Desk::new(service.clone(), outbox);
    let absence = if looks_on { service.attendance.come(&service.shared) } else { None };
    tokio::select! {
        _ = reading(&mut reader, &desk) => {}
        _ = writing(&mut writer, inbox, &service, absence) => {}
    }
    desk.cancel_all();
    if looks_on && let Some(write) = service.attendance.leave(&service.shared) {
        let _ = tokio::task::spawn_blocking(write).await;
    }
    service.count_clients(|count| count.saturating_sub(1));
}

fn refused_version(version: u32) -> Option<String> {
    let next = "attach with the program that started it";
    (version != VERSION)
        .then(|| format!("the host speaks version {VERSION} and this program version {version}: {next}"))
}

async fn read_request(reader: &mut OwnedReadHalf) -> Result<Option<Request>> {
    let mut header = [0; 4];
    if reader.read_exact(&mut header).await.is_err() {
        return Ok(None);
    }
    let mut bytes = vec![0; frame::length(header, frame::LARGEST_REQUEST)?];
    reader.read_exact(&mut bytes).await.what(|| "the connection broke".into())?;
    frame::decode(&bytes).map(Some)
}

async fn write_message(writer: &mut OwnedWriteHalf, message: &Message) -> Result<()> {
    writer.write_all(&frame::encode(message)?).await.what(|| "the connection broke".into())
}

/// Takes requests, until the client ends or says something that cannot be understood.
async fn reading(reader: &mut OwnedReadHalf, desk: &super::desk::Desk) {
    while let Ok(Some(request)) = read_request(reader).await {
        desk.take(request).await;
    }
}

/// Sends answers as they come and history ten times a second, as quickly as the client reads.
async fn writing(
    writer: &mut OwnedWriteHalf,
    mut inbox: mpsc::Receiver<Message>,
    service: &Service,
    absence: Option<Absence>,
) {
    let mut cursor = Cursor::of(absence);
    let mut changed = service.shared.watch();
    let mut closing = service.closing.subscribe();
    loop {
        changed.mark_unchanged();
        if !catch_up(writer, &mut cursor, service).await {
            return;
        }
        let closing_words = closing.borrow_and_update().clone();
        if let Some(why) = closing_words {
            while let Ok(message) = inbox.try_recv() {
                let _ = write_message(writer, &message).await;
            }
            let _ = write_message(writer, &Message::Goodbye(why)).await;
            return;
        }
        let next = Instant::now() + PERIOD;
        let mut news = false;
        loop {
            tokio::select! {
                biased;
                message = inbox.recv() => match message {
                    Some(message) => if !answer(writer, &mut cursor, service, &message).await { return },
                    None => return,
                },
                _ = closing.changed() => break,
                _ = changed.changed(), if !news => news = true,
                _ = sleep_until(next), if news => break,
            }
        }
    }
}

/// Sends an answer; `false` when the client is gone. What came of a command is sent before it is answered, so that the
/// client can go on from there, and take it back.
async fn answer(writer: &mut OwnedWriteHalf, cursor: &mut Cursor, service: &Service, message: &Message) -> bool {
    let was_applied = matches!(message, Message::Answer { answer: Answer::Applied { .. }, .. });
    (!was_applied || catch_up(writer, cursor, service).await) && write_message(writer, message).await.is_ok()
}

/// Sends what the client has not got; `false` when it is gone.
async fn catch_up(writer: &mut OwnedWriteHalf, cursor: &mut Cursor, service: &Service) -> bool {
    loop {
        let message = service.shared.lock().next(cursor);
        match message {
            Some(message) => {
                if write_message(writer, &message).await.is_err() {
                    return false;
                }
            }
            None => return true,
        }
    }
}

impl Service {
    /// What a request other than sampling and text comes to; `send` is called exactly once.
    pub(super) fn answer_at_once(self: &Arc<Self>, ask: Ask, send: impl FnOnce(Answer) + Send + 'static) {
        match ask {
            Ask::Steer(command) => self.steer(command, send),
            Ask::Stop => {
                let step = self.shared.lock().status.step;
                send(Answer::Applied { step, effect: "finishing the step, saving, and ending".into() });
                self.stop();
            }
            ask @ (Ask::Fork { .. } | Ask::Lineage | Ask::Lab) => self.ask_family(ask, send),
            _ => send(Answer::Refused("this was not expected here".into())),
        }
    }
}
