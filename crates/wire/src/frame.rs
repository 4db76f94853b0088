//! Frames: the layout of all messages on a link, in both directions (`docs/protocol.md` §1.1).
//!
//! ```text
//! 0         4         8
//! | len u32 | connID  | payload …           len counts connID and payload
//! ```

use crate::ConnId;

/// Bytes of the `len` field. They are not counted by `len` itself.
pub const LEN_BYTES: usize = 4;
/// Bytes of the `connID` field.
pub const CONN_ID_BYTES: usize = 4;
/// Bytes before the payload: `len` and `connID`.
pub const HEADER_BYTES: usize = LEN_BYTES + CONN_ID_BYTES;
/// The smallest `len`: a ConnID and no payload.
pub const MIN_PACKET: u32 = 4;

/// A complete frame, parsed in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    conn: ConnId,
    payload: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The virtual connection that the payload belongs to, or [`ConnId::COMMAND`].
    #[inline]
    pub const fn conn(&self) -> ConnId {
        self.conn
    }

    /// The bytes after the ConnID: data, or a command for [`Command::decode`](crate::Command::decode).
    #[inline]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The whole frame as it was received, header included.
    #[inline]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline]
    fn from_whole(bytes: &'a [u8]) -> Option<Self> {
        let (_len, packet) = bytes.split_first_chunk::<LEN_BYTES>()?;
        let (conn, payload) = packet.split_first_chunk::<CONN_ID_BYTES>()?;
        Some(Self { conn: ConnId::new(u32::from_le_bytes(*conn)), payload, bytes })
    }
}

/// A `len` out of bounds. The receiver closes the link, as it cannot find the next frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// `len` leaves no room for the ConnID.
    #[error("the peer sent a frame with len {len}; len counts the ConnID, so it is at least {MIN_PACKET}")]
    TooShort {
        /// The `len` received.
        len: u32,
    },
    /// `len` is above the limit of the receiving side.
    #[error("the peer sent a frame with len {len}; at most {max} is accepted here (the MaxPacket setting)")]
    TooLong {
        /// The `len` received.
        len: u32,
        /// The largest `len` accepted.
        max: u32,
    },
}

/// Splits `input` into its first frame and the bytes behind it; `None` while that frame is incomplete.
///
/// `max_packet` is the largest `len` accepted, in bytes.
///
/// # Errors
/// A `len` out of bounds is reported as soon as its four bytes are there.
#[inline]
pub fn split_frame(input: &[u8], max_packet: u32) -> Result<Option<(Frame<'_>, &[u8])>, FrameError> {
    let Some(total) = frame_bytes(input, max_packet)? else { return Ok(None) };
    let Some((bytes, rest)) = input.split_at_checked(total) else { return Ok(None) };
    Ok(Frame::from_whole(bytes).map(|frame| (frame, rest)))
}

/// The length in bytes, `len` field included, of the frame that `input` starts with; `None` while the `len`
/// field is incomplete. The frame itself need not be there yet, so a receiver can make room for it.
///
/// # Errors
/// The same as [`split_frame`].
#[inline]
pub fn frame_bytes(input: &[u8], max_packet: u32) -> Result<Option<usize>, FrameError> {
    let Some(len) = input.first_chunk::<LEN_BYTES>() else { return Ok(None) };
    match u32::from_le_bytes(*len) {
        len if len < MIN_PACKET => Err(FrameError::TooShort { len }),
        len if len > max_packet => Err(FrameError::TooLong { len, max: max_packet }),
        // Saturates only where usize has 32 bits; no slice is that long, so such a frame stays incomplete.
        len => Ok(Some(LEN_BYTES.saturating_add(len as usize))),
    }
}

/// The ConnID in a frame's header, for a receiver that has the rest of the frame elsewhere.
#[inline]
pub const fn header_conn(header: [u8; HEADER_BYTES]) -> ConnId {
    let [_, _, _, _, c0, c1, c2, c3] = header;
    ConnId::new(u32::from_le_bytes([c0, c1, c2, c3]))
}

