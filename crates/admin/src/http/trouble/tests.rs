use std::time::Duration;

use fastway_wire::ServerId;
use serde_json::{Value, json};

use super::*;
use crate::observe::{LinkId, MemoryReport, PausedBy, Role, labels};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn link(id: u32, role: Role, held_up: &[(WaitReason, Duration)]) -> LinkInfo {
    let peer = "192.0.2.1:7".parse().unwrap();
    LinkInfo { id: LinkId::new(id), role, peer, waits: LinkInfo::held_up_for(held_up), ..LinkInfo::default() }
}

fn server(id: u32, held_up: &[(WaitReason, Duration)]) -> LinkInfo {
    link(id, Role::Server(ServerId::new(id + 100)), held_up)
}

fn client(id: u32, held_up: &[(WaitReason, Duration)]) -> LinkInfo {
    link(id, Role::Client, held_up)
}

fn paused(id: u32, by: PausedBy, lasting: Duration) -> LinkInfo {
    LinkInfo { paused_by: Some(by), ..client(id, &[(WaitReason::PausedSource, lasting)]) }
}

fn seen(links: &[LinkInfo]) -> HeldUpLinks {
    let mut collector = Collector::default();
    links.iter().for_each(|link| collector.add(link));
    collector.finish()
}

/// A gateway with a server and as many client links, in which nothing was refused.
fn sample(clients: u64) -> Sample {
    let mut sample = Sample::default();
    sample.report.total.client.opened = clients;
    sample.report.servers = 1;
    sample
}

/// NamedCounts rejections.
fn reject(sample: &mut Sample, reason: &'static str, times: u64) {
    sample.report.total.rejections.add(reason, times);
}

fn judge(sample: &Sample, links: &[LinkInfo], refused: impl FnOnce(&mut Sample)) -> Vec<Value> {
    let mut later = Sample::default();
    later.report.total = sample.report.total.clone();
    refused(&mut later);
    let mut log = RefusalsLog::default();
    log.add(seconds(100), Refusals::until(sample));
    let recent = log.add(seconds(105), Refusals::until(&later));
    let troubles = troubles(&Situation { sample, links: &seen(links), recent: &recent });
    troubles.iter().map(|trouble| serde_json::to_value(trouble).unwrap()).collect()
}

/// What is wrong with links, by severity and kind.
fn of_links(links: &[LinkInfo]) -> Vec<(String, String)> {
    kinds(&judge(&sample(1), links, |_| {}))
}

fn kinds(troubles: &[Value]) -> Vec<(String, String)> {
    let word = |trouble: &Value, name: &str| trouble[name].as_str().unwrap().to_owned();
    troubles.iter().map(|trouble| (word(trouble, "severity"), word(trouble, "kind"))).collect()
}

#[test]
fn a_healthy_gateway_has_no_trouble() {
    let links = [
        client(1, &[]),
        server(2, &[]),
        // What back-pressure does all day.
        server(3, &[(WaitReason::OutboxFull, Duration::from_millis(900)), (WaitReason::SlowWrite, seconds(2))]),
        paused(4, PausedBy::Server(LinkId::new(3)), seconds(2)),
        client(5, &[(WaitReason::SlowWrite, seconds(2))]),
        // A flood that a limit holds back, and a player in a tunnel.
        client(6, &[(WaitReason::ByteRate, seconds(60))]),
        client(7, &[(WaitReason::NoTransport, seconds(50))]),
    ];
    assert_eq!(of_links(&links), []);
}

