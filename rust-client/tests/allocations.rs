//! In steady state neither sending nor receiving allocates.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use fastway_client::{Client, ClientConfig, Connection, ServerId};
use fastway_wire::{Command, ConnId, encode_data};
use tokio::net::TcpStream;

const CONN: ConnId = ConnId::new(1);
/// Enough for every queue to have had its largest size, and for the blocks to have gone round.
const WARM_UP: usize = 20_000;
const MEASURED: usize = 20_000;
/// Messages that are under way at a time.
const WINDOW: usize = 8;

/// A gateway on a thread of its own, which is not counted. It sends back whatever it gets, header and all.
fn echoing_gateway() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut vec![0; Command::Dial { remote: 7 }.encode().len()]).unwrap();
        stream.write_all(&Command::Accept { conn: CONN, remote: 7 }.encode()).unwrap();
        let mut space = vec![0; 1 << 20];
        while let Ok(count @ 1..) = stream.read(&mut space) {
            if stream.write_all(&space[..count]).is_err() {
                return;
            }
        }
    });
    addr
}

async fn echo(connection: &mut Connection<ServerId>, message: &bytes::Bytes, count: usize) {
    for _ in 0..count / WINDOW {
        for _ in 0..WINDOW {
            connection.send(message.clone()).await.unwrap();
        }
        for _ in 0..WINDOW {
            assert_eq!(connection.recv().await.unwrap().len(), message.len());
        }
    }
}

/// Allocations of the whole runtime while `MEASURED` messages go out and come back.
fn allocations_of(size: usize) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let message = bytes::Bytes::from(vec![7; size]);
    let addr = echoing_gateway();
    let (_client, mut connection) = runtime.block_on(async {
        let client = Client::over(TcpStream::connect(addr).await.unwrap(), ClientConfig::default()).unwrap();
        let mut connection = client.dial(ServerId::new(7)).await.unwrap();
        echo(&mut connection, &message, WARM_UP).await;
        (client, connection)
    });
    allocation_counter::measure(|| runtime.block_on(echo(&mut connection, &message, MEASURED))).count_total
}

#[test]
fn a_message_in_steady_state_costs_no_allocation() {
    for size in [0, 16, 200, 1000, 4096] {
        // The runtime's own list of tasks that yielded may grow once; that is not per message.
        let count = allocations_of(size);
        assert!(count <= 2, "{count} allocations for {MEASURED} messages of {size} bytes");
    }
}

#[test]
fn large_messages_cost_no_allocation_each() {
    for size in [5000, 20_000, 100_000] {
        // A block that is cut at another place may have to grow once more; that is not per message.
        let count = allocations_of(size);
        assert!(count <= 20, "{count} allocations for {MEASURED} messages of {size} bytes");
    }
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| {
        let mut frame = Vec::new();
        encode_data(CONN, b"hi", &mut frame).unwrap();
    });
    assert!(counted.count_total > 0);
}
