//! The gateway as commands and the admin listener see it: [`Observe`] for [`Observer`].

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use fastway_admin::observe::{
    self, AskError, ConnectionPage, LinkFilter, LinkId, LinkInfo, LinkPage, Observe, TasksInfo,
};
use fastway_wire::ConnId;

use super::Observer;

impl Observe for Observer {
    fn with_time_limit(&self, limit: Duration) -> Arc<dyn Observe> {
        Arc::new(self.clone().with_time_limit(limit))
    }

    fn report(&self) -> observe::Report {
        self.report().into()
    }

    fn report_now(&self) -> Result<observe::Report, AskError> {
        Ok(self.report_now()?.into())
    }

    fn longest_silence(&self) -> Option<(usize, Duration)> {
        self.longest_silence()
    }

    fn links(&self, filter: &LinkFilter, limit: usize) -> Result<LinkPage, AskError> {
        let page = self.links(filter, None, limit)?;
        Ok(LinkPage { links: page.links, more: page.next.is_some() })
    }

    fn visit_links(
        &self,
        filter: &LinkFilter,
        visit: &mut dyn FnMut(LinkInfo) -> ControlFlow<()>,
    ) -> Result<(), AskError> {
        self.visit_links(filter, visit)
    }

    fn connections(
        &self,
        link: LinkId,
        after: Option<ConnId>,
        limit: usize,
    ) -> Result<Option<ConnectionPage>, AskError> {
        self.connections(link, after, limit)
    }

    fn round_trips(&self, links: &[LinkId]) -> Result<HashMap<LinkId, Duration>, AskError> {
        self.round_trips(links)
    }

    fn tasks(&self) -> Result<Vec<TasksInfo>, AskError> {
        self.tasks()
    }

    fn kick(&self, link: LinkId) -> Result<Option<LinkInfo>, AskError> {
        self.kick(link)
    }
}
