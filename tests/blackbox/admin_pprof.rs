//! Profiles over HTTP, as `go tool pprof` fetches them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fastway_testkit::http::Answer;
use fastway_testkit::{Gateway, pprof, watch};

fn error_of(answer: &Answer) -> String {
    answer.json()["error"].as_str().unwrap().to_owned()
}

/// What `go tool pprof -top` says of a profile that it fetches itself.
fn top(gateway: &Gateway, profile: &str) -> String {
    pprof::top(format!("http://{}/debug/pprof/{profile}", gateway.admin_addr()))
}

#[test]
fn the_index_lists_the_profiles() {
    let gateway = Gateway::with_admin(&[]);
    for path in ["/debug/pprof", "/debug/pprof/"] {
        let answer = gateway.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; charset=utf-8")));
        let names: Vec<&str> = answer.text().lines().map(|line| line.split(['?', ' ']).next().unwrap()).collect();
        assert_eq!(names, ["profile", "heap", "goroutine", "block", "threadcreate"]);
    }
    for path in ["/debug/pprof/mutex", "/debug/pprof/profile/", "/debug/"] {
        assert_eq!(gateway.get(path).status, 404, "{path}");
    }
}

/// Ends the load when the test does, even by a panic.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_cpu_profile_has_our_functions() {
    let (gateway, mut client, mut server, conn) = Gateway::with_admin(&[]).playing();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                client.exchange(&mut server, conn, b"busy");
            }
        });
        // On a busy machine the system may take hardly a sample in that time.
        watch::eventually("a profile has samples of links", || {
            let table = top(&gateway, "profile?seconds=2");
            assert!(table.contains("Type: cpu"), "{table}");
            table.contains("poll_link")
        });
    });
}

#[test]
fn cpu_profiles_hold_the_cpu_time_that_was_used_and_its_memory_is_given_back() {
    /// Enough for a hundred samples.
    const USED: Duration = Duration::from_secs(1);
    /// Bytes that a profile may leave behind.
    const LEFT: u64 = 20 << 20;

    let (gateway, mut client, mut server, conn) = Gateway::with_admin(&[]).playing();
    let cpu_time = || watch::cpu_time(gateway.pid());
    let mut use_cpu = || {
        let end = cpu_time() + USED;
        while cpu_time() < end {
            (0..100).for_each(|_| client.exchange(&mut server, conn, b"busy"));
        }
    };
    use_cpu();
    let before = gateway.resident_bytes();
    for cycle in 0..2 {
        let started = gateway.ctl(&["cpuprof", "start"]);
        assert_eq!(started.code, Some(0), "{}", started.stderr);
        let from = cpu_time();
        use_cpu();
        let used = cpu_time() - from;
        // The profile ends before its names are looked up.
        assert_eq!(gateway.ctl(&["cpuprof", "stop"]).code, Some(0));

        let held = pprof::cpu_total(gateway.file("fastway.cpu.prof"));
        // A thread may have used 10 ms and a tick of the kernel since its last sample, the kernel itself counts in ticks of
        // 10 ms, and to start and stop costs CPU time, too.
        let range = used * 3 / 4..used * 5 / 4;
        assert!(range.contains(&held), "profile {cycle} holds {held:?} of {used:?}");
    }
    // The allocator gives memory back within some seconds.
    watch::eventually("the memory of the profiles is given back", || gateway.resident_bytes() < before + LEFT);
}

#[test]
fn one_cpu_profile_is_taken_at_a_time_and_it_ends_when_nobody_waits_for_it() {
    let mut gateway = Gateway::with_admin(&[]);
    let mut http = gateway.http();
    http.send("GET /debug/pprof/profile?seconds=300", &[], b"");
    gateway.wait_log_with(&["a CPU profile is taken over HTTP", "seconds=300.0"]);
    let refused = gateway.get("/debug/pprof/profile?seconds=1");
    assert_eq!(refused.status, 409);
    assert!(error_of(&refused).contains("a CPU profile is being taken already"));
    let started = gateway.ctl(&["cpuprof", "start"]);
    assert_eq!(started.code, Some(1));
    assert!(started.stderr.contains("a CPU profile is being taken already"), "{}", started.stderr);
    drop(http);
    watch::eventually("the command can take one", || gateway.ctl(&["cpuprof", "start"]).code == Some(0));
    assert_eq!(gateway.get("/debug/pprof/profile?seconds=1").status, 409);
    assert_eq!(gateway.ctl(&["cpuprof", "stop"]).code, Some(0));
}

