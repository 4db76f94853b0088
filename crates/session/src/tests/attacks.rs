//! What somebody on the wire, or somebody with a session of his own, can try; one test each.

use std::time::{Duration, Instant};

use super::world::{HANDSHAKE_TIME, LEGACY, Side, WAIT, World};
use crate::{
    AbortReason, Backlog, End, Event, Fault, HelloError, Identity, KeyPair, LegacyConfig, PublicKey, Reception,
    ReplayBuffer, Request, Session, Status,
};

/// A session that is established, with 100 bytes through in each direction.
pub(super) fn established(mut world: World) -> World {
    world.connect();
    exchange(&mut world);
    for side in [Side::Initiator, Side::Acceptor] {
        world.peer(side).unwrap().write(100);
    }
    exchange(&mut world);
    assert_eq!((world.initiator.read, world.acceptor().unwrap().read), (100, 100));
    world
}

pub(super) fn exchange(world: &mut World) {
    for _ in 0..4 {
        world.flush(usize::MAX);
        for conn in 0..world.conns.len() {
            world.deliver(conn, Side::Acceptor, usize::MAX);
            world.deliver(conn, Side::Initiator, usize::MAX);
        }
    }
}

/// The session still carries bytes, by the transport that it had.
pub(super) fn assert_undisturbed(world: &mut World) {
    let events = [world.initiator.events.len(), world.acceptor().unwrap().events.len()];
    let read = world.acceptor().unwrap().read;
    world.initiator.write(10);
    exchange(world);
    assert_eq!(world.acceptor().unwrap().read, read + 10);
    let of_transports =
        |event: &Event| matches!(event, Event::Resumed { .. } | Event::Interrupted { .. } | Event::Ended(_));
    assert!(!world.initiator.events[events[0]..].iter().any(of_transports));
    assert!(!world.acceptor().unwrap().events[events[1]..].iter().any(of_transports));
}

/// A stranger sends `bytes` and reads the reply.
fn stranger(world: &mut World, bytes: Vec<u8>) -> Vec<u8> {
    let conn = world.dial(None, bytes);
    world.deliver(conn, Side::Acceptor, usize::MAX);
    world.conns[conn].to_initiator.iter().copied().collect()
}

#[test]
fn a_resume_that_was_seen_before_is_refused_and_touches_nothing() {
    let mut world = established(World::secure(true));
    world.connect();
    exchange(&mut world);
    assert!(matches!(world.acceptor().unwrap().events.last(), Some(Event::Resumed { .. })));
    let resume = world.recorded.last().unwrap().clone();
    assert_eq!(stranger(&mut world, resume), [Status::Unknown as u8], "its ticket is void");
    assert_undisturbed(&mut world);
}

#[test]
fn a_resume_whose_reply_was_lost_is_refused_the_second_time() {
    let mut world = established(World::secure(true));
    let conn = world.connect().unwrap();
    world.deliver(conn, Side::Acceptor, usize::MAX);
    world.cut(conn, true);
    let resume = world.recorded.last().unwrap().clone();
    assert_eq!(stranger(&mut world, resume), [Status::StaleAttempt as u8]);
    world.connect();
    exchange(&mut world);
    assert_undisturbed(&mut world);
}

#[test]
fn a_resume_held_back_by_an_attacker_gets_a_reply_that_helps_nobody() {
    let mut world = established(World::secure(true));
    // The attacker keeps the message; the player's older connection lives on.
    let live = world.conns.len() - 1;
    let conn = world.connect().unwrap();
    let held_back = world.conns[conn].to_acceptor.drain(..).collect();
    let before = world.acceptor().unwrap().events.len();
    let reply = stranger(&mut world, held_back);
    assert_eq!(reply[0], 0, "it is authentic");
    let attacker = world.conns.len() - 1;
    world.conns[attacker].to_acceptor.extend([0x20, 0].into_iter().chain([0xaa; 32]));
    world.deliver(attacker, Side::Acceptor, usize::MAX);
    assert_eq!(world.acceptor().unwrap().events.len(), before, "nothing happened to the session");
    world.acceptor().unwrap().write(50);
    world.flush(usize::MAX);
    assert!(!world.conns[live].to_initiator.is_empty(), "it still sends by the older transport");
    // The player comes again and is heard.
    world.connect();
    exchange(&mut world);
    assert_undisturbed(&mut world);
}