#[test]
fn a_link_that_is_held_up_for_three_seconds_is_trouble() {
    for (link, severity, kind) in [
        (server(1, &[(WaitReason::OutboxFull, seconds(3))]), "critical", "server_stuck"),
        (server(1, &[(WaitReason::SlowWrite, seconds(3))]), "critical", "server_stuck"),
        (server(1, &[(WaitReason::UnreadAnswers, seconds(3))]), "critical", "server_stuck"),
        (server(1, &[(WaitReason::OutboxFull, seconds(1))]), "warning", "server_outbox_full"),
        (server(1, &[(WaitReason::PausedSource, seconds(3))]), "critical", "server_paused"),
        (server(1, &[(WaitReason::NoTransport, seconds(3))]), "critical", "server_interrupted"),
        (client(1, &[(WaitReason::OutboxFull, seconds(3))]), "warning", "clients_slow"),
        (client(1, &[(WaitReason::SlowWrite, seconds(3))]), "warning", "clients_slow"),
        (client(1, &[(WaitReason::UnreadAnswers, seconds(3))]), "warning", "clients_slow"),
        (paused(1, PausedBy::Worker(1), seconds(3)), "warning", "clients_paused"),
        (paused(1, PausedBy::Server(LinkId::new(9)), seconds(3)), "warning", "clients_paused"),
    ] {
        assert_eq!(of_links(std::slice::from_ref(&link)), [(severity.to_owned(), kind.to_owned())], "{link:?}");
    }
}

#[test]
fn a_stuck_server_comes_first_with_those_who_wait_for_it() {
    let mut stuck = server(7, &[(WaitReason::SlowWrite, seconds(17)), (WaitReason::OutboxFull, seconds(16))]);
    stuck.waiting.bytes = 16 << 20;
    let waits = |id| paused(id, PausedBy::Server(LinkId::new(7)), seconds(16));
    let slow = client(3, &[(WaitReason::SlowWrite, seconds(20))]);
    let troubles = judge(&sample(3), &[slow, waits(1), stuck, waits(2)], |_| {});
    assert_eq!(
        troubles[0],
        json!({
            "severity": "critical",
            "kind": "server_stuck",
            "summary": "Server 107 (link 7, 192.0.2.1:7) takes too little: 16.0 MiB wait for it, and 2 clients are paused for it.",
            "advice": "Look at that server's process and network, or close its link: kick 7.",
            "lasting_ms": 17000,
            "link": 7,
            "server": 107,
        })
    );
    assert_eq!(kinds(&troubles)[1..], [("warning".to_owned(), "clients_slow".to_owned())]);
}

#[test]
fn many_stuck_links_are_few_lines() {
    let servers = (1..=20).map(|id| server(id, &[(WaitReason::SlowWrite, seconds(u64::from(id) + 3))]));
    let clients = (100..300).map(|id| client(id, &[(WaitReason::OutboxFull, seconds(u64::from(id)))]));
    let troubles = judge(&sample(200), &servers.chain(clients).collect::<Vec<_>>(), |_| {});
    assert_eq!(troubles.len(), 7, "{troubles:#?}");
    assert_eq!((&troubles[0]["link"], &troubles[0]["lasting_ms"]), (&json!(20), &json!(23000)));
    assert_eq!(troubles[5]["summary"], "15 further server links are held up.");
    let clients = troubles[6]["summary"].as_str().unwrap();
    assert!(clients.starts_with("200 clients are too slow") && clients.ends_with("longest: link 299 (192.0.2.1:7)."));
}

#[test]
fn what_is_refused_now_is_trouble() {
    type Refuse = fn(&mut Sample);
    let cases: [(Refuse, &str, &str); 7] = [
        (|sample| reject(sample, labels::MAX_LINKS, 7), "max_links", "7 clients were turned away: --max-links"),
        (|sample| reject(sample, labels::MAX_LINKS_PER_ADDRESS, 1), "max_links_per_address", "--max-links-per-address"),
        (
            |sample| sample.report.total.dials_refused.add(labels::UNKNOWN, 2),
            "unknown_server",
            "2 dials named a server",
        ),
        (|sample| sample.report.total.dials_refused.add(labels::DIAL_RATE, 3), "dials_limited", "3 dials were refused"),
        (|sample| reject(sample, labels::WRONG_KEY, 1), "wrong_key", "wrong key in the last 5 s"),
        (
            |sample| sample.report.total.sessions.refused.add(labels::OVERLOADED, 4),
            "sessions_overloaded",
            "4 sessions were refused",
        ),
        (|sample| sample.dropped_lines += 5, "log_lines_dropped", "5 log lines were dropped"),
    ];
    for (refuse, kind, part) in cases {
        let troubles = judge(&sample(1), &[], refuse);
        assert_eq!(kinds(&troubles), [("warning".to_owned(), kind.to_owned())]);
        let summary = troubles[0]["summary"].as_str().unwrap();
        assert!(summary.contains(part), "{summary}");
    }
    let mut before = sample(1);
    labels::REJECTIONS.into_iter().for_each(|reason| reject(&mut before, reason, 9));
    assert_eq!(kinds(&judge(&before, &[], |_| {})), [], "what was refused long ago");
}