/// A payload whose frame would need a `len` beyond 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a payload of {payload_bytes} bytes does not fit a frame; send at most {} bytes", u32::MAX - MIN_PACKET)]
pub struct PayloadTooLong {
    /// Length of the payload in bytes.
    pub payload_bytes: usize,
}

/// The header of a frame with `payload_len` bytes of payload, for senders that write the payload from elsewhere.
///
/// With [`ConnId::COMMAND`] the receiver reads the payload as a command.
///
/// # Errors
/// `len` would not fit its field. The receiver's MaxPacket is not known here, and not checked.
#[inline]
pub const fn data_header(conn: ConnId, payload_len: u32) -> Result<[u8; HEADER_BYTES], PayloadTooLong> {
    let Some(len) = MIN_PACKET.checked_add(payload_len) else {
        return Err(PayloadTooLong { payload_bytes: payload_len as usize });
    };
    let [l0, l1, l2, l3] = len.to_le_bytes();
    let [c0, c1, c2, c3] = conn.get().to_le_bytes();
    Ok([l0, l1, l2, l3, c0, c1, c2, c3])
}

/// Appends a frame to `out`; leaves `out` as it was when there is an error.
///
/// # Errors
/// The same as [`data_header`].
pub fn encode_data(conn: ConnId, payload: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadTooLong> {
    let too_long = PayloadTooLong { payload_bytes: payload.len() };
    let payload_len = u32::try_from(payload.len()).map_err(|_| too_long)?;
    let header = data_header(conn, payload_len)?;
    out.reserve(HEADER_BYTES + payload.len());
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = b"\x09\0\0\0\x37\x25\0\0Hello";

    #[test]
    fn a_frame_is_split_off_in_place() {
        let input = [HELLO, b"next"].concat();
        let (frame, rest) = split_frame(&input, 9).unwrap().unwrap();
        assert_eq!(frame.conn(), ConnId::new(9527));
        assert_eq!(frame.payload(), b"Hello");
        assert_eq!(frame.as_bytes(), HELLO);
        assert_eq!(rest, b"next");
    }

    #[test]
    fn a_frame_is_incomplete_until_its_last_byte() {
        for cut in 0..HELLO.len() {
            assert_eq!(split_frame(&HELLO[..cut], 9), Ok(None), "cut at {cut}");
            assert_eq!(frame_bytes(&HELLO[..cut], 9), Ok((cut >= LEN_BYTES).then_some(13)), "cut at {cut}");
        }
    }

    #[test]
    fn len_is_judged_as_soon_as_it_is_there() {
        for len in 0..MIN_PACKET {
            assert_eq!(split_frame(&len.to_le_bytes(), 9), Err(FrameError::TooShort { len }));
        }
        for len in [10, u32::MAX] {
            assert_eq!(split_frame(&len.to_le_bytes(), 9), Err(FrameError::TooLong { len, max: 9 }));
        }
        assert_eq!(split_frame(&u32::MAX.to_le_bytes(), u32::MAX), Ok(None));
    }

    #[test]
    fn headers_stop_where_len_has_no_more_room() {
        let longest = u32::MAX - MIN_PACKET;
        assert_eq!(data_header(ConnId::new(1), longest), Ok([255, 255, 255, 255, 1, 0, 0, 0]));
        let error = data_header(ConnId::new(1), longest + 1).unwrap_err();
        assert_eq!(error, PayloadTooLong { payload_bytes: 4_294_967_292 });
        assert!(error.to_string().contains("4294967292 bytes"), "{error}");
    }

    #[test]
    fn data_is_appended() {
        let mut out = b"before".to_vec();
        encode_data(ConnId::new(9527), b"Hello", &mut out).unwrap();
        assert_eq!(out, [b"before", HELLO].concat());
    }

    #[test]
    fn errors_name_the_fault_and_the_value() {
        let text = FrameError::TooLong { len: 10, max: 9 }.to_string();
        assert!(text.starts_with("the peer sent a frame with len 10; at most 9"), "{text}");
        let text = FrameError::TooShort { len: 3 }.to_string();
        assert!(text.contains("len 3") && text.contains("at least 4"), "{text}");
    }
}
