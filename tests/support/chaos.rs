//! A TCP proxy that does to its connections what networks do: cuts, black holes, damage, delay.
//!
//! ```no_run
//! use fastway_testkit::Gateway;
//! use fastway_testkit::chaos::{Direction::ToServer, Faults, Proxy};
//!
//! let gateway = Gateway::start(&[]);
//! let proxy = Proxy::to(gateway.client_addr());
//! proxy.next(Faults::default().cut_after(ToServer, 20).flip_bit(ToServer, 9, 0));
//! // A client connects to `proxy.addr()`; after 20 bytes, of which one is wrong, it is cut off.
//! let first = proxy.connection(0);
//! first.wait_end();
//! // Its second connection goes well, until it falls silent in both directions, without a FIN.
//! proxy.connection(1).black_hole();
//! ```
//!
//! Everything is commanded by the test: nothing is random here.

mod flow;

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use flow::{Act, Flow};

use crate::watch::DEADLINE;

/// Which way bytes go. The server is whoever the proxy connects to: for most tests the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From whoever connected to the proxy.
    ToServer,
    /// To whoever connected to the proxy.
    ToClient,
}

/// What happens to a connection by itself. Places are counts of bytes in a direction, from its start.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    to_server: Plan,
    to_client: Plan,
}

/// The faults of one direction.
#[derive(Clone, Debug, Default)]
struct Plan {
    /// In the order of their places.
    acts: VecDeque<(u64, Act)>,
    latency: Duration,
    bytes_per_second: Option<u32>,
    recorded: bool,
}

impl Faults {
    /// Cuts the connection, both ways, when this many bytes have passed.
    #[must_use]
    pub fn cut_after(self, direction: Direction, bytes: u64) -> Self {
        self.act(direction, bytes, Act::Cut)
    }

    /// Lets nothing more pass behind this many bytes, not even the end.
    #[must_use]
    pub fn hold_after(self, direction: Direction, bytes: u64) -> Self {
        self.act(direction, bytes, Act::Hold)
    }

    /// Flips a bit of the byte at `place`.
    #[must_use]
    pub fn flip_bit(self, direction: Direction, place: u64, bit: u8) -> Self {
        self.act(direction, place, Act::Flip { bit })
    }

    /// Leaves out `count` bytes from `place` on: what is cut short there is followed by what came next.
    #[must_use]
    pub fn leave_out(self, direction: Direction, place: u64, count: u64) -> Self {
        self.act(direction, place, Act::LeaveOut { count })
    }

    /// Delivers everything so much later.
    #[must_use]
    pub fn latency(mut self, direction: Direction, latency: Duration) -> Self {
        self.plan(direction).latency = latency;
        self
    }

    /// Delivers no more than this.
    #[must_use]
    pub fn throttle(mut self, direction: Direction, bytes_per_second: u32) -> Self {
        self.plan(direction).bytes_per_second = Some(bytes_per_second);
        self
    }

    /// Keeps what passes, for [`Connection::recorded`].
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.to_server.recorded = true;
        self.to_client.recorded = true;
        self
    }

    fn act(mut self, direction: Direction, place: u64, act: Act) -> Self {
        let acts = &mut self.plan(direction).acts;
        let index = acts.partition_point(|(other, _)| *other <= place);
        acts.insert(index, (place, act));
        self
    }

    fn plan(&mut self, direction: Direction) -> &mut Plan {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

/// The proxy, on a port of its own. Dropping it cuts what runs through it, and waits for its threads.
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    target: Option<SocketAddr>,
    next: VecDeque<Faults>,
    always: Faults,
    connections: Vec<Connection>,
    turns_away: bool,
    stopped: bool,
}

impl Proxy {
    /// A proxy on a free port of 127.0.0.1 that leads to `target`.
    pub fn to(target: SocketAddr) -> Self {
        Self::between((Ipv4Addr::LOCALHOST, 0).into(), target)
    }

    /// A proxy on `addr` that leads to `target`.
    pub fn between(addr: SocketAddr, target: SocketAddr) -> Self {
        let listener = TcpListener::bind(addr).expect("an address of this machine");
        let addr = listener.local_addr().expect("the listener has an address");
        let shared = Arc::new(Shared::default());
        shared.lock().target = Some(target);
        let accepting = Arc::clone(&shared);
        Self { addr, shared, acceptor: Some(thread::spawn(move || accepting.accept(&listener))) }
    }

    /// Where to connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// New connections lead elsewhere.
    pub fn lead_to(&self, target: SocketAddr) {
        self.shared.lock().target = Some(target);
    }

    /// The faults of the next connection that has none yet; called again, those of the one after it.
    pub fn next(&self, faults: Faults) {
        self.shared.lock().next.push_back(faults);
    }

    /// The faults of all new connections but those that [`Proxy::next`] is for.
    pub fn always(&self, faults: Faults) {
        self.shared.lock().always = faults;
    }

    /// Whether new connections are closed at once.
    pub fn turn_away(&self, yes: bool) {
        self.shared.lock().turns_away = yes;
    }

