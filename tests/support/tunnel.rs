//! A session for a script: what the script sends on a plain link goes through a session to the gateway, whose
//! transports the script cuts and replaces at will.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use fastway_session::{
    Backlog, End, Event, Fault, Identity, LegacyConfig, MIN_READ_BYTES, ReplayBuffer, Session, Status, TransportId,
};
use socket2::{Domain, SockRef, Socket, Type};

use crate::link::{Link, read};
use crate::watch::DEADLINE;

/// Bytes that a tunnel keeps to send them again.
const BACKLOG_BYTES: usize = 256 << 10;
/// How often what is due by time is looked for.
const TICK: Duration = Duration::from_millis(10);

/// The script's end of a session. Dropping it cuts the transport.
pub struct Tunnel {
    shared: Arc<Shared>,
}

struct Shared {
    /// Where its transports come from.
    from: Mutex<IpAddr>,
    gateway: SocketAddr,
    /// Whether transports take little ahead of what is read.
    is_narrow: bool,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    session: Session,
    backlog: Backlog,
    carrier: Option<Carrier>,
    /// What the gateway has said, and the script was not given yet.
    heard: Vec<u8>,
    events: Vec<Event>,
    gone: bool,
    ignores_input: bool,
}

struct Carrier {
    id: TransportId,
    stream: TcpStream,
}

impl Tunnel {
    /// Opens a secure session with the gateway at `addr`: a link to speak over, and the tunnel under it.
    #[track_caller]
    pub fn secure(addr: SocketAddr, identity: Identity) -> (Link, Self) {
        Self::open(addr, Session::secure(identity, DEADLINE, Instant::now())).expect("the gateway admits it")
    }

    /// Opens a legacy session.
    #[track_caller]
    pub fn legacy(addr: SocketAddr, encrypt: bool) -> (Link, Self) {
        let config = LegacyConfig { encrypt, replay_bytes: BACKLOG_BYTES };
        Self::open(addr, Session::legacy(config, DEADLINE, Instant::now())).expect("the gateway admits it")
    }

    /// Opens a session.
    ///
    /// # Errors
    /// The gateway refuses, or closes the transport.
    pub fn open(gateway: SocketAddr, session: Session) -> Result<(Link, Self), Fault> {
        Self::build(Ipv4Addr::LOCALHOST.into(), gateway, session, false)
    }

    /// The same with small buffers, so that little is under way when the script stops reading.
    ///
    /// # Errors
    /// The gateway refuses, or closes the transport.
    pub fn open_narrow(gateway: SocketAddr, session: Session) -> Result<(Link, Self), Fault> {
        Self::build(Ipv4Addr::LOCALHOST.into(), gateway, session, true)
    }

    /// Opens a session from another address of this machine.
    ///
    /// # Errors
    /// The gateway refuses, or closes the transport.
    pub fn open_from(from: IpAddr, gateway: SocketAddr, session: Session) -> Result<(Link, Self), Fault> {
        Self::build(from, gateway, session, false)
    }

