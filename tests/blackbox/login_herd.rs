//! Many players who log in at once: they are slowed down, and those who play are not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastway_session::{Identity, Session};
use fastway_testkit::{Client, Gateway, Link, Tunnel, watch};

fn session() -> Session {
    Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now())
}

/// Runs `during` while so many players open sessions, and returns what it does, and how long they took.
fn while_a_herd_opens<R>(gateway: &Gateway, players: usize, during: impl FnOnce(&AtomicUsize) -> R) -> (R, Duration) {
    let (began, opened) = (Instant::now(), AtomicUsize::new(0));
    let outcome = thread::scope(|scope| {
        for _ in 0..players {
            scope.spawn(|| {
                let open = Tunnel::open(gateway.client_addr(), session());
                opened.fetch_add(1, Ordering::Relaxed);
                open.map(drop).expect("it waits for its turn, and is not refused")
            });
        }
        during(&opened)
    });
    (outcome, began.elapsed())
}

#[test]
fn handshakes_of_all_workers_are_bounded_together() {
    let flags = ["--client-link", "secure", "--workers", "8", "--max-handshakes-per-second", "2"];
    let gateway = Gateway::start(&flags);
    let ((), took) = while_a_herd_opens(&gateway, 20, |_| ());
    // Each worker may have saved one up; the other twelve come at two in a second.
    assert!(took >= Duration::from_secs(5), "{took:?}");
}

#[test]
fn whoever_comes_back_does_not_wait_behind_those_who_log_in() {
    let flags = ["--client-link", "secure", "--max-handshakes-per-second", "3"];
    let gateway = Gateway::start(&flags);
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let mut player = Client::over(link);
    let herd = 15;
    let (opened, _) = while_a_herd_opens(&gateway, herd, |opened| {
        watch::eventually("the herd comes in", || opened.load(Ordering::Relaxed) > 0);
        tunnel.resume();
        player.expect_silence();
        opened.load(Ordering::Relaxed)
    });
    assert!(opened < herd, "the player came back behind all of them");
}

#[test]
fn accepts_are_bounded_for_all_workers_and_nobody_is_refused() {
    for workers in [&["--workers", "1"][..], &["--workers", "3", "--reuse-port"]] {
        let gateway = Gateway::with_admin(&[workers, &["--max-accepts-per-second", "20"]].concat());
        let began = Instant::now();
        let mut players: Vec<Client> = (0..40).map(|_| Client::over(Link::connect(gateway.client_addr()))).collect();
        let _servers_do_not_wait: Vec<_> = (1..20).map(|id| gateway.server(id)).collect();
        players.iter_mut().for_each(|player| player.expect_silence());
        // What is due within a tenth of a second may come at once, and each worker may be one ahead.
        assert!(began.elapsed() >= Duration::from_millis(1500), "{:?}", began.elapsed());
        let stats = gateway.stats();
        assert!(stats["accept_pauses"].as_u64().unwrap() > 0, "{stats}");
        assert_eq!((&stats["client"]["links"], &stats["accept_errors"]), (&40.into(), &0.into()));
        let metrics = gateway.get("/metrics");
        assert!(String::from_utf8_lossy(&metrics.body).contains("fastway_accept_pauses_total"));
    }
}
