//! Links that outlive their transports, against a gateway's end that the test plays.

use std::time::{Duration, Instant};

use crate::support::FakeGateway;
use crate::support::acceptor::{Accepted, Acceptor, kinds, secure};
use fastway_client::{
    AbortReason, Backoff, Client, ClientConfig, CloseReason, ConnectError, Connection, DialError, GatewayPort, LinkEnd,
    PublicKey, SendError, ServerId, SessionConfig, SessionEnd, SessionEvent, SessionFault, SessionStatus,
};
use fastway_testkit::chaos::Direction::{ToClient, ToServer};
use fastway_testkit::chaos::Faults;
use fastway_testkit::watch::DEADLINE;
use fastway_wire::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

fn config(session: SessionConfig) -> ClientConfig {
    let mut config = crate::support::quiet();
    config.link.session = Some(session);
    config
}

/// A client with a link, the other end of it, and a connection on it.
async fn connected(config: ClientConfig) -> (Acceptor, Client, Accepted, Connection<ServerId>) {
    let mut acceptor = Acceptor::start(config.link.session.as_ref().unwrap()).await;
    let addr = acceptor.addr();
    let greeting = async {
        let mut accepted = acceptor.accept().await;
        accepted.gateway.expect(Command::Ping).await;
        accepted.gateway.command(Command::Ping).await;
        accepted
    };
    let (client, mut accepted) = tokio::join!(Client::connect(addr, config), greeting);
    let client = client.unwrap();
    let connection = accepted.gateway.open(&client, 1).await;
    (acceptor, client, accepted, connection)
}

async fn exchange(gateway: &mut FakeGateway, connection: &mut Connection<ServerId>) {
    connection.send("hi").await.unwrap();
    gateway.expect_data(1, b"hi").await;
    gateway.data(1, b"ho").await;
    assert_eq!(connection.recv().await.unwrap(), "ho");
}

#[tokio::test]
async fn connections_go_on_after_a_cut_as_if_nothing_had_happened() {
    for session in kinds() {
        let (acceptor, client, mut accepted, mut connection) = connected(config(session)).await;
        for cuts in 1..=5 {
            exchange(&mut accepted.gateway, &mut connection).await;
            acceptor.proxy.cut();
            // These are on no wire yet, or on one that is cut.
            connection.send("during").await.unwrap();
            accepted.gateway.data(1, b"the cut").await;
            accepted.gateway.expect_data(1, b"during").await;
            assert_eq!(connection.recv().await.unwrap(), "the cut");
            let stats = client.stats();
            assert_eq!((stats.interruptions, stats.resumes), (cuts, cuts));
        }
        assert_eq!(acceptor.resumes(), 5);
    }
}

#[tokio::test]
async fn a_new_transport_that_was_asked_for_takes_the_place_of_one_that_looks_alive() {
    for session in kinds() {
        let (acceptor, client, mut accepted, mut connection) = connected(config(session)).await;
        let mut events = client.session_events();
        for transport in 1..=3 {
            // Neither end is told, and nobody waits for it to notice.
            acceptor.proxy.black_hole();
            connection.send("into the hole").await.unwrap();
            accepted.gateway.data(1, b"and out of it").await;
            client.reconnect_now();
            accepted.gateway.expect_data(1, b"into the hole").await;
            assert_eq!(connection.recv().await.unwrap(), "and out of it");
            assert!(matches!(events.next().await, Some(SessionEvent::Interrupted)));
            assert!(matches!(events.next().await, Some(SessionEvent::Resumed { .. })));
            assert_eq!(acceptor.proxy.count(), transport + 1);
        }
    }
}

