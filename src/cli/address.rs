//! Addresses to listen on, and who could reach them.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV6};

/// An address in the form `host:port`, `[v6]:port` or `:port`; the text is checked, not resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenAddr {
    text: String,
    reach: Reach,
}

/// Who could connect, as far as the text tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// No host is named, only this port: every interface, if nothing speaks against it.
    Unnamed {
        /// The port; 0: a random one.
        port: u16,
    },
    /// Programs on this machine.
    Loopback,
    /// Others as well. A name counts as this, whatever it may resolve to, unless it is `localhost`.
    Network,
}

impl ListenAddr {
    /// Reads an address; `None` if the text is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let reach = if text.starts_with('[') { bracketed(text)? } else { plain(text)? };
        Some(Self { text: text.to_owned(), reach })
    }

    /// The address as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Who could connect.
    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }
}

/// Where HTTP is answered, if anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AdminAddr {
    /// Nowhere.
    Off,
    /// Here.
    At(ListenAddr),
}

/// Names of hosts, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostNames(pub Vec<String>);

impl HostNames {
    /// Reads names with commas between them, or nothing; `None` if a part is no name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let names = text.split(',').filter(|_| !text.is_empty());
        let names = names.map(|name| reach_of_name(name).map(|_| name.to_ascii_lowercase()));
        names.collect::<Option<_>>().map(Self)
    }
}

fn bracketed(text: &str) -> Option<Reach> {
    let addr: SocketAddrV6 = text.parse().ok()?;
    Some(reach_of_ip(IpAddr::V6(*addr.ip())))
}

fn plain(text: &str) -> Option<Reach> {
    let (host, port) = text.rsplit_once(':')?;
    let port = parse_port(port)?;
    if host.is_empty() {
        return Some(Reach::Unnamed { port });
    }
    let looks_like_ip = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if looks_like_ip { host.parse().ok().map(|ip: Ipv4Addr| reach_of_ip(ip.into())) } else { reach_of_name(host) }
}

fn parse_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

fn reach_of_ip(ip: IpAddr) -> Reach {
    if ip.to_canonical().is_loopback() { Reach::Loopback } else { Reach::Network }
}

fn reach_of_name(name: &str) -> Option<Reach> {
    const MAX_NAME_BYTES: usize = 253;
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_name = name.len() <= MAX_NAME_BYTES && !name.starts_with('-') && name.split('.').all(is_label);
    let reach = if name.eq_ignore_ascii_case("localhost") { Reach::Loopback } else { Reach::Network };
    is_name.then_some(reach)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reach(text: &str) -> Option<Reach> {
        ListenAddr::parse(text).map(|addr| addr.reach())
    }

    #[test]
    fn addresses() {
        let cases = [
            (":0", Reach::Unnamed { port: 0 }),
            (":10010", Reach::Unnamed { port: 10010 }),
            (":65535", Reach::Unnamed { port: 65535 }),
            ("127.0.0.1:10010", Reach::Loopback),
            ("127.1.2.3:0", Reach::Loopback),
            ("[::1]:10010", Reach::Loopback),
            ("[::ffff:127.0.0.1]:1", Reach::Loopback),
            ("localhost:10010", Reach::Loopback),
            ("LocalHost:1", Reach::Loopback),
            ("0.0.0.0:10010", Reach::Network),
            ("[::]:10010", Reach::Network),
            ("[::ffff:10.0.0.1]:1", Reach::Network),
            ("[fe80::1%2]:1", Reach::Network),
            ("10.0.0.1:80", Reach::Network),
            ("gate-1.example.com:80", Reach::Network),
            ("localhost.example.com:80", Reach::Network),
            ("my_host:80", Reach::Network),
        ];
        for (text, expected) in cases {
            assert_eq!(reach(text), Some(expected), "{text}");
            assert_eq!(ListenAddr::parse(text).unwrap().text(), text);
        }
    }

    #[test]
    fn not_addresses() {
        let cases = [
            "",
            ":",
            "10010",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "::1:10010",
            "[::1]10010",
            "[]:1",
            "[1.2.3.4]:1",
            ":65536",
            ":-1",
            ":+1",
            ":http",
            ": 1",
            " :1",
            ":1 ",
            "a b:1",
            "*:1",
            "1.2.3:1",
            "256.0.0.1:1",
            "a..b:1",
            ".:1",
            "-x:1",
            "http://x:1",
            "x/y:1",
            ":99999999999999999999",
            "ü:1",
            "[::1]:65536",
            "a:b:1",
            "1.2.3.4:",
        ];
        for text in cases {
            assert_eq!(reach(text), None, "{text}");
        }
        assert_eq!(reach(&format!("{}:1", "x".repeat(254))), None);
    }

    #[test]
    fn names_of_hosts() {
        let names = |text| HostNames::parse(text).map(|names| names.0.join(" "));
        assert_eq!(names(""), Some(String::new()));
        assert_eq!(names("Gate-1.example.com,b"), Some("gate-1.example.com b".to_owned()));
        for text in [",", "a,", ",a", "a b", "a:1", "*", "[::1]", "http://a"] {
            assert_eq!(names(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_rust_prints_is_read(addr in any::<std::net::SocketAddr>()) {
            prop_assert!(reach(&addr.to_string()).is_some(), "{}", addr);
        }

        #[test]
        fn no_text_is_too_odd(text in any::<String>(), near in "[0-9.:a\\[\\]%-]{0,40}") {
            let _ = (reach(&text), reach(&near));
        }
    }
}
