//! Attempts beside each other: the first that is answered carries the session.

use super::world::{LEGACY, Side, World};
use crate::{Event, Fault, Status};

const ALL: usize = usize::MAX;

fn worlds() -> [World; 2] {
    [World::secure(true), World::legacy(LEGACY)]
}

/// A world with an open session whose connection was cut.
fn interrupted(mut world: World) -> World {
    let first = world.connect().unwrap();
    exchange(&mut world, first);
    world.cut(first, true);
    assert!(!world.initiator.is_live());
    world
}

/// Hands over what is on its way, and what follows from it.
fn exchange(world: &mut World, conn: usize) {
    for _ in 0..3 {
        world.flush(ALL);
        world.deliver(conn, Side::Acceptor, ALL);
        world.deliver(conn, Side::Initiator, ALL);
    }
}

#[test]
fn an_open_goes_on_by_the_attempt_that_is_answered() {
    for mut world in worlds() {
        let silent = world.connect().unwrap();
        let answered = world.connect_beside().unwrap();
        exchange(&mut world, answered);
        assert!(world.initiator.is_live());
        assert!(world.initiator.events.iter().any(|event| matches!(event, Event::GivenUp { .. })));
        // Its answer comes after all, for a session that nobody wants.
        world.deliver(silent, Side::Acceptor, ALL);
        world.deliver(silent, Side::Initiator, ALL);
        assert!(world.initiator.is_live());
        world.settle();
    }
}

#[test]
fn a_resume_goes_on_by_the_attempt_that_is_answered() {
    for world in worlds() {
        let mut world = interrupted(world);
        world.connect().unwrap();
        let answered = world.connect_beside().unwrap();
        exchange(&mut world, answered);
        assert!(world.initiator.is_live() && world.acceptor().unwrap().is_live());
        world.settle();
    }
}

#[test]
fn a_late_answer_counts_while_the_newer_attempt_has_none() {
    for world in worlds() {
        let mut world = interrupted(world);
        let late = world.connect().unwrap();
        world.connect_beside().unwrap();
        world.initiator.write(100);
        exchange(&mut world, late);
        assert!(world.initiator.is_live() && world.acceptor().unwrap().is_live());
        assert_eq!(world.acceptor().unwrap().read, 100);
        world.settle();
    }
}

#[test]
fn an_attempt_that_took_the_place_of_the_answered_one_at_the_acceptor_carries_the_session_on() {
    let mut world = interrupted(World::secure(true));
    world.initiator.write(100);
    let older = world.connect().unwrap();
    let newer = world.connect_beside().unwrap();
    // The acceptor has replied to both, and so given up the older one, before the initiator sees either reply.
    for conn in [older, newer] {
        world.deliver(conn, Side::Acceptor, ALL);
    }
    world.deliver(older, Side::Initiator, ALL);
    assert!(world.initiator.is_live());
    world.flush(ALL);
    world.cut(older, true);
    exchange(&mut world, newer);
    assert!(world.initiator.is_live() && world.acceptor().unwrap().is_live());
    assert_eq!(world.acceptor().unwrap().read, 100);
    world.settle();
}

#[test]
fn attempts_beside_an_acknowledged_transport_are_given_up() {
    let mut world = interrupted(World::secure(true));
    let older = world.connect().unwrap();
    world.connect_beside().unwrap();
    world.initiator.write(100);
    exchange(&mut world, older);
    assert!(!world.initiator.events.iter().any(|event| matches!(event, Event::GivenUp { .. })));
    world.pass(std::time::Duration::from_secs(1));
    exchange(&mut world, older);
    assert!(world.initiator.events.iter().any(|event| matches!(event, Event::GivenUp { .. })));
}

#[test]
fn a_refusal_beside_a_transport_that_carries_the_session_says_nothing_of_it() {
    let mut world = interrupted(World::secure(true));
    let older = world.connect().unwrap();
    let newer: Vec<_> = (0..5).map(|_| world.connect_beside().unwrap()).collect();
    exchange(&mut world, older);
    for conn in newer {
        world.conns[conn].to_initiator.push_back(Status::Unknown as u8);
        world.deliver(conn, Side::Initiator, ALL);
    }
    assert!(world.initiator.is_live() && world.initiator.session.end().is_none());
    world.settle();
}

#[test]
fn late_refusals_of_attempts_with_an_older_ticket_say_nothing_of_the_session() {
    let mut world = interrupted(World::secure(true));
    world.initiator.write(100);
    let answered = world.connect().unwrap();
    let late: Vec<_> = (0..5).map(|_| world.connect_beside().unwrap()).collect();
    exchange(&mut world, answered);
    assert!(world.initiator.is_live() && world.acceptor().unwrap().is_live());
    // It is cut before the initiator has seen an acknowledgement, so the others still wait; their ticket is void by now.
    world.cut(answered, true);
    for conn in late {
        world.deliver(conn, Side::Acceptor, ALL);
        world.deliver(conn, Side::Initiator, ALL);
    }
    assert_eq!(world.refusals, [Status::Unknown; 5]);
    assert_eq!(world.initiator.session.end(), None);
    world.settle();
}

#[test]
fn no_attempt_is_made_beside_a_transport_that_carries_the_session() {
    for mut world in worlds() {
        let first = world.connect().unwrap();
        exchange(&mut world, first);
        let refused = world.initiator.session.connect_beside(&mut world.rng);
        assert_eq!(refused.map(drop), Err(Fault::Replaced));
    }
}
