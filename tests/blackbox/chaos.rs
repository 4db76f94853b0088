//! The faulty network of the suites does what it is told to, byte for byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use fastway_testkit::chaos::Direction::{ToClient, ToServer};
use fastway_testkit::chaos::{Faults, Proxy};
use fastway_testkit::watch::DEADLINE;

/// A proxy, and both ends of a connection through it.
fn through(faults: Faults) -> (Proxy, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::to(listener.local_addr().unwrap());
    proxy.next(faults);
    let client = connect(&proxy);
    let (server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    (proxy, client, server)
}

fn connect(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(proxy.addr()).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client
}

fn read(end: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    end.read_exact(&mut bytes).unwrap();
    bytes
}

fn rest(end: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match end.read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => bytes,
        Err(error) => panic!("no end came: {error}"),
    }
}

fn is_silent(end: &mut TcpStream) -> bool {
    end.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let silent = end.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    end.set_read_timeout(Some(DEADLINE)).unwrap();
    silent
}

#[test]
fn without_faults_bytes_and_ends_pass_and_are_recorded() {
    let (proxy, mut client, mut server) = through(Faults::default().recorded());
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut server), b"hello");
    server.write_all(b"goodbye").unwrap();
    drop(server);
    assert_eq!(rest(&mut client), b"goodbye");
    let connection = proxy.connection(0);
    connection.wait_end();
    assert_eq!((connection.recorded(ToServer), connection.recorded(ToClient)), (b"hello".into(), b"goodbye".into()));
}

#[test]
fn a_cut_comes_behind_exactly_so_many_bytes_and_ends_both_directions() {
    let (_proxy, mut client, mut server) = through(Faults::default().cut_after(ToServer, 3));
    client.write_all(b"abc").unwrap();
    assert_eq!(rest(&mut server), b"abc");
    assert_eq!(rest(&mut client), b"");
}

#[test]
fn a_black_hole_tells_neither_end_and_new_connections_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::to(listener.local_addr().unwrap());
    let mut client = connect(&proxy);
    let (mut server, _) = listener.accept().unwrap();
    proxy.connection(0).black_hole();
    client.write_all(b"lost").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    server.write_all(b"lost").unwrap();
    assert!(is_silent(&mut client) && is_silent(&mut server));
    let mut second = connect(&proxy);
    second.write_all(b"hi").unwrap();
    assert_eq!(read(&mut listener.accept().unwrap().0, 2), b"hi");
}

#[test]
fn one_direction_can_be_held_and_released() {
    let (proxy, mut client, mut server) = through(Faults::default().hold_after(ToServer, 2));
    client.write_all(b"abcd").unwrap();
    assert_eq!(read(&mut server, 2), b"ab");
    assert!(is_silent(&mut server));
    server.write_all(b"other way").unwrap();
    assert_eq!(read(&mut client, 9), b"other way");
    proxy.connection(0).release(ToServer);
    assert_eq!(read(&mut server, 2), b"cd");
}

#[test]
fn bits_are_flipped_and_bytes_left_out_where_the_test_says() {
    let faults = Faults::default().flip_bit(ToServer, 1, 0).leave_out(ToServer, 3, 2).flip_bit(ToServer, 6, 5);
    let (_proxy, mut client, mut server) = through(faults);
    for byte in b"abcdefgh" {
        client.write_all(&[*byte]).unwrap();
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut server), b"accfGh");
}

#[test]
fn latency_and_throttle_take_their_time() {
    let latency = Duration::from_millis(100);
    let faults = Faults::default().latency(ToServer, latency).throttle(ToClient, 20_000);
    let (_proxy, mut client, mut server) = through(faults);
    let start = Instant::now();
    client.write_all(b"late").unwrap();
    assert_eq!(read(&mut server, 4), b"late");
    assert!(start.elapsed() >= latency);
    let start = Instant::now();
    server.write_all(&[7; 4000]).unwrap();
    assert_eq!(read(&mut client, 4000), [7; 4000]);
    // 4,000 bytes at 20,000 a second; the last step need not be waited for.
    assert!(start.elapsed() >= Duration::from_millis(190), "{:?}", start.elapsed());
}

#[test]
fn whom_the_target_or_the_proxy_turns_away_is_turned_away() {
    let (proxy, _client, _server) = through(Faults::default());
    proxy.turn_away(true);
    assert_eq!(rest(&mut connect(&proxy)), b"");
    proxy.turn_away(false);
    proxy.lead_to("127.0.0.1:1".parse().unwrap());
    assert_eq!(rest(&mut connect(&proxy)), b"");
    assert_eq!(proxy.count(), 1);
}
