//! The adaptor over real sockets on loopback, cut again and again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastway_session::{
    AbortReason, Backlog, Dial, End, Event, Fault, Identity, InsteadOf, KeyPair, LegacyConfig, Limits, MAX_CANDIDATES,
    Reception, Request, Session, SessionStream, Settled, Status, Supplier, Wanted,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const BOUND: usize = 256 << 10;
const WAIT: Duration = Duration::from_secs(60);
const PRIVATE: [u8; 32] = [9; 32];

type Stream = SessionStream<TcpStream>;

#[derive(Clone, Copy)]
enum Kind {
    Secure,
    Legacy { encrypt: bool },
}

impl Kind {
    fn session(self) -> Session {
        let now = Instant::now();
        match self {
            Self::Secure => Session::secure(Identity::Pinned(KeyPair::from_private(PRIVATE).public()), WAIT, now),
            Self::Legacy { .. } => Session::legacy(self.legacy(), WAIT, now),
        }
    }

    fn legacy(self) -> LegacyConfig {
        let encrypt = matches!(self, Self::Legacy { encrypt: true });
        // Nobody acknowledges: what may be on its way when a connection is cut must fit.
        LegacyConfig { encrypt, replay_bytes: 16 << 20 }
    }
}

/// An acceptor whose sessions are looked up by the names that they have when somebody asks.
struct Acceptor {
    listener: TcpListener,
    limits: Limits,
    suppliers: Arc<Mutex<HashMap<usize, Supplier<TcpStream>>>>,
    accepted: mpsc::UnboundedSender<Stream>,
}

impl Acceptor {
    async fn serve(self) {
        for number in 0.. {
            let (mut transport, _) = self.listener.accept().await.unwrap();
            let Some(request) = first_message(&mut transport).await else { continue };
            match request {
                Request::Open(open) => {
                    let keys = KeyPair::from_private(PRIVATE);
                    let opened = open.accept(Some(&keys), &self.limits, Instant::now(), &mut rand::rng());
                    let (session, reply) = opened.unwrap();
                    let (stream, supplier) = Stream::acceptor(session, reply, transport, BOUND);
                    self.suppliers.lock().unwrap().insert(number, supplier);
                    self.accepted.send(stream).unwrap();
                }
                // There is one session in each test, so a resume can only mean that one.
                Request::Resume(resume) => {
                    let supplier = self.suppliers.lock().unwrap().drain().next().unwrap();
                    let _gone = supplier.1.resume(resume, transport).await;
                    self.suppliers.lock().unwrap().insert(supplier.0, supplier.1);
                }
            }
        }
    }
}

async fn first_message(transport: &mut TcpStream) -> Option<Request> {
    let mut reception = Reception::default();
    loop {
        let mut byte = [0; 1];
        transport.read_exact(&mut byte).await.ok()?;
        if let Some(request) = reception.receive(&byte).unwrap() {
            return Some(request);
        }
    }
}

/// Cuts what runs through it.
struct Wire {
    acceptor: std::net::SocketAddr,
    cut: tokio::sync::watch::Sender<u64>,
}

impl Wire {
    /// A connection to the acceptor that ends with the next cut, at whatever point that comes.
    async fn connect(&self) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut here, _) = listener.accept().await.unwrap();
        let mut there = TcpStream::connect(self.acceptor).await.unwrap();
        let mut cut = self.cut.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
                _ = cut.changed() => {}
            }
        });
        near
    }
}

