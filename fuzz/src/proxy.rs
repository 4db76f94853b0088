//! What must hold whatever a stranger sends. Each function takes raw bytes and panics when it does not hold.
//!
//! The fuzz targets call these with bytes that libFuzzer invents; `crates/proxy-protocol/tests/fuzz_corpora.rs` includes
//! this file and calls them with every file of `corpus/`, on stable and in each test run.

use fastway_proxy_protocol::{Beginning, Header, MAX_HEADER_BYTES, Signature, read, signature};

/// Input: the first bytes of a stream.
pub fn proxy_header(input: &[u8]) {
    let whole = read(input);
    match &whole {
        Ok(Beginning::Other) => assert_eq!(signature(input), Signature::Absent),
        Ok(Beginning::Part) => assert!(input.len() < MAX_HEADER_BYTES, "no more bytes are needed"),
        Ok(Beginning::Header(Header { bytes, .. })) => {
            assert!(*bytes <= input.len() && *bytes <= MAX_HEADER_BYTES);
            let header = input.get(..*bytes).unwrap_or_default();
            assert_eq!(read(header), whole, "what follows changes nothing");
            assert_eq!(read(header.split_last().map_or(header, |(_, cut)| cut)), Ok(Beginning::Part));
        }
        Err(_) => assert!(matches!(signature(input), Signature::V1 | Signature::V2)),
    }

    // Bytes that come one after the other change no verdict.
    let first = (0..=input.len()).find_map(|end| {
        let verdict = read(input.get(..end).unwrap_or_default());
        (verdict != Ok(Beginning::Part)).then_some(verdict)
    });
    assert_eq!(first.unwrap_or(Ok(Beginning::Part)), whole);
}
