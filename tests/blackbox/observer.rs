//! What a running gateway tells the program around it, from any thread.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::time::Duration;

use fastway::observer::{
    AskError, CloseKind, LinkCursor, LinkFilter, LinkId, LinkInfo, PausedBy, Report, Role, WaitReason,
};
use fastway_testkit::{Client, KEY, Link, Server, watch};
use fastway_wire::ServerId;

use crate::embedded::Embedded;

#[test]
fn a_gateway_that_is_dropped_stops() {
    let Embedded { running, observer, client_addr, server_addr } = Embedded::start(2);
    let (mut client, mut server) = (Client::connect(client_addr), Server::register(server_addr, KEY, 7));
    let conn = client.open(&mut server);
    drop(running);
    client.expect_close(conn);
    server.expect_close(conn);
    client.until_eof();
    server.until_eof();
    for addr in [client_addr, server_addr] {
        watch::eventually("nobody listens any more", || TcpStream::connect(addr).is_err());
    }
    watch::eventually("the workers have ended", || matches!(observer.report_now(), Err(AskError::Ended { .. })));
}

#[test]
fn a_link_is_described_with_what_went_over_it() {
    let gateway = Embedded::start(2);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    let conn = client.open(&mut server);
    client.exchange(&mut server, conn, b"hello");
    client.send_raw(&[9, 0, 0]);
    // Ages are in milliseconds.
    watch::eventually("the part of a frame arrives", || {
        let link = gateway.the_link("client");
        link.partial_bytes == 3 && link.age > Duration::ZERO
    });

    let link = gateway.the_link("client");
    assert_eq!((link.id.get(), link.role), (client.id(), Role::Client));
    assert_eq!((link.transport, link.protocol), ("tcp", "plain"));
    assert!(link.peer.ip().is_loopback() && !link.closing);
    assert_eq!((link.connections, link.waiting.packets, link.paused_by), (1, 0, None));
    // Dial and data one way, Accept and data the other way.
    assert_eq!((link.traffic.received_frames, link.traffic.received_bytes), (2, 13 + 13 + 3));
    assert_eq!((link.traffic.sent_frames, link.traffic.sent_bytes), (2, 17 + 13));

    let server_link = gateway.the_link("server=7");
    assert_eq!(server_link.role, Role::Server(ServerId::new(7)));
    assert_eq!(gateway.observer.servers().unwrap()[0].id, server_link.id);
    let page = gateway.observer.connections(link.id, None, 10).unwrap().unwrap();
    let known = page.connections[0];
    assert_eq!((known.conn, known.client, known.server_link), (conn, link.id, server_link.id));
    assert_eq!((known.server.get(), page.connections.len(), page.next), (7, 1, None));
    gateway.stop();
}

#[test]
fn pages_hold_every_link_once() {
    watch::raise_descriptor_limit();
    let gateway = Embedded::start(2);
    let mut clients: Vec<Link> = (0..2200).map(|_| Link::connect(gateway.client_addr)).collect();
    clients.iter_mut().for_each(Link::expect_silence);
    let mut pages = Vec::new();
    let mut next: Option<LinkCursor> = None;
    loop {
        let page = gateway.observer.links(&LinkFilter::default(), next, 300).unwrap();
        pages.push(page.links);
        next = page.next.map(|next| next.to_string().parse().unwrap());
        if next.is_none() {
            break;
        }
    }
    assert!(pages.len() >= 8 && pages.iter().all(|page| page.len() <= 300), "{} pages", pages.len());
    let ids: BTreeSet<u32> = pages.iter().flatten().map(|link| link.id.get()).collect();
    assert_eq!((ids.len(), pages.concat().len()), (2200, 2200));

    let mut visited = 0;
    let visit = |_| {
        visited += 1;
        if visited < 1500 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    gateway.observer.visit_links(&LinkFilter::default(), visit).unwrap();
    assert_eq!(visited, 1500);
    let report = gateway.observer.report_now().unwrap();
    assert_eq!(report.workers.iter().map(|worker| worker.stats.sides.client.links()).sum::<u64>(), 2200);
}

#[test]
fn nobody_counts_allocations_in_a_program_without_jemalloc() {
    let report = Embedded::start(2).observer.report_now().unwrap();
    assert_eq!(report.workers.iter().map(|worker| worker.allocated_bytes).collect::<Vec<_>>(), [None; 2]);
}

#[test]
fn pages_of_connections_follow_their_numbers() {
    let gateway = Embedded::start(1);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    let mut opened = client.open_many(&mut server, 25);
    opened.sort();
    let id = LinkId::new(client.id());
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = gateway.observer.connections(id, after, 10).unwrap().unwrap();
        seen.extend(page.connections.iter().map(|known| known.conn));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, opened);
    assert!(gateway.observer.connections(LinkId::new(999), None, 10).unwrap().is_none());
}