#[tokio::test]
async fn a_transport_on_which_the_gateway_is_silent_is_replaced_and_the_link_lives_on() {
    let mut session = secure();
    session.silent_after = Duration::from_millis(500);
    let mut config = config(session);
    config.link.ping_interval = Some(Duration::from_secs(10));
    let mut acceptor = Acceptor::start(config.link.session.as_ref().unwrap()).await;
    let connecting = Client::connect(acceptor.addr(), config);
    let answering = async {
        let mut gateway = acceptor.accept().await.gateway;
        gateway.answer_pings(1).await;
        gateway
    };
    let (client, mut gateway) = tokio::join!(connecting, answering);
    let client = client.unwrap();
    let mut events = client.session_events();
    for held in [&[ToServer][..], &[ToClient], &[ToServer, ToClient]] {
        let newest = acceptor.proxy.newest().unwrap();
        held.iter().for_each(|direction| newest.hold(*direction));
        let replaced = async {
            assert!(matches!(events.next().await, Some(SessionEvent::Interrupted)));
            assert!(matches!(events.next().await, Some(SessionEvent::Resumed { .. })));
        };
        tokio::select! {
            replaced = timeout(DEADLINE, replaced) => replaced.unwrap(),
            () = gateway.answer_pings(usize::MAX) => panic!("there are not so many pings"),
        }
    }
    // A machine that stalls is silent as well.
    assert!(client.stats().resumes >= 3);
    assert!(client.end().is_none());
}

#[tokio::test]
async fn a_transport_whose_gateway_answers_is_left_alone() {
    let mut session = secure();
    session.silent_after = Duration::from_millis(300);
    let mut config = config(session);
    config.link.ping_interval = Some(Duration::from_secs(10));
    let mut acceptor = Acceptor::start(config.link.session.as_ref().unwrap()).await;
    let connecting = Client::connect(acceptor.addr(), config);
    let answering = async {
        let mut gateway = acceptor.accept().await.gateway;
        gateway.answer_pings(1).await;
        gateway
    };
    let (client, mut gateway) = tokio::join!(connecting, answering);
    gateway.answer_pings(10).await;
    // A machine that stalled in between has been silent; that must be seen as well.
    let stats = client.unwrap().stats();
    assert!(stats.interruptions <= 1, "{stats:?}");
}

#[tokio::test]
async fn a_refused_resume_is_tried_a_few_times_and_then_everything_ends_with_the_reason() {
    let (acceptor, client, _accepted, mut connection) = connected(config(secure())).await;
    let mut events = client.session_events();
    acceptor.refuse(SessionStatus::Unknown);
    acceptor.proxy.cut();
    assert!(matches!(events.next().await, Some(SessionEvent::Interrupted)));
    let reason = SessionEnd::Refused(SessionStatus::Unknown);
    let lost = timeout(DEADLINE, events.next()).await.unwrap();
    assert!(matches!(&lost, Some(SessionEvent::Lost(LinkEnd::SessionLost(end))) if *end == reason), "{lost:?}");
    assert!(events.next().await.is_none());
    assert_eq!(acceptor.resumes(), 4);

    assert!(matches!(client.closed().await, LinkEnd::SessionLost(end) if end == reason));
    assert_eq!(connection.recv().await, None);
    let closed = connection.close_reason();
    assert!(matches!(&closed, Some(CloseReason::Link(LinkEnd::SessionLost(end))) if *end == reason), "{closed:?}");
    assert_eq!(
        closed.unwrap().to_string(),
        "the session with the gateway is lost: the session cannot be resumed: no session has this id"
    );
    let sent = connection.send("too late").await;
    assert!(matches!(sent, Err(SendError::Closed(CloseReason::Link(LinkEnd::SessionLost(_))))), "{sent:?}");
    let dialed = client.dial(ServerId::new(7)).await.map(drop);
    assert!(matches!(dialed, Err(DialError::LinkClosed(LinkEnd::SessionLost(_)))), "{dialed:?}");
    // There is nothing to come back to.
    client.reconnect_now();
    assert!(client.session_events().next().await.is_none());
}

const OVERLOADED: u8 = SessionStatus::Overloaded as u8;
const RETRY_AFTER_300_MS: [u8; 3] = [OVERLOADED, 44, 1];
const RETRY_AFTER_2_S: [u8; 3] = [OVERLOADED, 208, 7];

