//! Labels of counts that troubles are derived from. A gateway may have others.

/// A stream was rejected: the limit of links is reached.
pub const MAX_LINKS: &str = "max_links";
/// A stream was rejected: its address has reached its limit of links.
pub const MAX_LINKS_PER_ADDRESS: &str = "max_links_per_address";
/// A stream was rejected: a server has another key.
pub const WRONG_KEY: &str = "wrong_key";
/// A stream was rejected: too many handshakes were in progress.
pub const DROPPED: &str = "dropped";

/// A dial was refused: the ID is unknown.
pub const UNKNOWN: &str = "unknown";
/// A dial was refused: the client has reached its limit of connections.
pub const MAX_CONNS: &str = "max_conns";
/// A dial was refused: the client has reached its rate of dials.
pub const DIAL_RATE: &str = "dial_rate";

/// A session was refused: the gateway is overloaded.
pub const OVERLOADED: &str = "overloaded";

/// A link was closed: too many sessions waited, its own among them.
pub const PUSHED_OUT: &str = "pushed_out";
/// A link was closed: more waited for it than its bounds allow, for too long.
pub const TOO_SLOW: &str = "too_slow";
/// A link was closed: its peer read nothing.
pub const STALLED: &str = "stalled";
/// A link was closed: too much was held for all links.
pub const MEMORY: &str = "memory";

/// Reasons to reject streams, from which troubles are derived.
pub const REJECTIONS: [&str; 4] = [MAX_LINKS, MAX_LINKS_PER_ADDRESS, WRONG_KEY, DROPPED];
/// Reasons to refuse dials.
pub const DIALS: [&str; 3] = [UNKNOWN, MAX_CONNS, DIAL_RATE];
/// Reasons to refuse sessions, from which troubles are derived.
pub const REFUSALS: [&str; 1] = [OVERLOADED];
/// Reasons to close links, from which troubles are derived.
pub const CLOSED: [&str; 4] = [PUSHED_OUT, TOO_SLOW, STALLED, MEMORY];
