//! The parts that attackers play, each in a process of its own that goes on until it is killed.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use fastway_wire::Command;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

use crate::player::{Player, connect};

/// Handshakes of a process at a time.
const AT_ONCE: usize = 64;
/// Connections of those who come in numbers.
const CONNECTIONS: usize = 4096;
/// How many addresses these have.
const ADDRESSES: usize = 8;
/// Connections of those who take descriptors.
const TAKEN_DESCRIPTORS: usize = 600;
/// Clients that open sessions and never go on, and their addresses.
const UNPROVEN: usize = 2000;
const UNPROVEN_ADDRESSES: usize = 200;
/// Bytes of pings that one write takes.
const PINGS_AT_ONCE: usize = 4096;
/// Strangers that ping.
const PINGING: usize = 5;
/// Sessions that hop, as many as there are at most, and addresses that they hop to.
const HOPPING: usize = 200;
const HOPS: usize = 20;
/// Pause of somebody who was refused.
const PAUSE: Duration = Duration::from_millis(10);

/// Plays a part.
pub(crate) fn play(part: &str, client_addr: SocketAddr, server_addr: SocketAddr) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let attacking = async {
        match part {
            "descriptors" => spawn(TAKEN_DESCRIPTORS, |number| take_descriptor(number, client_addr)).await,
            "opens" => open_over_and_over(Player::secure(), client_addr).await,
            "legacy" => open_over_and_over(Player::legacy(), client_addr).await,
            "resumes" => resume_over_and_over(client_addr).await,
            "unproven" => open_and_never_go_on(client_addr).await,
            "silent" => spawn(CONNECTIONS, |number| stay_silent(address(number % ADDRESSES), client_addr)).await,
            "servers" => spawn(CONNECTIONS, |number| be_no_server(number, server_addr)).await,
            "hopping" => spawn(HOPPING, |number| hop(number, client_addr)).await,
            "pings" => spawn(PINGING, |number| ping(address(number), client_addr)).await,
            "session-pings" => spawn(PINGING, |number| ping_in_session(address(number), client_addr)).await,
            other => panic!("no part is named {other:?}"),
        }
    };
    LocalSet::new().block_on(&runtime, attacking);
}

/// An address that no honest peer has.
fn address(number: usize) -> IpAddr {
    let [.., high, low] = number.to_be_bytes();
    Ipv4Addr::new(127, 9, high, 1 + low).into()
}

/// Has all of them attack for good.
async fn spawn<F: Future<Output = ()> + 'static>(count: usize, attacker: impl Fn(usize) -> F) {
    let mut attackers = JoinSet::new();
    (0..count).for_each(|number| drop(attackers.spawn_local(attacker(number))));
    while attackers.join_next().await.is_some() {}
}

/// Ends a connection without leaving a port in use behind.
fn reset(stream: TcpStream) {
    let _it_may_have_ended = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}

/// Reads until the gateway closes the connection.
async fn listen(mut stream: TcpStream) {
    while let Ok(1..) = stream.read(&mut [0; 1024]).await {}
    reset(stream);
}

/// Every other one becomes a link, whose place it keeps.
async fn take_descriptor(number: usize, to: SocketAddr) {
    loop {
        if let Some(mut stream) = connect(address(number % ADDRESSES), to).await {
            if number.is_multiple_of(2) {
                let _it_may_have_ended = stream.write_all(&Command::Ping.encode()).await;
            }
            listen(stream).await;
        }
        sleep(PAUSE).await;
    }
}

async fn stay_silent(from: IpAddr, to: SocketAddr) {
    loop {
        match connect(from, to).await {
            Some(stream) => listen(stream).await,
            None => sleep(PAUSE).await,
        }
    }
}

/// Every other one answers the challenge, with nonsense.
async fn be_no_server(number: usize, to: SocketAddr) {
    loop {
        match connect(address(number % ADDRESSES), to).await {
            Some(mut stream) => {
                if number.is_multiple_of(2) {
                    let _it_may_have_ended = stream.write_all(&[7; 20]).await;
                }
                listen(stream).await;
            }
            None => sleep(PAUSE).await,
        }
    }
}

/// Sends a first message, waits for the answer, and begins again.
async fn ask(from: IpAddr, to: SocketAddr, first: &[u8]) {
    let Some(mut stream) = connect(from, to).await else { return sleep(PAUSE).await };
    if stream.write_all(first).await.is_ok() {
        let _answer_or_end = stream.read(&mut [0; 1024]).await;
    }
    reset(stream);
}

async fn open_over_and_over(mut player: Player, to: SocketAddr) {
    // Always the same one: what it costs is the gateway's time, not the attacker's.
    let first: Rc<[u8]> = player.dial().unwrap().into();
    spawn(AT_ONCE, |_| {
        let first = Rc::clone(&first);
        async move {
            loop {
                ask(address(0), to, &first).await;
            }
        }
    })
    .await;
}

async fn resume_over_and_over(to: SocketAddr) {
    let mut player = Player::secure();
    let mut stream = connect(address(0), to).await.unwrap();
    player.greet(&mut stream).await.unwrap();
    player.ping(&mut stream).await.unwrap();
    let player = Rc::new(RefCell::new(player));
    spawn(AT_ONCE, |_| {
        let player = Rc::clone(&player);
        async move {
            loop {
                let first = player.borrow_mut().dial().unwrap();
                ask(address(0), to, &first).await;
            }
        }
    })
    .await;
}

async fn open_and_never_go_on(to: SocketAddr) {
    let first: Rc<[u8]> = Player::secure().dial().unwrap().into();
    spawn(UNPROVEN, |number| {
        let first = Rc::clone(&first);
        async move {
            sleep(Duration::from_micros(500) * u32::try_from(number).unwrap()).await;
            loop {
                if let Some(mut stream) = connect(address(number % UNPROVEN_ADDRESSES), to).await {
                    let _it_may_have_ended = stream.write_all(&first).await;
                    let _it_is_long_over = timeout(Duration::from_secs(1), listen(stream)).await;
                }
                sleep(Duration::from_millis(500)).await;
            }
        }
    })
    .await;
}

/// Opens a session at its own address and resumes it from another one, so that there is room for the next.
async fn hop(number: usize, to: SocketAddr) {
    loop {
        let mut player = Player::secure();
        for from in [address(0), address(1 + number % HOPS)] {
            let Some(mut stream) = connect(from, to).await else { break };
            if player.greet(&mut stream).await.is_none() || player.ping(&mut stream).await.is_none() {
                break;
            }
            if from != address(0) {
                listen(stream).await;
            }
        }
        sleep(PAUSE).await;
    }
}

async fn ping(from: IpAddr, to: SocketAddr) {
    let pings = Command::Ping.encode().repeat(PINGS_AT_ONCE);
    loop {
        let Some(stream) = connect(from, to).await else {
            sleep(PAUSE).await;
            continue;
        };
        let (mut answers, mut requests) = stream.into_split();
        let reading =
            tokio::task::spawn_local(async move { while let Ok(1..) = answers.read(&mut [0; 64 << 10]).await {} });
        while requests.write_all(&pings).await.is_ok() {}
        reading.abort();
    }
}

async fn ping_in_session(from: IpAddr, to: SocketAddr) {
    loop {
        let mut player = Player::secure();
        if let Some(mut stream) = connect(from, to).await
            && player.greet(&mut stream).await.is_some()
        {
            while player.ping_times(PINGS_AT_ONCE, &mut stream).await.is_some() {}
        }
        sleep(PAUSE).await;
    }
}
