//! What must hold whatever a stranger sends. Each function takes raw bytes and panics when it does not hold.
//!
//! The fuzz targets call these with bytes that libFuzzer invents; `crates/wire/tests/fuzz_corpora.rs` includes this
//! file and calls them with every file of `corpus/`, on stable and in each test run.

use fastway_wire::{
    CHALLENGE_BYTES, Challenge, Command, CommandError, ConnId, Frame, FrameError, HEADER_BYTES, LEN_BYTES, MIN_PACKET,
    RESPONSE_BYTES, ServerId, encode_data, frame_bytes, split_frame,
};

/// Input: `max_packet` u32, then the bytes of a stream.
pub fn frames(input: &[u8]) {
    let Some((max_packet, mut stream)) = input.split_first_chunk() else { return };
    let max_packet = u32::from_le_bytes(*max_packet);
    loop {
        match split_frame(stream, max_packet) {
            Ok(Some((frame, rest))) => {
                whole_frame(frame, rest, stream, max_packet);
                stream = rest;
            }
            Ok(None) => return incomplete_frame(stream, max_packet),
            Err(error) => return bad_frame(error, stream, max_packet),
        }
    }
}

fn whole_frame(frame: Frame<'_>, rest: &[u8], stream: &[u8], max_packet: u32) {
    let bytes = frame.as_bytes();
    assert!(stream.starts_with(bytes) && stream.len() == bytes.len() + rest.len(), "no byte is lost or doubled");
    assert_eq!(frame_bytes(stream, max_packet), Ok(Some(bytes.len())));
    assert!(bytes.len() <= LEN_BYTES + max_packet as usize);

    let cut = bytes.split_last().map_or(bytes, |(_, cut)| cut);
    assert_eq!(split_frame(cut, max_packet), Ok(None), "a frame needs its last byte");

    let mut sent = Vec::new();
    assert_eq!(encode_data(frame.conn(), frame.payload(), &mut sent), Ok(()));
    assert_eq!(sent, bytes, "a frame has one encoding");
}

fn incomplete_frame(stream: &[u8], max_packet: u32) {
    match frame_bytes(stream, max_packet) {
        Ok(None) => assert!(stream.len() < LEN_BYTES),
        Ok(Some(total)) => assert!(stream.len() < total && total >= HEADER_BYTES),
        Err(error) => unreachable!("{error}: split_frame has not seen it"),
    }
}

fn bad_frame(error: FrameError, stream: &[u8], max_packet: u32) {
    assert_eq!(frame_bytes(stream, max_packet), Err(error));
    match error {
        FrameError::TooShort { len } => assert!(len < MIN_PACKET),
        FrameError::TooLong { len, max } => assert!(len > max && max == max_packet),
    }
}

/// Input: the payload of a frame with ConnID 0.
pub fn command(payload: &[u8]) {
    match Command::decode(payload) {
        Ok(command) => {
            let encoded = command.encode();
            let Ok(Some((frame, []))) = split_frame(&encoded, u32::MAX) else { unreachable!("not one frame") };
            assert_eq!(frame.conn(), ConnId::COMMAND);
            assert!(payload.starts_with(frame.payload()), "a command has one encoding");
            assert_eq!(Command::decode(frame.payload()), Ok(command), "what follows the args changes nothing");
        }
        Err(CommandError::Empty) => assert!(payload.is_empty()),
        Err(CommandError::Unknown { kind }) => assert!(kind > 5 && payload.first() == Some(&kind)),
        Err(CommandError::ShortArgs { kind, need, got }) => {
            assert!(got < need && payload.len() == 1 + got && payload.first() == Some(&(kind as u8)));
        }
    }
}

/// Input: challenge, response, and the rest is the key.
pub fn handshake(input: &[u8]) {
    let Some((challenge, input)) = input.split_first_chunk::<CHALLENGE_BYTES>() else { return };
    let Some((response, key)) = input.split_first_chunk::<RESPONSE_BYTES>() else { return };
    let challenge = Challenge::new(*challenge);
    let [.., s0, s1, s2, s3] = *response;
    let server = ServerId::new(u32::from_le_bytes([s0, s1, s2, s3]));

    let honest = challenge.respond(key, server);
    assert_eq!(challenge.verify(key, &honest), Ok(server));
    assert_eq!(challenge.verify(key, response).is_ok(), *response == honest, "only the honest answer is let in");
}