#[test]
fn a_resume_by_somebody_else_is_refused_and_touches_nothing() {
    let mut world = established(World::secure(true));
    world.connect();
    let own = world.recorded.last().unwrap().clone();
    exchange(&mut world);
    world.connect();
    let genuine = world.recorded.last().unwrap().clone();
    exchange(&mut world);
    world.connect();
    let mut forged = world.recorded.last().unwrap().clone();
    exchange(&mut world);
    // The right id, and a message made with another secret.
    forged[23..].copy_from_slice(&own[23..]);
    assert_ne!(forged, genuine);
    let conn = world.connect().unwrap();
    let id = world.recorded.last().unwrap()[1..17].to_vec();
    forged[1..17].copy_from_slice(&id);
    world.cut(conn, true);
    assert_eq!(stranger(&mut world, forged), [Status::NotAuthentic as u8]);
    world.connect();
    exchange(&mut world);
    assert_undisturbed(&mut world);
}

#[test]
fn neither_attempt_nor_length_nor_id_of_a_resume_can_be_changed() {
    let mut world = established(World::secure(true));
    let conn = world.connect().unwrap();
    let resume = world.recorded.last().unwrap().clone();
    world.cut(conn, true);
    for byte in 1..resume.len() {
        let mut changed = resume.clone();
        changed[byte] ^= 0x01;
        let answer = stranger(&mut world, changed);
        let refused = [Status::Unknown, Status::NotAuthentic].map(|status| vec![status as u8]);
        // A longer message is waited for, a shorter one has bytes behind it.
        let no_answer = (21..23).contains(&byte);
        assert!(refused.contains(&answer) || no_answer && answer.is_empty(), "byte {byte}: {answer:?}");
    }
    assert!(world.acceptor().unwrap().session.names().iter().count() == 1, "no reply was made");
}

#[test]
fn the_older_transport_works_until_the_newer_is_proven_and_not_longer() {
    let mut world = established(World::secure(true));
    let older = world.conns.len() - 1;
    world.initiator.write(1000);
    world.flush(usize::MAX);
    let newer = world.connect().unwrap();
    world.deliver(newer, Side::Acceptor, usize::MAX);
    let read = world.acceptor().unwrap().read;
    world.deliver(older, Side::Acceptor, usize::MAX);
    assert_eq!(world.acceptor().unwrap().read, read + 1000, "late data on the older transport counts");
    world.deliver(newer, Side::Initiator, usize::MAX);
    world.flush(usize::MAX);
    world.deliver(newer, Side::Acceptor, usize::MAX);
    let acceptor = world.acceptor().unwrap();
    assert!(matches!(acceptor.events.last(), Some(Event::Resumed { replaced: Some(_), .. })));
    assert_eq!(acceptor.read, read + 1000, "what came twice is there once");
}

#[test]
fn what_came_late_by_the_older_transport_is_acknowledged_by_the_newer() {
    let mut world = established(World::secure(true));
    let older = world.conns.len() - 1;
    world.initiator.write(1000);
    world.flush(usize::MAX);
    let newer = world.connect().unwrap();
    world.deliver(newer, Side::Acceptor, usize::MAX);
    world.deliver(older, Side::Acceptor, usize::MAX);
    // By the older transport it is acknowledged as well, to nobody.
    world.pass(Duration::from_millis(100));
    exchange(&mut world);
    assert_eq!(world.initiator.backlog.len(), 0);
}

