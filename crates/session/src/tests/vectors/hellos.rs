//! `session-hellos.json`: the first bytes of a transport, and what an acceptor makes of them.

use serde::{Deserialize, Serialize};

use crate::tests::fixed::Hex;
use crate::{HelloError, Pattern, Protocol, Reception, Request, SessionName};

#[derive(Serialize, Deserialize)]
pub(super) struct HelloVector {
    name: String,
    bytes: Hex,
    link: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    asks: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Hex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn vectors() -> Vec<HelloVector> {
    let id: Vec<u8> = (1..=16).collect();
    let resume = |len: u16, message: &[u8]| [&[2][..], &id, &[7, 0, 0, 0], &len.to_le_bytes(), message].concat();
    let open = |pattern: u8, len: u16, message: &[u8]| [&[1, pattern][..], &len.to_le_bytes(), message].concat();
    let reconnect = [&[0xff][..], &[5; 8], &[0; 32]].concat();
    [
        ("open NN", open(0, 32, &[9; 32])),
        ("open NK", open(1, 48, &[9; 48])),
        ("open with an unknown pattern", open(2, 1, &[9])),
        ("open with an empty message", open(0, 0, &[])),
        ("open with the longest message", open(0, 1024, &[9; 1024])),
        ("resume", resume(56, &[9; 56])),
        ("legacy new", [&[0][..], &[4; 8]].concat()),
        ("legacy reconnect", reconnect.clone()),
        ("a plain Dial", vec![9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]),
        ("a plain Ping", vec![5, 0, 0, 0, 0, 0, 0, 0, 5]),
        ("open, a byte is missing", open(0, 32, &[9; 31])),
        ("open, half of the length", vec![1, 0, 32]),
        ("resume, a byte is missing", resume(56, &[9; 55])),
        ("resume, only the first byte", vec![2]),
        ("legacy new, a byte is missing", [&[0][..], &[4; 7]].concat()),
        ("legacy reconnect, a byte is missing", reconnect[..40].to_vec()),
        ("open with a byte behind it", open(0, 32, &[9; 33])),
        ("resume with a byte behind it", resume(56, &[9; 57])),
        ("legacy new with a byte behind it", [&[0][..], &[4; 9]].concat()),
        ("legacy reconnect with a byte behind it", [&reconnect[..], &[1]].concat()),
        ("open with a message that is too long", open(0, 1025, &[])),
        ("resume with a message that is too long", resume(0xffff, &[])),
    ]
    .map(|(name, bytes)| of(name, bytes))
    .into()
}

pub(super) fn check(vector: &HelloVector) {
    let said = of(&vector.name, vector.bytes.0.clone());
    let fields = |v: &HelloVector| (v.link.clone(), v.asks.clone(), v.pattern, v.session.clone(), v.error.clone());
    assert_eq!(fields(&said), fields(vector), "{}", vector.name);
}

fn of(name: &str, bytes: Vec<u8>) -> HelloVector {
    let link = match Protocol::of(bytes[0]) {
        Protocol::Plain => "plain",
        Protocol::Secure => "secure",
        Protocol::Legacy => "legacy",
    };
    let empty = HelloVector {
        name: name.to_owned(),
        bytes: Hex(bytes.clone()),
        link: link.to_owned(),
        asks: None,
        pattern: None,
        session: None,
        error: None,
    };
    // However it comes in pieces, the answer is the same.
    let mut piecewise = Reception::default();
    let last = bytes.iter().map(|byte| piecewise.receive(&[*byte])).find(|answer| !matches!(answer, Ok(None)));
    let whole = Reception::default().receive(&bytes);
    match whole {
        Err(error) => HelloVector { error: Some(name_of(error).to_owned()), ..empty },
        Ok(None) => empty,
        Ok(Some(request)) => {
            assert!(matches!(last, Some(Ok(Some(_)))), "{name}");
            asked(request, empty)
        }
    }
}

fn asked(request: Request, empty: HelloVector) -> HelloVector {
    match request {
        Request::Open(open) => {
            let pattern = open.pattern().map(Pattern::to_byte);
            HelloVector { asks: Some("open".to_owned()), pattern, ..empty }
        }
        Request::Resume(resume) => {
            let session = match resume.name() {
                SessionName::Secure(id) => id.as_bytes().to_vec(),
                SessionName::Legacy(number) => number.to_le_bytes().to_vec(),
            };
            HelloVector { asks: Some("resume".to_owned()), session: Some(Hex(session)), ..empty }
        }
    }
}

fn name_of(error: HelloError) -> &'static str {
    match error {
        HelloError::NoSession(_) => "NoSession",
        HelloError::BadLength { .. } => "BadLength",
        HelloError::Early { .. } => "Early",
    }
}