/// A session whose delays may be as long as a gateway asks for.
fn patient() -> SessionConfig {
    let mut session = secure();
    session.backoff = Backoff::new(Duration::from_millis(2), Duration::from_secs(2));
    session
}

/// Waits until so many resumes have come.
async fn resumed_times(acceptor: &Acceptor, times: usize) {
    let came = async {
        while acceptor.resumes() < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, came).await.unwrap();
}

#[tokio::test]
async fn an_overloaded_gateway_is_asked_again_no_earlier_than_it_says_and_the_session_goes_on() {
    let (acceptor, client, mut accepted, mut connection) = connected(config(patient())).await;
    acceptor.refuse_with(&RETRY_AFTER_300_MS);
    acceptor.proxy.cut();
    resumed_times(&acceptor, 4).await;
    let times = acceptor.resume_times();
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| *pause >= Duration::from_millis(300)), "{pauses:?}");
    acceptor.admit();
    exchange(&mut accepted.gateway, &mut connection).await;
    assert!(client.end().is_none());
}

#[tokio::test]
async fn an_overloaded_gateway_of_an_older_version_is_asked_again_as_ever() {
    let (acceptor, client, mut accepted, mut connection) = connected(config(secure())).await;
    acceptor.refuse_with(&[OVERLOADED]);
    acceptor.proxy.cut();
    // More than are believed of those that would be final.
    resumed_times(&acceptor, 8).await;
    acceptor.admit();
    exchange(&mut accepted.gateway, &mut connection).await;
    assert!(client.end().is_none());
}

#[tokio::test]
async fn a_gateway_cannot_send_a_session_away_for_longer_than_its_longest_delay() {
    let (acceptor, _client, mut accepted, mut connection) = connected(config(secure())).await;
    acceptor.refuse_with(&[OVERLOADED, 0xff, 0xff]);
    acceptor.proxy.cut();
    let began = Instant::now();
    resumed_times(&acceptor, 3).await;
    acceptor.admit();
    exchange(&mut accepted.gateway, &mut connection).await;
    assert!(began.elapsed() < Duration::from_secs(65));
}

#[tokio::test]
async fn a_session_that_an_overloaded_gateway_kept_out_for_too_long_says_so() {
    let session = secure();
    let mut acceptor = Acceptor::start_with_wait(&session, Duration::from_secs(1)).await;
    let addr = acceptor.addr();
    let greeting = async {
        let mut accepted = acceptor.accept().await;
        accepted.gateway.answer_pings(1).await;
        accepted
    };
    let (client, _accepted) = tokio::join!(Client::connect(addr, config(session)), greeting);
    acceptor.refuse_with(&[OVERLOADED]);
    acceptor.proxy.cut();
    let end = timeout(DEADLINE, client.unwrap().closed()).await.unwrap();
    assert_eq!(
        end.to_string(),
        "the session with the gateway is lost: the session cannot be resumed: the gateway is overloaded"
    );
}

#[tokio::test]
async fn an_attempt_that_gets_no_reply_is_given_up_for_the_next() {
    let mut session = secure();
    session.attempt_timeout = Duration::from_millis(300);
    let (acceptor, client, mut accepted, mut connection) = connected(config(session)).await;
    acceptor.proxy.next(Faults::default().hold_after(ToServer, 5));
    acceptor.proxy.next(Faults::default().hold_after(ToClient, 3));
    acceptor.proxy.cut();
    exchange(&mut accepted.gateway, &mut connection).await;
    // On a machine that stalls more attempts may be given up.
    assert!(acceptor.proxy.count() >= 4);
    assert_eq!(client.stats().resumes, 1);
}

/// Attempts that are waited for as long as a test may take: only one beside them brings the session back.
fn never_in_time(mut session: SessionConfig) -> ClientConfig {
    session.attempt_timeout = 3 * DEADLINE;
    let mut config = config(session);
    config.link.connect_timeout = 3 * DEADLINE;
    config
}