    /// Connections that were accepted so far, those turned away not counted.
    pub fn count(&self) -> usize {
        self.shared.lock().connections.len()
    }

    /// The connection `index`, from 0 in the order of their coming; waits for it.
    ///
    /// # Panics
    /// When it does not come within the deadline.
    #[track_caller]
    pub fn connection(&self, index: usize) -> Connection {
        let waited = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), DEADLINE, |state| state.connections.len() <= index);
        let (state, _) = waited.unwrap();
        let count = state.connections.len();
        state.connections.get(index).cloned().unwrap_or_else(|| panic!("no connection {index} came, of {count}"))
    }

    /// The newest connection, if there was one.
    pub fn newest(&self) -> Option<Connection> {
        self.shared.lock().connections.last().cloned()
    }

    /// Cuts all connections there are.
    pub fn cut(&self) {
        let connections = self.shared.lock().connections.clone();
        connections.iter().for_each(Connection::cut);
    }

    /// Lets nothing more pass on all connections there are, in either direction. New ones pass.
    pub fn black_hole(&self) {
        let connections = self.shared.lock().connections.clone();
        connections.iter().for_each(Connection::black_hole);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        // It waits in `accept`.
        drop(TcpStream::connect(self.addr));
        let ended = self.acceptor.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the proxy has failed");
        let connections = std::mem::take(&mut self.shared.lock().connections);
        connections.iter().for_each(Connection::cut);
        connections.iter().for_each(Connection::join);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn accept(&self, listener: &TcpListener) {
        loop {
            let (client, _) = listener.accept().expect("a listener accepts");
            let mut state = self.lock();
            if state.stopped {
                return;
            }
            let target = state.target.filter(|_| !state.turns_away);
            // Whoever the target turns away is turned away here.
            let Some(server) = target.and_then(|target| TcpStream::connect(target).ok()) else { continue };
            let faults = state.next.pop_front().unwrap_or_else(|| state.always.clone());
            state.connections.push(Connection::start(&client, &server, faults));
            self.changed.notify_all();
        }
    }
}

/// A connection through the proxy: what to do to it, and what has passed.
#[derive(Clone)]
pub struct Connection {
    to_server: Arc<Flow>,
    to_client: Arc<Flow>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Connection {
    fn start(client: &TcpStream, server: &TcpStream, faults: Faults) -> Self {
        let ends = [client, server].map(|end| {
            end.set_nodelay(true).expect("TCP_NODELAY");
            end.try_clone().expect("a second handle")
        });
        let ends = Arc::new(ends);
        let cut = move || ends.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
        let (to_server, to_client) = (Flow::new(faults.to_server, cut.clone()), Flow::new(faults.to_client, cut));
        let threads = [to_server.start(client, server), to_client.start(server, client)].into_iter().flatten();
        Self { threads: Arc::new(Mutex::new(threads.collect())), to_server, to_client }
    }

    /// Ends it at once in both directions; both ends are told. What is on its way is lost.
    pub fn cut(&self) {
        self.flows().iter().for_each(|flow| flow.cut());
    }

    /// Lets nothing more pass in that direction, not even the end, until [`Connection::release`].
    pub fn hold(&self, direction: Direction) {
        self.flow(direction).set_held(true);
    }

    /// Lets what was held pass.
    pub fn release(&self, direction: Direction) {
        self.flow(direction).set_held(false);
    }

    /// [`Connection::hold`] in both directions: neither end is told.
    pub fn black_hole(&self) {
        self.flows().iter().for_each(|flow| flow.set_held(true));
    }

    /// Bytes that were delivered in that direction.
    pub fn passed(&self, direction: Direction) -> u64 {
        self.flow(direction).passed()
    }

    /// Waits until so many bytes were delivered in that direction.
    ///
    /// # Panics
    /// When they are not within the deadline.
    #[track_caller]
    pub fn wait_passed(&self, direction: Direction, bytes: u64) {
        self.flow(direction).wait(|passed, _| passed >= bytes);
    }

    /// Waits until nothing can pass any more in either direction: it was cut, or both ends have ended it.
    ///
    /// # Panics
    /// When that does not come within the deadline.
    #[track_caller]
    pub fn wait_end(&self) {
        self.flows().iter().for_each(|flow| flow.wait(|_, ended| ended));
    }

    /// What was delivered in that direction, byte for byte, if [`Faults::recorded`] asked for it.
    pub fn recorded(&self, direction: Direction) -> Vec<u8> {
        self.flow(direction).recorded()
    }

    fn flows(&self) -> [&Flow; 2] {
        [&self.to_server, &self.to_client]
    }

    fn flow(&self, direction: Direction) -> &Flow {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    fn join(&self) {
        for thread in std::mem::take(&mut *self.threads.lock().unwrap()) {
            assert!(thread.join().is_ok() || thread::panicking(), "a thread of the proxy has failed");
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [to_server, to_client] = [Direction::ToServer, Direction::ToClient].map(|direction| self.passed(direction));
        f.debug_struct("Connection").field("to_server", &to_server).field("to_client", &to_client).finish()
    }
}
