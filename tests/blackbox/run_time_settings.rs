//! Settings that change while the gateway runs.

use std::time::Duration;

use fastway::config::{LinkLimit, MemoryLimit, ProxyProtocol, Secret, Settings, TrustedProxies};
use fastway::observer::{CloseKind, WaitReason};
use fastway_testkit::{Client, Server, watch};

use crate::embedded::{Embedded, settings};

/// Applies the settings of an embedded gateway with some changes, and waits until its worker has them.
fn apply(gateway: &mut Embedded, change: impl FnOnce(&mut Settings)) {
    let mut changed = settings();
    change(&mut changed);
    gateway.running.apply(changed);
    // Its mail is in order.
    gateway.observer.report_now().unwrap();
}

/// Whether a client gets a link: a refused one is closed without a word.
fn gets_a_link(gateway: &Embedded) -> bool {
    let mut client = gateway.client();
    client.ping();
    client.receive().is_some()
}

#[test]
fn a_lower_limit_of_links_refuses_newcomers_and_closes_nobody() {
    let mut gateway = Embedded::start(1);
    let mut clients: Vec<Client> = (0..3).map(|_| gateway.client()).collect();
    clients.iter_mut().for_each(|client| {
        client.ping();
        client.expect_pong();
    });

    apply(&mut gateway, |settings| settings.limits.max_links = LinkLimit::Links(2));
    assert!(!gets_a_link(&gateway));
    clients.iter_mut().for_each(|client| {
        client.ping();
        client.expect_pong();
    });

    apply(&mut gateway, |settings| settings.limits.max_links_per_address = Some(4));
    let mut fourth = gateway.client();
    fourth.ping();
    fourth.expect_pong();
    assert!(!gets_a_link(&gateway), "the links that were there before the limit count");
    gateway.stop();
}

#[test]
fn proxy_headers_are_taken_from_the_change_on() {
    let mut gateway = Embedded::start(1);
    let mut direct = gateway.client();
    direct.expect_silence();
    let trusted: TrustedProxies = [("127.0.0.1".parse().unwrap())].into_iter().collect();
    apply(&mut gateway, |settings| {
        settings.client.proxy_protocol = ProxyProtocol::Required;
        settings.trusted_proxies = trusted;
    });
    assert!(!gets_a_link(&gateway), "without a header");
    let mut proxied = gateway.client();
    proxied.send_raw(b"PROXY TCP4 203.0.113.7 203.0.113.1 1 2\r\n");
    proxied.expect_silence();
    direct.expect_silence();

    apply(&mut gateway, |_| ());
    assert!(gets_a_link(&gateway), "headers are off again");
    gateway.stop();
}

#[test]
fn a_new_idle_timeout_holds_for_links_that_are_there() {
    let mut gateway = Embedded::start(1);
    let mut client = gateway.client();
    client.ping();
    client.expect_pong();
    apply(&mut gateway, |settings| settings.client.idle_timeout = Some(Duration::from_millis(100)));
    client.until_eof();
    let closed = || gateway.observer.report_now().unwrap().total().stats.sides.client.closed[CloseKind::Idle];
    watch::eventually("the link is closed as idle", || closed() == 1);
    gateway.stop();
}

#[test]
fn a_server_proves_the_key_that_holds_when_it_registers() {
    let mut gateway = Embedded::start(1);
    let mut server = gateway.server(7);
    apply(&mut gateway, |settings| settings.server_auth_keys = vec![Secret::new("another")]);
    let mut newcomer = Server::register(gateway.server_addr, "another", 8);

    let mut client = gateway.client();
    let conns = [client.open(&mut server), client.open(&mut newcomer)];
    client.exchange(&mut server, conns[0], b"one that registered before stays");
    client.exchange(&mut newcomer, conns[1], b"hello");
    gateway.stop();
}

#[test]
fn new_bounds_hold_for_links_that_are_there() {
    let mut gateway = Embedded::start(1);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    let conn = client.open(&mut server);
    apply(&mut gateway, |settings| settings.client_max_conns = Some(1));
    client.dial(7);
    client.expect_refuse(7);

    apply(&mut gateway, |settings| {
        settings.client.send_queue_packets = 1;
        settings.client_slow_grace = Duration::from_millis(10);
    });
    let closed = || gateway.observer.report_now().unwrap().total().stats.sides.client.closed[CloseKind::TooSlow];
    // It reads nothing, and the buffers of the system are full at some point.
    watch::eventually("the link is closed as too slow", || {
        server.send(conn, &[0; 256 << 10]);
        closed() == 1
    });
    gateway.stop();
}

#[test]
fn new_rates_and_memory_hold_for_links_that_are_there() {
    let mut gateway = Embedded::start(1);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    let conn = client.open(&mut server);
    apply(&mut gateway, |settings| {
        settings.limits.max_buffered_bytes = MemoryLimit::Bytes(32 << 20);
        settings.limits.max_dials_per_second = Some(1);
        settings.limits.max_bytes_per_second = Some(100);
    });
    assert_eq!(gateway.observer.report().memory.most_bytes, Some(32 << 20));

    client.send(conn, &[7; 1000]);
    let waits = || gateway.the_link("client").held_up().any(|(reason, _)| reason == WaitReason::ByteRate);
    watch::eventually("the link is read slower", waits);
    apply(&mut gateway, |_| {});
    server.expect_data(conn, &[7; 1000]);
    gateway.stop();
}
