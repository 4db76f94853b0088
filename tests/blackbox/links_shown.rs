//! What is shown of a link: its peer's address, and its times.

use std::net::{Ipv4Addr, SocketAddr};

use fastway_testkit::{Client, Gateway, Link};
use serde_json::Value;

/// The first link, as JSON.
fn link(gateway: &Gateway, query: &str) -> Value {
    let links = gateway.json(&format!("/api/links{query}"));
    links["links"][0].clone()
}

#[test]
fn an_ipv4_player_is_shown_with_its_ipv4_address_on_a_port_of_both_families() {
    let mut gateway = Gateway::with_admin(&["--client-addr", ":0", "--log-level", "debug"]);
    let port = gateway.client_addr().port();
    let mut client = Client::over(Link::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    client.expect_silence();
    let line = gateway.wait_log_with(&["client link opened"]);
    assert!(line.contains("127.0.0.1:") && !line.contains("ffff"), "{line}");
    let shown = gateway.ctl(&["links", "peer=127.0.0.1"]).stdout;
    assert!(shown.contains(" peer=127.0.0.1:"), "{shown}");
    let shown = link(&gateway, "?filter=peer%3D127.0.0.1");
    assert!(shown["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{shown}");
    let tasks = gateway.get("/debug/pprof/goroutine?debug=1");
    assert!(!String::from_utf8_lossy(&tasks.body).contains("ffff"));
}

#[test]
fn a_link_is_never_silent_for_longer_than_it_exists() {
    let gateway = Gateway::with_admin(&[]);
    // Before the next sweep, which looks at links every second at most; the gateway is older than any of these.
    for _ in 0..5 {
        let _client = gateway.client();
        let shown = link(&gateway, "");
        let times = ["silent_ms", "age_ms"].map(|name| shown[name].as_u64());
        let [silent, age] = times.map(Option::unwrap_or_default);
        assert!(silent <= age, "{shown}");
    }
}
