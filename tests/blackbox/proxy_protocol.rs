//! Headers of the PROXY protocol, byte by byte: whose are believed, and what a link is that comes behind one.

use std::net::SocketAddr;

use fastway_testkit::process::{Exit, Process};
use fastway_testkit::{Client, Gateway, Link, Server, challenge_of, watch};
use fastway_wire::{Command, ServerId};
use serde_json::Value;

/// The proxy of the scripts is at 127.0.0.1; everybody else on this machine is a stranger.
const TRUSTED: [&str; 2] = ["--proxy-trusted", "127.0.0.1,10.0.0.0/8"];
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn gateway(mode: &str, flags: &[&str]) -> Gateway {
    let ours = ["--client-proxy-protocol", mode, "--log-level", "debug"];
    Gateway::with_admin(&[&ours, &TRUSTED[..], flags].concat())
}

fn v1(source: &str) -> Vec<u8> {
    let source: SocketAddr = source.parse().unwrap();
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {0} {0} {1} 443\r\n", source.ip(), source.port()).into_bytes()
}

/// A header of version 2 with TLVs behind its addresses.
fn v2(source: &str, values: &[u8]) -> Vec<u8> {
    let source: SocketAddr = source.parse().unwrap();
    let (family, address) = match source {
        SocketAddr::V4(source) => (0x11, source.ip().octets().to_vec()),
        SocketAddr::V6(source) => (0x21, source.ip().octets().to_vec()),
    };
    let body = [&address[..], &address, &source.port().to_be_bytes(), &[1, 187], values].concat();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x21, family], &length, &body].concat()
}

/// A client that comes through a proxy.
fn behind(gateway: &Gateway, header: &[u8]) -> Client {
    let mut link = Link::connect(gateway.client_addr());
    link.send_raw(header);
    let mut client = Client::over(link);
    client.expect_silence();
    client
}

/// What the gateway sends to a connection of the proxy that says this, before it closes it.
fn refused(gateway: &Gateway, bytes: &[u8]) {
    let mut link = Link::connect(gateway.client_addr());
    let _may_be_closed_already = link.try_send_raw(bytes);
    link.raw_until_eof();
}

/// The peers of all links on the client port.
fn peers(gateway: &Gateway) -> Vec<String> {
    let links = gateway.json("/api/links?filter=client");
    links["links"].as_array().unwrap().iter().map(|link| link["peer"].as_str().unwrap().to_owned()).collect()
}

fn counted(gateway: &Gateway, reason: &str) -> u64 {
    gateway.stats()["refused"]["proxy"][reason].as_u64().unwrap()
}

#[test]
fn the_address_of_the_header_stands_wherever_an_address_is_shown() {
    for (mode, kinds) in [("required", "plain"), ("optional", "plain"), ("required", "plain,secure,legacy")] {
        let mut gateway = gateway(mode, &["--client-link", kinds]);
        for (header, peer) in [
            (v1("203.0.113.7:1234"), "203.0.113.7:1234"),
            (v1("[2001:db8::7]:1234"), "[2001:db8::7]:1234"),
            (v1("[::ffff:203.0.113.8]:80"), "203.0.113.8:80"),
            (v2("203.0.113.9:5", b""), "203.0.113.9:5"),
            (v2("[2001:db8::9]:5", b"\x05\0\x02id\xee\0\0"), "[2001:db8::9]:5"),
        ] {
            let client = behind(&gateway, &header);
            assert_eq!(peers(&gateway), [peer], "{mode}, {kinds}");
            gateway.wait_log_with(&["client link opened", &format!("peer={peer}")]);
            let address = peer.rsplit_once(':').unwrap().0.trim_matches(['[', ']']);
            let shown = gateway.ctl(&["links", &format!("peer={address}")]).stdout;
            assert!(shown.contains(&format!(" peer={peer} ")), "{shown}");
            drop(client);
            gateway.wait_log_with(&["client link closed", &format!("peer={peer}")]);
        }
    }
}

#[test]
fn a_header_may_come_in_any_pieces() {
    for kinds in ["plain", "plain,secure"] {
        let gateway = gateway("required", &["--client-link", kinds]);
        for header in [v1("203.0.113.7:1234"), v2("203.0.113.7:1234", b"\x04\0\x03abc")] {
            let first = [&header[..], &Command::Ping.encode()].concat();
            for cut in 1..first.len() {
                let mut link = Link::connect(gateway.client_addr());
                let (start, rest) = first.split_at(cut);
                link.send_raw(start);
                link.send_raw(rest);
                link.expect_silence();
            }
            let mut link = Link::connect(gateway.client_addr());
            first.iter().for_each(|byte| link.send_raw(&[*byte]));
            link.expect_silence();
            assert!(peers(&gateway).contains(&"203.0.113.7:1234".to_owned()));
        }
    }
}