#[test]
fn what_came_late_is_not_acknowledged_before_the_newer_transport_was_given_it() {
    let mut world = established(World::secure(true));
    let older = world.conns.len() - 1;
    world.initiator.write(40_000);
    world.flush(usize::MAX);
    let newer = world.connect().unwrap();
    world.deliver(newer, Side::Acceptor, usize::MAX);
    world.deliver(older, Side::Acceptor, usize::MAX);
    assert_eq!(world.acceptor().unwrap().read, 40_100);
    world.deliver(newer, Side::Initiator, usize::MAX);
    // The proof travels with one record, of less than came late.
    world.flush(1);
    for _ in 0..4 {
        world.deliver(newer, Side::Acceptor, usize::MAX);
        world.flush(1);
        world.deliver(newer, Side::Initiator, usize::MAX);
    }
    assert_eq!(world.initiator.session.end(), None);
    assert_undisturbed(&mut world);
}

#[test]
fn of_two_racing_resumes_the_higher_attempt_wins() {
    let mut world = established(World::secure(true));
    let first = world.connect().unwrap();
    let second = world.connect().unwrap();
    world.deliver(second, Side::Acceptor, usize::MAX);
    world.deliver(first, Side::Acceptor, usize::MAX);
    assert_eq!(world.refusals, [Status::StaleAttempt]);
    exchange(&mut world);
    assert_undisturbed(&mut world);
}

#[test]
fn a_resume_that_is_not_proven_in_time_is_given_up() {
    let mut world = established(World::secure(true));
    let conn = world.connect().unwrap();
    world.deliver(conn, Side::Acceptor, usize::MAX);
    world.pass(HANDSHAKE_TIME);
    assert!(matches!(world.acceptor().unwrap().events.last(), Some(Event::GivenUp { .. })));
    world.deliver(conn, Side::Initiator, usize::MAX);
    world.flush(usize::MAX);
    world.deliver(conn, Side::Acceptor, usize::MAX);
    assert!(!world.initiator.is_live(), "the acceptor does not know the transport any more");
    world.connect();
    exchange(&mut world);
    assert_undisturbed(&mut world);
}

#[test]
fn an_open_that_is_not_proven_makes_no_session() {
    let mut world = World::secure(true);
    let conn = world.connect().unwrap();
    world.deliver(conn, Side::Acceptor, usize::MAX);
    assert_eq!(world.sessions.len(), 1);
    assert!(world.acceptor().is_none());
    world.conns[conn].to_acceptor.extend([0x20, 0].into_iter().chain([0; 32]));
    world.deliver(conn, Side::Acceptor, usize::MAX);
    world.pass(HANDSHAKE_TIME);
    assert_eq!(world.sessions[0].session.end(), Some(End::Expired));
    assert!(!world.sessions[0].established());
}

#[test]
fn both_tickets_are_good_until_the_newer_was_used() {
    let mut world = established(World::secure(true));
    let names = |world: &mut World| world.acceptor().unwrap().session.names().iter().collect::<Vec<_>>();
    let first = names(&mut world);
    for _ in 0..3 {
        // The reply is lost each time: the initiator uses the same ticket again.
        let conn = world.connect().unwrap();
        world.deliver(conn, Side::Acceptor, usize::MAX);
        world.cut(conn, true);
    }
    let both = names(&mut world);
    assert_eq!((both.len(), both[0]), (2, first[0]));
    // The reply arrives, the proof does not: the initiator uses the next one.
    let conn = world.connect().unwrap();
    world.deliver(conn, Side::Acceptor, usize::MAX);
    world.deliver(conn, Side::Initiator, usize::MAX);
    world.cut(conn, true);
    let conn = world.connect().unwrap();
    world.deliver(conn, Side::Acceptor, usize::MAX);
    let rotated = names(&mut world);
    assert_eq!((rotated.len(), rotated[0]), (2, both[1]));
    exchange(&mut world);
    assert_eq!(names(&mut world), [rotated[1]], "the proof shows that it has the newest");
    assert_undisturbed(&mut world);
}