/// Waits until so many connections have come through the network.
async fn connected_times(acceptor: &Acceptor, times: usize) {
    let came = async {
        while acceptor.proxy.count() < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, came).await.unwrap();
}

#[tokio::test]
async fn a_resume_that_nobody_answers_gets_another_attempt_beside_it() {
    for session in kinds() {
        let (acceptor, client, mut accepted, mut connection) = connected(never_in_time(session)).await;
        for direction in [ToServer, ToClient] {
            acceptor.proxy.next(Faults::default().hold_after(direction, 0));
            acceptor.proxy.cut();
            timeout(DEADLINE, exchange(&mut accepted.gateway, &mut connection)).await.unwrap();
        }
        assert_eq!(client.stats().resumes, 2);
    }
}

#[tokio::test]
async fn a_transport_that_falls_silent_behind_the_reply_is_replaced_long_before_it_counts_as_silent() {
    // The first message of a resume.
    for (mut session, first_message) in kinds().into_iter().zip([79, 41, 41]) {
        session.silent_after = 3 * DEADLINE;
        let mut config = config(session);
        config.link.ping_interval = Some(3 * DEADLINE);
        let (acceptor, _client, mut accepted, connection) = connected(config).await;
        acceptor.proxy.next(Faults::default().hold_after(ToServer, first_message));
        acceptor.proxy.cut();
        timeout(DEADLINE, async {
            connection.send("hi").await.unwrap();
            accepted.gateway.expect_data(1, b"hi").await;
            // One for each new transport.
            accepted.gateway.expect(Command::Ping).await;
            accepted.gateway.expect(Command::Ping).await;
        })
        .await
        .unwrap();
        // On a machine that stalls more transports may be replaced.
        assert!(acceptor.proxy.count() >= 3);
    }
}

#[tokio::test]
async fn an_open_that_nobody_answers_gets_another_attempt_beside_it() {
    for session in kinds() {
        for direction in [ToServer, ToClient] {
            let config = never_in_time(session.clone());
            let mut acceptor = Acceptor::start(&session).await;
            acceptor.proxy.next(Faults::default().hold_after(direction, 0));
            let connecting = timeout(DEADLINE, Client::connect(acceptor.addr(), config));
            let answering = async {
                // That of the attempt that was not answered says nothing more.
                let mut links = JoinSet::new();
                loop {
                    let mut gateway = acceptor.accept().await.gateway;
                    links.spawn(async move { gateway.answer_pings(usize::MAX).await });
                }
            };
            let client = tokio::select! {
                client = connecting => client.unwrap().unwrap(),
                never = answering => never,
            };
            assert_eq!(client.stats().interruptions, 0);
        }
    }
}

/// Waits until so many opens and resumes were refused.
async fn refused_times(acceptor: &Acceptor, times: usize) {
    let came = async {
        while acceptor.refused() < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, came).await.unwrap();
}

#[tokio::test]
async fn an_open_goes_on_by_an_attempt_under_way_though_the_one_beside_it_is_refused() {
    let config = never_in_time(secure());
    let mut acceptor = Acceptor::start(config.link.session.as_ref().unwrap()).await;
    acceptor.proxy.next(Faults::default().hold_after(ToServer, 0));
    acceptor.refuse_with(&RETRY_AFTER_2_S);
    let connecting = timeout(DEADLINE, Client::connect(acceptor.addr(), config));
    let answering = async {
        refused_times(&acceptor, 1).await;
        acceptor.admit();
        acceptor.proxy.connection(0).release(ToServer);
        acceptor.accept().await.gateway.answer_pings(usize::MAX).await;
    };
    tokio::select! {
        client = connecting => assert!(client.unwrap().is_ok()),
        () = answering => panic!("there are not so many pings"),
    }
}