#[test]
fn headers_without_an_address_leave_the_sockets_own() {
    let gateway = gateway("required", &[]);
    let longest = format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", ["ffff"; 8].join(":"));
    assert_eq!(longest.len(), 107);
    let unix = [SIGNATURE, b"\x21\x31\0\xd8", &[b'x'; 216]].concat();
    for header in [b"PROXY UNKNOWN\r\n", longest.as_bytes(), LOCAL, &[SIGNATURE, b"\x21\0\0\0"].concat(), &unix] {
        let client = behind(&gateway, header);
        let peers = peers(&gateway);
        assert!(peers.len() == 1 && peers[0].starts_with("127.0.0.1:"), "{peers:?}");
        drop(client);
        watch::eventually("the link is gone", || gateway.stats()["client"]["links"] == 0);
    }
}

#[test]
fn the_header_of_a_stranger_is_refused_and_named() {
    for kinds in ["plain", "plain,secure"] {
        let mut gateway = gateway("optional", &["--client-link", kinds]);
        let stranger = || Link::connect_from(([127, 0, 0, 2], 0).into(), gateway.client_addr());
        let mut spoofers: Vec<Link> = Vec::new();
        for header in [v1("203.0.113.7:1234"), v2("203.0.113.7:1234", b""), LOCAL.to_vec()] {
            let mut link = stranger();
            link.send_raw(&header);
            spoofers.push(link);
        }
        let mut honest = Client::over(stranger());
        honest.expect_silence();
        spoofers.iter_mut().for_each(|link| drop(link.raw_until_eof()));
        let peers = peers(&gateway);
        assert!(peers.len() == 1 && peers[0].starts_with("127.0.0.2:"), "{peers:?}");
        assert_eq!(counted(&gateway, "untrusted"), 3);
        gateway.wait_log_with(&["WARN", "client turned away", "peer=127.0.0.2:", "--proxy-trusted"]);
    }
}

#[test]
fn where_a_header_is_required_nobody_comes_without_one() {
    let mut gateway = gateway("required", &[]);
    let mut stranger = Link::connect_from(([127, 0, 0, 2], 0).into(), gateway.client_addr());
    stranger.raw_until_eof();
    gateway.wait_log_with(&["WARN", "peer=127.0.0.2:", "trusted proxies alone"]);
    refused(&gateway, &Command::Ping.encode());
    gateway.wait_log_with(&["WARN", "peer=127.0.0.1:", "no PROXY header", "send-proxy"]);
    assert_eq!(["untrusted", "no_header"].map(|reason| counted(&gateway, reason)), [1, 1]);
    assert_eq!(gateway.stats()["client"]["opened"], 0);
}

#[test]
fn a_trusted_peer_may_come_without_a_header_where_it_is_optional() {
    let gateway = gateway("optional", &[]);
    let _direct = behind(&gateway, b"");
    let _proxied = behind(&gateway, &v1("203.0.113.7:1234"));
    let peers = peers(&gateway);
    assert!(peers.len() == 2 && peers.iter().any(|peer| peer.starts_with("127.0.0.1:")), "{peers:?}");
}

#[test]
fn a_bad_header_ends_the_connection_and_the_log_says_why() {
    let mut gateway = gateway("required", &[]);
    let endless = [&b"PROXY UNKNOWN "[..], &[b'x'; 107]].concat();
    let too_long = [SIGNATURE, b"\x21\x11\x10\x01"].concat();
    let cases: [(&[u8], &str); 8] = [
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "a port is no number"),
        (b"PROXY TCP4 1.2.3.999 1.2.3.4 1 2\r\n", "an address is no address"),
        (&endless, "does not end with CR LF within 107 bytes"),
        (&too_long, "4097 bytes behind the head are more than 4096"),
        (&v2("203.0.113.7:1234", b"\x03\0\x04\x01\x02\x03\x04"), "the checksum (CRC-32C) is wrong"),
        (&v2("203.0.113.7:1234", b"\x04\0\x09"), "do not end where the header does"),
        (&[SIGNATURE, b"\x21\x11\0\x04abcd"].concat(), "too few for the addresses"),
        (&[SIGNATURE, b"\x31\x11\0\0"].concat(), "version 3 is unknown"),
    ];
    for (header, reason) in cases {
        refused(&gateway, header);
        gateway.wait_log_with(&["WARN", "bad PROXY header", reason]);
    }
    assert_eq!(counted(&gateway, "bad_header"), 8);
    let _still_served = behind(&gateway, &v1("203.0.113.7:1234"));
}