#[test]
fn a_flipped_bit_ends_the_transport_and_not_the_session() {
    for to in [Side::Acceptor, Side::Initiator] {
        let mut world = established(World::secure(true));
        let live = world.conns.len() - 1;
        world.initiator.write(100);
        world.acceptor().unwrap().write(100);
        world.flush(usize::MAX);
        let conn = &mut world.conns[live];
        let queue = if to == Side::Acceptor { &mut conn.to_acceptor } else { &mut conn.to_initiator };
        queue[30] ^= 0x10;
        world.deliver(live, to, usize::MAX);
        assert!(!world.peer(to).unwrap().is_live() && world.peer(to).unwrap().session.end().is_none());
        world.connect();
        exchange(&mut world);
        assert_eq!((world.initiator.read, world.acceptor().unwrap().read), (200, 200));
    }
}

#[test]
fn one_forged_refusal_ends_nothing_and_four_do() {
    let mut world = established(World::secure(true));
    for forged in 1..=4 {
        assert_eq!(world.initiator.session.end(), None);
        let conn = world.connect().unwrap();
        world.conns[conn].to_initiator.push_back(Status::Expired as u8);
        world.deliver(conn, Side::Initiator, usize::MAX);
        assert_eq!(world.initiator.events.iter().filter(|e| **e == Event::Refused(Status::Expired)).count(), forged);
    }
    assert_eq!(world.initiator.session.end(), Some(End::Refused(Status::Expired)));
}

#[test]
fn refusals_that_say_try_again_are_never_believed_for_good() {
    let mut world = established(World::secure(true));
    for status in [Status::Overloaded, Status::StaleAttempt].into_iter().cycle().take(20) {
        let conn = world.connect().unwrap();
        world.conns[conn].to_initiator.push_back(status as u8);
        world.deliver(conn, Side::Initiator, usize::MAX);
    }
    world.connect();
    exchange(&mut world);
    assert_undisturbed(&mut world);
}

#[test]
fn the_gateway_of_another_key_is_not_believed() {
    let mut world = World::secure(true);
    let pinned = Identity::Pinned(KeyPair::from_private([8; 32]).public());
    world.initiator.session = Session::secure(pinned, WAIT, world.now);
    let conn = world.connect().unwrap();
    world.deliver(conn, Side::Acceptor, usize::MAX);
    world.deliver(conn, Side::Initiator, usize::MAX);
    assert_eq!(world.refusals, [Status::NotAuthentic]);
    assert!(!world.initiator.established());
}

#[test]
fn a_secure_initiator_understands_nothing_but_secure_replies() {
    let plain_pong = b"\x05\0\0\0\0\0\0\0\x05".to_vec();
    let legacy_reply = [[1; 8], [2; 8], [3; 8]].concat();
    let challenge = [0xab; 8].to_vec();
    let nn_reply = [&[0, 32, 0][..], &[5; 32]].concat();
    for other in [plain_pong, legacy_reply, challenge, nn_reply, vec![0, 0xff, 0xff]] {
        let mut world = World::secure(true);
        let conn = world.connect().unwrap();
        assert_eq!(world.recorded[0][..2], [1, 1], "it asks for the pinned key");
        world.conns[conn].to_initiator.extend(&other);
        world.deliver(conn, Side::Initiator, usize::MAX);
        world.initiator.write(10);
        world.flush(usize::MAX);
        assert!(!world.initiator.established(), "{other:?}");
        assert!(world.conns[conn].to_acceptor.len() <= world.recorded[0].len(), "nothing was sent after {other:?}");
    }
}