#[tokio::test]
async fn an_open_fails_when_all_of_its_attempts_have_with_what_the_first_has_failed_with() {
    let mut session = secure();
    session.attempt_timeout = Duration::from_millis(500);
    let acceptor = Acceptor::start(&session).await;
    let mut config = config(session);
    config.link.connect_timeout = 3 * DEADLINE;
    acceptor.proxy.next(Faults::default().hold_after(ToServer, 0));
    acceptor.refuse_with(&RETRY_AFTER_300_MS);
    // The first is never answered. It gets the time of an attempt from the refusal on.
    let error = timeout(DEADLINE, Client::connect(acceptor.addr(), config)).await.unwrap().unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_millis(300)), "{error}");
    assert_eq!(acceptor.proxy.count(), 2, "a refusal is no reason to ask again");
}

#[tokio::test]
async fn the_attempt_that_is_answered_first_brings_the_session_back_however_old_it_is() {
    for session in kinds() {
        let (acceptor, client, mut accepted, mut connection) = connected(never_in_time(session)).await;
        acceptor.proxy.always(Faults::default().hold_after(ToServer, 0));
        acceptor.proxy.cut();
        connected_times(&acceptor, 3).await;
        acceptor.proxy.connection(1).release(ToServer);
        timeout(DEADLINE, exchange(&mut accepted.gateway, &mut connection)).await.unwrap();
        assert_eq!(client.stats().resumes, 1);
    }
}

#[tokio::test]
async fn no_attempt_is_made_beside_others_before_the_time_that_an_overloaded_gateway_has_named() {
    let (acceptor, client, mut accepted, mut connection) = connected(never_in_time(patient())).await;
    acceptor.refuse_with(&RETRY_AFTER_2_S);
    acceptor.proxy.cut();
    // More than the delays after which an attempt without an answer gets another one beside it.
    resumed_times(&acceptor, 3).await;
    let times = acceptor.resume_times();
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| *pause >= Duration::from_secs(2)), "{pauses:?}");
    acceptor.admit();
    exchange(&mut accepted.gateway, &mut connection).await;
    assert!(client.end().is_none());
}

#[tokio::test]
async fn a_transport_that_is_cut_or_damaged_in_its_handshake_leaves_the_session_as_it_was() {
    let mut session = secure();
    session.attempt_timeout = Duration::from_millis(300);
    let (acceptor, client, mut accepted, mut connection) = connected(config(session)).await;
    // 0x02, id, attempt, length, message; and the status, length, message of the reply.
    let in_hello = [0, 1, 16, 20, 22, 40, 78].map(|place| (ToServer, place));
    let in_reply = [0, 1, 2, 40, 106].map(|place| (ToClient, place));
    for (direction, place) in in_hello.into_iter().chain(in_reply) {
        for faults in [Faults::default().cut_after(direction, place), Faults::default().flip_bit(direction, place, 2)] {
            let transports = acceptor.proxy.count();
            acceptor.proxy.next(faults);
            acceptor.proxy.cut();
            exchange(&mut accepted.gateway, &mut connection).await;
            assert!(acceptor.proxy.count() >= transports + 2, "one that fails at {place}, and the next one");
        }
    }
    assert!(client.end().is_none());
}

/// Sends both ways until the session has come back `times` times more, and then reads it all.
async fn exchange_until_resumed(
    times: u64,
    client: &Client,
    gateway: &mut FakeGateway,
    ours: &mut Connection<ServerId>,
) {
    let (mut events, until) = (client.session_events(), client.stats().resumes + times);
    let mut sent = 0_u32;
    while client.stats().resumes < until {
        ours.send_slice(&sent.to_le_bytes()).await.unwrap();
        gateway.data(1, &sent.to_le_bytes()).await;
        sent += 1;
        // Whatever happens, or a moment.
        let _ = timeout(Duration::from_millis(2), events.next()).await;
    }
    for number in 0..sent {
        gateway.expect_data(1, &number.to_le_bytes()).await;
        assert_eq!(ours.recv().await.unwrap(), number.to_le_bytes()[..]);
    }
}

