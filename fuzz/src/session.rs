//! What must hold for sessions, whatever a peer sends; with and without its keys.

use std::time::{Duration, Instant};

use fastway_session::{
    Backlog, Dial, End, Event, Fault, Identity, KeyPair, LegacyConfig, Limits, MIN_READ_BYTES, Protocol, Reception,
    ReplayBuffer, Request, Session, TransportId,
};
use snow::TransportState;

const LEGACY: LegacyConfig = LegacyConfig { encrypt: true, replay_bytes: 1000 };
const WAIT: Duration = Duration::from_secs(60);
const LIMITS: Limits = Limits { handshake_time: Duration::from_secs(10), wait: WAIT, legacy: LEGACY };
/// Most bytes of a first message: a resume's head and the longest noise message.
const MAX_HELLO_BYTES: usize = 23 + 1024;

/// Input: the first bytes of a transport.
pub fn hello(input: &[u8]) {
    let mut reception = Reception::default();
    for (at, byte) in input.iter().enumerate() {
        match reception.receive(&[*byte]) {
            Ok(None) => assert!(reception.waiting_bytes() <= MAX_HELLO_BYTES),
            Ok(Some(request)) => {
                assert_ne!(Protocol::of(input[0]), Protocol::Plain);
                let whole = Reception::default().receive(&input[..=at]);
                assert!(matches!(whole, Ok(Some(_))), "it says the same in one piece");
                return answer(&request);
            }
            Err(error) => {
                let whole = Reception::default().receive(input);
                assert!(whole.is_err(), "{error} in pieces only");
                return;
            }
        }
    }
}

fn answer(request: &Request) {
    let Request::Open(open) = request else { return };
    let accepted = open.accept(Some(&KeyPair::from_private([9; 32])), &LIMITS, Instant::now(), &mut rand::rng());
    if let Ok((mut session, dial)) = accepted {
        assert!(!dial.bytes.is_empty() && session.poll_event().is_none(), "nothing is proven yet");
        assert_eq!(session.names().iter().count(), 1);
    }
}

/// Input: whether the session is a legacy one, then what comes instead of the acceptor's reply.
pub fn reply(input: &[u8]) {
    let Some((legacy, input)) = input.split_first() else { return };
    let now = Instant::now();
    let mut session = match legacy & 1 {
        0 => Session::secure(Identity::Anyone, WAIT, now),
        _ => Session::legacy(LEGACY, WAIT, now),
    };
    let mut backlog = Backlog::new(1000);
    backlog.push(b"to be kept from strangers");
    let Ok(dial) = session.connect(now, &mut rand::rng()) else { unreachable!("it is new") };
    let mut room = [0; MIN_READ_BYTES];
    for byte in input {
        session.read_into(dial.transport, &mut room)[0] = *byte;
        let received = session.receive_read(dial.transport, &mut room, 1, now, &mut backlog);
        assert!(!session.read_into(dial.transport, &mut room).is_empty(), "less than a record is kept");
        if received.fault.is_some() {
            let space = session.read_into(dial.transport, &mut room).len();
            assert_eq!(space, MIN_READ_BYTES, "nothing is kept of a lost transport");
            break;
        }
    }
    let mut sent = Vec::new();
    session.send(now, &mut backlog, &mut sent, usize::MAX);
    let established =
        std::iter::from_fn(|| session.poll_event()).any(|event| matches!(event, Event::Established { .. }));
    assert!(established || sent.is_empty(), "nothing is sent to nobody");
    assert!(*legacy & 1 == 1 || !established, "no stranger can reply");
}

/// Input: plaintexts, each behind its length (u8), which a peer seals with the right keys.
pub fn records(input: &[u8]) {
    let mut peer = Peer::open();
    let (mut rest, mut closes) = (input, 0);
    while let Some((len, bytes)) = rest.split_first() {
        let (plaintext, after) = bytes.split_at(bytes.len().min(usize::from(*len)));
        rest = after;
        let before = (peer.session.received(), peer.backlog.len());
        let bytes = peer.seal_and_deliver(plaintext);
        let after = (peer.session.received(), peer.backlog.len());
        assert!(after.0 >= before.0 && after.1 <= before.1, "counts only grow, what is kept only shrinks");
        assert!(bytes <= plaintext.len() && after.0 - before.0 <= 1 + bytes as u64);
        let events = std::iter::from_fn(|| peer.session.poll_event());
        closes += events.filter(|event| *event == Event::PeerClosed).count();
        assert!(closes <= 1, "a stream ends once");
        if let Some(end) = peer.session.end() {
            return assert!(matches!(end, End::PeerFault(_) | End::AbortedByPeer(_)), "{end}");
        }
        if plaintext.is_empty() {
            return;
        }
    }
    peer.farewell();
}

