//! `session-plaintexts.json`: what the plaintext of a record says.

use serde::{Deserialize, Serialize};

use crate::secure::record::Trailer;
use crate::tests::fixed::Hex;
use crate::{AbortReason, SessionError};

#[derive(Serialize, Deserialize)]
pub(super) struct PlaintextVector {
    name: String,
    plaintext: Hex,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Hex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn vectors() -> Vec<PlaintextVector> {
    let count = 0x0807_0605_0403_0201_u64.to_le_bytes();
    let ack = |bytes: &[u8]| [bytes, &count, &[1]].concat();
    [
        ("data", b"Hello\0".to_vec()),
        ("one byte of data, which looks like a kind", vec![3, 0]),
        ("ack alone", ack(b"")),
        ("ack with bytes before it", ack(b"Hello")),
        ("ack of nothing", [&[0; 8][..], &[1]].concat()),
        ("ack of the largest count", [&[0xff; 8][..], &[1]].concat()),
        ("close", vec![2]),
        ("abort without a reason", vec![0, 3]),
        ("abort for a fault of the peer", vec![1, 3]),
        ("abort as the gateway stops", vec![2, 3]),
        ("abort for a bound", vec![3, 3]),
        ("abort by the operator", vec![4, 3]),
        ("abort as the other end is too slow", vec![5, 3]),
        ("abort as a newer link took the server ID", vec![6, 3]),
        ("abort for a reason of a later version", vec![200, 3]),
        ("data without a byte", vec![0]),
        ("ack with 7 bytes of count", [&[0; 7][..], &[1]].concat()),
        ("ack without a count", vec![1]),
        ("close with something before it", vec![0, 2]),
        ("abort without a byte for the reason", vec![3]),
        ("abort with two bytes for the reason", vec![0, 0, 3]),
        ("first unknown kind", vec![0, 4]),
        ("kind 255", vec![0, 0xff]),
    ]
    .map(|(name, plaintext)| of(name, plaintext))
    .into()
}

pub(super) fn check(vector: &PlaintextVector) {
    let said = of(&vector.name, vector.plaintext.0.clone());
    let fields = |v: &PlaintextVector| (v.kind.clone(), v.bytes.clone(), v.received, v.reason, v.error.clone());
    assert_eq!(fields(&said), fields(vector), "{}", vector.name);
}

fn of(name: &str, plaintext: Vec<u8>) -> PlaintextVector {
    let empty = PlaintextVector {
        name: name.to_owned(),
        plaintext: Hex(plaintext.clone()),
        kind: None,
        bytes: None,
        received: None,
        reason: None,
        error: None,
    };
    let (trailer, bytes) = match Trailer::decode(&plaintext) {
        Ok(decoded) => decoded,
        Err(SessionError::BadRecord { .. }) => return PlaintextVector { error: Some("BadRecord".to_owned()), ..empty },
        Err(other) => panic!("{name}: {other}"),
    };
    let bytes = Some(Hex(plaintext[..bytes].to_vec()));
    let kind = |kind: &str| Some(kind.to_owned());
    match trailer {
        Trailer::Data => PlaintextVector { kind: kind("data"), bytes, ..empty },
        Trailer::Ack { received } => PlaintextVector { kind: kind("ack"), bytes, received: Some(received), ..empty },
        Trailer::Close => PlaintextVector { kind: kind("close"), ..empty },
        Trailer::Abort(reason) => PlaintextVector { kind: kind("abort"), reason: Some(code(reason)), ..empty },
    }
}

fn code(reason: AbortReason) -> u8 {
    reason.to_byte()
}
