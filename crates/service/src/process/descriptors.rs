//! How many file descriptors the gateway may have: each link is one.

use std::fs::File;
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

use crate::config::{Config, LinkLimit};

/// Raises the soft limit of open descriptors to the hard one and logs what came of it; a limit that is infinite is not
/// shown.
///
/// Shells start programs with a soft limit of 1,024, kept low for programs that use `select`; a gateway does not.
pub fn raise_descriptor_limit() {
    let before = getrlimit(Resource::Nofile);
    match raise(before) {
        Ok(()) => info!(limit = before.maximum, at_start = before.current, "descriptor limit"),
        Err(error) => warn!(
            limit = before.current,
            %error,
            "descriptor limit cannot be raised: links beyond it will wait to be accepted"
        ),
    }
}

fn raise(limit: Rlimit) -> io::Result<()> {
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}

/// Descriptors for listeners, epoll, pipes and files, without the workers' own.
const FILES: usize = 32;
/// Descriptors of a worker's runtime, with room for a few more.
const PER_WORKER: usize = 8;
/// Connections to the admin listener: as many as it serves.
const ADMIN: usize = 64;
/// Registered game servers that room is kept for.
const SERVERS: usize = 256;

/// What clients and handshakes may take of the descriptors of the process, so that the rest always finds some: game
/// servers that return, the admin listener, files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DescriptorShare {
    client_links: usize,
    /// Handshakes in progress on each port.
    handshakes: usize,
}

impl DescriptorShare {
    /// Keeps the limits of a gateway within what the descriptors of the process allow now.
    pub(crate) fn fit(config: &mut Config) {
        let Some(descriptors) = getrlimit(Resource::Nofile).current else { return };
        let share = Self::of(usize::try_from(descriptors).unwrap_or(usize::MAX), config);
        config.limits.max_handshakes = config.limits.max_handshakes.min(share.handshakes);
        if config.limits.max_links == LinkLimit::Auto {
            config.limits.max_links = LinkLimit::Links(share.client_links);
        }
    }

    fn of(descriptors: usize, config: &Config) -> Self {
        let files = FILES + PER_WORKER * config.workers + ADMIN;
        let handshakes = (descriptors / 8).max(1);
        let in_progress = config.limits.max_handshakes.min(handshakes);
        let servers = SERVERS.min(handshakes);
        let with_sessions = config.client.kinds.with_sessions();
        let ports_with_handshakes = if with_sessions { 2 } else { 1 };
        let reserve = files.min(descriptors / 2) + servers + ports_with_handshakes * in_progress;
        // A session that is resumed has its old stream and its new one.
        let per_link = if with_sessions { 2 } else { 1 };
        let client_links = (descriptors.saturating_sub(reserve) / per_link).max(1);
        Self { client_links, handshakes: in_progress }
    }
}

/// A descriptor that is kept to take a connection in when there is no other.
#[derive(Debug)]
pub(crate) struct SpareDescriptor(Option<File>);

impl SpareDescriptor {
    /// Takes the descriptor: before the gateway says that it listens, so that it does not take one that was released to
    /// accept somebody.
    pub(crate) fn open() -> Self {
        let mut spare = Self(None);
        spare.keep();
        spare
    }

    /// Takes the descriptor, if there is one and it is not held already.
    pub(crate) fn keep(&mut self) {
        if self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
    }

    /// Whether accepting failed for want of descriptors and one is free now, which was kept until now.
    pub(crate) fn release_after(&mut self, error: &io::Error) -> bool {
        let none_left = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
        none_left.contains(&error.raw_os_error()) && self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LinkKinds;

    fn shares(descriptors: usize, config: &Config) -> (usize, usize) {
        let share = DescriptorShare::of(descriptors, config);
        (share.client_links, share.handshakes)
    }

    #[test]
    fn clients_leave_descriptors_for_everybody_else() {
        let mut config = Config::default();
        assert_eq!(shares(300, &config), (122, 37));
        assert_eq!(shares(1024, &config), (664, 128));
        assert_eq!(shares(20_000, &config), (18_616, 1024));
        config.client.kinds = LinkKinds::SESSIONS;
        assert_eq!(shares(20_000, &config), (8_796, 1024), "two for each session");
        assert_eq!(shares(0, &config), (1, 1));
    }

    #[test]
    fn the_spare_descriptor_is_given_once_and_only_for_want_of_one() {
        let mut spare = SpareDescriptor(None);
        let (none_left, reset) = (Errno::MFILE.into(), io::ErrorKind::ConnectionReset.into());
        assert!(!spare.release_after(&none_left), "there is none");
        spare.keep();
        assert!(!spare.release_after(&reset));
        assert!(spare.release_after(&none_left) && !spare.release_after(&none_left));
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
