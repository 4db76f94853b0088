//! The gateway's two ports, and what there is of each.

use std::fmt;
use std::ops::{AddAssign, Index, IndexMut};

use fastway_service::kinds;

kinds! {
    /// One of the gateway's two ports.
    pub enum Side {
        /// Where players connect.
        Client = "client",
        /// Where game servers connect.
        Server = "server",
    }
}

impl Side {
    /// The opposite side.
    #[inline]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value for the client port and one for the server port, indexed by [`Side`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerSide<T> {
    /// The client port's.
    pub client: T,
    /// The server port's.
    pub server: T,
}

impl<T> PerSide<T> {
    /// Makes a value for each side.
    pub fn new(mut make: impl FnMut(Side) -> T) -> Self {
        Self { client: make(Side::Client), server: make(Side::Server) }
    }

    /// Both values.
    pub fn values(&self) -> [&T; 2] {
        [&self.client, &self.server]
    }
}

impl<T> Index<Side> for PerSide<T> {
    type Output = T;

    #[inline]
    fn index(&self, side: Side) -> &T {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }
}

impl<T> IndexMut<Side> for PerSide<T> {
    #[inline]
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// Each side with its value.
impl<T> IntoIterator for PerSide<T> {
    type Item = (Side, T);
    type IntoIter = std::array::IntoIter<(Side, T), 2>;

    fn into_iter(self) -> Self::IntoIter {
        [(Side::Client, self.client), (Side::Server, self.server)].into_iter()
    }
}

/// Adds the value of each side.
impl<T: for<'a> AddAssign<&'a T>> AddAssign<&Self> for PerSide<T> {
    fn add_assign(&mut self, other: &Self) {
        self.client += &other.client;
        self.server += &other.server;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_has_its_own_value() {
        let mut names = PerSide::new(Side::name);
        assert_eq!(names, PerSide { client: "client", server: "server" });
        names[Side::Client] = "player";
        assert_eq!((names[Side::Client], names[Side::Server]), ("player", "server"));
        assert!(names.into_iter().eq([(Side::Client, "player"), (Side::Server, "server")]));
    }
}
