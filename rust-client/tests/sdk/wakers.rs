//! Wakers are told when they should be, once, and never under a lock.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use crate::support::{FakeGateway, accept, client_over, close, connect, connected, quiet};
use fastway_client::{Client, GroupConfig, RecvHalf, SendHalf, ServerGroup, ServerId, TryRecv};
use fastway_wire::Command;

#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_look_that_finds_nothing_does_not_take_the_place_of_who_waits() {
    let (client, mut gateway, mut connection) = connected().await;
    let woken = Arc::new(Counts::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(Box::pin(connection.recv()).as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(matches!(connection.try_recv(), Err(TryRecv::Empty)));
    gateway.data(1, b"hi").await;
    while client.stats().received_messages == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(connection.try_recv().unwrap(), "hi");
}

/// Looks whether the link has ended in the moment in which its connection says so.
struct Looks {
    client: Client,
    ended: OnceLock<bool>,
}

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        let _first = self.ended.set(self.client.end().is_some());
    }
}

#[tokio::test]
async fn the_end_of_a_link_is_known_before_a_connection_tells_of_it() {
    let (client, gateway, mut connection) = connected().await;
    let looks = Arc::new(Looks { client, ended: OnceLock::new() });
    let waker = Waker::from(Arc::clone(&looks));
    assert!(Box::pin(connection.recv()).as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(gateway);
    while looks.ended.get().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(looks.ended.get(), Some(&true));
    assert!(connection.close_reason().is_some());
}

/// Uses all locks of a link in the moment in which it is woken.
struct Meddles {
    client: Arc<Client>,
    sending: SendHalf<ServerId>,
    woken: AtomicUsize,
}

impl Wake for Meddles {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::Relaxed);
        // Whether the link has room does not matter, and none of these has anything to give.
        let _ = self.sending.try_send("from a waker");
        self.sending.clone().close();
        let mut accepting = std::pin::pin!(self.client.accept());
        let _ = accepting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(self.client.stats().received_bytes > 0);
    }
}

/// A client with a connection to be meddled with, and the waker that does.
struct Scene {
    receiving: Option<RecvHalf<ServerId>>,
    client: Arc<Client>,
    gateway: FakeGateway,
    meddles: Arc<Meddles>,
}

impl Scene {
    async fn new(pipe_bytes: usize) -> Self {
        let mut config = quiet();
        config.link.send_buffer_bytes = 1000;
        let (client, mut gateway) = client_over(pipe_bytes, config);
        let client = Arc::new(client);
        let (sending, receiving) = gateway.open(&client, 1).await.split();
        let meddles = Arc::new(Meddles { client: Arc::clone(&client), sending, woken: AtomicUsize::new(0) });
        Self { receiving: Some(receiving), client, gateway, meddles }
    }

    /// Lets the future wait with the waker.
    fn wait<T>(&self, future: &mut Pin<Box<impl Future<Output = T>>>) {
        let waker = Waker::from(Arc::clone(&self.meddles));
        let waits = matches!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        assert!(waits && self.meddles.woken.load(Ordering::Relaxed) == 0);
    }

    async fn woken(&mut self) {
        while self.meddles.woken.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// A waker that is told under a lock would wait for that lock for ever: that is to be a failure, too.
fn within_a_minute(play: impl AsyncFnOnce() + Send + 'static) {
    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play());
        done.send(()).unwrap();
    });
    finished.recv_timeout(Duration::from_secs(60)).unwrap();
}

#[test]
fn who_receives_is_woken_outside_of_all_locks() {
    within_a_minute(async || {
        for ends in [false, true] {
            let mut scene = Scene::new(1 << 16).await;
            let mut receiving = scene.receiving.take().unwrap();
            let mut recv = Box::pin(receiving.recv());
            scene.wait(&mut recv);
            if ends {
                scene.gateway.command(close(1)).await;
            } else {
                scene.gateway.data(1, b"hi").await;
            }
            scene.woken().await;
            assert_eq!(recv.await.is_none(), ends);
        }
    });
}

