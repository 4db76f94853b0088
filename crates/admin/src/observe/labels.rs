//! Labels of counts that mean something here: whoever looks for troubles tells them apart. A gateway may have others.

/// A stream was rejected: there are as many links as there may be.
pub const MAX_LINKS: &str = "max_links";
/// A stream was rejected: its address has as many links as it may have.
pub const MAX_LINKS_PER_ADDRESS: &str = "max_links_per_address";
/// A stream was rejected: a server has another key.
pub const WRONG_KEY: &str = "wrong_key";
/// A stream was rejected: too many handshakes were in progress.
pub const DROPPED: &str = "dropped";

/// A dial was refused: nobody has the ID.
pub const UNKNOWN: &str = "unknown";
/// A dial was refused: the client has as many connections as it may have.
pub const MAX_CONNS: &str = "max_conns";
/// A dial was refused: the client dials too often.
pub const DIAL_RATE: &str = "dial_rate";

/// A session was refused: the gateway is full.
pub const OVERLOADED: &str = "overloaded";

/// A link was closed: its session waited, and too many did.
pub const PUSHED_OUT: &str = "pushed_out";
/// A link was closed: more waited for it than its bounds allow, for too long.
pub const TOO_SLOW: &str = "too_slow";
/// A link was closed: its peer took nothing.
pub const STALLED: &str = "stalled";
/// A link was closed: too much was held for all links.
pub const MEMORY: &str = "memory";

/// Why streams are rejected, as far as it means something here.
pub const REJECTIONS: [&str; 4] = [MAX_LINKS, MAX_LINKS_PER_ADDRESS, WRONG_KEY, DROPPED];
/// Why dials are refused.
pub const DIALS: [&str; 3] = [UNKNOWN, MAX_CONNS, DIAL_RATE];
/// Why sessions are refused, as far as it means something here.
pub const REFUSALS: [&str; 1] = [OVERLOADED];
/// Why links are closed, as far as it means something here.
pub const CLOSED: [&str; 4] = [PUSHED_OUT, TOO_SLOW, STALLED, MEMORY];
