//! How many file descriptors the gateway may have: each link is one.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// Raises the soft limit of open descriptors to the hard one and logs what came of it.
///
/// Shells start programs with a soft limit of 1,024, kept low for programs that use `select`; a gateway does not.
pub fn raise_descriptor_limit() {
    let before = getrlimit(Resource::Nofile);
    match raise(before) {
        Ok(()) => info!(limit = %shown(before.maximum), at_start = %shown(before.current), "descriptor limit"),
        Err(error) => warn!(
            limit = %shown(before.current),
            %error,
            "descriptor limit cannot be raised: links beyond it will wait to be accepted"
        ),
    }
}

fn raise(limit: Rlimit) -> io::Result<()> {
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
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
