//! The gateway as commands and the admin listener see it: [`Observe`] for [`Observer`].

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use fastway_admin::observe::{self, LinkFilter, Observe};
use fastway_wire::ConnId;

use super::ids::{link_id, side};
use super::{ConnectionPage, Observer};
use crate::mux::accept::{AcceptorInfo, HandshakeInfo};
use crate::mux::link::{Traffic, WaitReport, Waiting};
use crate::mux::routing::{LinkId, Role};
use crate::mux::worker::{AskError, ConnectionInfo, LinkInfo, PausedBy, TasksInfo};

impl Observe for Observer {
    fn with_time_limit(&self, limit: Duration) -> Arc<dyn Observe> {
        Arc::new(self.clone().with_time_limit(limit))
    }

    fn report(&self) -> observe::Report {
        self.report().into()
    }

    fn report_now(&self) -> Result<observe::Report, observe::AskError> {
        Ok(self.report_now()?.into())
    }

    fn longest_silence(&self) -> Option<(usize, Duration)> {
        self.longest_silence()
    }

    fn links(&self, filter: &LinkFilter, limit: usize) -> Result<observe::LinkPage, observe::AskError> {
        let page = self.links(filter, None, limit)?;
        Ok(observe::LinkPage { links: page.links.into_iter().map(Into::into).collect(), more: page.next.is_some() })
    }

    fn visit_links(
        &self,
        filter: &LinkFilter,
        visit: &mut dyn FnMut(observe::LinkInfo) -> ControlFlow<()>,
    ) -> Result<(), observe::AskError> {
        Ok(self.visit_links(filter, |link| visit(link.into()))?)
    }

    fn connections(
        &self,
        link: observe::LinkId,
        after: Option<ConnId>,
        limit: usize,
    ) -> Result<Option<observe::ConnectionPage>, observe::AskError> {
        Ok(self.connections(LinkId::new(link.get()), after, limit)?.map(Into::into))
    }

    fn round_trips(&self, links: &[observe::LinkId]) -> Result<HashMap<observe::LinkId, Duration>, observe::AskError> {
        let links: Vec<LinkId> = links.iter().map(|link| LinkId::new(link.get())).collect();
        Ok(self.round_trips(&links)?.into_iter().map(|(link, time)| (link_id(link), time)).collect())
    }

    fn tasks(&self) -> Result<Vec<observe::TasksInfo>, observe::AskError> {
        Ok(self.tasks()?.into_iter().map(Into::into).collect())
    }

    fn kick(&self, link: observe::LinkId) -> Result<Option<observe::LinkInfo>, observe::AskError> {
        Ok(self.kick(LinkId::new(link.get()))?.map(Into::into))
    }
}

impl From<AskError> for observe::AskError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Late { worker, limit } => Self::Late { worker, limit },
            AskError::Ended { worker } => Self::Ended { worker },
        }
    }
}

impl From<LinkInfo> for observe::LinkInfo {
    fn from(link: LinkInfo) -> Self {
        let state = match (link.closing, link.interrupted) {
            (true, _) => observe::LinkState::Closing,
            (false, true) => observe::LinkState::Interrupted,
            (false, false) => observe::LinkState::Open,
        };
        Self {
            id: link_id(link.id),
            role: link.role.into(),
            peer: link.peer,
            transport: link.transport,
            protocol: link.protocol,
            worker: link.worker,
            state,
            age: link.age,
            silent: link.silent,
            connections: link.connections,
            traffic: link.traffic.into(),
            waiting: link.waiting.into(),
            partial_bytes: link.partial_bytes,
            waits: waits(&link.waits),
            paused_by: link.paused_by.map(Into::into),
        }
    }
}

impl From<Role> for observe::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Client => Self::Client,
            Role::Server(id) => Self::Server(id),
        }
    }
}

impl From<Traffic> for observe::Traffic {
    fn from(Traffic { received_bytes, sent_bytes, received_frames, sent_frames }: Traffic) -> Self {
        Self { received_bytes, sent_bytes, received_frames, sent_frames }
    }
}

impl From<Waiting> for observe::Waiting {
    fn from(Waiting { bytes, packets, answers: _ }: Waiting) -> Self {
        Self { bytes, packets }
    }
}

impl From<PausedBy> for observe::PausedBy {
    fn from(by: PausedBy) -> Self {
        match by {
            PausedBy::Server(link) => Self::Server(link_id(link)),
            PausedBy::Worker(worker) => Self::Worker(worker),
            PausedBy::Memory => Self::Memory,
        }
    }
}

impl From<ConnectionPage> for observe::ConnectionPage {
    fn from(ConnectionPage { connections, next }: ConnectionPage) -> Self {
        Self { connections: connections.into_iter().map(Into::into).collect(), next }
    }
}

impl From<ConnectionInfo> for observe::ConnectionInfo {
    fn from(ConnectionInfo { conn, client, server_link, server }: ConnectionInfo) -> Self {
        Self { conn, client: link_id(client), server_link: link_id(server_link), server }
    }
}

impl From<TasksInfo> for observe::TasksInfo {
    fn from(TasksInfo { worker, age, swept, acceptors, handshakes, past_waits }: TasksInfo) -> Self {
        Self {
            worker,
            age,
            swept,
            acceptors: acceptors.into_iter().map(Into::into).collect(),
            handshakes: handshakes.into_iter().map(Into::into).collect(),
            past_waits: past_waits.into_iter().map(|(of, past)| (side(of), waits(&past))).collect(),
        }
    }
}

impl From<AcceptorInfo> for observe::AcceptorInfo {
    fn from(AcceptorInfo { side: of, pausing, lasting }: AcceptorInfo) -> Self {
        Self { side: side(of), pausing, lasting }
    }
}

impl From<HandshakeInfo> for observe::HandshakeInfo {
    fn from(HandshakeInfo { peer, age }: HandshakeInfo) -> Self {
        Self { peer, age }
    }
}

/// What was held up, without what never was.
fn waits(report: &WaitReport) -> Vec<observe::Wait> {
    let known = report.iter().filter(|(_, wait)| wait.count > 0);
    let named = known.map(|(reason, wait)| observe::Wait {
        reason: observe::WaitReason::new(reason.name()),
        count: wait.count,
        total: wait.total,
        lasting: wait.lasting,
    });
    named.collect()
}
