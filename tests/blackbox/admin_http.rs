//! The admin listener: who is let in, what is refused, and how it ends.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use fastway_testkit::http::{Answer, Http};
use fastway_testkit::process::{Process, Signal};
use fastway_testkit::{Gateway, Link, watch};
use serde_json::{Value, json};
use tempfile::tempdir;

const TOKEN: &str = "0123456789abcdef";

/// Why there is no answer.
fn error_of(answer: &Answer) -> String {
    answer.json()["error"].as_str().unwrap().to_owned()
}

#[test]
fn without_the_flag_nothing_listens() {
    let gateway = Gateway::start(&[]);
    assert_eq!(gateway.listening().admin, None);
    assert_eq!((gateway.listeners(), Gateway::with_admin(&[]).listeners()), (2, 3));
}

#[test]
fn a_gateway_is_live_and_ready() {
    let gateway = Gateway::with_admin(&[]);
    for (path, status) in [("/live", "live"), ("/ready", "ready")] {
        let answer = gateway.get(path);
        assert_eq!((answer.status, answer.json()), (200, json!({ "status": status })));
    }
}

#[test]
fn a_gateway_that_needs_a_server_is_ready_when_it_has_one() {
    let gateway = Gateway::with_admin(&["--admin-ready-needs-server"]);
    let ready = || {
        let answer = gateway.get("/ready");
        (answer.status, answer.json()["status"].clone())
    };
    assert_eq!(ready(), (503, json!("no_server")));
    let server = gateway.server(7);
    assert_eq!(ready(), (200, json!("ready")));
    drop(server);
    watch::eventually("the gateway has no server any more", || ready() == (503, json!("no_server")));
    assert_eq!(gateway.get("/live").status, 200);
}

#[test]
fn a_gateway_that_stops_is_live_and_not_ready() {
    let mut gateway = Gateway::with_admin(&["--shutdown-grace", "10m"]);
    let (mut client, mut server) = (gateway.narrow_client(), gateway.server(7));
    let conn = client.open(&mut server);
    // Too much for the system's buffers: the gateway cannot end before it is read.
    (0..8).for_each(|_| server.send(conn, &[0; 256 << 10]));
    server.expect_silence();
    gateway.signal(Signal::TERM);
    gateway.wait_log(|line| line.contains("stopping"));
    let ready = gateway.get("/ready");
    assert_eq!((ready.status, &ready.json()["status"]), (503, &json!("stopping")));
    assert_eq!(gateway.get("/live").status, 200);
    let mut idle = gateway.http();
    drop(client);
    drop(server);
    idle.expect_eof();
    gateway.expect_clean_exit();
}

#[test]
fn every_answer_keeps_browsers_from_harm() {
    let gateway = Gateway::with_admin(&[]);
    for answer in [gateway.get("/"), gateway.get("/live"), gateway.get("/no/such"), gateway.get("/api/commands")] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none';"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[test]
fn a_token_is_asked_for_wherever_there_is_data() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{TOKEN}\n")).unwrap();
    let mut gateway = Gateway::with_admin(&["--admin-token-file", file.path().to_str().unwrap()]);
    for path in ["/live", "/ready", "/"] {
        assert_eq!(gateway.get(path).status, 200, "{path}");
    }
    let good = format!("Authorization: Bearer {TOKEN}");
    let answer = gateway.request("GET /api/commands", &[&good, "Host: gate.example.com"], b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = "Content-Type: application/json";
    let body = br#"{"commands": ["log"]}"#;
    assert_eq!(gateway.request("POST /api/commands", &[&good, json], body).status, 200);
    for bad in ["Authorization: Bearer 0123456789abcdeg", "Authorization: Basic 0123456789abcdef", "X-Fastway-Admin: 1"]
    {
        for line in ["GET /api/commands", "POST /api/commands"] {
            let answer = gateway.request(line, &[bad, json], body);
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer realm=\"fastway\"")));
            assert!(error_of(&answer).contains("Authorization: Bearer TOKEN"), "{answer:?}");
        }
    }
    gateway.wait_log_with(&["WARN", "admin request refused", "/api/commands", "token is missing or wrong"]);
    assert!(!gateway.log().contains(TOKEN));
}

