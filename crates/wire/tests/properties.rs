//! What must hold for any bytes, not only for the examples in the unit tests.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use fastway_wire::{
    Challenge, Command, CommandKind, ConnId, DIGEST_BYTES, FrameError, HEADER_BYTES, HandshakeError, LEN_BYTES,
    MIN_PACKET, RESPONSE_BYTES, ServerId, encode_data, frame_bytes, split_frame,
};
use proptest::collection::vec;
use proptest::prelude::*;

type Message = (ConnId, Vec<u8>);

/// Everything that can be read from `input`, and the bytes left over.
fn read_all(mut input: &[u8], max_packet: u32) -> Result<(Vec<Message>, Vec<u8>), FrameError> {
    let mut messages = Vec::new();
    while let Some((frame, rest)) = split_frame(input, max_packet)? {
        messages.push((frame.conn(), frame.payload().to_vec()));
        input = rest;
    }
    Ok((messages, input.to_vec()))
}

fn write_all(messages: &[Message]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (conn, payload) in messages {
        encode_data(*conn, payload, &mut stream).unwrap();
    }
    stream
}

fn message() -> impl Strategy<Value = Message> {
    (any::<u32>().prop_map(ConnId::new), vec(any::<u8>(), 0..64))
}

/// Small and huge ones, so that every branch is met.
fn limit() -> impl Strategy<Value = u32> {
    prop_oneof![0..64_u32, any::<u32>()]
}

/// Bytes that often enough start with a `len` that can be met.
fn received() -> impl Strategy<Value = Vec<u8>> {
    let framed = (limit(), vec(any::<u8>(), 0..64)).prop_map(|(len, tail)| [&len.to_le_bytes(), &tail[..]].concat());
    prop_oneof![4 => framed, 1 => vec(any::<u8>(), 0..8)]
}

fn command() -> impl Strategy<Value = Command> {
    let conn = || any::<u32>().prop_map(ConnId::new);
    prop_oneof![
        any::<u32>().prop_map(|remote| Command::Dial { remote }),
        (conn(), any::<u32>()).prop_map(|(conn, remote)| Command::Accept { conn, remote }),
        (conn(), any::<u32>()).prop_map(|(conn, remote)| Command::Connect { conn, remote }),
        any::<u32>().prop_map(|remote| Command::Refuse { remote }),
        conn().prop_map(|conn| Command::Close { conn }),
        Just(Command::Ping),
    ]
}

proptest! {
    #[test]
    fn messages_are_read_back_in_order(messages in vec(message(), 0..20)) {
        let (read, rest) = read_all(&write_all(&messages), 68).unwrap();
        prop_assert_eq!(read, messages);
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn it_does_not_matter_where_a_stream_is_cut(messages in vec(message(), 1..8), cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        let stream = write_all(&messages);
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        ends.sort_unstable();
        ends.push(stream.len());

        let (mut read, mut waiting, mut start) = (Vec::new(), Vec::new(), 0);
        for end in ends {
            waiting.extend_from_slice(&stream[start..end]);
            let (mut messages, rest) = read_all(&waiting, 68).unwrap();
            read.append(&mut messages);
            (waiting, start) = (rest, end);
        }
        prop_assert_eq!(read, messages);
        prop_assert!(waiting.is_empty());
    }

    #[test]
    fn any_bytes_give_frames_of_these_bytes_or_an_error(input in received(), max_packet in limit()) {
        match split_frame(&input, max_packet) {
            Ok(Some((frame, rest))) => {
                prop_assert_eq!([frame.as_bytes(), rest].concat(), input.as_slice());
                prop_assert_eq!(&frame.as_bytes()[HEADER_BYTES..], frame.payload());
            }
            Ok(None) => prop_assert!(frame_bytes(&input, max_packet).unwrap().is_none_or(|total| total > input.len())),
            Err(error) => prop_assert_eq!(frame_bytes(&input, max_packet), Err(error)),
        }
    }

    #[test]
    fn len_is_accepted_exactly_within_its_limits(len in limit(), max in limit()) {
        let expected = match len {
            len if len < MIN_PACKET => Err(FrameError::TooShort { len }),
            len if len > max => Err(FrameError::TooLong { len, max }),
            len => Ok(Some(LEN_BYTES + len as usize)),
        };
        prop_assert_eq!(frame_bytes(&len.to_le_bytes(), max), expected);
    }

    #[test]
    fn commands_are_read_back_whatever_follows_them(command in command(), tail in vec(any::<u8>(), 0..16)) {
        let encoded = command.encode();
        let (frame, rest) = split_frame(&encoded, 13).unwrap().unwrap();
        prop_assert!(frame.conn().is_command() && rest.is_empty());
        prop_assert_eq!(Command::decode(&[frame.payload(), &tail].concat()), Ok(command));
    }

    #[test]
    fn any_payload_is_a_command_or_an_error(kind in prop_oneof![0..8_u8, any::<u8>()], args in vec(any::<u8>(), 0..16)) {
        let payload = [&[kind], args.as_slice()].concat();
        match Command::decode(&payload) {
            Ok(command) => prop_assert!(payload.starts_with(&command.encode()[HEADER_BYTES..])),
            Err(_) => prop_assert!(CommandKind::try_from(kind).is_err() || args.len() < 8),
        }
    }

    #[test]
    fn who_knows_the_key_is_let_in(challenge: [u8; 8], key in vec(any::<u8>(), 0..40), server: u32) {
        let (challenge, server) = (Challenge::new(challenge), ServerId::new(server));
        prop_assert_eq!(challenge.verify(&key, &challenge.respond(&key, server)), Ok(server));
    }

    #[test]
    fn another_key_is_refused(challenge: [u8; 8], key in vec(any::<u8>(), 0..40), other in vec(any::<u8>(), 0..40), server: u32) {
        prop_assume!(key != other);
        let (challenge, server) = (Challenge::new(challenge), ServerId::new(server));
        let refused = Err(HandshakeError::WrongKey { claimed: server });
        prop_assert_eq!(challenge.verify(&other, &challenge.respond(&key, server)), refused);
    }

    #[test]
    fn an_answer_to_another_challenge_is_refused(mine: [u8; 8], other: [u8; 8], server: u32) {
        prop_assume!(mine != other);
        let answer = Challenge::new(other).respond(b"key", ServerId::new(server));
        prop_assert!(Challenge::new(mine).verify(b"key", &answer).is_err());
    }

    #[test]
    fn a_changed_proof_is_refused(challenge: [u8; 8], at in 0..DIGEST_BYTES, flip in 1..=u8::MAX) {
        let challenge = Challenge::new(challenge);
        let mut response: [u8; RESPONSE_BYTES] = challenge.respond(b"key", ServerId::new(1));
        response[at] ^= flip;
        prop_assert!(challenge.verify(b"key", &response).is_err());
    }
}
