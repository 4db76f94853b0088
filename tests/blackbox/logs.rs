//! What the log says of a link's life, as text and as JSON.

use fastway_testkit::process::{Process, Signal};
use fastway_testkit::{Gateway, Link, challenge_of, watch};
use fastway_wire::RESPONSE_BYTES;
use serde_json::Value;
use tempfile::tempdir;

/// Waits for a line of a gateway that logs JSON.
fn event(gateway: &mut Gateway, message: &str) -> Value {
    let line = gateway.wait_log_with(&[&format!("\"message\":\"{message}\"")]);
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn each_event_in_a_links_life_is_one_line_of_json() {
    let mut gateway = Gateway::start(&["--log-format", "json", "--log-level", "debug"]);
    let mut server = gateway.server(7);
    let opened = event(&mut gateway, "server link opened");
    let registered = event(&mut gateway, "server registered");
    assert_eq!((&opened["server"], &registered["server"]), (&7.into(), &7.into()));
    assert_eq!((&opened["link"], &opened["peer"]), (&registered["link"], &registered["peer"]));
    assert_eq!((&registered["level"], &registered["suppressed"]), (&"INFO".into(), &Value::Null));

    let mut client = gateway.client();
    let conn = client.open(&mut server);
    client.exchange(&mut server, conn, b"hello");
    let id = client.id();
    let opened = event(&mut gateway, "client link opened");
    assert_eq!((&opened["link"], &opened["level"]), (&id.into(), &"DEBUG".into()));
    drop(client);
    let closed = event(&mut gateway, "client link closed");
    assert_eq!((&closed["link"], &closed["peer"], &closed["server"]), (&id.into(), &opened["peer"], &Value::Null));
    assert_eq!((&closed["kind"], &closed["reason"]), (&"end_of_stream".into(), &"the peer closed the link".into()));
    assert_eq!((&closed["received_bytes"], &closed["sent_bytes"]), (&26.into(), &30.into()));
    assert_eq!((&closed["received_frames"], &closed["sent_frames"]), (&2.into(), &2.into()));
    assert_eq!(closed["connections"], 1);
    assert!(closed["duration_ms"].is_u64() && closed["timestamp"].is_string(), "{closed}");

    let _newer = gateway.server(7);
    let replaced = event(&mut gateway, "server link closed");
    assert_eq!((&replaced["link"], &replaced["server"]), (&registered["link"], &7.into()));
    assert_eq!((&replaced["kind"], &replaced["level"]), (&"replaced".into(), &"WARN".into()));
    assert_eq!(event(&mut gateway, "server registered")["server"], 7);
}

#[test]
fn every_line_is_json_from_the_first_to_the_last() {
    let mut gateway = Gateway::start(&["--log-format=json"]);
    gateway.client().send_raw(&[0; 8]);
    let closed = event(&mut gateway, "client link closed");
    assert_eq!((&closed["kind"], &closed["level"]), (&"bad_bytes".into(), &"WARN".into()));
    gateway.command("help\nno such \"command\"");
    let failed = event(&mut gateway, "command failed");
    assert!(failed["error"].as_str().unwrap().contains("no such"), "{failed}");
    gateway.signal(Signal::TERM);
    let log = gateway.wait_exit().stderr;
    assert!(log.lines().count() > 5);
    for line in log.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(parsed["timestamp"].is_string() && parsed["level"].is_string() && parsed["message"].is_string());
    }
}

#[test]
fn fields_of_json_are_plain_strings_and_numbers() {
    let mut gateway =
        Gateway::start(&["--log-format=json", "--admin-addr=127.0.0.1:0", "--admin-token=0123456789abcdef"]);
    let limit = event(&mut gateway, "descriptor limit");
    assert!(limit["limit"].is_u64() && limit["at_start"].is_u64(), "{limit}");
    gateway.command("lookup gc\nno \"such\" command");
    assert_eq!(event(&mut gateway, "command done")["command"], "lookup gc");
    assert_eq!(event(&mut gateway, "command failed")["command"], "no \"such\" command");
    assert_eq!(gateway.get("/api/stats").status, 401);
    let refused = event(&mut gateway, "admin request refused");
    assert_eq!((&refused["path"], &refused["suppressed"]), (&"/api/stats".into(), &Value::Null));
}

#[test]
fn players_that_come_and_go_keep_no_line_about_servers_out() {
    let mut gateway = Gateway::start(&["--workers=1"]);
    for id in 1..=5 {
        let players: Vec<_> = (0..40).map(|_| gateway.client()).collect();
        let server = gateway.server(id);
        let server_field = format!("server={id}");
        gateway.wait_log_with(&["server link opened", &server_field]);
        gateway.wait_log_with(&["server registered", &server_field]);
        drop(players);
        drop(server);
        gateway.wait_log_with(&["server link closed", &server_field]);
    }
}

#[test]
fn strangers_on_one_port_keep_no_line_about_the_other_out() {
    let mut gateway = Gateway::start(&["--workers=1", "--max-links=1"]);
    let _only = gateway.client();
    for _ in 0..40 {
        let mut stranger = Link::connect(gateway.server_addr());
        challenge_of(&mut stranger);
        stranger.send_raw(&[0; RESPONSE_BYTES]);
        stranger.expect_eof();
    }
    Link::connect(gateway.client_addr()).expect_eof();
    gateway.wait_log_with(&["WARN", "client turned away", "--max-links"]);
}

#[test]
fn text_has_the_same_fields() {
    let mut gateway = Gateway::start(&["--log-level=debug"]);
    let server = gateway.server(7);
    let registered = gateway.wait_log_with(&["INFO", "server registered", "server=7", "peer=127.0.0.1:"]);
    drop(server);
    let closed = gateway.wait_log_with(&["INFO", "server link closed", "server=7", "kind=\"end_of_stream\""]);
    for name in ["link=", "peer=", "duration_ms=", "received_bytes=", "sent_bytes=", "connections=0"] {
        assert!(closed.contains(name), "{name} is not in {closed}");
    }
    assert!(registered.contains("link="), "{registered}");
    assert!(!gateway.log().contains("suppressed"), "nothing was left out:\n{}", gateway.log());
}

#[test]
fn what_peers_cause_is_limited_and_what_was_left_out_is_counted() {
    let gateway = Gateway::start(&["--log-format=json"]);
    let mut sent = 0;
    watch::eventually("a line counts what was left out", || {
        let mut links: Vec<Link> = (0..200).map(|_| Link::connect(gateway.client_addr())).collect();
        links.iter_mut().for_each(|link| link.send_raw(&[0; 8]));
        links.iter_mut().for_each(Link::expect_eof);
        sent += 200;
        let log = gateway.log();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let counts: Vec<u64> = lines
            .filter(|line| line["kind"] == "bad_bytes")
            .map(|line| line["suppressed"].as_u64().unwrap_or(0))
            .collect();
        let left_out: u64 = counts.iter().sum();
        assert!(counts.len() as u64 + left_out <= sent, "{} lines, {left_out} left out, {sent} links", counts.len());
        left_out > 0
    });
}

#[test]
fn an_unknown_format_is_refused() {
    let dir = tempdir().unwrap();
    let exit = Process::run_in(dir.path(), &["--log-format=xml"]);
    assert_eq!(exit.code, Some(2));
    assert!(exit.stderr.contains("'xml' for --log-format: expected text or json"), "{}", exit.stderr);
}
