//! Refusals for overload: what peers are told, and that their sessions wait for them meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fastway_session::{Backlog, Identity, LegacyConfig, Session, Status, TransportId};
use fastway_testkit::{Gateway, on_every_setup, watch};
use serde_json::{Value, json};

/// One resume a second has its turn; the next ones wait.
const ONE_RESUME_A_SECOND: [&str; 4] = ["--client-link", "secure,legacy", "--max-handshakes-per-second", "1"];
const OVERLOADED: u8 = Status::Overloaded as u8;

/// A player's end of a session, which resumes when the script says so, and never ends by itself.
struct Player {
    session: Session,
    backlog: Backlog,
    stream: TcpStream,
    transport: TransportId,
}

impl Player {
    fn secure(gateway: &Gateway) -> Self {
        Self::open(gateway, Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now()))
    }

    fn legacy(gateway: &Gateway) -> Self {
        let config = LegacyConfig { encrypt: false, replay_bytes: 1 << 10 };
        Self::open(gateway, Session::legacy(config, watch::DEADLINE, Instant::now()))
    }

    fn open(gateway: &Gateway, mut session: Session) -> Self {
        let dial = session.connect(Instant::now(), &mut rand::rng()).unwrap();
        let stream = send(gateway, &dial.bytes);
        let mut player = Self { session, backlog: Backlog::new(1 << 10), stream, transport: dial.transport };
        while player.session.poll_event().is_none() {
            let mut room = [0; 4096];
            let count = player.stream.read(player.session.read_into(player.transport, &mut room)).unwrap();
            assert!(count > 0, "the gateway replies");
            let (transport, now) = (player.transport, Instant::now());
            let received = player.session.receive_read(transport, &mut room, count, now, &mut player.backlog);
            assert_eq!(received.fault, None);
        }
        let mut proof = Vec::new();
        player.session.send(Instant::now(), &mut player.backlog, &mut proof, usize::MAX);
        player.stream.write_all(&proof).unwrap();
        player
    }

    /// Cuts the transport.
    fn cut(&mut self, gateway: &Gateway) {
        self.stream.shutdown(std::net::Shutdown::Both).unwrap();
        self.session.transport_lost(self.transport, Instant::now());
        watch::eventually("the gateway has noticed the cut", || sessions(gateway)["waiting"] == json!(1));
    }

    /// Sends a resume, and does not read the answer.
    fn resume(&mut self, gateway: &Gateway) -> TcpStream {
        send(gateway, &self.session.connect(Instant::now(), &mut rand::rng()).unwrap().bytes)
    }

    /// Resumes and loses its place to a newcomer while it waits for its turn, and returns what it is told.
    fn lose_place(&mut self, gateway: &Gateway) -> Vec<u8> {
        refusal(|| {
            let mut resuming = self.resume(gateway);
            expect_arrival(gateway, &resuming);
            let _newcomer = TcpStream::connect(gateway.client_addr()).unwrap();
            first_answer(&mut resuming)
        })
    }
}

fn sessions(gateway: &Gateway) -> Value {
    gateway.stats()["sessions"].take()
}

fn send(gateway: &Gateway, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.client_addr()).unwrap();
    stream.set_read_timeout(Some(watch::DEADLINE)).unwrap();
    stream.write_all(first).unwrap();
    stream
}

/// Waits until a first message has its place among the handshakes, or an answer: newcomers come behind it.
fn expect_arrival(gateway: &Gateway, stream: &TcpStream) {
    stream.set_nonblocking(true).unwrap();
    watch::eventually("the gateway has it", || {
        let is_silent = matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        !is_silent || sessions(gateway)["handshakes"]["in_progress"] == json!(1)
    });
    stream.set_nonblocking(false).unwrap();
}

/// All of a refusal, or the first byte of a reply.
fn first_answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut status = [0xff];
    if !matches!(stream.read(&mut status), Ok(1..)) {
        return Vec::new();
    }
    let mut answer = status.to_vec();
    if status != [0] {
        stream.read_to_end(&mut answer).unwrap();
    }
    answer
}

/// What one is told who does not get a turn. Whoever gets one, or loses its place before the gateway has read what it wants,
/// tries again.
fn refusal(mut attempt: impl FnMut() -> Vec<u8>) -> Vec<u8> {
    let mut told = Vec::new();
    watch::eventually("it gets no turn", || {
        told = attempt();
        !matches!(told.as_slice(), [] | [0])
    });
    told
}

