//! Access to the admin listener.
//!
//! With a token, every request must have it. Without one the listener is on a loopback address, so any program on this
//! machine may use it. A web page in a browser on this machine may not. It can have the browser send requests, but not
//! under a known name (`Host`: the page's own name that resolves to 127.0.0.1 is refused), not without its origin
//! (`Origin`, `Sec-Fetch-Site`), and not with a custom header (`X-Fastway-Admin`).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, StatusCode, Version};
use subtle::ConstantTimeEq;

use super::config::HttpConfig;
use super::reply::Failure;
use crate::Excerpt;
use fastway_service::Secret;

/// The header that a request without a token needs to change something.
const CUSTOM: HeaderName = HeaderName::from_static("x-fastway-admin");
/// The origin of a request, as the browser reports it.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether these bytes can be a token: long enough not to be guessed, and valid in a header.
pub fn is_token(bytes: &[u8]) -> bool {
    (16..=4096).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// How far a connection is trusted.
#[derive(Clone, Debug)]
pub(super) struct ClientTrust {
    /// Whether it has had a request with access.
    had_access: Arc<AtomicBool>,
    /// Whether it can come from this machine alone.
    is_local: bool,
}

/// The conditions for access.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Access {
    token: Secret,
    hosts: Vec<String>,
}

impl ClientTrust {
    /// A new connection, by its address at this end.
    pub(super) fn new(near: IpAddr) -> Self {
        Self { had_access: Arc::default(), is_local: near.to_canonical().is_loopback() }
    }

    /// Exempts the connection from being closed to make room for others.
    pub(super) fn set_trusted(&self) {
        self.had_access.store(true, Ordering::Relaxed);
    }

    /// Whether the connection is exempt.
    pub(super) fn is_trusted(&self) -> bool {
        self.had_access.load(Ordering::Relaxed)
    }
}

impl Access {
    pub(super) fn new(config: &HttpConfig) -> Self {
        Self { token: config.token.clone(), hosts: config.hosts.clone() }
    }

    /// Checks whether a request has access.
    pub(super) fn check(&self, request: &Parts, from: &ClientTrust) -> Result<(), Failure> {
        if !self.token.is_empty() {
            return self.check_token(&request.headers);
        }
        // It may have begun when there was a token.
        if !from.is_local {
            let error = "without an admin token only connections to a loopback address are answered";
            return Err(Failure::new(StatusCode::FORBIDDEN, error));
        }

        self.check_host(request)?;
        check_site(request)?;

        let is_safe = [Method::GET, Method::HEAD].contains(&request.method);
        if is_safe || self.may_change(request) {
            return Ok(());
        }
        let error =
            "this changes something, so it needs the header `X-Fastway-Admin: 1`, or a token (--admin-token-file)";
        Err(Failure::new(StatusCode::FORBIDDEN, error))
    }

    /// Whether a request with access may change something, whatever its method.
    pub(super) fn may_change(&self, request: &Parts) -> bool {
        !self.token.is_empty() || request.headers.contains_key(CUSTOM)
    }

    /// Checks whether a request may have the page, which contains no data.
    pub(super) fn check_page(&self, request: &Parts) -> Result<(), Failure> {
        if self.token.is_empty() { self.check_host(request) } else { Ok(()) }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let token = given.next().and_then(bearer).filter(|_| given.next().is_none());
        if token.is_some_and(|token| token.ct_eq(self.token.expose()).into()) {
            return Ok(());
        }
        let error = "the admin token is missing or wrong; send it as `Authorization: Bearer TOKEN`";
        Err(Failure::unauthorized(error))
    }

    /// Checks every name of the gateway in the request: that of the header, and that of an absolute address.
    fn check_host(&self, request: &Parts) -> Result<(), Failure> {
        let given: Vec<&HeaderValue> = request.headers.get_all(HOST).iter().collect();
        // HTTP/1.0 has no Host header.
        let is_old = request.version < Version::HTTP_11;
        if given.len() != 1 && !(given.is_empty() && is_old) {
            return Err(Failure::new(StatusCode::BAD_REQUEST, "one Host header is needed"));
        }

        let named = given.iter().map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned());
        let target = request.uri.authority().map(ToString::to_string);
        let unknown = named.chain(target).find(|name| !self.is_known_host(name));

        unknown.map_or(Ok(()), |name| {
            let error = format!(
                "Host {} is not known here: use an IP address or localhost, or start the gateway with --admin-host",
                Excerpt::new(&name)
            );
            Err(Failure::new(StatusCode::MISDIRECTED_REQUEST, error))
        })
    }

    /// Whether a name is known. Any address is, except 0.0.0.0: it reaches this machine as well, and browsers send no
    /// `Sec-Fetch-Site` to it.
    fn is_known_host(&self, name: &str) -> bool {
        let Ok(authority) = name.parse::<Authority>() else { return false };

        let host = authority.host().to_ascii_lowercase();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        let is_addr = bare.parse::<IpAddr>().is_ok_and(|ip| !ip.to_canonical().is_unspecified());
        !name.contains('@') && (is_addr || host == "localhost" || self.hosts.contains(&host))
    }
}