#[test]
fn a_second_header_is_refused() {
    for kinds in ["plain", "plain,secure"] {
        let mut gateway = gateway("optional", &["--client-link", kinds]);
        for second in [v1("198.51.100.1:1"), v2("198.51.100.1:1", b""), LOCAL.to_vec()] {
            refused(&gateway, &[v1("203.0.113.7:1234"), second].concat());
            gateway.wait_log_with(&["WARN", "peer=127.0.0.1:", "a second PROXY header"]);
        }
        assert_eq!((counted(&gateway, "bad_header"), &gateway.stats()["client"]["opened"]), (3, &Value::from(0)));
    }
}

#[test]
fn a_connection_that_ends_before_its_first_byte_is_no_link_and_no_line_above_debug() {
    for kinds in ["plain", "plain,secure"] {
        let mut gateway = gateway("required", &["--client-link", kinds, "--server-proxy-protocol", "required"]);
        let mut checks = 0;
        for header in [&b""[..], LOCAL, b"PROXY UNKNOWN\r\n", b"PROXY TCP4 127.0.0.1", &v1("203.0.113.7:1234")] {
            for (addr, by_reset) in
                [gateway.client_addr(), gateway.server_addr()].map(|addr| [(addr, false), (addr, true)]).concat()
            {
                let mut link = Link::connect(addr);
                link.send_raw(header);
                match by_reset {
                    true => link.reset(),
                    false => drop(link),
                }
                checks += 1;
            }
        }
        watch::eventually("all of them are noticed", || counted(&gateway, "unused") == checks);
        gateway.wait_log_with(&["DEBUG", "as a health check does"]);
        let log = gateway.log();
        assert!(!log.contains("turned away") && !log.contains("link opened"), "{log}");
        assert_eq!(gateway.stats()["client"]["opened"], 0);
    }
}

#[test]
fn a_slow_header_has_the_time_of_a_handshake() {
    let mut gateway = gateway("required", &["--client-link", "plain,secure", "--client-snet-init-timeout", "300ms"]);
    for slow in [&b""[..], b"PROXY TCP4 ", &v1("203.0.113.7:1234")] {
        let mut link = Link::connect(gateway.client_addr());
        link.send_raw(slow);
        link.raw_until_eof();
        gateway.wait_log_with(&["WARN", "no PROXY header with a first byte behind it within 300ms"]);
    }
    assert_eq!(counted(&gateway, "late_header"), 3);
}

#[test]
fn limits_count_the_addresses_of_headers() {
    for kinds in ["plain", "plain,secure"] {
        let mut gateway = gateway("required", &["--client-link", kinds, "--max-links-per-address", "1"]);
        let _clients = ["203.0.113.7:1", "203.0.113.8:1", "[2001:db8::7]:1", "[2001:db8:0:1::7]:1"]
            .map(|peer| behind(&gateway, &v1(peer)));
        for (again, shown) in [("203.0.113.7:2", "203.0.113.7 has 1"), ("[2001:db8::ff]:2", "2001:db8::/64 has 1")] {
            refused(&gateway, &[v1(again), Command::Ping.encode().to_vec()].concat());
            gateway.wait_log_with(&["WARN", &format!("peer={again}"), shown, "--max-links-per-address"]);
        }
        assert_eq!(gateway.stats()["refused"]["links"]["max_links_per_address"], 2);
    }
}

#[test]
fn ipv6_addresses_count_as_one_by_the_prefix_that_is_set() {
    let cases = [
        ("48", "2001:db8:0:ff::1", "2001:db8:1::1"),
        ("64", "2001:db8::ff", "2001:db8:0:1::1"),
        ("128", "2001:db8::1", "2001:db8::2"),
    ];
    for (bits, same, other) in cases {
        let flags = ["--max-links-per-address", "1", "--ipv6-prefix-length", bits];
        let mut gateway = gateway("required", &flags);
        let _first = behind(&gateway, &v1("[2001:db8::1]:1"));
        let _other = behind(&gateway, &v1(&format!("[{other}]:1")));
        refused(&gateway, &[v1(&format!("[{same}]:1")), Command::Ping.encode().to_vec()].concat());
        gateway.wait_log_with(&["WARN", &format!("/{bits} has 1 links already")]);
    }
}