#[test]
fn an_acknowledgement_of_what_was_not_sent_ends_the_session_and_says_so() {
    // The liar is an initiator whose received count runs ahead of what it has.
    let mut world = established(World::secure(true));
    let live = world.conns.len() - 1;
    world.initiator.session.lie_about_received(1_000_000);
    world.initiator.write(1);
    world.flush(usize::MAX);
    world.deliver(live, Side::Acceptor, usize::MAX);
    let ended = world.acceptor().unwrap().session.end();
    assert!(matches!(ended, Some(End::PeerFault(crate::SessionError::BadCount { count: 1_000_100, .. }))), "{ended:?}");
    world.flush(usize::MAX);
    world.deliver(live, Side::Initiator, usize::MAX);
    assert_eq!(world.initiator.session.end(), Some(End::AbortedByPeer(AbortReason::PeerFault)));
}

#[test]
fn an_abort_reaches_the_other_end() {
    for side in [Side::Initiator, Side::Acceptor] {
        let mut world = established(World::secure(true));
        world.peer(side).unwrap().session.abort(AbortReason::Shutdown);
        exchange(&mut world);
        let other = if side == Side::Initiator { Side::Acceptor } else { Side::Initiator };
        assert_eq!(world.peer(other).unwrap().session.end(), Some(End::AbortedByPeer(AbortReason::Shutdown)));
        assert_eq!(world.peer(side).unwrap().session.end(), Some(End::Aborted(AbortReason::Shutdown)));
    }
}

#[test]
fn who_missed_an_abort_is_told_its_reason_when_he_resumes() {
    let mut world = established(World::secure(true));
    world.acceptor().unwrap().write(5000);
    world.acceptor().unwrap().session.abort(AbortReason::TooSlow);
    world.cut(0, true);
    assert_eq!(world.initiator.session.end(), None);
    world.connect();
    exchange(&mut world);
    assert_eq!(world.initiator.session.end(), Some(End::AbortedByPeer(AbortReason::TooSlow)));
    assert_eq!(world.initiator.read, 100, "nothing more comes of a session that is over");
}

#[test]
fn a_cut_is_never_taken_for_an_end() {
    let mut world = established(World::secure(true));
    world.cut(0, true);
    assert!(!world.initiator.peer_closed && !world.acceptor().unwrap().peer_closed);
    world.pass(WAIT);
    assert_eq!(world.initiator.session.end(), Some(End::Expired));
    assert_eq!(world.acceptor().unwrap().session.end(), Some(End::Expired));
}

#[test]
fn one_direction_may_close_and_the_other_go_on() {
    let mut world = established(World::secure(true));
    world.initiator.session.close();
    exchange(&mut world);
    assert!(world.acceptor().unwrap().peer_closed);
    world.acceptor().unwrap().write(500);
    exchange(&mut world);
    assert_eq!(world.initiator.read, 600);
    world.acceptor().unwrap().session.close();
    exchange(&mut world);
    assert_eq!(world.initiator.session.end(), Some(End::Closed));
    assert_eq!(world.acceptor().unwrap().session.end(), Some(End::Closed));
}

#[test]
fn who_missed_the_last_acknowledgement_learns_that_all_has_arrived() {
    let mut world = established(World::secure(true));
    world.acceptor().unwrap().session.close();
    exchange(&mut world);
    world.initiator.session.close();
    world.flush(usize::MAX);
    world.deliver(0, Side::Acceptor, usize::MAX);
    world.flush(usize::MAX);
    assert_eq!(world.acceptor().unwrap().session.end(), Some(End::Closed));
    world.cut(0, true);
    assert_eq!(world.initiator.session.end(), None);
    world.connect();
    exchange(&mut world);
    assert_eq!(world.initiator.session.end(), Some(End::Closed));
}

