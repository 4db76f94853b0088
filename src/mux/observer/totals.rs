//! How a gateway stands, as commands and the admin listener see it: counts by the labels under which they are shown.

use fastway_admin::observe::{self, HeldUp, LinkCount, NamedCounts};

use super::report::Report;
use crate::mux::accept::RejectionKind;
use crate::mux::routing::{RouterStats, Side};
use crate::mux::worker::{Bounds, Histogram, SessionStats, SideReport, SideStats, Stats, WorkerReport};

impl From<Report> for observe::Report {
    fn from(report: Report) -> Self {
        let total = report.total().into();
        let Report { workers, servers, sessions, waiting, memory, pool, drain } = report;
        Self {
            workers: workers.iter().map(Into::into).collect(),
            total,
            servers,
            sessions,
            waiting,
            memory,
            pool,
            drain,
        }
    }
}

impl From<&WorkerReport> for observe::WorkerLoad {
    fn from(worker: &WorkerReport) -> Self {
        Self {
            published: worker.published,
            cpu: worker.cpu,
            busy_permille: worker.busy_permille,
            longest_upkeep: worker.longest_upkeep,
            links: worker.stats.sides.values().into_iter().map(SideStats::links).sum(),
            connections: worker.connections,
            waiting_bytes: worker.waiting_bytes(),
        }
    }
}

impl From<WorkerReport> for observe::Totals {
    fn from(total: WorkerReport) -> Self {
        let Stats { sides, sources_paused, rejections, accept_errors, accept_pauses, sessions, undelivered: _ } =
            total.stats;
        let RouterStats { opened, refused_unknown, refused_max_conns, refused_dial_rate, unknown_connection } =
            total.routing;
        let side = |of: Side| side(&sides[of], &total.sides[of], total.session_handshakes[of]);
        let dials = [("unknown", refused_unknown), ("max_conns", refused_max_conns), ("dial_rate", refused_dial_rate)];
        Self {
            published: total.published,
            busy_permille: total.busy_permille,
            client: side(Side::Client),
            server: side(Side::Server),
            connections: total.connections,
            connections_opened: opened,
            unknown_connection,
            dials_refused: dials.into_iter().collect(),
            sources_paused,
            accept_errors,
            accept_pauses,
            rejections: RejectionKind::ALL.into_iter().map(|kind| (kind.name(), rejections.of(kind))).collect(),
            links_rejected: rejections.no_place().into_iter().collect(),
            proxy_headers_rejected: rejections.proxy_headers().into_iter().collect(),
            server_handshakes: total.server_handshakes,
            server_handshakes_failed: rejections.server_handshakes().into_iter().collect(),
            sessions: observe::SessionCounts {
                handshakes_failed: rejections.session_handshakes().into_iter().collect(),
                ..sessions.into()
            },
            allocated_bytes: total.allocated_bytes,
        }
    }
}

impl From<SessionStats> for observe::SessionCounts {
    fn from(sessions: SessionStats) -> Self {
        let SessionStats { opened_secure, opened_legacy, interrupted, resumes, refused } = sessions;
        Self {
            opened: [("secure", opened_secure), ("legacy", opened_legacy)].into_iter().collect(),
            interrupted,
            resumes: resumes.by_name().collect(),
            refused: refused.by_name().collect(),
            handshakes_failed: NamedCounts::default(),
        }
    }
}

fn side(stats: &SideStats, report: &SideReport, session_handshakes: usize) -> observe::SideCounts {
    let held_up = report.held_up.iter().map(|(reason, held_up)| HeldUp {
        reason,
        now: held_up.now,
        count: held_up.count,
        total: held_up.total,
    });
    let links = report.links.iter().map(|(transport, protocol, count)| LinkCount {
        transport: transport.name(),
        protocol: protocol.name(),
        count,
    });
    observe::SideCounts {
        opened: stats.opened,
        closed: stats.closed.by_name().collect(),
        received_bytes: stats.received_bytes,
        sent_bytes: stats.sent_bytes,
        forwarded: stats.forwarded,
        reads: histogram(&stats.reads),
        writes: histogram(&stats.writes),
        round_trips: histogram(&stats.round_trips),
        links_by_kind: links.collect(),
        waiting_packets: report.waiting_packets,
        waiting_bytes: report.waiting_bytes,
        partial_bytes: report.partial_bytes,
        held_bytes: report.held_bytes,
        held_up: held_up.collect(),
        session_handshakes,
    }
}

fn histogram<B: Bounds>(counted: &Histogram<B>) -> observe::Histogram {
    observe::Histogram { cumulative: counted.cumulative().collect(), count: counted.count(), sum: counted.sum() }
}

#[cfg(test)]
mod tests {
    use fastway_admin::observe::{Totals, labels};

    use super::*;

    fn names(counts: &NamedCounts) -> Vec<&'static str> {
        counts.iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn every_label_that_the_admin_listener_looks_for_is_one_of_the_gateways() {
        let total = Totals::from(WorkerReport::default());
        for (looked_for, counted) in [
            (&labels::REJECTIONS[..], &total.rejections),
            (&labels::DIALS, &total.dials_refused),
            (&labels::REFUSALS, &total.sessions.refused),
            (&labels::CLOSED, &total.client.closed),
        ] {
            let counted = names(counted);
            assert!(looked_for.iter().all(|label| counted.contains(label)), "{looked_for:?} in {counted:?}");
        }
    }
}
