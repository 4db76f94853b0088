//! What players say: bytes that look random and belong to one message alone, so that nothing can pass for another.

use std::fmt;

/// Shortest message: its name.
pub(crate) const LEAST_BYTES: usize = 3 * size_of::<u32>();

/// Longest message. With it, what a player has in flight stays below half of what the gateway keeps for a slow one.
pub(crate) const MOST_BYTES: usize = 64 << 10;

/// What is said on each connection.
#[derive(Debug)]
pub(crate) struct Script {
    /// Messages on each connection.
    pub(crate) messages: u32,
    /// Their sizes, by turns; not empty.
    sizes: Vec<usize>,
}

/// A connection of a player, as people count: from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) player: u32,
    pub(crate) server: u32,
}

/// How what came back differs from what was sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Messages are missing, or were overtaken.
    Early(u32),
    /// One that has come before.
    Again(u32),
    /// One of another connection.
    Strange(Line),
    Length(usize),
    Byte {
        index: usize,
        sent: u8,
        came: u8,
    },
}

impl Script {
    pub(crate) fn new(messages: u32, sizes: Vec<usize>) -> Self {
        Self { messages, sizes }
    }

    /// The message `number` (from 1) of a connection: the connection, the number, and bytes that follow from both.
    pub(crate) fn message(&self, line: Line, number: u32) -> Vec<u8> {
        let bytes = self.sizes.iter().cycle().nth(number as usize % self.sizes.len()).copied().unwrap_or(LEAST_BYTES);
        let mut message = Vec::with_capacity(bytes + size_of::<u64>());
        for part in [line.player, line.server, number] {
            message.extend_from_slice(&part.to_le_bytes());
        }
        let mut noise = Noise::of(line, number);
        while message.len() < bytes {
            message.extend_from_slice(&noise.next().to_le_bytes());
        }
        message.truncate(bytes);
        message
    }

    /// Compares what came back where message `number` is due.
    ///
    /// # Errors
    /// It is not that message, byte for byte.
    pub(crate) fn compare(&self, line: Line, number: u32, came: &[u8]) -> Result<(), Fault> {
        let sent = self.message(line, number);
        match sent == came {
            true => Ok(()),
            false => Err(self.find_fault(line, &sent, number, came)),
        }
    }

    fn find_fault(&self, line: Line, sent: &[u8], number: u32, came: &[u8]) -> Fault {
        match self.recognise(came) {
            Some((other, _)) if other != line => Fault::Strange(other),
            Some((_, other)) if other > number => Fault::Early(other),
            Some((_, other)) => Fault::Again(other),
            None if sent.len() != came.len() => Fault::Length(came.len()),
            None => first_difference(sent, came),
        }
    }

    /// Which message this is, if it is one of ours, and whole.
    fn recognise(&self, came: &[u8]) -> Option<(Line, u32)> {
        let (words, _) = came.as_chunks::<4>();
        let [player, server, number] = words.first_chunk::<3>()?.map(u32::from_le_bytes);
        let line = Line { player, server };
        (self.message(line, number) == came).then_some((line, number))
    }
}

fn first_difference(sent: &[u8], came: &[u8]) -> Fault {
    let mut pairs = sent.iter().zip(came).enumerate();
    let (index, (&sent, &came)) = pairs.find(|(_, (sent, came))| sent != came).unwrap_or((0, (&0, &0)));
    Fault::Byte { index, sent, came }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "player {}, connection to game server {}", self.player, self.server)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Early(number) => write!(f, "message {number} came instead: lost or overtaken"),
            Self::Again(number) => write!(f, "message {number} came instead, a second time"),
            Self::Strange(line) => write!(f, "a message of another connection came instead ({line})"),
            Self::Length(bytes) => write!(f, "{bytes} bytes came, which is not its length"),
            Self::Byte { index, sent, came } => write!(f, "byte {index} came back as {came:#04x}, not {sent:#04x}"),
        }
    }
}

/// A small generator of pseudo-random numbers (xorshift64*): the same in every run, so that a failure can be repeated.
struct Noise(u64);

impl Noise {
    fn of(line: Line, number: u32) -> Self {
        let name = u64::from(line.player) << 34 ^ u64::from(line.server) << 32 ^ u64::from(number);
        Self(name.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}