/// Both ends of a session over a wire that can be cut; the initiator's end dials again by itself.
async fn ends(kind: Kind) -> (Stream, Stream, Arc<Wire>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wire = Arc::new(Wire { acceptor: listener.local_addr().unwrap(), cut: tokio::sync::watch::channel(0).0 });
    let (accepted, mut streams) = mpsc::unbounded_channel();
    let limits = Limits { handshake_time: Duration::from_secs(10), wait: WAIT, legacy: kind.legacy() };
    tokio::spawn(Acceptor { listener, limits, suppliers: Arc::default(), accepted }.serve());

    let (mut initiator, mut supplier) = Stream::initiator(kind.session(), BOUND);
    let dialer = Arc::clone(&wire);
    tokio::spawn(async move {
        while supplier.wanted().await.is_some() {
            if supplier.dial(dialer.connect().await).await.is_err() {
                return;
            }
        }
    });
    initiator.write_all(b"hi").await.unwrap();
    let mut acceptor = tokio::select! {
        stream = streams.recv() => stream.unwrap(),
        _ = initiator.read_u8() => panic!("nothing was sent"),
    };
    let mut hi = [0; 2];
    tokio::select! {
        read = acceptor.read_exact(&mut hi) => drop(read.unwrap()),
        _ = initiator.read_u8() => panic!("nothing was sent"),
    }
    assert_eq!(&hi, b"hi");
    (initiator, acceptor, wire)
}

/// Sends `total` bytes both ways at once, and cuts the wire each time that so many have arrived.
async fn transfer_with_cuts(kind: Kind, total: usize, cuts: usize) {
    let (initiator, acceptor, wire) = ends(kind).await;
    let arrived = Arc::new(Mutex::new(0));
    let one = tokio::spawn(pump(initiator, 1, 2, total, Arc::clone(&arrived), None));
    let two = tokio::spawn(pump(acceptor, 2, 1, total, arrived, Some((wire, total / cuts))));
    let (one, two) = tokio::join!(one, two);
    assert_eq!((one.unwrap(), two.unwrap()), (0, cuts));
}

/// Writes its own bytes, reads the other's, cuts now and then; returns how often.
async fn pump(
    stream: Stream,
    own: u8,
    others: u8,
    total: usize,
    arrived: Arc<Mutex<usize>>,
    cutting: Option<(Arc<Wire>, usize)>,
) -> usize {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let writer = tokio::spawn(async move {
        let mut written = 0;
        while written < total {
            let block: Vec<u8> = (written..total.min(written + 30_011)).map(|at| byte(own, at)).collect();
            writing.write_all(&block).await.unwrap();
            written += block.len();
        }
        writing.flush().await.unwrap();
        writing
    });
    let (mut read, mut cuts) = (0, 0);
    let mut block = vec![0; 20_000];
    while read < total {
        let bytes = reading.read(&mut block).await.unwrap();
        assert!(bytes > 0, "a cut is not an end");
        for (byte_read, at) in block[..bytes].iter().zip(read..) {
            assert_eq!(*byte_read, byte(others, at), "byte {at}");
        }
        read += bytes;
        if let Some((wire, every)) = cutting.as_ref().filter(|(_, every)| read / every > cuts) {
            cuts = read / every;
            wire.cut.send_modify(|cut| *cut += 1);
        }
    }
    *arrived.lock().unwrap() += 1;
    // Whoever is done goes on carrying for the other.
    while *arrived.lock().unwrap() < 2 {
        let _ = tokio::time::timeout(Duration::from_millis(5), reading.read(&mut block)).await;
    }
    let writing = writer.await.unwrap();
    drop(reading.unsplit(writing));
    cuts
}

fn byte(salt: u8, at: usize) -> u8 {
    let mixed = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    u8::try_from(mixed & 0xff).unwrap() ^ salt
}

#[tokio::test]
async fn a_secure_stream_survives_fifty_cuts_while_it_carries_both_ways() {
    transfer_with_cuts(Kind::Secure, 4 << 20, 50).await;
}

#[tokio::test]
async fn a_legacy_stream_survives_fifty_cuts_while_it_carries_both_ways() {
    for encrypt in [true, false] {
        transfer_with_cuts(Kind::Legacy { encrypt }, 2 << 20, 50).await;
    }
}