#[tokio::test]
async fn a_flipped_bit_or_a_missing_byte_costs_the_transport_and_not_the_session() {
    // 0x02, id, attempt, length and message; status, length and message.
    let (hello, reply) = (1 + 16 + 4 + 2 + 56, 1 + 2 + 32 + 56 + 16);
    for faults in [
        Faults::default().flip_bit(ToServer, hello + 150, 0),
        Faults::default().leave_out(ToServer, hello + 150, 1),
        Faults::default().flip_bit(ToClient, reply + 100, 7),
        Faults::default().leave_out(ToClient, reply + 100, 9),
    ] {
        let (acceptor, client, mut accepted, mut connection) = connected(config(secure())).await;
        acceptor.proxy.next(faults);
        acceptor.proxy.cut();
        exchange_until_resumed(2, &client, &mut accepted.gateway, &mut connection).await;
        assert!(client.end().is_none());
    }
}

#[tokio::test]
async fn another_key_than_the_gateways_is_an_error_that_says_so() {
    let pinned = PublicKey::new([3; 32]);
    let mut session = secure();
    session.protocol = fastway_client::SessionProtocol::Secure { gateway_key: Some(pinned) };
    let acceptor = Acceptor::start(&session).await;
    acceptor.refuse(SessionStatus::NotAuthentic);
    let error = Client::connect(acceptor.addr(), config(session)).await.unwrap_err();
    assert!(matches!(error, ConnectError::WrongGatewayKey { key } if key == pinned), "{error}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("what answers is not the gateway with the key {pinned}")), "{text}");
}

#[tokio::test]
async fn somebody_in_between_who_alters_the_reply_is_found_out() {
    let mut acceptor = Acceptor::start(&secure()).await;
    acceptor.proxy.next(Faults::default().flip_bit(ToClient, 10, 0));
    let error = Client::connect(acceptor.addr(), config(secure())).await.unwrap_err();
    assert!(matches!(error, ConnectError::WrongGatewayKey { .. }), "{error}");
    acceptor.accept().await;
}

#[tokio::test]
async fn a_gateway_that_opens_no_session_is_an_error_with_its_reason() {
    let acceptor = Acceptor::start(&secure()).await;
    // A gateway of an older version does not say when to come again.
    for (refusal, retry_after) in [(&[OVERLOADED][..], None), (&RETRY_AFTER_300_MS, Some(Duration::from_millis(300)))] {
        acceptor.refuse_with(refusal);
        let error = Client::connect(acceptor.addr(), config(secure())).await.unwrap_err();
        let overloaded = SessionFault::Refused(SessionStatus::Overloaded);
        let told = matches!(&error, ConnectError::NoSession { port: GatewayPort::Client, fault: Some(fault), .. } if *fault == overloaded);
        assert!(told && error.to_string().ends_with("the gateway is overloaded; try again later"), "{error}");
        assert_eq!(error.retry_after(), retry_after);
    }
    acceptor.refuse(SessionStatus::NotAdmitted);
    let error = Client::connect(acceptor.addr(), config(secure())).await.unwrap_err();
    assert!(error.to_string().contains("it does not admit this kind of session there"), "{error}");
    acceptor.turn_away();
    let error = Client::connect(acceptor.addr(), config(secure())).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoSession { fault: None, .. }), "{error}");
}

#[tokio::test]
async fn a_session_needs_an_address_and_room_to_keep_what_was_sent() {
    let (ours, _theirs) = tokio::io::duplex(1000);
    let error = Client::over(ours, config(secure())).unwrap_err();
    assert!(matches!(error, ConnectError::SessionNeedsAddress), "{error}");
    let mut session = secure();
    session.replay_bytes = 1000;
    let error = Client::connect("127.0.0.1:1", config(session)).await.unwrap_err();
    assert_eq!(error.to_string(), "the setting session.replay_bytes is 1000; it has to be at least 65536");
}

