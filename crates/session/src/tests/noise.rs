//! The published test vectors of the three patterns (`tests/vectors/noise.json`, from the cacophony project).

use serde::Deserialize;

use super::fixed::{Fixed, Hex, read};
use crate::KEY_BYTES;
use crate::secure::noise::{Handshake, Pattern, TransportKeys, public_key};

#[derive(Deserialize)]
struct NoiseVector {
    name: String,
    prologue: Hex,
    psk: Option<Hex>,
    responder_static: Option<Hex>,
    responder_public: Option<Hex>,
    initiator_ephemeral: Hex,
    responder_ephemeral: Hex,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    payload: Hex,
    ciphertext: Hex,
}

#[test]
fn the_published_vectors_hold() {
    let vectors: Vec<NoiseVector> = read("noise.json");
    let names: Vec<&str> = vectors.iter().map(|vector| vector.name.as_str()).collect();
    for pattern in ["NN", "NK", "NNpsk0"] {
        assert!(names.contains(&format!("Noise_{pattern}_25519_ChaChaPoly_SHA256").as_str()), "{pattern}");
    }
    vectors.iter().for_each(check);
}

fn check(vector: &NoiseVector) {
    let key = |hex: &Hex| -> [u8; KEY_BYTES] { hex.0.as_slice().try_into().unwrap() };
    let (private, public) = (vector.responder_static.as_ref().map(key), vector.responder_public.as_ref().map(key));
    let psk = vector.psk.as_ref().map(key);
    assert_eq!(private.and_then(|private| public_key(&private)), public, "{}", vector.name);
    let patterns = match (&psk, &private, &public) {
        (Some(secret), ..) => [Pattern::NnPsk0 { secret }, Pattern::NnPsk0 { secret }],
        (None, Some(private), Some(public)) => [Pattern::NkInitiator { public }, Pattern::NkResponder { private }],
        _ => [Pattern::Nn, Pattern::Nn],
    };
    let [initiators, responders] = patterns;
    let ephemeral = |hex: &Hex| Fixed::new(&[&hex.0]);
    let mut initiator =
        Handshake::initiator(&initiators, &vector.prologue.0, &mut ephemeral(&vector.initiator_ephemeral)).unwrap();
    let mut responder =
        Handshake::responder(&responders, &vector.prologue.0, &mut ephemeral(&vector.responder_ephemeral)).unwrap();

    let [first, second, transport @ ..] = vector.messages.as_slice() else { panic!("{}", vector.name) };
    assert_eq!(initiator.write(&first.payload.0).unwrap(), first.ciphertext.0, "{}", vector.name);
    assert_eq!(*responder.read(&first.ciphertext.0).unwrap(), first.payload.0);
    assert_eq!(responder.write(&second.payload.0).unwrap(), second.ciphertext.0, "{}", vector.name);
    assert_eq!(*initiator.read(&second.ciphertext.0).unwrap(), second.payload.0);
    let keys = [initiator.split().unwrap(), responder.split().unwrap()];
    assert_eq!(transport.len(), 4);
    check_transport(&vector.name, keys, transport);
}

/// The initiator sends first, then they take turns.
fn check_transport(name: &str, [mut initiator, mut responder]: [TransportKeys; 2], messages: &[Message]) {
    for (number, message) in messages.iter().enumerate() {
        let (from, to) =
            if number % 2 == 0 { (&mut initiator, &mut responder) } else { (&mut responder, &mut initiator) };
        let mut sealed = Vec::new();
        from.sealing.batch().unwrap().seal_plaintext(&mut sealed, &message.payload.0).unwrap();
        assert_eq!(sealed[2..], message.ciphertext.0, "{name}, message {number}");
        let opened = to.opening.batch().unwrap().open(&mut sealed, 2).unwrap();
        assert_eq!(sealed[..opened], message.payload.0, "{name}, message {number}");
    }
}
