//! `/metrics` as Prometheus takes it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use fastway_session::Identity;
use fastway_testkit::{Client, Gateway, Link, Server, Tunnel, data, watch};
use serde_json::json;

/// Has `promtool` read metrics. It is not skipped where it is missing: what nobody has checked may not be readable.
fn check(metrics: &str) {
    let promtool =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut promtool = promtool.expect("`promtool` is needed to check metrics: install Debian's package `prometheus`");
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && complaints.is_empty(), "promtool complains:\n{complaints}");
}

fn metrics(gateway: &Gateway) -> String {
    let answer = gateway.get("/metrics");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    answer.text().to_owned()
}

/// The value of one series.
fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in:\n{metrics}")).parse().unwrap()
}

#[test]
fn prometheus_reads_the_metrics_without_a_complaint() {
    let (gateway, _client, _server, _) = Gateway::with_admin(&["--workers", "2"]).playing();
    let metrics = metrics(&gateway);
    check(&metrics);
    for line in metrics.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} is not explained");
        assert!(name.starts_with("fastway_") || name.starts_with("process_"), "{name}");
    }
}

#[test]
#[should_panic(expected = "promtool complains")]
fn what_is_against_the_conventions_would_be_found() {
    check("# TYPE fastway_links_opened counter\nfastway_links_opened 1\n");
}

