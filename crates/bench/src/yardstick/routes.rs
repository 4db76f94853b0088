//! Which two links a connection joins.

use fastway_wire::ConnId;

use super::link::Side;

/// Index of a link in the forwarder's table.
pub(super) type LinkKey = u32;

/// The two ends of a connection; both are `NOBODY` while its ID is free.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) client: LinkKey,
    pub(super) server: LinkKey,
}

const NOBODY: Ends = Ends { client: LinkKey::MAX, server: LinkKey::MAX };

/// Connections by ID; ID 0, the commands', is never given out.
pub(super) struct Routes {
    ends: Vec<Ends>,
    free: Vec<u32>,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self { ends: vec![NOBODY], free: Vec::new() }
    }

    /// The other end of a connection that `from` is an end of.
    #[inline]
    pub(super) fn across(&self, conn: ConnId, from: LinkKey, side: Side) -> Option<LinkKey> {
        let ends = self.ends.get(conn.get() as usize)?;
        let (own, other) = match side {
            Side::Client => (ends.client, ends.server),
            Side::Server => (ends.server, ends.client),
        };
        (own == from).then_some(other)
    }

    pub(super) fn open(&mut self, ends: Ends) -> ConnId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.ends.push(NOBODY);
            u32::try_from(self.ends.len() - 1).unwrap_or(0)
        });
        self.put(id, ends);
        ConnId::new(id)
    }

    pub(super) fn close(&mut self, conn: ConnId) {
        self.put(conn.get(), NOBODY);
        self.free.push(conn.get());
    }

    fn put(&mut self, id: u32, ends: Ends) {
        if let Some(slot) = self.ends.get_mut(id as usize) {
            *slot = ends;
        }
    }
}
