//! Which links are meant.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use fastway_wire::ServerId;

use crate::routing::{LinkId, Role, Side};
use crate::worker::LinkInfo;

/// Which links are meant: those for which all conditions hold; without any, all links.
///
/// As text: words with spaces between them, each [as listed](LinkFilter::WORDS).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFilter {
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Side(Side),
    Link(LinkId),
    Server(ServerId),
    Address(IpAddr),
    Peer(SocketAddr),
    HeldUp,
    Waiting,
    Closing,
    Interrupted,
}

/// A word that names no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no filter for links; accepted: {words}", words = LinkFilter::WORDS)]
pub struct LinkFilterError(String);

impl LinkFilter {
    /// The words that there are.
    pub const WORDS: &str = "client, server, link=NUMBER, server=ID, peer=ADDRESS, peer=ADDRESS:PORT, held-up, waiting, closing, interrupted";

    /// All links of one side.
    pub fn of_side(side: Side) -> Self {
        Self { conditions: vec![Condition::Side(side)] }
    }

    /// Adds the condition that a word names.
    ///
    /// # Errors
    /// The word names none.
    pub fn add(&mut self, word: &str) -> Result<(), LinkFilterError> {
        let condition = Condition::read(word).ok_or_else(|| LinkFilterError(word.chars().take(64).collect()))?;
        // Workers look at each condition for each link.
        if !self.conditions.contains(&condition) {
            self.conditions.push(condition);
        }
        Ok(())
    }

    /// Whether a link is meant.
    pub fn takes(&self, link: &LinkInfo) -> bool {
        self.conditions.iter().all(|condition| condition.holds(link))
    }
}

impl FromStr for LinkFilter {
    type Err = LinkFilterError;

    fn from_str(text: &str) -> Result<Self, LinkFilterError> {
        let mut filter = Self::default();
        text.split_whitespace().try_for_each(|word| filter.add(word))?;
        Ok(filter)
    }
}

impl Condition {
    fn read(word: &str) -> Option<Self> {
        let Some((name, value)) = word.split_once('=') else {
            return match word {
                "client" => Some(Self::Side(Side::Client)),
                "server" => Some(Self::Side(Side::Server)),
                "held-up" => Some(Self::HeldUp),
                "waiting" => Some(Self::Waiting),
                "closing" => Some(Self::Closing),
                "interrupted" => Some(Self::Interrupted),
                _ => None,
            };
        };
        match name {
            "link" => value.parse().ok().map(|id| Self::Link(LinkId::new(id))),
            "server" => value.parse().ok().map(|id| Self::Server(ServerId::new(id))),
            "peer" => {
                let canonical = |peer: SocketAddr| SocketAddr::new(peer.ip().to_canonical(), peer.port());
                let peer = || value.parse().ok().map(canonical).map(Self::Peer);
                value.parse().ok().map(|ip: IpAddr| Self::Address(ip.to_canonical())).or_else(peer)
            }
            _ => None,
        }
    }

    fn holds(self, link: &LinkInfo) -> bool {
        match self {
            Self::Side(side) => link.role.side() == side,
            Self::Link(id) => link.id == id,
            Self::Server(id) => link.role == Role::Server(id),
            Self::Address(ip) => link.peer.ip().to_canonical() == ip,
            Self::Peer(peer) => (link.peer.ip().to_canonical(), link.peer.port()) == (peer.ip(), peer.port()),
            Self::HeldUp => link.held_up().next().is_some(),
            Self::Waiting => link.waiting.packets > 0,
            Self::Closing => link.closing,
            Self::Interrupted => link.interrupted,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::link::{Traffic, WaitReason, WaitReport, Waiting};

    fn link(role: Role, peer: &str) -> LinkInfo {
        LinkInfo {
            id: LinkId::new(5),
            role,
            peer: peer.parse().unwrap(),
            transport: "tcp",
            protocol: "plain",
            worker: 0,
            closing: false,
            interrupted: false,
            age: Duration::ZERO,
            silent: Duration::ZERO,
            connections: 0,
            traffic: Traffic::default(),
            waiting: Waiting::default(),
            partial_bytes: 0,
            waits: WaitReport::default(),
            paused_by: None,
        }
    }

    fn takes(filter: &str, link: &LinkInfo) -> bool {
        filter.parse::<LinkFilter>().unwrap().takes(link)
    }

    #[test]
    fn all_conditions_must_hold() {
        let client = link(Role::Client, "10.0.0.1:500");
        for filter in ["", "client", " client  link=5 ", "peer=10.0.0.1", "peer=10.0.0.1:500", "peer=::ffff:10.0.0.1"] {
            assert!(takes(filter, &client), "{filter}");
        }
        for filter in [
            "server",
            "client link=6",
            "peer=10.0.0.2",
            "peer=10.0.0.1:501",
            "held-up",
            "waiting",
            "closing",
            "interrupted",
        ] {
            assert!(!takes(filter, &client), "{filter}");
        }
        let server = link(Role::Server(ServerId::new(7)), "[::ffff:10.0.0.1]:500");
        for filter in ["server", "server=7", "server peer=10.0.0.1", "peer=10.0.0.1:500"] {
            assert!(takes(filter, &server), "{filter}");
        }
        assert!(!takes("server=8", &server) && !takes("server=7 client", &server));
    }

    #[test]
    fn a_condition_that_is_given_again_is_looked_at_once() {
        let once: LinkFilter = "client peer=10.0.0.1 peer=10.0.0.1:5".parse().unwrap();
        let again = "client peer=10.0.0.1 peer=10.0.0.1:5 peer=::ffff:10.0.0.1 peer=[::ffff:10.0.0.1]:5 client ";
        assert_eq!(again.repeat(100).parse(), Ok(once));
    }

    #[test]
    fn what_a_link_suffers_from_can_be_asked_for() {
        let mut suffering = link(Role::Client, "10.0.0.1:500");
        suffering.waits[WaitReason::UnreadAnswers].lasting = Some(Duration::ZERO);
        suffering.waiting.packets = 1;
        suffering.closing = true;
        suffering.interrupted = true;
        assert!(takes("held-up waiting closing interrupted", &suffering));
    }

    #[test]
    fn what_is_no_filter_is_named_with_what_is() {
        for word in ["clients", "link=", "link=x", "server=-1", "peer=host", "peer=", "=", "link", "CLIENT"] {
            let error = word.parse::<LinkFilter>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{word:?} is no filter")) && error.contains("held-up"), "{error}");
        }
    }
}
