//! Whether a link is meant by a filter. Workers look at each of their links for it, so it reads what they have as it is.

use fastway_admin::observe::{LinkCondition, LinkFilter, LinkInfo};

/// Whether all conditions hold for a link.
pub(super) fn takes(filter: &LinkFilter, link: &LinkInfo) -> bool {
    filter.conditions().iter().all(|condition| holds(*condition, link))
}

fn holds(condition: LinkCondition, link: &LinkInfo) -> bool {
    let peer = || (link.peer.ip().to_canonical(), link.peer.port());
    match condition {
        LinkCondition::Side(wanted) => link.role.side() == wanted,
        LinkCondition::Link(id) => link.id == id,
        LinkCondition::Server(id) => link.role.server() == Some(id),
        LinkCondition::Address(ip) => peer().0 == ip,
        LinkCondition::Peer(wanted) => peer() == (wanted.ip(), wanted.port()),
        LinkCondition::HeldUp => link.held_up().next().is_some(),
        LinkCondition::Waiting => link.waiting.packets > 0,
        LinkCondition::Closing => link.closing,
        LinkCondition::Interrupted => link.interrupted,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fastway_admin::observe::{LinkId, Role, Traffic, WaitReason, WaitReport, Waiting};
    use fastway_wire::ServerId;

    use super::*;

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
        super::takes(&filter.parse().unwrap(), link)
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
    fn what_a_link_suffers_from_can_be_asked_for() {
        let mut suffering = link(Role::Client, "10.0.0.1:500");
        suffering.waits[WaitReason::UnreadAnswers].lasting = Some(Duration::ZERO);
        suffering.waiting.packets = 1;
        suffering.closing = true;
        suffering.interrupted = true;
        assert!(takes("held-up waiting closing interrupted", &suffering));
    }
}
