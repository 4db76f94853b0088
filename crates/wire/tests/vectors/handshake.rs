//! `handshake.json`: challenges, keys, and which answers to them are good.

use fastway_wire::{Challenge, DIGEST_BYTES, HandshakeError, RESPONSE_BYTES, ServerId};
use serde::{Deserialize, Serialize};

use crate::Hex;

const CHALLENGE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

#[derive(Serialize, Deserialize)]
pub(crate) struct HandshakeVector {
    name: String,
    challenge: Hex,
    key: Hex,
    server: u32,
    response: Hex,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(crate) fn vectors() -> Vec<HandshakeVector> {
    let mut vectors = good_answers();
    vectors.extend(bad_answers());
    vectors
}

pub(crate) fn check(vector: &HandshakeVector) {
    let (name, key, server) = (&vector.name, &vector.key.0, ServerId::new(vector.server));
    let challenge = Challenge::new(vector.challenge.0.as_slice().try_into().unwrap());
    let response: [u8; RESPONSE_BYTES] = vector.response.0.as_slice().try_into().unwrap();
    let verdict = challenge.verify(key, &response);
    match vector.error.as_deref() {
        None => assert_eq!((verdict, challenge.respond(key, server)), (Ok(server), response), "{name}"),
        Some(error) => {
            assert_eq!(error, "WrongKey", "{name}");
            assert_eq!(verdict, Err(HandshakeError::WrongKey { claimed: server }), "{name}");
        }
    }
}

fn good_answers() -> Vec<HandshakeVector> {
    let any_byte: Vec<u8> = (0..=u8::MAX).collect();
    vec![
        good("empty key", CHALLENGE, b"", 1),
        good("key", CHALLENGE, b"secret", 1),
        good("server 0, an ID like any other", CHALLENGE, b"secret", 0),
        good("byte order of the ServerID, which the proof does not cover", CHALLENGE, b"secret", 0x0102_0304),
        good("largest ServerID", CHALLENGE, b"secret", u32::MAX),
        good("challenge of zeros", [0; 8], b"secret", 1),
        good("challenge of zeros, empty key", [0; 8], b"", 1),
        good("challenge of ones", [0xff; 8], b"secret", 1),
        good("key in UTF-8", CHALLENGE, "密钥".as_bytes(), 1),
        good("key longer than a block of MD5, of every byte there is", CHALLENGE, &any_byte, 1),
    ]
}

fn bad_answers() -> Vec<HandshakeVector> {
    let answer = |key: &[u8]| Challenge::new(CHALLENGE).respond(key, ServerId::new(1));
    let flipped = |byte: usize, bit: u8| {
        let mut response = answer(b"secret");
        *response.get_mut(byte).unwrap() ^= bit;
        response
    };
    let reversed = [8, 7, 6, 5, 4, 3, 2, 1];
    vec![
        bad("made with another key", b"secret", answer(b"Secret")),
        bad("made with an empty key", b"secret", answer(b"")),
        bad("made with a key where none is set", b"", answer(b"secret")),
        bad("made with the key and a zero byte", b"secret", answer(b"secret\0")),
        bad("made for another challenge", b"secret", Challenge::new([0; 8]).respond(b"secret", ServerId::new(1))),
        bad(
            "challenge in the wrong byte order",
            b"secret",
            Challenge::new(reversed).respond(b"secret", ServerId::new(1)),
        ),
        bad("first bit of the proof changed", b"secret", flipped(0, 0x80)),
        bad("last bit of the proof changed", b"secret", flipped(DIGEST_BYTES - 1, 0x01)),
        bad("zeros", b"secret", [0; RESPONSE_BYTES]),
        bad("no key helps zeros", b"", [0; RESPONSE_BYTES]),
    ]
}

fn good(name: &str, challenge: [u8; 8], key: &[u8], server: u32) -> HandshakeVector {
    vector(name, challenge, key, Challenge::new(challenge).respond(key, ServerId::new(server)), None)
}

fn bad(name: &str, key: &[u8], response: [u8; RESPONSE_BYTES]) -> HandshakeVector {
    vector(name, CHALLENGE, key, response, Some("WrongKey".to_owned()))
}

fn vector(
    name: &str,
    challenge: [u8; 8],
    key: &[u8],
    response: [u8; RESPONSE_BYTES],
    error: Option<String>,
) -> HandshakeVector {
    HandshakeVector {
        name: name.to_owned(),
        challenge: Hex(challenge.to_vec()),
        key: Hex(key.to_vec()),
        server: u32::from_le_bytes(*response.last_chunk().unwrap()),
        response: Hex(response.to_vec()),
        error,
    }
}