#[test]
fn many_connections_of_one_proxy_may_wait_for_their_headers() {
    let flags = ["--client-link", "plain,secure", "--max-handshakes-per-address", "2"];
    let gateway = gateway("required", &flags);
    let mut waiting: Vec<Link> = (0..20).map(|_| Link::connect(gateway.client_addr())).collect();
    for (number, link) in waiting.iter_mut().enumerate() {
        link.send_raw(&v1(&format!("203.0.113.{number}:1")));
        link.expect_silence();
    }
    assert_eq!(counted(&gateway, "header_dropped"), 0);
}

#[test]
fn a_game_server_behind_a_proxy_has_its_own_address() {
    for (kinds, header) in [("plain", v1("203.0.113.7:1234")), ("plain", v2("203.0.113.7:1234", b""))] {
        let flags = ["--server-link", kinds, "--server-proxy-protocol", "required", "--log-level", "debug"];
        let mut gateway = Gateway::with_admin(&[&flags, &TRUSTED[..]].concat());
        let mut link = Link::connect(gateway.server_addr());
        link.send_raw(&header);
        let mut server = Server::register_over(link, fastway_testkit::KEY, 7);
        gateway.wait_log_with(&["server registered", "peer=203.0.113.7:1234"]);
        let mut client = gateway.client();
        let conn = client.open(&mut server);
        client.exchange(&mut server, conn, b"hello");

        // Without a header nothing is said to a peer, be it a server.
        let mut link = Link::connect(gateway.server_addr());
        link.send_raw(b"twenty bytes of proof, or more");
        link.raw_until_eof();
        gateway.wait_log_with(&["server turned away", "no PROXY header"]);

        let mut link = Link::connect(gateway.server_addr());
        link.send_raw(&header);
        let challenge = challenge_of(&mut link);
        let proof = challenge.respond(b"another key", ServerId::new(7));
        link.send_raw(&proof);
        gateway.wait_log_with(&["server turned away", "peer=203.0.113.7:1234", "key"]);
    }
}

#[test]
fn a_port_that_knows_no_headers_names_the_flag() {
    let mut gateway = Gateway::start(&[]);
    let mut link = Link::connect(gateway.client_addr());
    link.send_raw(&v1("203.0.113.7:1234"));
    link.raw_until_eof();
    gateway.wait_log_with(&["the peer came with a PROXY header (one is admitted by --client-proxy-protocol)"]);
    let mut link = Link::connect(gateway.server_addr());
    challenge_of(&mut link);
    link.send_raw(&v1("203.0.113.7:1234"));
    gateway.wait_log_with(&["the peer came with a PROXY header", "--server-proxy-protocol"]);
}

#[test]
fn headers_without_anybody_who_is_trusted_are_refused_at_the_start() {
    for (args, parts) in [
        (
            &["--client-proxy-protocol", "required"][..],
            &["--client-proxy-protocol needs", "--proxy-trusted 10.0.0.0/8"][..],
        ),
        (&["--client-proxy-protocol=optional"], &["--client-proxy-protocol needs", "--proxy-trusted"]),
        (&["--server-proxy-protocol", "required"], &["--server-proxy-protocol needs", "--proxy-trusted"]),
        (&["--proxy-trusted", "10.0.0.0/8"], &["--proxy-trusted has no effect", "--client-proxy-protocol"]),
        (&["--server-proxy-protocol", "optional"], &["expected off or required"]),
        (&["--proxy-trusted", "10.1.2.3/8"], &["'10.1.2.3/8' is no network", "is 10.0.0.0/8 meant?"]),
        (&["--proxy-trusted", "lb.example.com"], &["expected addresses or networks", "'lb.example.com'"]),
        (&["--proxy-trusted", "10.0.0.1,"], &["expected addresses or networks"]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let Exit { code, stderr, .. } = Process::run_in(dir.path(), args);
        assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{args:?}: {stderr}");
        assert!(parts.iter().all(|part| stderr.contains(part)), "{args:?}: {stderr}");
    }
}
