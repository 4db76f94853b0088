//! What a work asks of a gateway, for readers who have not seen its code.

use super::misbehaviour::Kind as Misbehaviour;
use super::{Kind, Work};
use crate::report::table::number;

impl Work {
    /// What happens in it and what that shows, in a few sentences.
    pub(crate) fn explanation(&self) -> String {
        match &self.kind {
            Kind::Echo(work) => {
                let players = count(work.links, "player");
                let conns = count(work.connections, "connection");
                let servers = count(work.servers, "server");
                let under_way = match work.window {
                    1 => "one message under way, so messages mostly come alone".to_owned(),
                    window => format!("{window} messages under way, so many come at once"),
                };
                format!(
                    "{players} with {conns} each send messages of {} bytes to {servers}, which send them back. Each \
                     connection has {under_way}. It shows what a message costs the gateway.",
                    work.size
                )
            }
            Kind::Rate(work) => format!(
                "{} send {} messages a second on a fixed schedule, and servers send them back. It shows how long \
                 players wait, and what a message costs when messages come alone.",
                count(work.links, "player"),
                number(work.rate)
            ),
            Kind::Push(work) => {
                let rate = match work.rate {
                    Some(rate) => format!("{} messages a second", number(rate)),
                    None => "as many messages as the gateway takes".to_owned(),
                };
                format!(
                    "Servers send {rate} to {}. It shows what it costs to tell players about the world.",
                    count(work.links, "player")
                )
            }
            Kind::Large(work) => format!(
                "{} exchange messages of {} bytes with a server. It shows what bytes cost, where messages cost little.",
                count(work.links, "player"),
                number(f64::from(work.size))
            ),
            Kind::Mixed(work) => format!(
                "What a game does: {} send small inputs, the servers send everybody the state of the world, and large \
                 pieces now and then. It shows how an ordinary evening looks.",
                count(work.links, "player")
            ),
            Kind::Idle(work) => format!(
                "{} are connected and send nothing. It shows how much memory a player takes who does nothing.",
                count(work.links, "player")
            ),
            Kind::Churn(work) => format!(
                "Players connect, open a connection to a server and leave, {} at a time, as fast as the gateway takes \
                 them. It shows how fast players come back after an outage, and whether anything is left of them.",
                work.at_once
            ),
            Kind::Stall(work) => format!(
                "{} exchange messages with a server on a fixed schedule, half of the time beside a peer that \
                 misbehaves: {}. It shows how much the others notice of it.",
                count(work.base.links, "player"),
                explained(work.trouble)
            ),
        }
    }
}

fn explained(trouble: Misbehaviour) -> &'static str {
    match trouble {
        Misbehaviour::StopsReading => "a player that reads nothing of the 32 MB a second that are sent to it",
        Misbehaviour::Floods => "a player that sends 200,000 messages a second",
        Misbehaviour::Garbage => "a stranger that sends random bytes, and comes again when it is closed",
        Misbehaviour::Handshakes => "2,000 strangers that begin sessions and prove nothing",
    }
}

/// A number of things.
fn count(count: u32, thing: &str) -> String {
    match count {
        1 => format!("one {thing}"),
        count => format!("{} {thing}s", number(f64::from(count))),
    }
}

#[cfg(test)]
mod tests {
    use crate::works::{SUITE, preset};

    #[test]
    fn every_work_is_explained_in_whole_sentences() {
        for name in SUITE {
            let text = preset(name).unwrap().explanation();
            assert!(text.ends_with('.') && text.contains("shows"), "{name}: {text}");
        }
    }

    #[test]
    fn an_explanation_has_the_settings_of_its_work() {
        let text = preset("echo-w32").unwrap().explanation();
        assert!(text.starts_with("100 players with one connection each") && text.contains("32 messages"), "{text}");
        let text = preset("stall-floods").unwrap().explanation();
        assert!(text.contains("beside a peer that misbehaves: a player that sends 200,000 messages"), "{text}");
    }
}
