//! Asking a worker, from any thread.

use std::time::Duration;

use fastway_admin::observe::{ConnectionInfo, LinkInfo, TasksInfo};
use fastway_wire::ConnId;

use super::mail::Message;
use super::question::{Answers, LinksAt, Pending, Question};
use super::report::WorkerReport;
use super::shared::Shared;
use crate::mux::routing::{LinkAddr, LinkId, WorkerId};

impl Shared {
    /// Asks a worker for its links from slot `from` on: at most `most` that are `wanted`.
    pub(crate) fn ask_links(
        &self,
        worker: WorkerId,
        from: usize,
        most: usize,
        wanted: impl Fn(&LinkInfo) -> bool + Send + 'static,
    ) -> Pending<LinksAt> {
        self.ask(worker, move |worker| worker.links_at(from, most, &wanted))
    }

    /// Asks a worker for connections of a link: at most `most`, in order, those above `after`.
    pub(crate) fn ask_connections(&self, link: LinkAddr, after: ConnId, most: usize) -> Pending<Vec<ConnectionInfo>> {
        self.ask(link.worker, move |worker| worker.connections_of(link, after, most))
    }

    /// Asks a worker for the round-trip times of links, as far as they are known.
    pub(crate) fn ask_round_trips(&self, worker: WorkerId, links: Vec<LinkAddr>) -> Pending<Vec<(LinkId, Duration)>> {
        self.ask(worker, move |worker| worker.round_trips(&links))
    }

    /// Asks a worker to close a link; what was closed, if it was there.
    pub(crate) fn ask_to_kick(&self, link: LinkAddr) -> Pending<Option<LinkInfo>> {
        self.ask(link.worker, move |worker| worker.kick(link))
    }

    /// Asks a worker what it does beside its links.
    pub(crate) fn ask_tasks(&self, worker: WorkerId) -> Pending<TasksInfo> {
        self.ask(worker, |worker| worker.tasks())
    }

    /// Asks a worker how it stands. It publishes its answer: a count that somebody has seen must not go down when the
    /// worker is late for the next question.
    pub(crate) fn ask_report(&self, worker: WorkerId) -> Pending<WorkerReport> {
        self.ask(worker, |worker| worker.report())
    }

    /// Puts a question to a worker. Never blocks.
    fn ask<T: Send + 'static>(
        &self,
        worker: WorkerId,
        question: impl FnOnce(&mut dyn Answers) -> T + Send + 'static,
    ) -> Pending<T> {
        let (question, answer) = Question::new(worker, question);
        self.mailboxes.send(worker, Message::Ask(question));
        answer
    }
}