#[test]
fn links_are_counted_by_transport_and_by_protocol() {
    let gateway = Gateway::with_admin(&["--client-link=plain,secure,legacy"]);
    let mut server = gateway.server(7);
    let (secure, _tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let (legacy, _other) = Tunnel::legacy(gateway.client_addr(), false);
    let (secure, legacy) = (Client::over(secure), Client::over(legacy));
    let mut clients = [gateway.client(), gateway.client(), secure, legacy];
    for client in &mut clients {
        client.open(&mut server);
    }

    let stats = gateway.stats();
    let client = &stats["client"];
    assert_eq!(client["links_by_transport"], json!({ "tcp": 4 }));
    assert_eq!(client["links_by_protocol"], json!({ "plain": 2, "legacy": 1, "secure": 1 }));

    let metrics = metrics(&gateway);
    for (protocol, count) in [("plain", 2.0), ("legacy", 1.0), ("secure", 1.0)] {
        let links = format!("fastway_links{{side=\"client\",transport=\"tcp\",protocol=\"{protocol}\"}}");
        assert_eq!(value(&metrics, &links), count, "{protocol}");
    }
    for protocol in ["legacy", "secure"] {
        let opened = format!("fastway_sessions_opened_total{{protocol=\"{protocol}\"}}");
        assert_eq!(value(&metrics, &opened), 1.0, "{protocol}");
    }

    let shown = gateway.ctl(&["links", "client"]).stdout;
    for (protocol, count) in [("plain", 2), ("legacy", 1), ("secure", 1)] {
        let words = format!(" transport=tcp protocol={protocol} ");
        assert_eq!(shown.matches(&words).count(), count, "{shown}");
    }
}

#[test]
fn metrics_are_the_numbers_of_stats() {
    let (gateway, client, _server, _) = Gateway::with_admin(&["--workers", "2"]).playing();
    let stats = gateway.stats();
    let metrics = metrics(&gateway);
    for (series, expected) in [
        ("fastway_links{side=\"client\",transport=\"tcp\",protocol=\"plain\"}", 1.0),
        ("fastway_links{side=\"client\",transport=\"tcp\",protocol=\"secure\"}", 0.0),
        ("fastway_links_opened_total{side=\"server\"}", 1.0),
        ("fastway_links_closed_total{side=\"client\",reason=\"idle\"}", 0.0),
        ("fastway_servers", 1.0),
        ("fastway_workers", 2.0),
        ("fastway_workers_answered", 1.0),
        ("fastway_stopping", 0.0),
        ("fastway_connections", 1.0),
        ("fastway_connections_opened_total", 1.0),
        ("fastway_received_bytes_total{side=\"client\"}", 26.0),
        ("fastway_sent_bytes_total{side=\"client\"}", 30.0),
        ("fastway_received_frames_total{side=\"client\"}", 2.0),
        ("fastway_sent_frames_total{side=\"client\"}", 2.0),
        ("fastway_forwarded_frames_total{side=\"client\"}", 1.0),
        ("fastway_received_batch_frames_bucket{side=\"client\",le=\"0\"}", 0.0),
        ("fastway_received_batch_frames_bucket{side=\"client\",le=\"1\"}", 2.0),
        ("fastway_received_batch_frames_bucket{side=\"client\",le=\"+Inf\"}", 2.0),
        ("fastway_received_batch_frames_sum{side=\"client\"}", 2.0),
        ("fastway_sent_batch_frames_count{side=\"client\"}", 2.0),
        ("fastway_queue_packets{side=\"server\"}", 0.0),
        ("fastway_links_held_up{side=\"client\",reason=\"paused_source\"}", 0.0),
        ("fastway_held_up_seconds_total{side=\"client\",reason=\"paused_source\"}", 0.0),
        ("fastway_handshakes_failed_total{reason=\"wrong_key\"}", 0.0),
        ("fastway_dials_refused_total{reason=\"unknown\"}", 0.0),
        ("fastway_links_refused_total{reason=\"max_links\"}", 0.0),
        ("fastway_pool_chunks_in_use{chunk_bytes=\"256\"}", 0.0),
        ("fastway_build_info{version=\"0.1.0\"}", 1.0),
    ] {
        assert_eq!(value(&metrics, series), expected, "{series}");
    }
    for series in [
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_threads",
        "process_max_fds",
        "process_start_time_seconds",
        "fastway_worker_cpu_seconds_total{worker=\"0\"}",
        "fastway_worker_cpu_seconds_total{worker=\"1\"}",
        "fastway_worker_longest_upkeep_seconds{worker=\"0\"}",
        "fastway_worker_longest_upkeep_seconds{worker=\"1\"}",
        "fastway_allocator_allocated_bytes",
        "fastway_allocator_resident_bytes",
    ] {
        assert!(value(&metrics, series) > 0.0, "{series}");
    }
    // The system counts it in hundredths of a second, of which a young gateway may not have used one.
    watch::eventually("CPU time is counted", || value(&self::metrics(&gateway), "process_cpu_seconds_total") > 0.0);
    let started = stats["started_ms"].as_u64().unwrap() as f64 / 1e3;
    assert!((value(&metrics, "process_start_time_seconds") - started).abs() < 0.01);

    drop(client);
    watch::eventually("the client's link is closed, and counted", || {
        let metrics = self::metrics(&gateway);
        value(&metrics, "fastway_links_closed_total{side=\"client\",reason=\"end_of_stream\"}") == 1.0
            && value(&metrics, "fastway_connections") == 0.0
    });
}

#[test]
fn round_trips_are_in_seconds() {
    let (gateway, _client, _server, _) = Gateway::with_admin(&[]).playing();
    watch::eventually("a sweep has asked for the round-trip time", || {
        let metrics = metrics(&gateway);
        let [count, sum] = ["count", "sum"]
            .map(|part| value(&metrics, &format!("fastway_round_trip_seconds_{part}{{side=\"server\"}}")));
        assert!(sum < 1.0, "{sum} s for {count} round trips within one machine");
        count > 0.0 && sum > 0.0
    });
}

#[test]
fn paused_sources_and_deep_queues_are_seen() {
    let (gateway, client, server, _) = Gateway::with_admin(&["--server-send-bytes", "1M"]).playing();
    drop((client, server));
    let mut server = gateway.narrow_server(8);
    let mut client = gateway.client();
    let conn = client.open(&mut server);
    let mut sender = client.sender();
    thread::spawn(move || while sender.try_send_raw(&data(conn, &[0; 32 << 10])).is_ok() {});
    watch::eventually("a client is paused", || {
        let metrics = metrics(&gateway);
        let of_client = |name: &str| value(&metrics, &format!("{name}{{side=\"client\",reason=\"paused_source\"}}"));
        value(&metrics, "fastway_queue_bytes{side=\"server\"}") > 1e6
            && of_client("fastway_links_held_up") == 1.0
            && of_client("fastway_hold_ups_total") > 0.0
            && of_client("fastway_held_up_seconds_total") > 0.0
    });
}

#[test]
fn the_number_of_series_does_not_grow_with_links_and_servers() {
    let (gateway, mut client, _server, _) = Gateway::with_admin(&[]).playing();
    let before = metrics(&gateway).lines().count();
    let mut links: Vec<Link> = (0..200).map(|_| Link::connect(gateway.client_addr())).collect();
    links.iter_mut().for_each(Link::expect_silence);
    let mut servers: Vec<Server> = (100..120).map(|id| gateway.server(id)).collect();
    for server in &mut servers[..10] {
        client.open(server);
    }
    links.truncate(100);
    let after = metrics(&gateway);
    assert_eq!(after.lines().count(), before);
    assert!(before < 400, "{before} lines");
    check(&after);
}

#[test]
fn metrics_take_no_parameters() {
    let gateway = Gateway::with_admin(&[]);
    assert_eq!(gateway.get("/metrics?name=x").status, 400);
    assert_eq!(gateway.request("POST /metrics", &["X-Fastway-Admin: 1"], b"").status, 405);
    let head = gateway.request("HEAD /metrics", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
}
