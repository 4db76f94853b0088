//! Which path is what, and what may be done there.

use hyper::Method;

use super::pages::Page;

/// What there is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route {
    /// A file for browsers.
    Page(&'static Page),
    /// Whether the process answers.
    Live,
    /// Whether players should be sent here.
    Ready,
    /// What was counted, and how the gateway stands.
    Stats,
    /// Links.
    Links,
    /// Links of game servers.
    Servers,
    /// Virtual connections of a link.
    Connections,
    /// A stream of events.
    Events,
    /// Numbers for Prometheus.
    Metrics,
    /// What commands there are, and running them.
    Commands,
}

impl Route {
    /// What is at a path.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/live" => Some(Self::Live),
            "/ready" => Some(Self::Ready),
            "/api/stats" => Some(Self::Stats),
            "/api/links" => Some(Self::Links),
            "/api/servers" => Some(Self::Servers),
            "/api/conns" => Some(Self::Connections),
            "/api/events" => Some(Self::Events),
            "/metrics" => Some(Self::Metrics),
            "/api/commands" => Some(Self::Commands),
            _ => Page::at(path).map(Self::Page),
        }
    }

    /// What may be done there, as the header `Allow` says it.
    pub(super) fn allowed(self) -> &'static str {
        match self {
            Self::Events => "GET",
            Self::Commands => "GET, HEAD, POST",
            _ => "GET, HEAD",
        }
    }

    /// Whether that may be done there.
    pub(super) fn allows(self, method: &Method) -> bool {
        self.allowed().split(", ").any(|allowed| allowed == method.as_str())
    }
}