#[test]
fn a_cpu_profile_is_not_lost_to_heap_profiles_at_its_end() {
    let mut gateway = Gateway::with_admin(&[]);
    assert_eq!(gateway.post_commands(r#"{"commands": ["heapprof start"]}"#).status, 200);
    let mut http = gateway.http();
    http.send("GET /debug/pprof/profile?seconds=1", &[], b"");
    gateway.wait_log_with(&["a CPU profile is taken over HTTP"]);
    let done = AtomicBool::new(false);
    let heaps = || {
        while !done.load(Ordering::Relaxed) {
            gateway.get("/debug/pprof/heap");
        }
    };
    thread::scope(|scope| {
        let _stop = Stop(&done);
        (0..2).for_each(|_| drop(scope.spawn(heaps)));
        assert_eq!(http.receive(false).status, 200);
    });
}

#[test]
fn a_heap_profile_has_our_functions() {
    let (gateway, client, server, _) =
        Gateway::with_admin(&["--client-send-bytes", "256M", "--client-slow-grace", "10m"]).playing();
    drop((client, server));
    let refused = gateway.get("/debug/pprof/heap");
    assert_eq!(refused.status, 409);
    assert!(error_of(&refused).contains("`heapprof start`"), "{refused:?}");
    assert_eq!(gateway.get("/debug/pprof/heap").status, 409, "to ask starts nothing");
    assert_eq!(gateway.request("GET /debug/pprof/heap", &["X-Fastway-Admin: 1"], b"").status, 200);
    assert!(top(&gateway, "heap").contains("Type: inuse_space"));
    // 100 MB held for a client that reads nothing: with one sample in half a megabyte some of it is sampled for certain.
    let (mut client, mut server) = (gateway.narrow_client(), gateway.server(8));
    let conn = client.open(&mut server);
    (0..400).for_each(|_| server.send(conn, &[0; 256 << 10]));
    server.expect_silence();
    let table = top(&gateway, "heap");
    for function in ["fastway::mux::pool::", "fastway::mux::worker::receive"] {
        assert!(table.contains(function), "{function} is not in the profile:\n{table}");
    }
}

#[test]
fn tasks_threads_and_delays_are_profiles_or_text() {
    let (gateway, client, _server, _) = Gateway::with_admin(&["--workers", "2"]).playing();
    let tasks = top(&gateway, "goroutine");
    for name in ["Type: goroutine", "waits for bytes", "link", "pump", "sweep", "acceptor"] {
        assert!(tasks.contains(name), "{name} is not in the profile:\n{tasks}");
    }
    let threads = top(&gateway, "threadcreate");
    for name in ["worker-0", "worker-1", "admin-http"] {
        assert!(threads.contains(name), "{name} is not in the profile:\n{threads}");
    }
    assert!(top(&gateway, "block").contains("Type: delay"));

    let text = gateway.get("/debug/pprof/goroutine?debug=2");
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(text.text().contains(&format!("link={} side=client", client.id())), "{}", text.text());
    assert!(gateway.get("/debug/pprof/threadcreate?debug=1").text().contains("name=worker-1 state="));
    assert!(gateway.get("/debug/pprof/block?debug=1").text().contains("delays, the longest first"));
}

#[test]
fn what_profiles_do_not_take_is_named() {
    let gateway = Gateway::with_admin(&[]);
    for (profile, part) in [
        ("profile?seconds=0", "`seconds`: \"0\" is not a number from 1 to 300"),
        ("profile?seconds=301", "\"301\" is not a number"),
        ("profile?seconds=x", "\"x\" is not a number"),
        ("profile?time=1", "no parameter \"time\"; accepted: seconds"),
        ("heap?seconds=5", "accepted: none"),
        ("block?debug=-1", "`debug`: \"-1\" is not a number from 0 to 9999"),
    ] {
        let answer = gateway.get(&format!("/debug/pprof/{profile}"));
        assert_eq!(answer.status, 400, "{profile}");
        assert!(error_of(&answer).contains(part), "{answer:?}");
    }
    assert_eq!(gateway.request("HEAD /debug/pprof/profile", &[], b"").status, 405);
    assert_eq!(gateway.request("POST /debug/pprof/heap", &["X-Fastway-Admin: 1"], b"").status, 405);
    assert_eq!(gateway.request("GET /debug/pprof/heap", &["Sec-Fetch-Site: cross-site"], b"").status, 403);
}
