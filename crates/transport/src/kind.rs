//! The label of a transport.

/// What carries the bytes of a link, whatever their protocol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// TCP.
    Tcp,
}

impl TransportKind {
    /// Every kind, in the order of its index.
    pub const ALL: [Self; 1] = [Self::Tcp];

    /// Its place in [`TransportKind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name under which it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
        }
    }
}