/// When to come again, as a refusal says it.
#[track_caller]
fn retry_after(refusal: &[u8]) -> Duration {
    let [OVERLOADED, millis @ ..] = refusal else { panic!("{refusal:?}") };
    Duration::from_millis(u16::from_le_bytes(millis.try_into().expect("two bytes, and nothing else")).into())
}

#[test]
fn an_open_beyond_a_bound_on_links_is_told_to_come_again_in_some_seconds() {
    for bound in ["--max-links", "--max-links-per-address"] {
        let gateway = Gateway::with_admin(&["--client-link", "secure,legacy", bound, "1"]);
        let _player = Player::secure(&gateway);
        let open = || Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
        let told = first_answer(&mut send(&gateway, &open().connect(Instant::now(), &mut rand::rng()).unwrap().bytes));
        let retry_after = retry_after(&told);
        assert!((1..=30).contains(&retry_after.as_secs()), "{bound}: {retry_after:?}");

        let config = LegacyConfig { encrypt: false, replay_bytes: 1 << 10 };
        let legacy = Session::legacy(config, watch::DEADLINE, Instant::now()).connect(Instant::now(), &mut rand::rng());
        assert_eq!(first_answer(&mut send(&gateway, &legacy.unwrap().bytes)), [0; 0], "it has no words for it");
    }
}

#[test]
fn a_peer_that_reads_the_status_alone_is_refused_as_ever() {
    let gateway = Gateway::with_admin(&["--client-link", "secure", "--max-links", "1"]);
    let mut player = Player::secure(&gateway);
    for refused in 1..=3 {
        let mut open = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
        let mut stream = send(&gateway, &open.connect(Instant::now(), &mut rand::rng()).unwrap().bytes);
        let mut status = [0];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(status, [OVERLOADED]);
        drop(stream);
        watch::eventually("it is over for the gateway, too", || {
            let stats = gateway.stats();
            let (links, handshakes) = (&stats["refused"]["links"], &stats["sessions"]["handshakes"]);
            links["max_links"] == json!(refused) && handshakes["in_progress"] == json!(0)
        });
    }
    assert_eq!(sessions(&gateway)["handshakes"]["failed"]["refused"], json!(0), "each counts once, by the limit");
    player.cut(&gateway);
    assert_eq!(first_answer(&mut player.resume(&gateway)), [0], "and who is in is in");
}

#[test]
fn a_resume_that_loses_its_place_is_told_when_to_come_again() {
    let gateway = Gateway::with_admin(&[&ONE_RESUME_A_SECOND[..], &["--max-handshakes", "1"]].concat());
    let mut player = Player::secure(&gateway);
    player.cut(&gateway);
    let told = player.lose_place(&gateway);
    assert!(retry_after(&told) > Duration::ZERO);
    let counted = sessions(&gateway);
    assert_eq!((&counted["refused"]["overloaded"], &counted["resumes"]["refused"]), (&json!(1), &json!(1)));
    assert!(counted["handshakes"]["failed"]["dropped"].as_u64() >= Some(1), "{counted}");
}

#[test]
fn a_resume_whose_place_a_newer_one_has_taken_is_told_so_and_does_not_count_as_replayed() {
    let gateway = Gateway::with_admin(&ONE_RESUME_A_SECOND);
    let mut player = Player::secure(&gateway);
    player.cut(&gateway);
    let told = refusal(|| {
        let mut older = player.resume(&gateway);
        expect_arrival(&gateway, &older);
        let _newer = player.resume(&gateway);
        first_answer(&mut older)
    });
    assert_eq!(told, [Status::StaleAttempt as u8]);
    let counted = sessions(&gateway);
    assert_eq!((&counted["refused"]["stale_attempt"], &counted["resumes"]["refused"]), (&json!(0), &json!(1)));
}

#[test]
fn of_many_resumes_that_come_at_once_each_is_answered() {
    let flags = ["--client-link", "secure", "--max-handshakes", "2", "--admin-addr", "127.0.0.1:0"];
    on_every_setup(&flags, |gateway| {
        let mut players = Vec::new();
        for opened in 1..=12 {
            players.push(Player::secure(gateway));
            watch::eventually("it is open", || sessions(gateway)["open"] == json!(opened));
        }
        // The gateway finds all of them at one stroke.
        gateway.pause();
        let mut resuming: Vec<_> = players.iter_mut().map(|player| player.resume(gateway)).collect();
        gateway.resume();
        let told: Vec<_> = resuming.iter_mut().map(first_answer).collect();
        assert!(told.iter().all(|told| matches!(told.as_slice(), [0] | [OVERLOADED, _, _])), "{told:?}");
    });
}