#[test]
fn what_cannot_be_afforded_is_refused_after_it_was_found_authentic() {
    let now = Instant::now();
    let (mut rng, keys) = (rand::rng(), KeyPair::from_private([9; 32]));
    let limits = super::world::limits(LEGACY);
    let mut initiator = Session::secure(Identity::Anyone, WAIT, now);
    let (mut there, here) = (Backlog::new(9), Backlog::new(9));
    let open = initiator.connect(now, &mut rng).unwrap();
    let Request::Open(request) = request_of(&open.bytes) else { panic!("not an open") };
    let (mut acceptor, reply) = request.accept(Some(&keys), &limits, now, &mut rng).unwrap();
    let _ = initiator.receive(open.transport, &mut reply.bytes.clone(), now, &mut there);
    let resume = initiator.connect(now, &mut rng).unwrap();
    let Request::Resume(genuine) = request_of(&resume.bytes) else { panic!("not a resume") };
    let refused = acceptor.resume(&genuine, || None::<&Backlog>, now, &mut rng);
    assert_eq!(refused.unwrap_err(), Status::Overloaded);
    let mut forged = resume.bytes.clone();
    *forged.last_mut().unwrap() ^= 1;
    let Request::Resume(forged) = request_of(&forged) else { panic!("not a resume") };
    let never = || -> Option<&Backlog> { panic!("a forged resume costs no Diffie-Hellman and moves no byte") };
    assert_eq!(acceptor.resume(&forged, never, now, &mut rng).unwrap_err(), Status::NotAuthentic);
    assert!(acceptor.resume(&genuine, || Some(&here), now, &mut rng).is_ok(), "it may come again");
}

pub(super) fn request_of(bytes: &[u8]) -> Request {
    Reception::default().receive(bytes).unwrap().unwrap()
}

#[test]
fn a_first_message_keeps_no_more_than_it_may_be_long() {
    let mut reception = Reception::default();
    assert_eq!(reception.receive(&[1, 0, 0xff, 0x03]).map(|_| ()), Ok(()));
    for _ in 0..1022 {
        assert!(matches!(reception.receive(&[0]), Ok(None)));
    }
    assert_eq!(reception.waiting_bytes(), 1026);
    assert!(matches!(reception.receive(&[0]), Ok(Some(Request::Open(_)))));
    assert_eq!(Reception::default().receive(&[1, 0, 1, 4]).map(|_| ()), Err(HelloError::BadLength { len: 1025 }));
    assert_eq!(Reception::default().receive(&[5]).map(|_| ()), Err(HelloError::NoSession(5)));
    assert_eq!(Reception::default().receive(&[1, 0, 0, 0, 9]).map(|_| ()), Err(HelloError::Early { bytes: 1 }));
    assert_eq!(Reception::default().receive(&[0; 10]).map(|_| ()), Err(HelloError::Early { bytes: 1 }));
}

#[test]
fn an_unknown_pattern_is_not_admitted() {
    let Request::Open(open) = request_of(&[1, 2, 0, 0]) else { panic!("not an open") };
    assert_eq!(open.pattern(), None);
    let accepted = open.accept(None, &super::world::limits(LEGACY), Instant::now(), &mut rand::rng());
    assert_eq!(accepted.map(|_| ()).unwrap_err(), Status::NotAdmitted);
    assert_eq!(open.refusal(Status::NotAdmitted), [8]);
}

#[test]
fn a_gateway_without_a_key_admits_nobody_who_wants_to_see_one() {
    let pinned = Identity::Pinned(PublicKey::new([7; 32]));
    let mut initiator = Session::secure(pinned, WAIT, Instant::now());
    let dial = initiator.connect(Instant::now(), &mut rand::rng()).unwrap();
    let Request::Open(open) = request_of(&dial.bytes) else { panic!("not an open") };
    let accepted = open.accept(None, &super::world::limits(LEGACY), Instant::now(), &mut rand::rng());
    assert_eq!(accepted.map(|_| ()).unwrap_err(), Status::NotAdmitted);
}