    fn build(from: IpAddr, gateway: SocketAddr, session: Session, is_narrow: bool) -> Result<(Link, Self), Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("a bound port");
        let link = if is_narrow { Link::connect_narrow(addr) } else { Link::connect(addr) };
        let (inner, _) = listener.accept().expect("a connection");
        inner.set_nodelay(true).expect("TCP_NODELAY");
        if is_narrow {
            SockRef::from(&inner).set_send_buffer_size(16 << 10).expect("a socket has a send buffer");
        }
        let out = inner.try_clone().expect("a second handle");
        let state = State {
            session,
            backlog: Backlog::new(BACKLOG_BYTES),
            carrier: None,
            heard: Vec::new(),
            events: Vec::new(),
            gone: false,
            ignores_input: false,
        };
        let shared = Arc::new(Shared {
            from: Mutex::new(from),
            gateway,
            is_narrow,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let tunnel = Self { shared };
        tunnel.try_connect()?;
        let (writing, reading) = (Arc::clone(&tunnel.shared), Arc::clone(&tunnel.shared));
        thread::spawn(move || writing.write(inner));
        thread::spawn(move || reading.read(out));
        Ok((link, tunnel))
    }

    /// Leaves the session to the link: it lives until the script drops that.
    pub fn detach(self) {
        std::mem::forget(self);
    }

    /// Goes on by a new transport from another address, as a phone does that leaves its Wi-Fi.
    #[track_caller]
    pub fn resume_from(&self, from: IpAddr) {
        *self.shared.from.lock().expect("no panic") = from;
        self.resume();
    }

    /// Goes on by a new transport, whatever became of the older one.
    #[track_caller]
    pub fn resume(&self) {
        self.try_connect().expect("the gateway lets the session go on");
    }

    /// The same.
    ///
    /// # Errors
    /// The gateway refuses, or closes the transport.
    pub fn try_connect(&self) -> Result<(), Fault> {
        self.connect_with(self.dial()?)
    }

    /// The first message of a resume, which is not sent.
    ///
    /// # Errors
    /// The session is over.
    pub fn dial(&self) -> Result<(TransportId, Vec<u8>), Fault> {
        let mut state = self.shared.lock();
        if let Some(older) = state.carrier.take() {
            // The other end does not hear of it.
            std::mem::forget(older.stream);
        }
        let dial = state.session.connect(Instant::now(), &mut rand::rng())?;
        Ok((dial.transport, dial.bytes))
    }

    /// Sends the first message of a resume and goes on when it was answered.
    ///
    /// # Errors
    /// The gateway refuses, or closes the transport.
    pub fn connect_with(&self, dial: (TransportId, Vec<u8>)) -> Result<(), Fault> {
        self.connect_slowly(dial, || {})
    }

    /// The same, with something that happens after the gateway has answered and before it gets the proof.
    ///
    /// # Errors
    /// The gateway refuses, or closes the transport.
    pub fn connect_slowly(&self, dial: (TransportId, Vec<u8>), meanwhile: impl FnOnce()) -> Result<(), Fault> {
        self.shared.connect(dial, meanwhile)
    }

    /// Cuts the transport.
    pub fn cut(&self) {
        let mut state = self.shared.lock();
        if let Some(Carrier { id, stream }) = state.carrier.take() {
            let _it_may_be_gone = stream.shutdown(Shutdown::Both);
            state.session.transport_lost(id, Instant::now());
        }
    }

    /// The transport's own address.
    ///
    /// # Panics
    /// When there is none.
    pub fn local_addr(&self) -> SocketAddr {
        let state = self.shared.lock();
        state.carrier.as_ref().expect("a transport").stream.local_addr().expect("a connected socket")
    }

    /// A second handle to the transport, to do harm with.
    ///
    /// # Panics
    /// When there is none.
    pub fn stream(&self) -> TcpStream {
        let state = self.shared.lock();
        state.carrier.as_ref().expect("a transport").stream.try_clone().expect("a second handle")
    }

    /// Sends on by the transport, and hears nothing more by it while what is returned lives.
    pub fn ignore_input(&self) -> InputIgnored {
        self.shared.lock().ignores_input = true;
        InputIgnored(Arc::clone(&self.shared))
    }

    /// Whether there is a transport.
    pub fn is_connected(&self) -> bool {
        self.shared.lock().carrier.is_some()
    }

    /// Whether it keeps as much as it can, and takes nothing more.
    pub fn is_full(&self) -> bool {
        self.shared.lock().backlog.room() == 0
    }

    /// Bytes that the script has sent, by the transport if there is one, and the gateway has not acknowledged.
    pub fn unacknowledged_bytes(&self) -> usize {
        self.shared.lock().backlog.len()
    }

    /// Waits until the session is over.
    #[track_caller]
    pub fn expect_end(&self) -> End {
        let over = |state: &mut State| state.session.end().is_none();
        let (state, _) = self.shared.changed.wait_timeout_while(self.shared.lock(), DEADLINE, over).expect("no panic");
        let (end, events) = (state.session.end(), format!("{:?}", state.events));
        drop(state);
        end.unwrap_or_else(|| panic!("the session is not over: {events}"))
    }

    /// How often it was resumed.
    pub fn resumed(&self) -> usize {
        self.shared.lock().events.iter().filter(|event| matches!(event, Event::Resumed { .. })).count()
    }

    /// The status of the last refusal.
    pub fn refusal(&self) -> Option<Status> {
        self.shared.lock().events.iter().rev().find_map(|event| match event {
            Event::Refused(status) => Some(*status),
            _ => None,
        })
    }
}

/// A tunnel that hears nothing.
pub struct InputIgnored(Arc<Shared>);

impl Drop for InputIgnored {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ignores_input = false;
        if let Some(Carrier { id, .. }) = state.carrier.take() {
            state.session.transport_lost(id, Instant::now());
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.cut();
        let mut state = self.shared.lock();
        state.gone = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// Sends a first message on a new transport, reads the answer, and sends the proof when `meanwhile` has run.
    fn connect(&self, (id, first): (TransportId, Vec<u8>), meanwhile: impl FnOnce()) -> Result<(), Fault> {
        let mut stream = self.new_stream();
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(DEADLINE)).expect("a read deadline");
        stream.set_write_timeout(Some(DEADLINE)).expect("a write deadline");
        stream.write_all(&first).expect("the gateway takes it");
        let mut state = self.lock();
        let carried_before = state.carried();
        while state.carried() == carried_before {
            let mut chunk = [0; 4096];
            let count = read(&mut stream, &mut chunk).unwrap_or(0);
            if count == 0 {
                let refused = state.session.transport_lost(id, Instant::now());
                return Err(refused.unwrap_or(Fault::Replaced));
            }
            state.receive(id, &chunk[..count])?;
        }
        meanwhile();
        stream.set_read_timeout(Some(TICK)).expect("a read deadline");
        state.carrier = Some(Carrier { id, stream });
        state.flush();
        self.changed.notify_all();
        Ok(())
    }

