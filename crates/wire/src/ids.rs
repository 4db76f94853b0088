//! IDs on the wire (`docs/protocol.md` §1.1, §1.2), a type for each, so that the compiler tells them apart.

use std::fmt;

macro_rules! u32_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// The ID with this number on the wire.
            pub const fn new(id: u32) -> Self {
                Self(id)
            }

            /// Its number on the wire.
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

u32_id! {
    /// A virtual connection, or [`ConnId::COMMAND`] (`docs/protocol.md` §1).
    ConnId
}

u32_id! {
    /// The gateway's ID of a client's link, as servers see it in `Connect` and use it in `Dial`.
    ClientId
}

u32_id! {
    /// The ID with which a server registers, and which clients dial. 0 is a valid ID.
    ServerId
}

impl ConnId {
    /// The ConnID of commands. It is never a connection.
    pub const COMMAND: Self = Self(0);

    /// Whether a frame with this ConnID carries a command instead of data.
    pub const fn is_command(self) -> bool {
        self.0 == Self::COMMAND.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_conn_id_0_is_a_command() {
        assert!(ConnId::new(0).is_command());
        assert!(!ConnId::new(1).is_command());
        assert!(!ConnId::new(u32::MAX).is_command());
    }

    #[test]
    fn ids_show_as_plain_numbers_and_keep_the_padding_asked_for() {
        assert_eq!(ConnId::new(9527).to_string(), "9527");
        assert_eq!(format!("{:>4}|{:04}", ClientId::new(7), ServerId::new(0)), "   7|0000");
    }
}