#[test]
fn an_open_finds_the_key_that_it_pinned_among_several() {
    let keys = [9, 10, 11].map(|byte| KeyPair::from_private([byte; 32]));
    let limits = super::world::limits(LEGACY);
    let now = Instant::now();
    let accepted = |pinned: &KeyPair, keys: &[KeyPair]| -> Result<Option<Event>, Status> {
        let mut initiator = Session::secure(Identity::Pinned(pinned.public()), WAIT, now);
        let dial = initiator.connect(now, &mut rand::rng()).unwrap();
        let Request::Open(open) = request_of(&dial.bytes) else { panic!("not an open") };
        let (_, reply) = open.accept_by_any(keys, &limits, now, &mut rand::rng())?;
        let _ = initiator.receive(dial.transport, &mut reply.bytes.clone(), now, &mut Backlog::new(9));
        Ok(initiator.poll_event())
    };
    for pinned in &keys {
        assert!(matches!(accepted(pinned, &keys), Ok(Some(Event::Established { .. }))), "{pinned:?}");
    }
    let [first, second, third] = &keys;
    let without_the_second = [first.clone(), third.clone()];
    assert_eq!(accepted(second, &without_the_second).unwrap_err(), Status::NotAuthentic);
    assert_eq!(accepted(second, &[]).unwrap_err(), Status::NotAdmitted);
}

#[test]
fn a_full_buffer_is_the_writers_bound_and_empties_with_acknowledgements() {
    let mut world = established(World::secure(true));
    world.initiator.write(1 << 20);
    assert_eq!(world.initiator.backlog.room(), 0);
    world.flush(usize::MAX);
    world.deliver(0, Side::Acceptor, usize::MAX);
    world.flush(usize::MAX);
    world.deliver(0, Side::Initiator, usize::MAX);
    assert_eq!(world.initiator.backlog.len(), 0, "more than 16 KiB are acknowledged at once");
}

#[test]
fn records_carry_all_that_waits() {
    let mut world = established(World::secure(true));
    world.pass(Duration::from_secs(1));
    exchange(&mut world);
    for _ in 0..100 {
        world.initiator.write(160);
    }
    world.flush(usize::MAX);
    assert_eq!(world.conns[0].to_acceptor.len(), 16_000 + 2 + 1 + 16, "one record");
}

#[test]
fn a_legacy_reconnect_beyond_what_is_kept_ends_the_session() {
    let mut world = established(World::legacy(LegacyConfig { encrypt: true, replay_bytes: 1000 }));
    world.acceptor().unwrap().write(5000);
    world.flush(usize::MAX);
    world.cut(0, true);
    world.connect();
    exchange(&mut world);
    assert_eq!(world.refusals, [Status::DataGap]);
    assert_eq!(world.acceptor().unwrap().session.replay_bytes(), 1000);

    let mut world = established(World::legacy(LegacyConfig { encrypt: true, replay_bytes: 1000 }));
    world.initiator.write(5000);
    world.flush(usize::MAX);
    world.cut(0, true);
    world.connect();
    exchange(&mut world);
    assert_eq!(world.initiator.session.end(), Some(End::Refused(Status::DataGap)));
}

#[test]
fn a_legacy_reconnect_by_somebody_else_touches_nothing() {
    let mut world = established(World::legacy(LEGACY));
    world.connect();
    exchange(&mut world);
    let mut forged = world.recorded.last().unwrap().clone();
    forged[40] ^= 1;
    assert_eq!(stranger(&mut world, forged), [0; 24]);
    let replayed = world.recorded.last().unwrap().clone();
    let reply = stranger(&mut world, replayed);
    assert_eq!(reply.len(), 24);
    let attacker = world.conns.len() - 1;
    world.conns[attacker].to_acceptor.extend([7; 16]);
    world.deliver(attacker, Side::Acceptor, usize::MAX);
    assert_undisturbed(&mut world);
}

/// How many of the acceptor's candidates were given up.
fn given_up(world: &mut World) -> usize {
    let events = &world.acceptor().unwrap().events;
    events.iter().filter(|event| matches!(event, Event::GivenUp { .. })).count()
}

