//! In steady state neither sending nor receiving allocates; and what waits keeps little more memory than it has bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use crate::support::{FakeGateway, client_over, connect, quiet};
use fastway_client::{Client, ClientConfig, Connection, ServerId};
use fastway_wire::{Command, ConnId, encode_data};
use futures_util::FutureExt;
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

async fn echo_batches(connection: &mut Connection<ServerId>, message: &bytes::Bytes, count: usize) {
    for _ in 0..count / WINDOW {
        connection.send_batch([&**message; WINDOW]).await.unwrap();
        let mut back = 0;
        while back < WINDOW {
            back += connection.recv_batch().await.unwrap().count();
        }
    }
}

/// Allocations of the whole runtime while `MEASURED` messages go out and come back, and as many in batches.
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
    let measured = async {
        echo(&mut connection, &message, MEASURED).await;
        echo_batches(&mut connection, &message, MEASURED).await;
    };
    allocation_counter::measure(|| runtime.block_on(measured)).count_total
}

#[test]
fn a_message_in_steady_state_costs_no_allocation() {
    for size in [0, 16, 200, 1000, 4096] {
        // The runtime's own list of tasks that yielded may grow once; that is not per message.
        let count = allocations_of(size);
        assert!(count <= 2, "{count} allocations for {MEASURED} messages of {size} bytes, and as many in batches");
    }
}

#[test]
fn large_messages_cost_no_allocation_each() {
    for size in [5000, 20_000, 100_000] {
        // A block that is cut at another place may have to grow once more; that is not per message.
        let count = allocations_of(size);
        assert!(count <= 100, "{count} allocations for {MEASURED} messages of {size} bytes, and as many in batches");
    }
}

const SMALL: usize = 500;
const BUSY: u32 = 1000;

/// Lets each of many connections get a small message that nobody reads, and between them one that is read and fills the
/// rest of a block.
async fn small_messages_between_large_ones(gateway: &mut FakeGateway, busy: &mut Connection<ServerId>) {
    for conn in (1..).take(SMALL) {
        gateway.data(conn, &[7; 10]).await;
        for _ in 0..2 {
            gateway.data(BUSY, &[7; 12_000]).await;
            assert_eq!(busy.recv().await.unwrap().len(), 12_000);
        }
    }
}

#[test]
fn small_messages_that_wait_unread_keep_few_blocks() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for waited_before in [false, true] {
        let (_client, mut gateway, mut unread, mut busy) = runtime.block_on(async {
            let (client, mut gateway) = client_over(1 << 20, quiet());
            let mut unread = Vec::new();
            for conn in (1..).take(SMALL) {
                gateway.command(connect(conn)).await;
                unread.push(client.accept().await.unwrap());
            }
            let mut busy = gateway.open(&client, BUSY).await;
            if waited_before {
                // Who has waited once and does something else now looks like who waits still.
                unread.iter_mut().for_each(|connection| assert!(connection.recv().now_or_never().is_none()));
            }
            gateway.data(BUSY, &[7; 20_000]).await;
            busy.recv().await.unwrap();
            (client, gateway, unread, busy)
        });
        let scene = small_messages_between_large_ones(&mut gateway, &mut busy);
        let grown = allocation_counter::measure(|| runtime.block_on(scene)).bytes_current;
        // Eight blocks of 16 KiB, and some hundred bytes a connection; 500 blocks would be 8 MiB.
        assert!(grown < 400_000, "{grown} bytes for {SMALL} messages of 10");
        for connection in &mut unread {
            assert_eq!(connection.try_recv().unwrap(), [7; 10][..]);
        }
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
