//! Routes: paths, and the methods that they allow.

use hyper::Method;

use super::pages::Page;
use super::profiles::Profile;

/// The target of a path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route {
    /// A file for browsers.
    Page(&'static Page),
    /// Whether the process answers.
    Live,
    /// Whether players should be sent here.
    Ready,
    /// Counts and state of the gateway.
    Stats,
    /// Links.
    Links,
    /// Links of game servers.
    Servers,
    /// Virtual connections of a link.
    Connections,
    /// A stream of events.
    Events,
    /// Metrics for Prometheus.
    Metrics,
    /// The list of profiles.
    Profiles,
    /// A profile.
    Profile(Profile),
    /// The list of commands, and their execution.
    Commands,
}

impl Route {
    /// The route of a path.
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
            "/debug/pprof" | "/debug/pprof/" => Some(Self::Profiles),
            _ => match path.strip_prefix("/debug/pprof/") {
                Some(name) => Profile::named(name).map(Self::Profile),
                None => Page::at(path).map(Self::Page),
            },
        }
    }

    /// The allowed methods, in the form of the header `Allow`.
    pub(super) fn allowed(self) -> &'static str {
        match self {
            // There is no saying how long they are without making them.
            Self::Events | Self::Profile(_) => "GET",
            Self::Commands => "GET, HEAD, POST",
            _ => "GET, HEAD",
        }
    }

    /// Whether the method is allowed.
    pub(super) fn allows(self, method: &Method) -> bool {
        self.allowed().split(", ").any(|allowed| allowed == method.as_str())
    }
}