#[test]
fn readers_that_are_paused_for_memory_are_critical_once_for_all() {
    let mut now = sample(1);
    now.report.memory = MemoryReport { held_bytes: 5 << 20, most_bytes: Some(8 << 20), readers_paused: true };
    let mut waits = server(7, &[(WaitReason::PausedSource, seconds(9))]);
    waits.paused_by = Some(PausedBy::Memory);
    let troubles = judge(&now, &[waits, paused(1, PausedBy::Memory, seconds(9))], |_| {});
    assert_eq!(kinds(&troubles), [("critical".to_owned(), "memory_short".to_owned())]);
    let summary = troubles[0]["summary"].as_str().unwrap();
    assert!(summary.starts_with("5.0 MiB are held") && summary.contains("8.0 MiB may be"), "{summary}");
    let troubles = judge(&sample(1), &[], |sample| sample.report.total.client.closed.add(labels::MEMORY, 3));
    assert_eq!(kinds(&troubles), [("warning".to_owned(), "clients_closed_for_memory".to_owned())]);
}

#[test]
fn accepting_that_fails_is_critical() {
    let mut now = sample(1);
    (now.usage.open_files, now.usage.max_files) = (Some(1024), Some(1024));
    let troubles = judge(&now, &[], |sample| sample.report.total.accept_errors += 5);
    assert_eq!(
        kinds(&troubles),
        [("critical".to_owned(), "accept_paused".to_owned()), ("warning".to_owned(), "descriptors_low".to_owned())]
    );
    let summary = troubles[0]["summary"].as_str().unwrap();
    assert!(summary.contains("failed 5 times") && summary.contains("1024 of 1024 descriptors"), "{summary}");
    (now.usage.open_files, now.usage.max_files) = (Some(900), Some(1024));
    assert_eq!(kinds(&judge(&now, &[], |_| {})), []);
}

#[test]
fn a_worker_that_does_not_answer_is_named() {
    let mut now = sample(1);
    now.silent = vec![Duration::from_millis(2900), seconds(4)];
    let troubles = judge(&now, &[server(1, &[(WaitReason::SlowWrite, seconds(9))])], |_| {});
    assert_eq!(troubles[0]["summary"], "Worker 1 does not answer. Its links stand still.");
    assert_eq!((&troubles[0]["lasting_ms"], troubles.len()), (&json!(4000), 2));
}

#[test]
fn players_without_a_server_are_trouble_and_an_empty_gateway_is_not() {
    let mut now = sample(3);
    now.report.servers = 0;
    let troubles = judge(&now, &[], |_| {});
    assert_eq!(troubles[0]["summary"], "No game server is registered; 3 client links are here.");
    now.report.total.client.opened = 0;
    assert_eq!(kinds(&judge(&now, &[], |_| {})), []);
}

#[test]
fn a_gateway_that_stops_is_not_in_trouble() {
    let mut now = sample(1);
    now.stopping = true;
    now.silent = vec![seconds(60)];
    assert_eq!(kinds(&judge(&now, &[server(1, &[(WaitReason::SlowWrite, seconds(9))])], |_| {})), []);
}

#[test]
fn sizes_are_short() {
    for (bytes, text) in
        [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (16 << 20, "16.0 MiB"), (5 << 40, "5.0 TiB")]
    {
        assert_eq!(size(bytes), text);
    }
}
