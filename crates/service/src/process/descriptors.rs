//! How many file descriptors the process may have: each link is one.

use std::fs::File;
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// What the log calls this module.
const TARGET: &str = "fastway::process::descriptors";

/// Raises the soft limit of open descriptors to the hard one and logs what came of it; a limit that is infinite is not
/// shown.
///
/// Shells start programs with a soft limit of 1,024, kept low for programs that use `select`; a gateway does not.
pub fn raise_descriptor_limit() {
    let before = getrlimit(Resource::Nofile);
    match raise(before) {
        Ok(()) => info!(target: TARGET, limit = before.maximum, at_start = before.current, "descriptor limit"),
        Err(error) => warn!(
            target: TARGET,
            limit = before.current,
            %error,
            "descriptor limit cannot be raised: links beyond it will wait to be accepted"
        ),
    }
}

/// Descriptors that the process may have now; `None`: any number.
pub fn descriptor_limit() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile).current?;
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}

fn raise(limit: Rlimit) -> io::Result<()> {
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}

/// A descriptor that is kept to take a connection in when there is no other.
#[derive(Debug)]
pub struct SpareDescriptor(Option<File>);

impl SpareDescriptor {
    /// Takes the descriptor: before the gateway says that it listens, so that it does not take one that was released to
    /// accept somebody.
    pub fn open() -> Self {
        let mut spare = Self(None);
        spare.keep();
        spare
    }

    /// Takes the descriptor, if there is one and it is not held already.
    pub fn keep(&mut self) {
        if self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
    }

    /// Whether accepting failed for want of descriptors and one is free now, which was kept until now.
    pub fn release_after(&mut self, error: &io::Error) -> bool {
        let none_left = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
        none_left.contains(&error.raw_os_error()) && self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