#[tokio::test]
async fn the_end_is_told_from_a_cut() {
    let (mut initiator, mut acceptor, wire) = ends(Kind::Secure).await;
    wire.cut.send_modify(|cut| *cut += 1);
    initiator.write_all(b"last words").await.unwrap();
    let both = async {
        initiator.shutdown().await.unwrap();
        let mut rest = Vec::new();
        initiator.read_to_end(&mut rest).await.unwrap();
        rest
    };
    let other = async {
        let mut words = Vec::new();
        acceptor.read_to_end(&mut words).await.unwrap();
        acceptor.write_all(b"heard").await.unwrap();
        acceptor.shutdown().await.unwrap();
        words
    };
    let (rest, words) = tokio::join!(both, other);
    assert_eq!((rest.as_slice(), words.as_slice()), (&b"heard"[..], &b"last words"[..]));
}

#[tokio::test]
async fn an_abort_reaches_the_other_end_and_its_reader_is_told() {
    let (mut initiator, mut acceptor, _wire) = ends(Kind::Secure).await;
    acceptor.abort(AbortReason::Shutdown);
    let own = acceptor.read_u8().await.unwrap_err();
    assert_eq!(end_in(&own), Some(End::Aborted(AbortReason::Shutdown)));
    let told = initiator.read_u8().await.unwrap_err();
    assert_eq!(end_in(&told), Some(End::AbortedByPeer(AbortReason::Shutdown)));
}

fn end_in(error: &std::io::Error) -> Option<End> {
    error.get_ref().and_then(|inner| inner.downcast_ref()).copied()
}

