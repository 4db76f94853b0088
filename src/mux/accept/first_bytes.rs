//! What a peer speaks that came to the wrong port, by its first bytes (`docs/protocol.md` §3.6).
//!
//! Nothing waits for this: it names the mistake of a peer that is turned away in any case.

use std::fmt;

use fastway_proxy_protocol::{Signature, signature};
use fastway_session::{Protocol, Reception, Request, Status};

use crate::mux::config::LinkKinds;
use crate::mux::routing::Side;

/// What a peer came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// Frames, or something that cannot be told from them.
    Plain,
    /// A secure session.
    Secure,
    /// A legacy session.
    Legacy,
    /// TLS.
    Tls,
    /// HTTP.
    Http,
    /// The header of a load balancer's PROXY protocol.
    Proxy,
    /// Not a byte, where a session begins with the peer's.
    Nothing,
}

/// A peer came with something that its port does not admit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// What the port admits.
    admitted: LinkKinds,
    side: Side,
    spoken: Spoken,
    /// What says so in the peer's own language; empty where that has no words for it.
    answer: Vec<u8>,
}

impl Mistake {
    /// The mistake of a peer whose first bytes are `first`, where frames are wanted; `None`: they may begin a frame.
    pub(crate) fn in_frames(admitted: LinkKinds, side: Side, first: &[u8]) -> Option<Self> {
        let (spoken, answer) = recognize(first)?;
        Some(Self { admitted, side, spoken, answer })
    }

    /// The mistake of a peer that came with no session, where nothing else is admitted.
    pub(crate) fn of_sessionless(admitted: LinkKinds, side: Side, first: &[u8]) -> Self {
        let (spoken, answer) = recognize(first).unwrap_or((Spoken::Plain, vec![Status::NotAdmitted as u8]));
        Self { admitted, side, spoken, answer }
    }

    /// The mistake of a peer that says nothing, where sessions alone are admitted. It is answered as plain links are.
    pub(crate) fn of_silence(admitted: LinkKinds, side: Side) -> Self {
        Self { admitted, side, spoken: Spoken::Nothing, answer: vec![Status::NotAdmitted as u8] }
    }

    /// The mistake of a peer that asks for a session of a protocol that is not admitted. It is refused as sessions are.
    pub(crate) fn of_session(admitted: LinkKinds, side: Side, protocol: Protocol) -> Self {
        Self { admitted, side, spoken: Spoken::of_protocol(protocol), answer: Vec::new() }
    }

    /// What to send to the peer before its stream is closed.
    pub(crate) fn answer(&self) -> &[u8] {
        &self.answer
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { admitted, side, spoken, .. } = self;
        let also = if *spoken == Spoken::Secure && admitted.secure { " without the gateway's key" } else { "" };
        let hint = spoken.hint(*side);
        write!(out, "this port admits {admitted} (--{side}-link), and the peer came with {spoken}{also}{hint}")
    }
}

impl std::error::Error for Mistake {}

impl Spoken {
    /// What a game server's answer to the challenge is, if it is none.
    pub(crate) fn instead_of_a_proof(answer: &[u8]) -> Option<Self> {
        // The beginning of a secure session: a known pattern, and the length of its message.
        let is_secure = matches!(answer, [1, 0..=1, 32 | 48, 0, ..]);
        if is_secure { Some(Self::Secure) } else { of_others(answer) }
    }

    /// What helps a peer that came with this to a port, if anything does.
    pub(crate) const fn hint(self, side: Side) -> &'static str {
        match (self, side) {
            (Self::Proxy, Side::Client) => " (one is admitted by --client-proxy-protocol)",
            (Self::Proxy, Side::Server) => " (one is admitted by --server-proxy-protocol)",
            _ => "",
        }
    }

    /// Whether this is all of the first message of a new legacy session. Part of an answer to the challenge may look alike.
    pub(crate) fn is_legacy_open(bytes: &[u8]) -> bool {
        bytes.len() == SHORTEST_SESSION_BYTES && bytes.first() == Some(&0)
    }

    const fn of_protocol(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Plain => Self::Plain,
            Protocol::Secure => Self::Secure,
            Protocol::Legacy => Self::Legacy,
        }
    }
}

impl fmt::Display for Spoken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Plain => "a plain link",
            Self::Secure => "a secure session",
            Self::Legacy => "a legacy session",
            Self::Tls => "TLS",
            Self::Http => "HTTP",
            Self::Proxy => "a PROXY header",
            Self::Nothing => "nothing: a plain link of a game server waits for a challenge",
        })
    }
}

