//! In a steady state the workers allocate nothing for a frame.

use fastway_testkit::{Client, Gateway, Server, on_every_setup};
use fastway_wire::ConnId;

/// Messages of a player that are under way at the same time.
const WINDOW: usize = 40;
/// What a period may take: less than a byte for each of its frames.
const FEW_BYTES: u64 = 512;
/// Periods in which the buffers have to have grown as far as they do. A busy machine takes more of them.
const PERIODS: usize = 100;

#[test]
fn steady_traffic_allocates_nothing_per_frame() {
    steady(b"the state of the world", 10);
}

#[test]
fn steady_traffic_of_large_frames_allocates_nothing_either() {
    steady(&[7; 20_000], 2);
}

/// Sooner or later, periods of `rounds` windows follow one another without an allocation.
fn steady(payload: &[u8], rounds: usize) {
    on_every_setup(&[], |gateway| {
        let mut pairs = pairs(gateway);
        let period = |_| {
            let before = allocated_bytes(gateway);
            (0..rounds).for_each(|_| play(&mut pairs, payload));
            allocated_bytes(gateway) - before
        };
        let periods: Vec<u64> = (0..PERIODS).map(period).scan(true, until_calm).collect();
        let last = periods.last().unwrap();
        assert!(*last < FEW_BYTES, "{} frames in each of these, bytes: {periods:?}", 8 * WINDOW * rounds);
    });
}

/// Goes on until a period has allocated little.
fn until_calm(goes_on: &mut bool, bytes: u64) -> Option<u64> {
    std::mem::replace(goes_on, bytes >= FEW_BYTES).then_some(bytes)
}

#[test]
fn asking_for_what_was_allocated_allocates_nothing_on_the_workers() {
    let gateway = Gateway::start(&["--workers", "2"]);
    allocated_bytes(&gateway);
    let before = allocated_bytes(&gateway);
    let answers: Vec<u64> = (0..5).map(|_| allocated_bytes(&gateway)).collect();
    assert_eq!(answers, [before; 5]);
}

/// A player and its server.
struct Pair {
    client: Client,
    server: Server,
    conn: ConnId,
}

/// With two workers, some of them are on the same one and some are not.
fn pairs(gateway: &Gateway) -> Vec<Pair> {
    let pair = |id| {
        let (mut client, mut server) = (gateway.client(), gateway.server(id));
        let conn = client.open(&mut server);
        Pair { client, server, conn }
    };
    (0..4).map(pair).collect()
}

/// Every player sends a window of messages, and its server sends them back.
fn play(pairs: &mut [Pair], payload: &[u8]) {
    for Pair { client, server, conn } in pairs {
        (0..WINDOW).for_each(|_| client.send(*conn, payload));
        for _ in 0..WINDOW {
            server.expect_data(*conn, payload);
            server.send(*conn, payload);
        }
        (0..WINDOW).for_each(|_| client.expect_data(*conn, payload));
    }
}

/// What the workers have allocated so far.
fn allocated_bytes(gateway: &Gateway) -> u64 {
    let stats = gateway.ctl(&["stats"]).stdout;
    let number = stats.split_whitespace().find_map(|word| word.strip_prefix("allocated_bytes="));
    number.unwrap_or_else(|| panic!("{stats}")).parse().unwrap()
}