/// An initiator that keeps to the handshake and to nothing else. It is made with `snow` alone, from docs/protocol.md.
struct Peer {
    session: Session,
    transport: TransportId,
    backlog: Backlog,
    keys: TransportState,
    now: Instant,
}

impl Peer {
    fn open() -> Self {
        let now = Instant::now();
        let head = [1, 0, 32, 0];
        let prologue = [&b"fastway session 1"[..], &head].concat();
        let Ok(params) = "Noise_NN_25519_ChaChaPoly_SHA256".parse() else { unreachable!("it is a pattern") };
        let builder = snow::Builder::new(params).prologue(&prologue);
        let Ok(mut handshake) = builder.and_then(snow::Builder::build_initiator) else {
            unreachable!("NN needs no key")
        };
        let mut buffer = [0; 64];
        assert_eq!(handshake.write_message(&[], &mut buffer), Ok(32));
        let (message, _) = buffer.split_at(32);

        let request = Reception::default().receive(&[&head[..], message].concat());
        let Ok(Some(Request::Open(open))) = request else { unreachable!("it is an open") };
        let accepted = open.accept(None, &LIMITS, now, &mut rand::rng());
        let Ok((session, Dial { transport, bytes })) = accepted else { unreachable!("it is a good one") };
        let mut payload = [0; 1024];
        assert_eq!(bytes[..3], [0, 100, 0]);
        assert_eq!(handshake.read_message(&bytes[3..], &mut payload), Ok(16 + 32 + 4));
        let Ok(keys) = handshake.into_transport_mode() else { unreachable!("it is through") };

        let mut peer = Self { session, transport, backlog: Backlog::new(1000), keys, now };
        assert_eq!(peer.seal_and_deliver(&[0, 0, 0, 0, 0, 0, 0, 0, 1]), 0);
        peer.backlog.push(&[7; 500]);
        let mut wire = Vec::new();
        peer.session.send(now, &mut peer.backlog, &mut wire, usize::MAX);
        assert_eq!(peer.open_record(&wire).len(), 501, "500 bytes and their trailer");
        peer
    }

    fn seal_and_deliver(&mut self, plaintext: &[u8]) -> usize {
        let mut wire = vec![0; 2 + plaintext.len() + 16];
        let Ok(sealed) = self.keys.write_message(plaintext, &mut wire[2..]) else { unreachable!("it is short") };
        let len = u16::try_from(sealed).unwrap_or_default().to_le_bytes();
        wire[..2].copy_from_slice(&len);
        let count = wire.len();
        let received = self.session.receive_read(self.transport, &mut wire, count, self.now, &mut self.backlog);
        // Without even a kind it is shorter than any record, which shows before it is opened.
        let too_short = plaintext.is_empty() && received.fault == Some(Fault::BadLength { len: 16 });
        let ended = self.session.end().is_some();
        assert_eq!(received.fault.is_some(), ended || too_short, "an authentic record costs all or nothing");
        received.bytes
    }

    fn open_record(&mut self, record: &[u8]) -> Vec<u8> {
        let mut plaintext = vec![0; record.len()];
        let Ok(opened) = self.keys.read_message(&record[2..], &mut plaintext) else { unreachable!("it is authentic") };
        plaintext.truncate(opened);
        plaintext
    }

    /// The session still works: it can tell that it is over.
    fn farewell(&mut self) {
        let mut wire = Vec::new();
        self.session.abort(fastway_session::AbortReason::Operator);
        self.session.send(self.now, &mut self.backlog, &mut wire, usize::MAX);
        assert_eq!(self.open_record(&wire), [4, 3]);
    }
}