/// The token of a header `Authorization: Bearer TOKEN`.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// Refuses requests that a page of another site had a browser make.
fn check_site(request: &Parts) -> Result<(), Failure> {
    let site = request.headers.get(FETCH_SITE);
    let own_site = site.is_none_or(|site| site == "same-origin" || site == "none");

    let origin = request.headers.get(ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()));
    let host = request.headers.get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()));
    let own_origin = origin.is_none_or(|origin| {
        let name = origin.split_once("://").map(|(_, name)| name);
        name.is_some() && name == host.as_deref()
    });

    if own_site && own_origin {
        return Ok(());
    }
    Err(Failure::new(
        StatusCode::FORBIDDEN,
        "requests of other sites' pages are not answered; use a token, or no browser",
    ))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn access(token: &str, hosts: &[&str]) -> Access {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Access::new(&HttpConfig { token: Secret::new(token), hosts, ..HttpConfig::default() })
    }

    fn local() -> ClientTrust {
        ClientTrust::new([127, 0, 0, 1].into())
    }

    fn request(method: Method, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn status(access: &Access, method: Method, headers: &[(&str, &str)]) -> u16 {
        access
            .check(&request(method, "/api/stats", headers), &local())
            .map_or_else(|failure| failure.status().as_u16(), |()| 200)
    }

    #[test]
    fn tokens_are_long_and_printable() {
        assert!(is_token(TOKEN.as_bytes()) && is_token(&[b'~'; 4096]));
        for bad in
            [&b"0123456789abcde"[..], b"0123456789 abcdef", b"0123456789abcdef\n", &[b'x'; 4097], &[0xe9; 20], b""]
        {
            assert!(!is_token(bad), "{bad:?}");
        }
    }

    #[test]
    fn with_a_token_only_the_token_counts() {
        let access = access(TOKEN, &[]);
        let evil = [("host", "evil.example"), ("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")];
        for method in [Method::GET, Method::POST] {
            for value in ["Bearer 0123456789abcdef", "bearer  0123456789abcdef "] {
                let headers = [&evil[..], &[("authorization", value)]].concat();
                assert_eq!(status(&access, method.clone(), &headers), 200, "{value}");
            }
            for value in [
                "Bearer 0123456789abcdeF",
                "Bearer 0123456789abcdef0",
                "Bearer 0123456789abcde",
                "Bearer",
                "Bearer ",
                "",
                "0123456789abcdef",
                "Basic 0123456789abcdef",
            ] {
                let headers = [("host", "127.0.0.1"), ("x-fastway-admin", "1"), ("authorization", value)];
                assert_eq!(status(&access, method.clone(), &headers), 401, "{value}");
            }
            assert_eq!(status(&access, method, &[("host", "127.0.0.1"), ("x-fastway-admin", "1")]), 401);
        }
        let good = ("authorization", "Bearer 0123456789abcdef");
        assert_eq!(status(&access, Method::GET, &[good, good]), 401, "which one counts is not left to chance");
        assert!(access.check_page(&request(Method::GET, "/", &evil)).is_ok());
    }

    #[test]
    fn a_connection_from_outside_has_no_access_once_there_is_no_token() {
        let request = request(Method::GET, "/api/stats", &[("host", "192.0.2.1")]);
        for near in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"] {
            let refused = access("", &[]).check(&request, &ClientTrust::new(near.parse().unwrap())).unwrap_err();
            assert_eq!(refused.status(), 403, "{near}");
        }
        for near in ["127.0.0.2", "::1", "::ffff:127.0.0.1"] {
            assert!(access("", &[]).check(&request, &ClientTrust::new(near.parse().unwrap())).is_ok(), "{near}");
        }
    }

    #[test]
    fn without_a_token_the_host_must_be_known() {
        let access = access("", &["gate.example.com"]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:9000",
            "[::1]:9000",
            "[::1]",
            "192.0.2.1:1",
            "localhost",
            "LOCALHOST:9000",
            "gate.example.com:9000",
            "Gate.Example.com",
        ] {
            assert_eq!(status(&access, Method::GET, &[("host", host)]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost.",
            "2130706433x",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "a b",
            ":9000",
            "0.0.0.0:9000",
            "[::]:9000",
            "[::ffff:0.0.0.0]",
        ] {
            assert_eq!(status(&access, Method::GET, &[("host", host)]), 421, "{host}");
            assert!(access.check_page(&request(Method::GET, "/", &[("host", host)])).is_err(), "{host}");
        }
        assert_eq!(status(&access, Method::GET, &[]), 400);
        assert_eq!(status(&access, Method::GET, &[("host", "127.0.0.1"), ("host", "127.0.0.1")]), 400);
        let absolute = request(Method::GET, "http://evil.example/api/stats", &[("host", "127.0.0.1")]);
        assert_eq!(access.check(&absolute, &local()).unwrap_err().status(), 421);
    }

    #[test]
    fn without_a_token_no_page_of_another_site_has_a_browser_ask() {
        let access = access("", &[]);
        let host = ("host", "127.0.0.1:9000");
        for fine in [
            &[host][..],
            &[host, ("sec-fetch-site", "same-origin")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("origin", "http://127.0.0.1:9000")],
        ] {
            assert_eq!(status(&access, Method::GET, fine), 200, "{fine:?}");
            assert_eq!(status(&access, Method::POST, fine), 403, "{fine:?}");
            assert_eq!(status(&access, Method::POST, &[fine, &[("x-fastway-admin", "1")]].concat()), 200, "{fine:?}");
        }
        for bad in [
            &[host, ("sec-fetch-site", "cross-site")][..],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("origin", "http://evil.example")],
            &[host, ("origin", "http://127.0.0.1:1")],
            &[host, ("origin", "null")],
        ] {
            assert_eq!(status(&access, Method::GET, bad), 403, "{bad:?}");
            assert_eq!(status(&access, Method::POST, &[bad, &[("x-fastway-admin", "1")]].concat()), 403, "{bad:?}");
        }
    }
}
