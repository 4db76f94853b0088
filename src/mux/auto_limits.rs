//! The limits that a configuration leaves to the machine: how many client links there may be, and how much memory all
//! links may hold.

use fastway_service::process::{available_memory, descriptor_limit};

use crate::mux::config::{LinkLimit, MemoryLimit, Settings, Startup};
use crate::mux::routing::Side;

/// Descriptors for listeners, epoll, pipes and files, without the workers' own.
const FILES: usize = 32;
/// Descriptors of a worker's runtime, with room for a few more.
const PER_WORKER: usize = 8;
/// Connections to the admin listener: as many as it serves.
const ADMIN: usize = 64;
/// Registered game servers that room is kept for.
const SERVERS: usize = 256;

/// The share of the memory that the links may hold, by default.
const MEMORY_SHARE: usize = 4;
/// The least that the default may be: on a machine this small, the operator has to decide.
const LEAST_MEMORY: usize = 16 << 20;

/// Keeps the limits of a gateway within what the descriptors of the process allow now, and finds those that the
/// settings leave to the machine.
pub(crate) fn fit(startup: &Startup, settings: &mut Settings) {
    fit_descriptors(startup, settings);
    fit_memory(startup, settings);
}

fn fit_descriptors(startup: &Startup, settings: &mut Settings) {
    let Some(descriptors) = descriptor_limit() else { return };
    let share = DescriptorShare::of(descriptors, startup, settings);
    let limits = &mut settings.limits;
    limits.max_handshakes = limits.max_handshakes.min(share.handshakes);
    if limits.max_links == LinkLimit::Auto {
        limits.max_links = LinkLimit::Links(share.client_links);
    }
}

fn fit_memory(startup: &Startup, settings: &mut Settings) {
    if settings.limits.max_buffered_bytes == MemoryLimit::Auto {
        let least = startup.least_buffered_bytes().max(LEAST_MEMORY);
        settings.limits.max_buffered_bytes = available_memory().map_or(MemoryLimit::Unlimited, |memory| {
            MemoryLimit::Bytes((usize::try_from(memory).unwrap_or(usize::MAX) / MEMORY_SHARE).max(least))
        });
    }
}

/// What clients and handshakes may take of the descriptors of the process, so that the rest always finds some: game
/// servers that return, the admin listener, files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DescriptorShare {
    client_links: usize,
    /// Handshakes in progress on each port.
    handshakes: usize,
}

impl DescriptorShare {
    fn of(descriptors: usize, startup: &Startup, settings: &Settings) -> Self {
        let files = FILES + PER_WORKER * startup.workers + ADMIN;
        let handshakes = (descriptors / 8).max(1);
        let in_progress = settings.limits.max_handshakes.min(handshakes);
        let servers = SERVERS.min(handshakes);
        let with_sessions = settings.client.kinds.with_sessions();
        let clients_have_handshakes = with_sessions || settings.proxies(Side::Client).is_some();
        let ports_with_handshakes = if clients_have_handshakes { 2 } else { 1 };
        let reserve = files.min(descriptors / 2) + servers + ports_with_handshakes * in_progress;
        // A session that is resumed has its old stream and its new one.
        let per_link = if with_sessions { 2 } else { 1 };
        let client_links = (descriptors.saturating_sub(reserve) / per_link).max(1);
        Self { client_links, handshakes: in_progress }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::config::{LinkKinds, ProxyProtocol};

    fn shares(descriptors: usize, settings: &Settings) -> (usize, usize) {
        let share = DescriptorShare::of(descriptors, &Startup::default(), settings);
        (share.client_links, share.handshakes)
    }

    #[test]
    fn clients_leave_descriptors_for_everybody_else() {
        let mut settings = Settings::default();
        assert_eq!(shares(300, &settings), (122, 37));
        assert_eq!(shares(1024, &settings), (664, 128));
        assert_eq!(shares(20_000, &settings), (18_616, 1024));
        settings.client.kinds = LinkKinds::SESSIONS;
        assert_eq!(shares(20_000, &settings), (8_796, 1024), "two for each session");
        assert_eq!(shares(0, &settings), (1, 1));

        let mut settings = Settings::default();
        settings.client.proxy_protocol = ProxyProtocol::Required;
        let (client_links, _) = shares(20_000, &settings);
        assert_eq!(client_links, 18_616 - 1024, "those whose PROXY headers have not come");
    }

    #[test]
    fn the_links_may_hold_a_quarter_of_the_memory_by_default() {
        let (startup, mut settings) = (Startup::default(), Settings::default());
        fit_memory(&startup, &mut settings);
        let MemoryLimit::Bytes(bytes) = settings.limits.max_buffered_bytes else { panic!("{:?}", settings.limits) };
        let available = usize::try_from(available_memory().unwrap()).unwrap();
        assert!((LEAST_MEMORY..=available / 4).contains(&bytes), "{bytes}");

        settings.limits.max_buffered_bytes = MemoryLimit::Unlimited;
        fit_memory(&startup, &mut settings);
        assert_eq!(settings.limits.max_buffered_bytes, MemoryLimit::Unlimited, "what was asked for stays");
    }
}