#[test]
fn a_resume_that_waits_for_as_long_as_a_handshake_may_take_is_told_when_to_come_again() {
    let gateway = Gateway::with_admin(&[&ONE_RESUME_A_SECOND[..], &["-ClientSnetInitTimeout", "300ms"]].concat());
    let mut player = Player::secure(&gateway);
    player.cut(&gateway);
    let told = refusal(|| first_answer(&mut player.resume(&gateway)));
    assert!(retry_after(&told) > Duration::ZERO);
    assert_eq!(sessions(&gateway)["handshakes"]["failed"]["too_slow"], json!(1));
}

#[test]
fn a_legacy_reconnect_that_loses_its_place_is_not_told_that_its_session_is_over() {
    let gateway = Gateway::with_admin(&[&ONE_RESUME_A_SECOND[..], &["--max-handshakes", "1"]].concat());
    let mut player = Player::legacy(&gateway);
    player.cut(&gateway);
    let dropped = || sessions(&gateway)["handshakes"]["failed"]["dropped"].as_u64();
    watch::eventually("it has lost its place", || {
        let told = {
            let mut resuming = player.resume(&gateway);
            expect_arrival(&gateway, &resuming);
            let _newcomer = TcpStream::connect(gateway.client_addr()).unwrap();
            let mut reply = [0; 24];
            resuming.read_exact(&mut reply).is_ok().then_some(reply)
        };
        assert_ne!(told, Some([0; 24]), "all zero: refused");
        told.is_none() && dropped() >= Some(1)
    });
}

#[test]
fn a_session_does_not_expire_while_its_player_is_told_to_come_again() {
    let wait = Duration::from_secs(3);
    let times = ["-ClientSnetWaitTimeout", "3s", "-ClientSnetInitTimeout", "3s"];
    let gateway = Gateway::with_admin(&[&ONE_RESUME_A_SECOND[..], &["--max-handshakes", "1"], &times].concat());
    let mut player = Player::secure(&gateway);
    player.cut(&gateway);
    let cut = Instant::now();
    while cut.elapsed() < 3 * wait {
        let told = player.lose_place(&gateway);
        assert!(retry_after(&told) <= wait / 2, "its session would be gone before: {told:?}");
    }
    assert_eq!(refusal_or_reply(&mut player, &gateway), [0]);

    // Nobody comes for it any more.
    watch::eventually("it expires", || sessions(&gateway)["open"] == json!(0));
    assert!(cut.elapsed() >= 4 * wait, "its wait began anew");
}

#[test]
fn a_session_does_not_expire_while_its_resume_waits_for_its_turn() {
    let wait = Duration::from_secs(3);
    let pace = ["--client-link", "secure,legacy", "--max-handshakes-per-second", "2"];
    let times = ["-ClientSnetWaitTimeout", "3s", "-ClientSnetInitTimeout", "60s"];
    let flags = [pace, times].concat();
    for workers in ["1", "2"] {
        let gateway = Gateway::with_admin(&[&flags[..], &["--workers", workers]].concat());
        // They open at no cost; their reconnects go first.
        let mut others: Vec<_> = (0..16).map(|_| Player::legacy(&gateway)).collect();
        let mut player = Player::secure(&gateway);
        let ahead: Vec<_> = others.iter_mut().map(|other| other.resume(&gateway)).collect();
        player.cut(&gateway);
        let cut = Instant::now();
        let told = first_answer(&mut player.resume(&gateway));
        assert_eq!(told, [0], "with {workers} workers");
        assert!(cut.elapsed() > wait, "its turn comes later than sessions expire");
        drop(ahead);
    }
}

/// What a player is told who tries until the gateway has read what it wants.
fn refusal_or_reply(player: &mut Player, gateway: &Gateway) -> Vec<u8> {
    let mut told = Vec::new();
    watch::eventually("it is answered", || {
        told = first_answer(&mut player.resume(gateway));
        !told.is_empty()
    });
    told
}
