//! How often streams were rejected.

use fastway_service::Counts;

use super::rejection::RejectionKind;

/// How often streams were rejected, by [`RejectionKind`], on ports without sessions and on ports with them.
///
/// What is exported are four parts of it: those for which there was no place, failed server handshakes, failed handshakes
/// on ports with sessions, and streams that did not get past their PROXY headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RejectionCounts {
    without_sessions: Counts<RejectionKind>,
    with_sessions: Counts<RejectionKind>,
}

impl RejectionCounts {
    /// Streams that had no place, on whichever port.
    const NO_PLACE: [RejectionKind; 4] = [
        RejectionKind::MaxLinks,
        RejectionKind::MaxLinksPerAddress,
        RejectionKind::Handover,
        RejectionKind::Descriptors,
    ];

    /// What ends a handshake on a port without sessions, which game servers alone have.
    const SERVER_HANDSHAKE: [RejectionKind; 4] =
        [RejectionKind::Lost, RejectionKind::TooSlow, RejectionKind::WrongKey, RejectionKind::Dropped];

    /// What ends a handshake on a port with sessions.
    const SESSION_HANDSHAKE: [RejectionKind; 8] = [
        RejectionKind::Lost,
        RejectionKind::TooSlow,
        RejectionKind::Dropped,
        RejectionKind::Malformed,
        RejectionKind::NotAdmitted,
        RejectionKind::Refused,
        RejectionKind::NotProven,
        RejectionKind::NoServer,
    ];

    /// What ends a stream at its PROXY header, on whichever port.
    const PROXY_HEADER: [RejectionKind; 6] = [
        RejectionKind::Untrusted,
        RejectionKind::NoHeader,
        RejectionKind::BadHeader,
        RejectionKind::LateHeader,
        RejectionKind::HeaderDropped,
        RejectionKind::Unused,
    ];

    /// Counts a rejection on a port with sessions, or without.
    pub(crate) fn count(&mut self, kind: RejectionKind, with_sessions: bool) {
        let counts = if with_sessions { &mut self.with_sessions } else { &mut self.without_sessions };
        counts[kind] += 1;
    }

    /// Adds what another worker counted.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { without_sessions, with_sessions } = other;
        self.without_sessions += without_sessions;
        self.with_sessions += with_sessions;
    }

    /// How often streams were rejected for one reason, on all ports.
    pub fn of(&self, kind: RejectionKind) -> u64 {
        self.without_sessions[kind] + self.with_sessions[kind]
    }

    /// Streams that had no place, by reason.
    pub fn no_place(&self) -> [(&'static str, u64); 4] {
        Self::NO_PLACE.map(|kind| (kind.name(), self.of(kind)))
    }

    /// Streams that did not get past their PROXY headers, by reason.
    pub fn proxy_headers(&self) -> [(&'static str, u64); 6] {
        Self::PROXY_HEADER.map(|kind| (kind.name(), self.of(kind)))
    }

    /// Server handshakes that failed on a port without sessions, by reason.
    pub fn server_handshakes(&self) -> [(&'static str, u64); 4] {
        Self::SERVER_HANDSHAKE.map(|kind| (kind.name(), self.without_sessions[kind]))
    }

    /// Handshakes that failed on ports with sessions, by reason.
    pub fn session_handshakes(&self) -> [(&'static str, u64); 8] {
        Self::SESSION_HANDSHAKE.map(|kind| (kind.name(), self.with_sessions[kind]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(counts: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
        counts.iter().copied().filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn each_kind_is_exported_once_where_its_port_can_have_it() {
        for kind in RejectionKind::ALL {
            for with_sessions in [false, true] {
                let mut counts = RejectionCounts::default();
                counts.count(kind, with_sessions);
                let mut sum = counts;
                sum.add(&counts);
                assert_eq!((counts.of(kind), sum.of(kind)), (1, 2));

                let server = counted(&counts.server_handshakes());
                let session = counted(&counts.session_handshakes());
                assert!(server.is_empty() || !with_sessions, "{kind:?}");
                assert!(session.is_empty() || with_sessions, "{kind:?}");
                let all = [counted(&counts.no_place()), counted(&counts.proxy_headers()), server, session].concat();
                let is_impossible = match kind {
                    RejectionKind::WrongKey => with_sessions,
                    RejectionKind::Malformed
                    | RejectionKind::NotAdmitted
                    | RejectionKind::Refused
                    | RejectionKind::NotProven
                    | RejectionKind::NoServer => !with_sessions,
                    _ => false,
                };
                let expected = if is_impossible { vec![] } else { vec![(kind.name(), 1)] };
                assert_eq!(all, expected, "{kind:?}, {with_sessions}");
            }
        }
    }
}