#[test]
fn without_a_token_a_name_must_be_known() {
    let gateway = Gateway::with_admin(&["--admin-host", "gate.example.com"]);
    let status =
        |path: &str, host: &str| gateway.request(&format!("GET {path}"), &[&format!("Host: {host}")], b"").status;
    for host in ["localhost", "127.0.0.1:1", "[::1]", "gate.example.com:8080"] {
        assert_eq!(status("/api/commands", host), 200, "{host}");
    }
    for path in ["/", "/api/commands"] {
        let answer = gateway.request(&format!("GET {path}"), &["Host: evil.example"], b"");
        assert_eq!(answer.status, 421, "{path}");
        assert!(error_of(&answer).contains("--admin-host"), "{answer:?}");
    }
    assert_eq!(status("/live", "evil.example"), 200);
    let mut without = gateway.http();
    without.send_raw(b"GET /api/commands HTTP/1.1\r\n\r\n");
    assert_eq!(without.receive(false).status, 400);
}

#[test]
fn without_a_token_what_changes_something_needs_a_header_that_no_page_can_send() {
    let gateway = Gateway::with_admin(&[]);
    let body = br#"{"commands": ["log debug"]}"#;
    let json = "Content-Type: application/json";
    let answer = gateway.request("POST /api/commands", &[json], body);
    assert_eq!(answer.status, 403);
    assert!(error_of(&answer).contains("X-Fastway-Admin: 1"));
    let evil = ["X-Fastway-Admin: 1", json, "Origin: http://evil.example"];
    assert_eq!(gateway.request("POST /api/commands", &evil, body).status, 403);
    assert_eq!(gateway.request("GET /api/commands", &["Sec-Fetch-Site: cross-site"], b"").status, 403);
    assert_eq!(gateway.ctl(&["log"]).stdout, "log filter: info");
}

