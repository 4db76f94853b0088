//! `/api/links`, `/api/servers` and `/api/conns`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fastway_wire::ConnId;
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde::Serialize;

use super::app::App;
use super::query::{Query, bad};
use super::ranking::{Order, Page, SortKey};
use super::reply::{Failure, Reply, json};
use super::units::{micros, millis};
use crate::observe::{AskError, ConnectionInfo, LinkFilter, LinkId, LinkInfo, Observe, PausedBy};

/// Links on a page by default.
const PAGE: usize = 100;
/// Links that a request may have on a page.
const PAGE_RANGE: (usize, usize) = (1, 1000);

impl App {
    /// Links, in pages.
    pub(super) async fn links(&self, head: &Parts) -> Result<Reply, Failure> {
        let (links, next) = self.page(head, "").await?;
        Ok(json(StatusCode::OK, &LinksPage { links, next }))
    }

    /// Links of game servers, in pages.
    pub(super) async fn servers(&self, head: &Parts) -> Result<Reply, Failure> {
        let (servers, next) = self.page(head, "server").await?;
        Ok(json(StatusCode::OK, &ServersPage { servers, next }))
    }

    async fn page(&self, head: &Parts, filter: &str) -> Result<(Vec<LinkView>, Option<String>), Failure> {
        let query = Query::read(head, &["filter", "sort", "limit", "page"])?;
        let words = format!("{filter} {}", query.get("filter").unwrap_or_default());
        let filter: LinkFilter = words.parse().map_err(|error| bad(format!("`filter`: {error}")))?;
        let order: Order = query.value("sort", Order::WORDS)?.unwrap_or_default();
        let after: Option<SortKey> = query.value("page", "what `next` of the page before says")?;
        let limit = query.number("limit", PAGE_RANGE, PAGE)?;

        let observer = Arc::clone(&self.observer);
        let page = move || {
            let Page { links, next } = order.page(&*observer, &filter, after, limit)?;
            Ok((LinkView::of_all(&*observer, &links)?, next.map(|next| next.to_string())))
        };
        self.questions.ask(page).await
    }

    /// Virtual connections of a link, in pages.
    pub(super) async fn connections(&self, head: &Parts) -> Result<Reply, Failure> {
        const LINK: &str = "the number of a link, which /api/links shows";
        let query = Query::read(head, &["link", "limit", "page"])?;
        let link: u32 = query.value("link", LINK)?.ok_or_else(|| bad(format!("`link` is missing: {LINK}")))?;
        let after: Option<u32> = query.value("page", "what `next` of the page before says")?;
        let limit = query.number("limit", PAGE_RANGE, PAGE)?;

        let observer = Arc::clone(&self.observer);
        let page = move || observer.connections(LinkId::new(link), after.map(ConnId::new), limit);
        let missing = || Failure::new(StatusCode::NOT_FOUND, format!("there is no link {link}"));
        let page = self.questions.ask(page).await?.ok_or_else(missing)?;

        let conns = page.connections.iter().map(ConnectionView::from).collect();
        let next = page.next.map(|next| next.to_string());
        Ok(json(StatusCode::OK, &ConnectionsPage { link, conns, next }))
    }
}

/// An answer of `/api/links`; `next` is what `page` is for the next one.
#[derive(Debug, Serialize)]
struct LinksPage {
    links: Vec<LinkView>,
    next: Option<String>,
}

/// An answer of `/api/servers`.
#[derive(Debug, Serialize)]
struct ServersPage {
    servers: Vec<LinkView>,
    next: Option<String>,
}

/// An answer of `/api/conns`.
#[derive(Debug, Serialize)]
struct ConnectionsPage {
    link: u32,
    conns: Vec<ConnectionView>,
    next: Option<String>,
}

/// A link in JSON.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LinkView {
    link: u32,
    side: String,
    /// A server's ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<u32>,
    peer: String,
    transport: &'static str,
    protocol: &'static str,
    worker: usize,
    state: &'static str,
    age_ms: u64,
    silent_ms: u64,
    round_trip_us: Option<u64>,
    conns: usize,
    received_frames: u64,
    received_bytes: u64,
    sent_frames: u64,
    sent_bytes: u64,
    waiting_packets: usize,
    waiting_bytes: usize,
    partial_bytes: usize,
    /// What holds it up now, and for how many milliseconds it has.
    held_up: BTreeMap<&'static str, u64>,
    paused_by_link: Option<u32>,
    paused_by_worker: Option<usize>,
    paused_by_memory: bool,
}

impl LinkView {
    /// Views of links, with their round-trip times.
    ///
    /// # Errors
    /// A worker has not answered.
    pub(super) fn of_all(observer: &dyn Observe, links: &[LinkInfo]) -> Result<Vec<Self>, AskError> {
        let ids: Vec<LinkId> = links.iter().map(|link| link.id).collect();
        let round_trips = observer.round_trips(&ids)?;
        Ok(links.iter().map(|link| Self::new(link, &round_trips)).collect())
    }

    /// The view of a link.
    pub(super) fn new(link: &LinkInfo, round_trips: &HashMap<LinkId, Duration>) -> Self {
        let (paused_by_link, paused_by_worker) = match link.paused_by {
            Some(PausedBy::Server(link)) => (Some(link.get()), None),
            Some(PausedBy::Worker(worker)) => (None, Some(worker)),
            Some(PausedBy::Memory) | None => (None, None),
        };

        Self {
            link: link.id.get(),
            side: link.role.side().to_string(),
            server: link.role.server().map(|server| server.get()),
            peer: link.peer.to_string(),
            transport: link.transport,
            protocol: link.protocol,
            worker: link.worker,
            state: link.state().name(),
            age_ms: millis(link.age),
            silent_ms: millis(link.silent),
            round_trip_us: round_trips.get(&link.id).map(|time| micros(*time)),
            conns: link.connections,
            received_frames: link.traffic.received_frames,
            received_bytes: link.traffic.received_bytes,
            sent_frames: link.traffic.sent_frames,
            sent_bytes: link.traffic.sent_bytes,
            waiting_packets: link.waiting.packets,
            waiting_bytes: link.waiting.bytes,
            partial_bytes: link.partial_bytes,
            held_up: link.held_up().map(|(reason, lasting)| (reason.name(), millis(lasting))).collect(),
            paused_by_link,
            paused_by_worker,
            paused_by_memory: link.paused_by == Some(PausedBy::Memory),
        }
    }
}

/// A virtual connection in JSON.
#[derive(Debug, Serialize)]
struct ConnectionView {
    conn: u32,
    client_link: u32,
    server_link: u32,
    server: u32,
}

impl From<&ConnectionInfo> for ConnectionView {
    fn from(info: &ConnectionInfo) -> Self {
        let ConnectionInfo { conn, client, server_link, server } = info;
        Self { conn: conn.get(), client_link: client.get(), server_link: server_link.get(), server: server.get() }
    }
}