#[test]
fn a_legacy_reconnect_that_is_repeated_while_it_is_proven_keeps_nobody_out() {
    let mut world = established(World::legacy(LEGACY));
    world.cut(0, true);
    let own = world.connect().unwrap();
    let reconnect = world.recorded.last().unwrap().clone();
    let mut replies: Vec<_> = (0..20).map(|_| stranger(&mut world, reconnect.clone())).collect();
    world.deliver(own, Side::Acceptor, usize::MAX);
    replies.push(world.conns[own].to_initiator.iter().copied().collect());
    replies.extend((0..20).map(|_| stranger(&mut world, reconnect.clone())));
    assert_eq!(given_up(&mut world), 0);
    replies.sort();
    replies.dedup();
    assert_eq!(replies.len(), 41, "each has a challenge of its own");

    world.initiator.write(10);
    exchange(&mut world);
    assert_eq!(given_up(&mut world), 40, "the proof ends all others");
    assert_eq!((world.acceptor().unwrap().read, world.initiator.session.end()), (110, None));
    assert_undisturbed(&mut world);
}

#[test]
fn the_proof_of_one_legacy_reconnect_proves_no_other_one() {
    let mut world = established(World::legacy(LEGACY));
    let own = world.connect().unwrap();
    let reconnect = world.recorded.last().unwrap().clone();
    world.deliver(own, Side::Acceptor, usize::MAX);
    world.deliver(own, Side::Initiator, usize::MAX);
    world.flush(usize::MAX);
    let proof = world.conns[own].to_acceptor.clone();
    assert_eq!(proof.len(), 16);

    let faster = world.dial(None, reconnect.clone());
    world.deliver(faster, Side::Acceptor, usize::MAX);
    world.conns[faster].to_acceptor.extend(proof.clone());
    world.deliver(faster, Side::Acceptor, usize::MAX);
    assert_eq!(given_up(&mut world), 0, "a wrong proof is a fault of its own transport");
    let slower = world.dial(None, reconnect);
    world.deliver(slower, Side::Acceptor, usize::MAX);
    world.deliver(own, Side::Acceptor, usize::MAX);
    assert!(matches!(world.acceptor().unwrap().events[..], [.., Event::Resumed { .. }, Event::GivenUp { .. }]));
    world.conns[slower].to_acceptor.extend(proof);
    world.deliver(slower, Side::Acceptor, usize::MAX);
    assert_undisturbed(&mut world);
}

#[test]
fn legacy_reconnects_that_are_not_proven_are_given_up_each_in_its_time() {
    let mut world = established(World::legacy(LEGACY));
    world.connect();
    let reconnect = world.recorded.last().unwrap().clone();
    for seconds in [0, 1, 1] {
        world.pass(Duration::from_secs(seconds));
        stranger(&mut world, reconnect.clone());
    }
    let (now, step) = (world.now, Duration::from_secs(1));
    let timeout = |world: &mut World| world.acceptor().unwrap().session.timeout().unwrap() - now;
    for (after, expected) in [(8, 1), (9, 2), (10, 3)] {
        assert_eq!(timeout(&mut world), after * step);
        let left = now + after * step - world.now;
        world.pass(left - Duration::from_millis(1));
        assert_eq!(given_up(&mut world), expected - 1);
        world.pass(Duration::from_millis(1));
        assert_eq!(given_up(&mut world), expected);
    }
    assert_eq!(world.acceptor().unwrap().session.timeout(), None, "the live transport was left alone");
}

#[test]
fn a_replaced_transport_is_told_apart() {
    let mut world = established(World::secure(true));
    let older = match world.acceptor().unwrap().events[0] {
        Event::Established { transport } => transport,
        ref other => panic!("{other:?}"),
    };
    world.connect();
    exchange(&mut world);
    let now = world.now;
    let acceptor = world.acceptor().unwrap();
    let received = acceptor.session.receive(older, &mut [0; 40], now, &mut acceptor.backlog);
    assert_eq!((received.bytes, received.fault), (0, Some(Fault::Replaced)));
}