    fn new_stream(&self) -> TcpStream {
        let socket = Socket::new(Domain::for_address(self.gateway), Type::STREAM, None).expect("a socket");
        if self.is_narrow {
            socket.set_recv_buffer_size(16 << 10).expect("a socket has a receive buffer");
        }
        let from = SocketAddr::from((*self.from.lock().expect("no panic"), 0));
        socket.bind(&from.into()).expect("an address of this machine");
        socket.connect(&self.gateway.into()).expect("the gateway listens");
        socket.into()
    }

    /// Takes what the script sends, until it sends no more.
    fn write(&self, mut script: TcpStream) {
        let mut chunk = [0; 16 << 10];
        while let Ok(count @ 1..) = read(&mut script, &mut chunk) {
            let mut rest = &chunk[..count];
            while !rest.is_empty() {
                let mut state = self.lock();
                if state.is_over() {
                    return;
                }
                let taken = state.backlog.push(rest);
                rest = &rest[taken..];
                state.flush();
                if taken == 0 {
                    let _room_or_not = self.changed.wait_timeout(state, TICK).expect("no panic");
                }
            }
        }
        let mut state = self.lock();
        state.session.close();
        state.flush();
    }

    /// Takes what the gateway sends, over all transports, and gives it to the script, whose pace it keeps.
    fn read(&self, mut script: TcpStream) {
        let mut chunk = vec![0; 64 << 10];
        loop {
            let transport = self.wait_for_transport();
            let heard = std::mem::take(&mut self.lock().heard);
            let _the_script_may_be_gone = script.write_all(&heard);
            let Some((id, mut stream)) = transport else {
                let _the_script_may_be_gone = script.shutdown(Shutdown::Both);
                return;
            };
            let count = match read(&mut stream, &mut chunk) {
                Ok(count) => Some(count),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
                Err(_) => Some(0),
            };
            let mut state = self.lock();
            state.read(id, count.map(|count| &chunk[..count]));
            self.changed.notify_all();
        }
    }

    fn wait_for_transport(&self) -> Option<(TransportId, TcpStream)> {
        let mut state = self.lock();
        loop {
            if state.is_over() {
                return None;
            }
            if let Some(Carrier { id, stream }) = &state.carrier {
                return Some((*id, stream.try_clone().expect("a second handle")));
            }
            state = self.changed.wait_timeout(state, TICK).expect("no panic").0;
            state.session.tick(Instant::now());
            state.note_events();
        }
    }
}

impl State {
    /// Times that a transport came to carry the session.
    fn carried(&self) -> usize {
        let carried = |event: &&Event| matches!(event, Event::Established { .. } | Event::Resumed { .. });
        self.events.iter().filter(carried).count()
    }

    fn is_over(&self) -> bool {
        self.gone || self.session.end().is_some()
    }

    /// Takes what a transport gave: bytes, its end (none), or nothing yet.
    fn read(&mut self, id: TransportId, bytes: Option<&[u8]>) {
        let outcome = match bytes {
            None => Ok(()),
            Some(_) if self.ignores_input => Ok(()),
            Some([]) => Err(Fault::Replaced),
            Some(bytes) => self.receive(id, bytes),
        };
        self.session.tick(Instant::now());
        if outcome.is_err() {
            self.session.transport_lost(id, Instant::now());
            self.flush();
            self.carrier.take_if(|carrier| carrier.id == id);
        }
        self.flush();
        self.note_events();
    }

    fn receive(&mut self, id: TransportId, bytes: &[u8]) -> Result<(), Fault> {
        let mut room = vec![0; MIN_READ_BYTES + bytes.len()];
        self.session.read_into(id, &mut room)[..bytes.len()].copy_from_slice(bytes);
        let received = self.session.receive_read(id, &mut room, bytes.len(), Instant::now(), &mut self.backlog);
        self.note_events();
        self.heard.extend_from_slice(&room[..received.bytes]);
        received.fault.map_or(Ok(()), Err)
    }

    fn note_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.events.push(event);
        }
    }

    fn flush(&mut self) {
        let Some(carrier) = &mut self.carrier else { return };
        let mut sealed = Vec::new();
        self.session.send(Instant::now(), &mut self.backlog, &mut sealed, usize::MAX);
        let _a_cut_shows_when_it_is_read = carrier.stream.write_all(&sealed);
        debug_assert!(self.backlog.len() <= BACKLOG_BYTES);
        self.note_events();
    }
}
