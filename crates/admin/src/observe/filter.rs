//! Filters of links.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use fastway_wire::ServerId;

use super::link::LinkId;
use super::side::Side;

/// Selects the links for which all conditions hold; without conditions, all links.
///
/// As text: words with spaces between them, each [as listed](LinkFilter::WORDS).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFilter {
    conditions: Vec<LinkCondition>,
}

/// A condition of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkCondition {
    /// It is on this port.
    Side(Side),
    /// It has this number.
    Link(LinkId),
    /// It belongs to the game server with this ID.
    Server(ServerId),
    /// Its peer has this address, in canonical form: never an IPv4 address as IPv6.
    Address(IpAddr),
    /// Its peer has this address, in canonical form, and this port.
    Peer(SocketAddr),
    /// Something holds it up.
    HeldUp,
    /// Something waits to be sent on it.
    Waiting,
    /// It is being closed.
    Closing,
    /// Its session waits for its peer to come back.
    Interrupted,
}

/// A word that is not a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no filter for links; accepted: {words}", words = LinkFilter::WORDS)]
pub struct LinkFilterError(String);

impl LinkFilter {
    /// All words for conditions.
    pub const WORDS: &str = "client, server, link=NUMBER, server=ID, peer=ADDRESS, peer=ADDRESS:PORT, held-up, waiting, closing, interrupted";

    /// All links of one side.
    pub fn of_side(side: Side) -> Self {
        Self { conditions: vec![LinkCondition::Side(side)] }
    }

    /// Adds the condition that a word names.
    ///
    /// # Errors
    /// The word is not a condition.
    pub fn add(&mut self, word: &str) -> Result<(), LinkFilterError> {
        let condition = LinkCondition::read(word).ok_or_else(|| LinkFilterError(word.chars().take(64).collect()))?;
        // Workers look at each condition for each link.
        if !self.conditions.contains(&condition) {
            self.conditions.push(condition);
        }
        Ok(())
    }

    /// The conditions, each once.
    pub fn conditions(&self) -> &[LinkCondition] {
        &self.conditions
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

impl LinkCondition {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_is_given_again_is_looked_at_once() {
        let once: LinkFilter = "client peer=10.0.0.1 peer=10.0.0.1:5".parse().unwrap();
        let again = "client peer=10.0.0.1 peer=10.0.0.1:5 peer=::ffff:10.0.0.1 peer=[::ffff:10.0.0.1]:5 client ";
        assert_eq!(again.repeat(100).parse(), Ok(once));
    }

    #[test]
    fn what_is_no_filter_is_named_with_what_is() {
        for word in ["clients", "link=", "link=x", "server=-1", "peer=host", "peer=", "=", "link", "CLIENT"] {
            let error = word.parse::<LinkFilter>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{word:?} is no filter")) && error.contains("held-up"), "{error}");
        }
    }
}
