//! How many file descriptors the gateway may have: each link is one.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
