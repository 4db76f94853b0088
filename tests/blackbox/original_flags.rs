//! Start lines that the original gateway takes, against the built binary.

use fastway_session::Identity;
use fastway_testkit::{Client, Gateway, Tunnel, watch};

#[test]
fn a_leading_zero_is_octal_in_the_originals_spelling() {
    let mut gateway =
        Gateway::start(&["-MaxPacket=010000", "-ClientAddr=", "-ServerAddr=", "-ClientMaxConn=+0x10", "--"]);
    let (mut client, mut server) = (gateway.client(), gateway.server(1));
    let conn = client.open(&mut server);
    client.exchange(&mut server, conn, &[7; 4096 - 4]);
    client.send(conn, &[7; 4096 - 3]);
    gateway.wait_log_with(&["bad frame", "len 4097", "at most 4096"]);
}

#[test]
fn no_time_for_the_handshake_is_no_limit() {
    let gateway = Gateway::with_admin(&["-ClientSnetEnable", "-ClientSnetInitTimeout=0", "-ServerSnetInitTimeout=0"]);
    let mut silent = gateway.client();
    let (link, _tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let mut client = Client::over(link);
    client.expect_silence();
    // By then the gateway has looked for late ones more than once.
    watch::eventually("a while has passed", || age_ms(&gateway) >= 700);
    assert!(!silent.is_closed());
    client.expect_silence();
}

/// The age of the only link.
fn age_ms(gateway: &Gateway) -> u64 {
    let links = gateway.json("/api/links");
    links["links"][0]["age_ms"].as_u64().unwrap_or_default()
}

#[test]
fn localhost_is_the_ipv4_address() {
    let gateway = Gateway::start(&["-ClientAddr=localhost:0", "-ServerAddr=localhost:0"]);
    assert!(gateway.client_addr().is_ipv4() && gateway.server_addr().is_ipv4());
    gateway.still_serves();
}