/// What `first`, all that a peer sent before it was answered, is if not frames; with the answer that it understands.
fn recognize(first: &[u8]) -> Option<(Spoken, Vec<u8>)> {
    if let Some(spoken) = of_others(first) {
        let answer = match spoken {
            Spoken::Tls => TLS_ACCESS_DENIED,
            Spoken::Http => HTTP_BAD_REQUEST,
            _ => &[],
        };
        return Some((spoken, answer.to_vec()));
    }

    // As short as the shortest first message; what is shorter is a length, or a part of one.
    if first.len() < SHORTEST_SESSION_BYTES {
        return None;
    }

    // A session is refused by the status that its own protocol has for this.
    let (protocol, refusal) = match Reception::default().receive(first).ok()?? {
        Request::Open(open) => (open.protocol(), open.refusal(Status::NotAdmitted)),
        Request::Resume(resume) => (resume.protocol(), resume.refusal(Status::NotAdmitted)),
    };
    Some((Spoken::of_protocol(protocol), refusal))
}

/// What is neither a link nor a session.
fn of_others(first: &[u8]) -> Option<Spoken> {
    let is_http = METHODS.iter().any(|method| first.starts_with(method));
    if matches!(signature(first), Signature::V1 | Signature::V2) {
        Some(Spoken::Proxy)
    } else if matches!(first, [0x16, 0x03, 0..=4, _, _, 0x01, ..]) {
        Some(Spoken::Tls)
    } else {
        is_http.then_some(Spoken::Http)
    }
}

/// The open of a legacy session.
const SHORTEST_SESSION_BYTES: usize = 9;

/// As lengths of frames they are above any MaxPacket.
const METHODS: [&[u8]; 9] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"CONNECT ", b"TRACE "];

const HTTP_BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 56\r\n\
    Connection: close\r\n\r\nThis port is a game gateway's and does not speak HTTP.\r\n";

/// A fatal alert, number 49.
const TLS_ACCESS_DENIED: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 49];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spoken(first: &[u8]) -> Option<Spoken> {
        recognize(first).map(|(spoken, _)| spoken)
    }

    #[test]
    fn each_protocol_is_known_by_its_first_bytes() {
        let open = [&[1, 0, 32, 0][..], &[7; 32]].concat();
        let resume = [&[2][..], &[9; 16], &[1, 0, 0, 0, 32, 0], &[7; 32]].concat();
        let legacy = [&[0][..], &[7; 8]].concat();
        let reconnect = [&[0xff][..], &[7; 40]].concat();
        for (first, expected) in [
            (&open[..], Spoken::Secure),
            (&resume, Spoken::Secure),
            (&legacy, Spoken::Legacy),
            (&reconnect, Spoken::Legacy),
            (b"\x16\x03\x01\x02\x00\x01\x00", Spoken::Tls),
            (b"GET / HTTP/1.1\r\n\r\n", Spoken::Http),
            (b"OPTIONS * HTTP/1.1\r\n", Spoken::Http),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", Spoken::Proxy),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", Spoken::Proxy),
        ] {
            assert_eq!(spoken(first), Some(expected), "{}", first.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_proof_is_known_by_its_first_bytes() {
        let secure = [&[1, 1, 48, 0][..], &[7; 16]].concat();
        assert_eq!(Spoken::instead_of_a_proof(&secure), Some(Spoken::Secure));
        assert_eq!(Spoken::instead_of_a_proof(b"GET / HTTP/1.1\r\nHost"), Some(Spoken::Http));
        assert_eq!(Spoken::instead_of_a_proof(&[1; 20]), None);
    }

    #[test]
    fn what_may_be_frames_is_taken_for_frames() {
        let dial = [9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        for first in [&dial[..], &[1, 0, 0, 0], &[0xff; 4], &[0xff; 68], &[0; 68], b"GETTER", b"\x16\x03\x09", b""] {
            assert_eq!(spoken(first), None, "{}", first.escape_ascii());
        }
    }

    #[test]
    fn the_answer_is_one_that_the_peer_understands() {
        let http = String::from_utf8(HTTP_BAD_REQUEST.to_vec()).unwrap();
        let (head, body) = http.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{http}");
        let plain = Mistake::of_sessionless(LinkKinds::SESSIONS, Side::Client, b"\x05\0\0\0");
        assert_eq!(plain.answer(), [8]);
        assert_eq!(
            plain.to_string(),
            "this port admits secure sessions and legacy sessions (--client-link), and the peer came with a plain link"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(first in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = recognize(&first);
        }
    }
}