#[test]
fn who_accepts_or_dials_or_waits_for_an_end_is_woken_outside_of_all_locks() {
    within_a_minute(async || {
        let mut scene = Scene::new(1 << 16).await;
        let client = Arc::clone(&scene.client);
        let mut accepting = Box::pin(client.accept());
        scene.wait(&mut accepting);
        scene.gateway.command(connect(2)).await;
        scene.woken().await;

        for cut in [false, true] {
            let mut scene = Scene::new(1 << 16).await;
            let client = Arc::clone(&scene.client);
            let mut dialing = Box::pin(client.dial(ServerId::new(7)));
            scene.wait(&mut dialing);
            scene.gateway.expect(Command::Dial { remote: 7 }).await;
            if cut {
                scene.gateway = client_over(1, quiet()).1;
            } else {
                scene.gateway.command(accept(2, 7)).await;
            }
            scene.woken().await;
            assert_eq!(dialing.await.is_err(), cut);
        }

        let mut scene = Scene::new(1 << 16).await;
        let other = scene.gateway.open(&scene.client, 2).await;
        let mut closed = Box::pin(other.closed());
        scene.wait(&mut closed);
        scene.gateway.command(close(2)).await;
        scene.woken().await;

        let mut scene = Scene::new(1 << 16).await;
        let client = Arc::clone(&scene.client);
        let mut ended = Box::pin(client.closed());
        scene.wait(&mut ended);
        scene.gateway = client_over(1, quiet()).1;
        scene.woken().await;
    });
}

#[test]
fn who_dials_when_this_side_closes_the_link_is_woken_outside_of_all_locks() {
    within_a_minute(async || {
        let mut scene = Scene::new(1 << 16).await;
        let client = Arc::clone(&scene.client);
        let mut dialing = Box::pin(client.dial(ServerId::new(7)));
        scene.wait(&mut dialing);
        let mut closing = Box::pin(client.close());
        assert!(closing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        scene.woken().await;
        assert!(dialing.await.is_err());
    });
}

/// Uses all locks of a group in the moment in which it is woken.
struct MeddlesWithGroup(Arc<ServerGroup>, AtomicUsize);

impl Wake for MeddlesWithGroup {
    fn wake(self: Arc<Self>) {
        assert!(self.0.health().is_empty());
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn who_accepts_of_a_group_that_is_closed_is_woken_outside_of_all_locks() {
    within_a_minute(async || {
        let group = Arc::new(ServerGroup::new("", ServerId::new(1), GroupConfig::default()));
        let meddles = Arc::new(MeddlesWithGroup(Arc::clone(&group), AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&meddles));
        let mut accepting = Box::pin(group.accept());
        assert!(accepting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        group.close().await;
        assert_eq!(meddles.1.load(Ordering::Relaxed), 1);
        assert!(accepting.await.is_none());
    });
}

/// Ends what it owns with the last of its wakers, as a task of some runtimes does.
struct ClosesAtItsEnd(SendHalf<ServerId>);

impl Wake for ClosesAtItsEnd {
    fn wake(self: Arc<Self>) {}
}

impl Drop for ClosesAtItsEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[test]
fn the_waker_of_a_reader_that_gave_up_is_dropped_outside_of_all_locks() {
    within_a_minute(async || {
        let (_client, _gateway, connection) = connected().await;
        let (sending, mut receiving) = connection.split();
        let waker = Waker::from(Arc::new(ClosesAtItsEnd(sending)));
        assert!(Box::pin(receiving.recv()).as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        assert_eq!(receiving.recv().await, None);
    });
}

#[test]
fn who_sends_or_flushes_is_woken_outside_of_all_locks() {
    within_a_minute(async || {
        for cut in [false, true] {
            for flushes in [false, true] {
                let mut scene = Scene::new(64).await;
                let other = scene.gateway.open(&scene.client, 2).await;
                other.send(vec![1; 2000]).await.unwrap();
                let mut waiting =
                    Box::pin(async { if flushes { other.flush().await } else { other.send("more").await.map(drop) } });
                scene.wait(&mut waiting);
                if cut {
                    scene.gateway = client_over(1, quiet()).1;
                } else {
                    scene.gateway.expect_data(2, &[1; 2000]).await;
                }
                scene.woken().await;
            }
        }
    });
}