#[test]
fn a_kicked_link_is_closed_and_the_other_end_is_told() {
    let gateway = Embedded::start(2);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    let conn = client.open(&mut server);
    let id = LinkId::new(client.id());
    let kicked = gateway.observer.kick(id).unwrap().unwrap();
    assert_eq!((kicked.id, kicked.connections), (id, 1));
    client.expect_eof();
    server.expect_close(conn);
    server.expect_silence();
    assert!(gateway.observer.kick(id).unwrap().is_none());
    assert!(gateway.observer.link(id).unwrap().is_none());
    let report = gateway.observer.report_now().unwrap();
    let closed = report.workers.iter().map(|worker| worker.stats.sides.client.closed[CloseKind::Kicked]);
    assert_eq!(closed.sum::<u64>(), 1);

    let server_link = gateway.the_link("server=7").id;
    assert!(gateway.observer.kick(server_link).unwrap().is_some());
    server.expect_eof();
    assert!(gateway.observer.servers().unwrap().is_empty());
}

#[test]
fn who_is_held_up_is_shown_with_the_reason_and_the_culprit() {
    let gateway = Embedded::start(1);
    let mut server = Server::register_over(Link::connect_narrow(gateway.server_addr), KEY, 7);
    let mut client = gateway.client();
    let conn = client.open(&mut server);
    let mut sender = client.sender();
    let writer = std::thread::spawn(move || {
        // Until the gateway reads no further and the server has been read again.
        (0..600).for_each(|_| sender.send(conn, &[0; 32 << 10]));
    });
    // What the system still takes for the server lets the client go on for a moment, again and again, until it is full.
    watch::eventually("the client is paused by the server, which takes nothing more", || {
        let (source, full) = (gateway.the_link("client"), gateway.the_link("server"));
        let reasons = |link: &LinkInfo| link.held_up().map(|(reason, _)| reason).collect::<Vec<_>>();
        source.paused_by == Some(PausedBy::Server(full.id))
            && reasons(&source) == [WaitReason::PausedSource]
            && reasons(&full) == [WaitReason::OutboxFull, WaitReason::SlowWrite]
            && full.waiting.packets > 0
    });

    (0..600).for_each(|_| server.expect_data(conn, &[0; 32 << 10]));
    writer.join().unwrap();
    server.expect_silence();
    client.expect_silence();
    assert_eq!(gateway.links("held-up").len(), 0, "{:?}", gateway.links("held-up"));
    let waited = gateway.the_link("client").waits[WaitReason::PausedSource];
    assert!(waited.count > 0 && waited.total > Duration::ZERO && waited.lasting.is_none(), "{waited:?}");
}

#[test]
fn what_was_answered_is_never_taken_back_by_what_is_published() {
    let gateway = Embedded::start(1);
    let opened = |report: Report| report.total().stats.sides.client.opened;
    let mut clients = Vec::new();
    for count in 1..=20 {
        clients.push(gateway.client());
        watch::eventually("the link is counted", || opened(gateway.observer.report_now().unwrap()) == count);
        assert_eq!(opened(gateway.observer.report()), count);
    }
}

#[test]
fn a_worker_that_does_not_answer_is_named() {
    let gateway = Embedded::start(2);
    let hasty = gateway.observer.clone().with_time_limit(Duration::ZERO);
    // Without any time there may be an answer at once; it is asked until there is none.
    let mut seen = None;
    watch::eventually("an answer is late", || {
        seen = hasty.report_now().err();
        seen.is_some()
    });
    assert!(matches!(seen, Some(AskError::Late { worker: 0 | 1, .. })), "{seen:?}");
    assert!(seen.unwrap().to_string().starts_with("worker "));

    let observer = gateway.stop();
    let ended = observer.report_now().unwrap_err();
    assert_eq!(ended, AskError::Ended { worker: 0 });
    assert_eq!(ended.to_string(), "worker 0 has ended");
    assert!(observer.links(&LinkFilter::default(), None, 1).is_err());
}
