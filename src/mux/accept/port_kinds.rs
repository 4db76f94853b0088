//! The kinds of links that a port admits, now and earlier.

use fastway_session::Request;

use crate::mux::config::LinkKinds;
use crate::mux::routing::Side;

/// What a port admits. What it admitted earlier counts for resumes: a session lives on when no new one may be opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortKinds {
    side: Side,
    now: LinkKinds,
    ever: LinkKinds,
}

impl PortKinds {
    pub(crate) const fn new(side: Side, kinds: LinkKinds) -> Self {
        Self { side, now: kinds, ever: kinds }
    }

    /// Has other kinds be admitted from now on.
    pub(crate) const fn apply(&mut self, kinds: LinkKinds) {
        self.now = kinds;
        self.ever = self.ever.or(kinds);
    }

    /// What newcomers may be.
    pub(crate) const fn admitted(self) -> LinkKinds {
        self.now
    }

    /// Whether a stream may be a session's, so that its first bytes tell what it is. On the server port plain links are
    /// spoken to first: once it admits those, sessions that were opened earlier cannot be resumed.
    pub(crate) const fn has_sessions(self) -> bool {
        match self.side {
            Side::Client => self.ever.with_sessions(),
            Side::Server => self.now.with_sessions(),
        }
    }

    /// Whether what a session's first message asks for is admitted.
    pub(crate) fn admits(self, request: &Request) -> bool {
        match request {
            Request::Open(open) => self.now.admits_open(open),
            Request::Resume(resume) => self.ever.admits(resume.protocol()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_port_knows_sessions_as_long_as_one_may_live() {
        let mut client = PortKinds::new(Side::Client, LinkKinds::PLAIN);
        let mut server = PortKinds::new(Side::Server, LinkKinds::PLAIN);
        for (kinds, on_client, on_server) in [
            (LinkKinds::PLAIN, false, false),
            (LinkKinds::SESSIONS, true, true),
            (LinkKinds::PLAIN, true, false),
            (LinkKinds::SESSIONS, true, true),
        ] {
            client.apply(kinds);
            server.apply(kinds);
            assert_eq!((client.has_sessions(), server.has_sessions()), (on_client, on_server), "{kinds}");
            assert_eq!(client.admitted(), kinds);
        }
    }
}