#[test]
fn commands_are_listed() {
    let gateway = Gateway::with_admin(&[]);
    let commands = gateway.get("/api/commands").json();
    let names: Vec<&str> =
        commands["commands"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names[0], "help");
    for name in ["links", "kick", "log", "lookup heap", "cpuprof start"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let kick = commands["commands"].as_array().unwrap().iter().find(|one| one["name"] == "kick").unwrap();
    assert_eq!((&kick["usage"], &kick["help"]), (&json!("LINK"), &json!("closes a link")));
}

#[test]
fn commands_run_in_order_and_each_has_its_result() {
    let mut gateway = Gateway::with_admin(&[]);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    let conn = client.open(&mut server);
    let answer = gateway.post_commands(&json!({ "commands": ["log warn", "log", "servers"] }).to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    let results = answer.json()["results"].clone();
    assert_eq!(results[1], json!({ "command": "log", "answer": "log filter: warn\n", "error": null }));
    assert!(results[2]["answer"].as_str().unwrap().contains("server=7"), "{results}");

    let kick = format!("kick {}", client.id());
    let answer = gateway.post_commands(&json!({ "commands": ["no such", kick, kick] }).to_string());
    assert_eq!(answer.status, 422, "{answer:?}");
    let results = answer.json()["results"].clone();
    assert!(results[0]["error"].as_str().unwrap().starts_with("there is no command"), "{results}");
    assert_eq!(results[1]["error"], Value::Null);
    assert!(results[2]["error"].as_str().unwrap().starts_with("there is no link"), "{results}");
    client.expect_eof();
    server.expect_close(conn);
    gateway.wait_log_with(&["ERROR", "command failed", "no such"]);
}

#[test]
fn commands_that_cannot_be_understood_are_not_run() {
    let gateway = Gateway::with_admin(&[]);
    for (body, status, part) in [
        ("log debug", 400, "expected JSON such as"),
        ("{\"commands\": [\"log debug\", \"\"]}", 400, "command 1 (from 0) is empty"),
        ("{\"commands\": []}", 400, "is empty"),
        (&*format!("{{\"commands\": [\"log debug\", \"{}\"]}}", "x".repeat(64 << 10)), 413, "longer than 65536 bytes"),
    ] {
        let answer = gateway.post_commands(body);
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(error_of(&answer).contains(part), "{answer:?}");
    }
    let answer = gateway.request("POST /api/commands", &["X-Fastway-Admin: 1"], b"{\"commands\": [\"log debug\"]}");
    assert_eq!(answer.status, 415);
    assert!(error_of(&answer).contains("Content-Type: application/json"));
    assert_eq!(gateway.ctl(&["log"]).stdout, "log filter: info");
}

#[test]
fn a_path_or_a_method_that_is_not_there_is_named() {
    let gateway = Gateway::with_admin(&[]);
    for path in ["/no/such", "/live/", "/api", "//", "/LIVE", "/api/commands/x"] {
        let answer = gateway.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(error_of(&answer).contains(path), "{answer:?}");
    }
    for (line, allowed) in [
        ("POST /live", "GET, HEAD"),
        ("DELETE /", "GET, HEAD"),
        ("PUT /api/commands", "GET, HEAD, POST"),
        ("OPTIONS /api/commands", "GET, HEAD, POST"),
    ] {
        let answer = gateway.request(line, &[], b"");
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{line}");
    }
}

#[test]
fn head_is_get_without_the_body() {
    let gateway = Gateway::with_admin(&[]);
    for path in ["/live", "/", "/api/commands"] {
        let whole = gateway.get(path);
        let mut http = gateway.http();
        http.send(&format!("HEAD {path}"), &["Connection: close"], b"");
        let head = http.receive(true);
        assert_eq!((head.status, head.header("content-length")), (200, whole.header("content-length")), "{path}");
        http.expect_eof();
    }
}

#[test]
fn requests_that_come_at_once_are_answered_in_order() {
    let gateway = Gateway::with_admin(&[]);
    let mut http = gateway.http();
    let requests =
        ["/live", "/no/such", "/ready", "/live"].map(|path| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    http.send_raw(requests.concat().as_bytes());
    assert_eq!([(); 4].map(|()| http.receive(false).status), [200, 404, 200, 200]);
}

#[test]
fn what_is_no_http_ends_its_connection_and_nothing_else() {
    let gateway = Gateway::with_admin(&[]);
    let mut good = gateway.http();
    for garbage in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"hello\r\n\r\n",
        b"GET /live HTTP/9.9\r\n\r\n",
        b"GET /live HTTP/1.1\r\nno header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /api/commands HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut bad = gateway.http();
        bad.send_raw(garbage);
        let answer = String::from_utf8(bad.until_eof()).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{garbage:?}: {answer}");
    }
    good.send("GET /live", &[], b"");
    assert_eq!(good.receive(false).status, 200);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let gateway = Gateway::with_admin(&[]);
    let large = format!("X-Large: {}", "x".repeat(64 << 10));
    let many: Vec<String> = (0..100).map(|number| format!("X-{number}: 1")).collect();
    for headers in [vec![large.as_str()], many.iter().map(String::as_str).collect()] {
        let mut http = gateway.http();
        let text = format!("GET /live HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", headers.join("\r\n"));
        // It may be refused before all of it is sent.
        let _ = http.try_send_raw(text.as_bytes());
        let answer = String::from_utf8(http.until_eof()).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    assert_eq!(gateway.get("/live").status, 200);
}

#[test]
fn a_body_that_is_too_large_is_refused_however_it_comes() {
    let gateway = Gateway::with_admin(&[]);
    let headers = ["X-Fastway-Admin: 1", "Content-Type: application/json"];
    let mut announced = gateway.http();
    announced.send("POST /api/commands", &[&headers[..], &["Content-Length: 10000000"]].concat(), b"");
    assert_eq!(announced.receive(false).status, 413);
    let mut chunked = gateway.http();
    chunked.send("POST /api/commands", &[&headers[..], &["Transfer-Encoding: chunked"]].concat(), b"");
    let chunk = [b"4000\r\n".to_vec(), vec![b' '; 0x4000], b"\r\n".to_vec()].concat();
    (0..5).for_each(|_| drop(chunked.try_send_raw(&chunk)));
    assert_eq!(chunked.receive(false).status, 413);
}

#[test]
fn a_request_that_does_not_arrive_is_given_up() {
    let gateway = Gateway::with_admin(&[]);
    let sockets = gateway.sockets();
    let began = Instant::now();
    let (mut silent, mut half) = (gateway.http(), gateway.http());
    half.send_raw(b"GET /live HTTP/1.1\r\nHost: local");
    let mut bodiless = gateway.http();
    let headers = ["X-Fastway-Admin: 1", "Content-Type: application/json", "Content-Length: 100"];
    bodiless.send("POST /api/commands", &headers, b"");
    bodiless.send_raw(b"{");
    let answer = bodiless.receive(false);
    assert_eq!(answer.status, 408, "{answer:?}");
    assert!(error_of(&answer).contains("within 5s"));
    for http in [&mut silent, &mut half, &mut bodiless] {
        http.until_eof();
    }
    assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
    gateway.expect_sockets(sockets);
}

#[test]
fn who_is_not_authorised_makes_room_for_a_newcomer() {
    for flags in [&["--admin-token", "0123456789abcdef"][..], &[]] {
        let gateway = Gateway::with_admin(flags);
        let mut held: Vec<Http> = (0..64).map(|_| gateway.http()).collect();
        assert_eq!(gateway.get("/live").status, 200);
        held.remove(0).expect_eof();
        let last = held.last_mut().unwrap();
        last.send("GET /live", &[], b"");
        assert_eq!(last.receive(false).status, 200, "no more than needed are dropped");
    }
}

#[test]
fn connections_beyond_the_bound_are_turned_away_until_there_is_room() {
    let gateway = Gateway::with_admin(&[]);
    let sockets = gateway.sockets();
    let mut held: Vec<Http> = Vec::new();
    watch::eventually("one beyond the bound is turned away", || {
        held.clear();
        held.extend((0..64).map(|_| gateway.http()));
        // Each has had an answer that not everybody gets, so none makes room; on a busy machine the first ones may have been given up by the end.
        for http in &mut held {
            http.send("GET /api/commands", &[], b"");
            http.receive(false);
        }
        let answer = String::from_utf8(gateway.http().until_eof()).unwrap();
        answer.starts_with("HTTP/1.1 503 ")
            && answer.contains("retry-after: 1\r\n")
            && answer.contains("too many connections")
    });
    held.truncate(32);
    gateway.expect_sockets(sockets + 32);
    assert_eq!(gateway.get("/live").status, 200);
    drop(held);
    gateway.expect_sockets(sockets);
    gateway.still_serves();
}

#[test]
fn an_address_that_others_can_reach_needs_a_token() {
    let dir = tempdir().unwrap();
    let exit = Process::run_in(dir.path(), &["--admin-addr", "0.0.0.0:0"]);
    assert_eq!(exit.code, Some(2));
    for part in ["--admin-addr '0.0.0.0:0'", "no admin token", "--admin-token-file", "FASTWAY_ADMIN_TOKEN"] {
        assert!(exit.stderr.contains(part), "{part}: {}", exit.stderr);
    }
    let gateway = Gateway::start(&["--admin-addr", "0.0.0.0:0", "--admin-token", TOKEN]);
    assert!(gateway.listening().admin.unwrap().ip().is_unspecified());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let dir = tempdir().unwrap();
    let exit = Process::run_in(dir.path(), &["--admin-addr", &addr]);
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains(&format!("cannot listen on \"{addr}\" (--admin-addr)")), "{}", exit.stderr);
}

#[test]
fn nothing_is_left_of_connections_that_come_and_go() {
    let mut gateway = Gateway::with_admin(&[]);
    let sockets = gateway.sockets();
    for round in 0..20 {
        let mut connections: Vec<Http> = (0..20).map(|_| gateway.http()).collect();
        for (number, http) in connections.iter_mut().enumerate() {
            match number % 3 {
                0 => http.send("GET /api/commands", &[], b""),
                1 => http.send_raw(b"GET /li"),
                _ => {}
            }
        }
        assert_eq!(gateway.get("/live").status, 200, "round {round}");
    }
    gateway.expect_sockets(sockets);
    let mut link = Link::connect(gateway.client_addr());
    link.expect_silence();
    drop(link);
    gateway.signal(Signal::TERM);
    gateway.expect_clean_exit();
}