#[tokio::test]
async fn who_is_refused_again_and_again_gives_up() {
    let (mut initiator, mut supplier) = SessionStream::initiator(Kind::Secure.session(), BOUND);
    let refusing = async {
        let mut refusals = Vec::new();
        while let Some(wanted) = supplier.wanted().await {
            refusals.push(wanted.fault);
            let (near, mut far) = tokio::io::duplex(4096);
            supplier.dial(near).await.unwrap();
            far.write_all(&[Status::Draining as u8]).await.unwrap();
            // The other end is kept open: nothing but the status may end the attempt.
            std::mem::forget(far);
        }
        (refusals, supplier.end())
    };
    let (error, (refusals, end)) = tokio::join!(initiator.read_u8(), refusing);
    assert_eq!(end, Some(End::Refused(Status::Draining)));
    let refused = Some(Fault::Refused(Status::Draining));
    assert_eq!(refusals, [None, refused, refused, refused]);
    assert_eq!(end_in(&error.unwrap_err()), Some(End::Refused(Status::Draining)));
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_transport_expires() {
    let (mut initiator, supplier) = Stream::initiator(Kind::Secure.session(), BOUND);
    let error = initiator.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(supplier.end(), Some(End::Expired));
}

#[tokio::test]
async fn whoever_dials_is_told_what_became_of_each_transport() {
    let (mut initiator, mut supplier) = SessionStream::initiator(Kind::Secure.session(), BOUND);
    let dialing = async {
        let (near, mut far) = tokio::io::duplex(4096);
        supplier.dial(near).await.unwrap();
        let mut opening = [0; 256];
        assert!(far.read(&mut opening).await.unwrap() > 0);
        far.write_all(&[Status::Overloaded as u8]).await.unwrap();
        // An acceptor of an older version says no more.
        drop(far);
        let refused_of_old = supplier.settled().await;
        let (near, mut far) = tokio::io::duplex(4096);
        supplier.dial(near).await.unwrap();
        far.write_all(&[Status::Overloaded as u8]).await.unwrap();
        far.write_all(&1234_u16.to_le_bytes()).await.unwrap();
        let refused = supplier.settled().await;
        let (near, far) = tokio::io::duplex(4096);
        supplier.dial(near).await.unwrap();
        drop(far);
        let cut = supplier.settled().await;
        let (near, mut far) = tokio::io::duplex(4096);
        supplier.dial(near).await.unwrap();
        answer_open(&mut far).await;
        let live = supplier.settled().await;
        // The one that carries it is lost: that is wanted, and not what became of an older one.
        drop(far);
        ([refused_of_old, refused], cut, live, supplier.wanted().await)
    };
    let (refused, cut, live, wanted) = tokio::select! {
        told = dialing => told,
        _ = initiator.read_u8() => panic!("nothing was sent"),
    };
    let fault = Some(Fault::Refused(Status::Overloaded));
    let told = [None, Some(Duration::from_millis(1234))];
    assert_eq!(refused, told.map(|retry_after| Settled::Lost(Wanted { fault, retry_after })));
    let without_fault = Wanted { fault: None, retry_after: None };
    assert_eq!((cut, live), (Settled::Lost(without_fault), Settled::Carries));
    assert_eq!(wanted, Some(without_fault));
    initiator.abort(AbortReason::Unspecified);
    assert_eq!(supplier.settled().await, Settled::Over);
}

/// Replies to the open of a secure session, and leaves it at that.
async fn answer_open(far: &mut DuplexStream) {
    let (_, reply) = accept_open(far).await;
    far.write_all(&reply.bytes).await.unwrap();
}

/// An acceptor's session for the open of a secure one, and its reply.
async fn accept_open(far: &mut (impl AsyncRead + Unpin)) -> (Session, Dial) {
    let mut opening = [0; 256];
    let length = far.read(&mut opening).await.unwrap();
    let Some(Request::Open(open)) = Reception::default().receive(&opening[..length]).unwrap() else { panic!() };
    let limits = Limits { handshake_time: WAIT, wait: WAIT, legacy: Kind::Secure.legacy() };
    let keys = KeyPair::from_private(PRIVATE);
    open.accept(Some(&keys), &limits, Instant::now(), &mut rand::rng()).unwrap()
}

/// An initiator's stream, by a transport on which the acceptor says so much, ends the session if it has a reason, and leaves.
/// Not all that it was sent is read by then, so that a TCP connection is reset.
async fn left_behind<T: AsyncRead + AsyncWrite + Unpin>(
    (near, mut far): (T, T),
    words: &[u8],
    end: Option<AbortReason>,
) -> (SessionStream<T>, Supplier<T>) {
    let (mut initiator, mut supplier) = SessionStream::initiator(Kind::Secure.session(), BOUND);
    assert_eq!(supplier.wanted().await, Some(Wanted { fault: None, retry_after: None }));
    assert!(supplier.dial(near).await.is_ok());
    let accepting = async {
        let (mut acceptor, reply) = accept_open(&mut far).await;
        far.write_all(&reply.bytes).await.unwrap();
        let (mut backlog, mut said) = (Backlog::new(BOUND), Vec::new());
        while !matches!(acceptor.poll_event(), Some(Event::Established { .. })) {
            let mut room = [0; 256];
            let count = far.read(&mut acceptor.read_into(reply.transport, &mut room)[..1]).await.unwrap();
            let received = acceptor.receive_read(reply.transport, &mut room, count, Instant::now(), &mut backlog);
            assert_eq!(received.fault, None);
        }
        assert_eq!(backlog.push(words), words.len());
        acceptor.send(Instant::now(), &mut backlog, &mut said, usize::MAX);
        end.into_iter().for_each(|reason| acceptor.abort(reason));
        acceptor.send(Instant::now(), &mut backlog, &mut said, usize::MAX);
        said
    };
    let said = tokio::select! {
        said = accepting => said,
        _ = initiator.read_u8() => panic!("nothing was sent"),
    };
    initiator.write_all(b"nobody reads this").await.unwrap();
    initiator.flush().await.unwrap();
    far.write_all(&said).await.unwrap();
    (initiator, supplier)
}

/// Both ends of a TCP connection.
async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

async fn expect_last_words<T: AsyncRead + AsyncWrite + Unpin>(ends: (T, T)) {
    let (mut initiator, _supplier) = left_behind(ends, b"the last words", Some(AbortReason::TooSlow)).await;
    // It may learn at once that the session is over.
    let _ = initiator.write_all(b"nobody takes this").await;
    let mut words = [0; 14];
    initiator.read_exact(&mut words).await.unwrap();
    assert_eq!(&words, b"the last words");
    let told = initiator.read_u8().await.unwrap_err();
    assert_eq!(end_in(&told), Some(End::AbortedByPeer(AbortReason::TooSlow)));
}

#[tokio::test]
async fn the_last_words_of_the_other_end_are_heard_though_it_takes_no_more() {
    expect_last_words(tokio::io::duplex(64 << 10)).await;
    expect_last_words(tcp().await).await;
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_takes_no_more_is_replaced_though_the_stream_is_not_read() {
    let (mut initiator, mut supplier) = left_behind(tokio::io::duplex(64 << 10), b"words", None).await;
    assert_eq!(initiator.read_u8().await.unwrap(), b'w');
    initiator.write_all(b"nobody takes this").await.unwrap();
    tokio::select! {
        wanted = supplier.wanted() => assert_eq!(wanted, Some(Wanted { fault: None, retry_after: None })),
        flushed = initiator.flush() => panic!("{flushed:?}"),
    }
}

#[tokio::test]
async fn an_attempt_beside_the_one_that_carries_the_session_is_told_that_it_is_not_needed() {
    let (mut initiator, supplier) = SessionStream::initiator(Kind::Secure.session(), BOUND);
    let dialer = supplier.dialer();
    let (silent, _held) = tokio::io::duplex(4096);
    let (near, mut far) = tokio::io::duplex(4096);
    let (late, _late_far) = tokio::io::duplex(4096);
    let attempts = async {
        let silent = dialer.attempt(silent, InsteadOf::Nothing).await;
        let answered = dialer.attempt(near, InsteadOf::Nothing).await;
        answer_open(&mut far).await;
        let (answered, silent) = (answered.settled().await, silent.settled().await);
        let late = dialer.attempt(late, InsteadOf::Nothing).await.settled().await;
        (answered, silent, late)
    };
    let settled = tokio::select! {
        settled = attempts => settled,
        _ = initiator.read_u8() => panic!("nothing was sent"),
    };
    assert_eq!(settled, (Settled::Carries, Settled::NotNeeded, Settled::NotNeeded));
}

#[tokio::test]
async fn an_attempt_that_is_given_up_before_it_is_taken_costs_no_transport() {
    let (mut initiator, supplier) = SessionStream::initiator(Kind::Secure.session(), BOUND);
    let dialer = supplier.dialer();
    let (near, mut far) = tokio::io::duplex(4096);
    let answered = async {
        let attempt = dialer.attempt(near, InsteadOf::Nothing).await;
        answer_open(&mut far).await;
        attempt.settled().await
    };
    tokio::select! {
        settled = answered => assert_eq!(settled, Settled::Carries),
        _ = initiator.read_u8() => panic!("nothing was sent"),
    }
    let live = supplier.live_transport();
    let (other, _other_far) = tokio::io::duplex(4096);
    drop(dialer.attempt(other, InsteadOf::Transport(live.unwrap())).await);
    // Now the stream takes it.
    initiator.flush().await.unwrap();
    assert_eq!(supplier.live_transport(), live);
}

#[tokio::test]
async fn a_transport_that_was_confirmed_is_not_replaced_by_an_attempt_instead_of_an_unconfirmed_one() {
    for kind in [Kind::Secure, Kind::Legacy { encrypt: false }] {
        let (mut initiator, supplier) = SessionStream::initiator(kind.session(), BOUND);
        let (near, mut far) = tokio::io::duplex(4096);
        let attempts = async {
            let attempt = supplier.dialer().attempt(near, InsteadOf::Nothing).await;
            let (session, reply) = accept_open(&mut far).await;
            let (mut acceptor, _resumes) = SessionStream::acceptor(session, reply, far, BOUND);
            let mut first = [0];
            let (settled, _) = tokio::join!(attempt.settled(), acceptor.read_exact(&mut first));
            assert_eq!(settled, Settled::Carries);
            let live = supplier.live_transport().unwrap();
            assert!(!supplier.is_confirmed(live), "the reply alone confirms nothing");
            acceptor.write_all(b"hi").await.unwrap();
            while !supplier.is_confirmed(live) {
                tokio::select! {
                    _ = acceptor.read_u8() => panic!("nothing more was sent"),
                    () = tokio::task::yield_now() => {}
                }
            }
            let (other, _other_far) = tokio::io::duplex(4096);
            let settled = supplier.dialer().attempt(other, InsteadOf::Unconfirmed(live)).await.settled().await;
            assert_eq!((settled, supplier.live_transport()), (Settled::NotNeeded, Some(live)));
        };
        let talking = async {
            initiator.write_all(b"?").await.unwrap();
            initiator.read_exact(&mut [0; 2]).await.unwrap();
            initiator.read_u8().await
        };
        tokio::select! {
            () = attempts => {}
            _ = talking => panic!("nothing more was sent"),
        }
    }
}

/// Reads the reply of an acceptor to the first message of a legacy session's transport, and sends the proof.
async fn prove(initiator: &mut Session, dial: &Dial, transport: &mut DuplexStream) {
    let (mut reply, mut proof, mut nothing) = ([0; 24], Vec::new(), Backlog::new(0));
    let count = transport.read_exact(initiator.read_into(dial.transport, &mut reply)).await.unwrap();
    let received = initiator.receive_read(dial.transport, &mut reply, count, Instant::now(), &mut nothing);
    assert_eq!(received.fault, None);
    initiator.send(Instant::now(), &mut nothing, &mut proof, usize::MAX);
    transport.write_all(&proof).await.unwrap();
}

#[tokio::test]
async fn an_acceptor_holds_no_more_than_a_few_unproven_transports_of_a_legacy_session() {
    let (kind, now) = (Kind::Legacy { encrypt: false }, Instant::now());
    let mut initiator = kind.session();
    let dial = initiator.connect(now, &mut rand::rng()).unwrap();
    let Some(Request::Open(open)) = Reception::default().receive(&dial.bytes).unwrap() else { panic!() };
    let limits = Limits { handshake_time: WAIT, wait: WAIT, legacy: kind.legacy() };
    let (session, reply) = open.accept(None, &limits, now, &mut rand::rng()).unwrap();
    let (near, mut far) = tokio::io::duplex(4096);
    let (mut acceptor, mut supplier) = SessionStream::acceptor(session, reply, near, BOUND);
    let reading = tokio::spawn(async move { acceptor.read_u8().await.unwrap() });
    prove(&mut initiator, &dial, &mut far).await;
    // The proof ends resumes that came before it.
    assert!(supplier.live().await);

    let dial = initiator.connect(now, &mut rand::rng()).unwrap();
    let mut repeated = Vec::new();
    for _ in 0..3 * MAX_CANDIDATES {
        let Some(Request::Resume(resume)) = Reception::default().receive(&dial.bytes).unwrap() else { panic!() };
        let (near, far) = tokio::io::duplex(4096);
        supplier.resume(resume, near).await.unwrap();
        repeated.push(far);
    }
    let mut newest = repeated.split_off(repeated.len() - MAX_CANDIDATES);
    for older in &mut repeated {
        assert!(matches!(older.read_to_end(&mut Vec::new()).await, Ok(24)), "it is closed behind the reply");
    }
    prove(&mut initiator, &dial, &mut newest[0]).await;
    newest[0].write_all(&[7]).await.unwrap();
    assert_eq!(reading.await.unwrap(), 7);
}