#[tokio::test]
async fn a_close_ends_the_session_on_both_sides_with_all_that_was_sent() {
    for session in kinds() {
        let is_secure = matches!(session.protocol, fastway_client::SessionProtocol::Secure { .. });
        let (acceptor, client, mut accepted, connection) = connected(config(session)).await;
        let mut events = client.session_events();
        connection.send("last words").await.unwrap();
        acceptor.proxy.cut();
        let closing = tokio::spawn(async move { (client.close().await, client) });
        accepted.gateway.expect_data(1, b"last words").await;
        if is_secure {
            accepted.gateway.agree_to_close().await;
            assert_eq!(accepted.ending.wait().await, Some(SessionEnd::Closed));
        } else {
            // No end is told, so that of each connection is.
            accepted.gateway.expect(crate::support::close(1)).await;
            accepted.gateway.expect(Command::Ping).await;
            accepted.gateway.command(Command::Ping).await;
        }
        let (end, _client) = closing.await.unwrap();
        assert!(matches!(end, LinkEnd::Closed), "{end}");
        while let Some(event) = events.next().await {
            assert!(!matches!(event, SessionEvent::Lost(_)), "{event:?}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_is_dropped_ends_its_session_at_once() {
    let (_acceptor, client, mut accepted, connection) = connected(config(secure())).await;
    drop(client);
    assert!(matches!(connection.closed().await, CloseReason::Link(LinkEnd::Dropped)));
    assert_eq!(accepted.ending.wait().await, Some(SessionEnd::AbortedByPeer(AbortReason::Unspecified)));
}

#[tokio::test]
async fn a_close_without_a_network_is_bounded_and_not_confirmed() {
    let mut config = config(secure());
    config.link.close_grace = Duration::from_millis(300);
    let (acceptor, client, _accepted, _connection) = connected(config).await;
    acceptor.proxy.turn_away(true);
    acceptor.proxy.cut();
    let start = Instant::now();
    let end = client.close().await;
    assert!(matches!(end, LinkEnd::Unconfirmed { .. }), "{end}");
    assert!(start.elapsed() < DEADLINE);
}

#[tokio::test]
async fn a_link_that_is_held_by_a_full_queue_comes_back_as_well() {
    let mut config = config(secure());
    config.link.receive_queue.max_messages = 4;
    let (acceptor, client, mut accepted, mut connection) = connected(config).await;
    for _ in 0..8 {
        accepted.gateway.data(1, b"nobody reads this yet").await;
    }
    while client.stats().reads_held == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        acceptor.proxy.cut();
        connection.send("still sent").await.unwrap();
        accepted.gateway.expect_data(1, b"still sent").await;
    }
    for _ in 0..8 {
        assert_eq!(connection.recv().await.unwrap(), "nobody reads this yet");
    }
    exchange(&mut accepted.gateway, &mut connection).await;
}

#[tokio::test]
async fn sends_wait_when_too_much_is_not_acknowledged_and_go_on_with_the_next_transport() {
    let mut session = secure();
    session.replay_bytes = 64 << 10;
    let mut config = config(session);
    config.link.send_buffer_bytes = 1000;
    let (acceptor, client, mut accepted, connection) = connected(config).await;
    acceptor.proxy.turn_away(true);
    acceptor.proxy.cut();
    let message = vec![7; 10_000];
    let mut sent = 0;
    // The bound, the send buffer, and the message that is above it.
    while timeout(Duration::from_millis(200), connection.send_slice(&message)).await.is_ok() {
        sent += 1;
        assert!(sent < 10, "nothing holds it up");
    }
    assert!(client.is_held_up());
    acceptor.proxy.turn_away(false);
    connection.send_slice(&message).await.unwrap();
    for _ in 0..=sent {
        accepted.gateway.expect_data(1, &message).await;
    }
}
