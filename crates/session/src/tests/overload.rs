//! Refusals for overload: when to come again, and for how long the session waits.

use std::time::Duration;

use super::attacks::{assert_undisturbed, established, exchange, request_of};
use super::world::{LEGACY, Side, WAIT, World};
use crate::{End, Event, Request, Resume, Status};

/// What an initiator makes of a refusal that comes in these pieces, after which the transport ends.
fn refused_in_pieces(world: &mut World, pieces: &[&[u8]]) {
    let conn = world.connect().unwrap();
    world.conns[conn].to_acceptor.clear();
    for piece in pieces {
        world.conns[conn].to_initiator.extend(*piece);
        world.deliver(conn, Side::Initiator, usize::MAX);
    }
    world.cut(conn, true);
}

#[test]
fn an_overloaded_acceptor_says_when_to_come_again_and_one_of_an_older_version_does_not() {
    let told = Some(Duration::from_millis(0x0102));
    let cases: [(&[&[u8]], _); 4] =
        [(&[&[7, 2, 1]], told), (&[&[7], &[2], &[1]], told), (&[&[7]], None), (&[&[7, 2]], None)];
    for (pieces, retry_after) in cases {
        let mut world = established(World::secure(true));
        world.cut(0, true);
        for refusals in 1..=6 {
            refused_in_pieces(&mut world, pieces);
            assert_eq!(world.initiator.session.retry_after(), retry_after, "{pieces:?}");
            let told = world.initiator.events.iter().filter(|e| **e == Event::Refused(Status::Overloaded)).count();
            assert_eq!(told, refusals, "{pieces:?}");
        }
        world.connect();
        assert_eq!(world.initiator.session.retry_after(), None, "of the last attempt alone");
        exchange(&mut world);
        assert_undisturbed(&mut world);
    }
}

#[test]
fn the_time_to_come_again_belongs_to_the_last_refusal_alone() {
    let mut world = established(World::secure(true));
    world.cut(0, true);
    let overloaded = world.connect().unwrap();
    let unknown = world.connect_beside().unwrap();
    for (conn, refusal) in [(overloaded, &[Status::Overloaded as u8, 2, 1][..]), (unknown, &[Status::Unknown as u8])] {
        world.conns[conn].to_acceptor.clear();
        world.conns[conn].to_initiator.extend(refusal);
        world.deliver(conn, Side::Initiator, usize::MAX);
        let told = (conn == overloaded).then(|| Duration::from_millis(0x0102));
        assert_eq!(world.initiator.session.retry_after(), told, "{refusal:?}");
    }
}

#[test]
fn an_initiator_that_is_told_when_to_come_again_waits_on_and_says_in_the_end_what_kept_it_out() {
    let millis = Duration::from_millis(1);
    for (refusal, until) in [(&[7, 0xe8, 3][..], 2 * WAIT), (&[7][..], WAIT)] {
        let mut world = established(World::secure(true));
        world.cut(0, true);
        let began = world.now;
        world.now = began + WAIT - Duration::from_secs(1);
        refused_in_pieces(&mut world, &[refusal]);
        world.initiator.session.tick(began + until - millis);
        assert_eq!(world.initiator.session.end(), None, "{refusal:?}");
        world.initiator.session.tick(began + until);
        assert_eq!(world.initiator.session.end(), Some(End::Refused(Status::Overloaded)), "{refusal:?}");
    }
}

/// A session whose acceptor's end waits, and a resume that has not got to it.
fn resume_under_way(mut world: World) -> (World, Resume) {
    world.cut(0, true);
    let conn = world.connect().unwrap();
    let bytes = Vec::from(std::mem::take(&mut world.conns[conn].to_acceptor));
    let Request::Resume(resume) = request_of(&bytes) else { panic!("not a resume") };
    (world, resume)
}

#[test]
fn a_session_does_not_expire_while_a_genuine_resume_waits_for_its_turn() {
    for legacy in [None, Some(LEGACY)] {
        let world = established(legacy.map_or_else(|| World::secure(true), World::legacy));
        let (mut world, resume) = resume_under_way(world);
        let (interrupted, limit) = (world.now, world.now + WAIT);
        let until = limit + WAIT / 2;
        let session = &mut world.sessions[0].session;
        session.postpone_expiry(&resume, until, &mut world.rng);
        session.tick(until - Duration::from_millis(1));
        assert_eq!(session.end(), None);

        // A resume that was recorded keeps nothing alive.
        session.postpone_expiry(&resume, interrupted + 10 * WAIT, &mut world.rng);
        session.tick(interrupted + 2 * WAIT);
        assert_eq!(session.end(), Some(End::Expired), "legacy: {}", legacy.is_some());
    }
}

#[test]
fn only_a_genuine_resume_keeps_a_session_from_expiring() {
    let (mut world, _genuine) = resume_under_way(established(World::secure(true)));
    let mut forged = world.recorded.last().unwrap().clone();
    *forged.last_mut().unwrap() ^= 1;
    let Request::Resume(forged) = request_of(&forged) else { panic!("not a resume") };
    let session = &mut world.sessions[0].session;
    session.postpone_expiry(&forged, world.now + 2 * WAIT, &mut world.rng);
    session.tick(world.now + WAIT);
    assert_eq!(session.end(), Some(End::Expired));
}

#[test]
fn a_refusal_for_overload_is_followed_by_a_time_in_a_secure_session_alone() {
    let (times, secure) = ([0, 1234, 1_000_000].map(Duration::from_millis), request_of(&[1, 2, 0, 0]));
    let Request::Open(open) = secure else { panic!("not an open") };
    assert_eq!(times.map(|time| open.overloaded(time)), [[7, 0, 0], [7, 0xd2, 4], [7, 0xff, 0xff]]);
    assert_eq!(open.refusal(Status::Overloaded), [7, 0, 0]);
    let Request::Open(legacy) = request_of(&[0; 9]) else { panic!("not an open") };
    assert_eq!(times.map(|time| legacy.overloaded(time)), [const { Vec::<u8>::new() }; 3]);
}
