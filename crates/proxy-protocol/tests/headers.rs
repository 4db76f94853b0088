//! Headers byte by byte, by the specification's own words.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::net::SocketAddr;

use fastway_proxy_protocol::{
    Beginning, HEAD_BYTES, Header, HeaderError, MAX_BODY_BYTES, MAX_HEADER_BYTES, MAX_LINE_BYTES, Origin, Signature,
    read, signature,
};
use proptest::prelude::*;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2.
fn v2(version_and_command: u8, family_and_transport: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version_and_command, family_and_transport], &length, body].concat()
}

/// 192.0.2.1:1000 to 192.0.2.2:2000.
const INET: &[u8] = &[192, 0, 2, 1, 192, 0, 2, 2, 1000u16.to_be_bytes()[0], 1000u16.to_be_bytes()[1], 7, 208];

fn inet6() -> Vec<u8> {
    let mut body = [0; 36];
    (body[..4]).copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
    (body[15], body[31], body[33], body[35]) = (1, 2, 80, 90);
    body.into()
}

fn value(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind][..], &length, value].concat()
}

fn origin(bytes: &[u8]) -> Result<Origin, HeaderError> {
    match read(bytes)? {
        Beginning::Header(Header { origin, bytes: length }) => {
            assert_eq!(length, bytes.len(), "{}", bytes.escape_ascii());
            Ok(origin)
        }
        other => panic!("{other:?}: {}", bytes.escape_ascii()),
    }
}

fn peer(address: &str) -> Result<Origin, HeaderError> {
    Ok(Origin::Peer(address.parse().unwrap()))
}

#[test]
fn a_line_of_version_1_has_the_address_of_the_peer() {
    for (line, expected) in [
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", peer("192.168.0.1:56324")),
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", peer("255.255.255.255:65535")),
        ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", peer("0.0.0.0:0")),
        ("PROXY TCP6 2001:DB8::1 ::1 1 65535\r\n", peer("[2001:db8::1]:1")),
        ("PROXY TCP6 ::ffff:192.0.2.1 :: 1 2\r\n", peer("[::ffff:192.0.2.1]:1")),
        ("PROXY UNKNOWN\r\n", Ok(Origin::Socket)),
        ("PROXY UNKNOWN ffff::1 whatever\n 65535 \r\n", Ok(Origin::Socket)),
    ] {
        assert_eq!(origin(line.as_bytes()), expected, "{line:?}");
    }
    let longest = format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    assert_eq!((longest.len(), origin(longest.as_bytes())), (MAX_LINE_BYTES, Ok(Origin::Socket)));
}

#[test]
fn a_line_that_is_not_exactly_by_the_specification_is_refused() {
    use HeaderError::{Fields, LongLine, Port, Protocol};
    for (line, expected) in [
        ("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", Protocol),
        ("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", Protocol),
        ("PROXY TCP4\r\n", Protocol),
        ("PROXY UNKNOWNS\r\n", Protocol),
        ("PROXY \r\n", Protocol),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", Fields),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", Fields),
        ("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", Fields),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", Fields),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", Port),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", Port),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", Port),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", Port),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n", Port),
    ] {
        assert_eq!(read(line.as_bytes()), Err(expected), "{line:?}");
    }
    for line in [
        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 x 1 2\r\n",
        "PROXY TCP6 1.2.3.4 ::1 1 2\r\n",
        "PROXY TCP6 ::1%eth0 ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n",
    ] {
        assert!(matches!(read(line.as_bytes()), Err(HeaderError::Address(_))), "{line:?}");
    }
    let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; MAX_LINE_BYTES]].concat();
    assert_eq!(read(&endless[..MAX_LINE_BYTES - 1]), Ok(Beginning::Part));
    assert_eq!(read(&endless), Err(LongLine));
    let one_too_many = [&endless[..MAX_LINE_BYTES - 1], b"\r\n"].concat();
    assert_eq!(read(&one_too_many), Err(LongLine), "the line end is part of the line");
    assert_eq!(read(b"PROXY \xff\xff 1 2 3 4\r\n"), Err(Protocol));
}

#[test]
fn a_header_of_version_2_has_the_address_of_the_peer() {
    for (header, expected) in [
        (v2(0x21, 0x11, INET), peer("192.0.2.1:1000")),
        (v2(0x21, 0x12, INET), peer("192.0.2.1:1000")),
        (v2(0x21, 0x21, &inet6()), peer("[2001:db8::1]:80")),
        (v2(0x21, 0x22, &inet6()), peer("[2001:db8::1]:80")),
        (v2(0x21, 0x31, &[0; 216]), Ok(Origin::Socket)),
        (v2(0x21, 0x32, &[b'/'; 216]), Ok(Origin::Socket)),
        (v2(0x21, 0x00, &[]), Ok(Origin::Socket)),
        (v2(0x21, 0x00, b"who knows"), Ok(Origin::Socket)),
        (v2(0x21, 0x10, INET), Ok(Origin::Socket)),
        (v2(0x20, 0x00, &[]), Ok(Origin::Socket)),
        (v2(0x20, 0x11, INET), Ok(Origin::Socket)),
        (v2(0x20, 0xff, b"a LOCAL header is skipped by its length"), Ok(Origin::Socket)),
    ] {
        assert_eq!(origin(&header), expected, "{}", header.escape_ascii());
    }
}

#[test]
fn a_header_of_version_2_that_cannot_be_understood_is_refused() {
    for (header, expected) in [
        (v2(0x11, 0x11, INET), HeaderError::Version(1)),
        (v2(0x31, 0x11, INET), HeaderError::Version(3)),
        (v2(0x22, 0x11, INET), HeaderError::Command(2)),
        (v2(0x21, 0x41, INET), HeaderError::Family(0x41)),
        (v2(0x21, 0x13, INET), HeaderError::Family(0x13)),
        (v2(0x21, 0x11, &INET[1..]), HeaderError::ShortAddresses { bytes: 11, need: 12 }),
        (v2(0x21, 0x21, INET), HeaderError::ShortAddresses { bytes: 12, need: 36 }),
        (v2(0x21, 0x31, &[0; 215]), HeaderError::ShortAddresses { bytes: 215, need: 216 }),
        (v2(0x21, 0x11, &[INET, &[4]].concat()), HeaderError::Values),
        (v2(0x21, 0x11, &[INET, &[4, 0]].concat()), HeaderError::Values),
        (v2(0x21, 0x11, &[INET, &[4, 0, 1]].concat()), HeaderError::Values),
        (v2(0x21, 0x11, &[INET, &value(3, &[1, 2, 3, 4])].concat()), HeaderError::Checksum),
        (v2(0x21, 0x11, &[INET, &value(3, &[1, 2, 3])].concat()), HeaderError::Checksum),
    ] {
        assert_eq!(read(&header), Err(expected), "{}", header.escape_ascii());
    }
}

#[test]
fn values_behind_the_addresses_are_skipped() {
    let values =
        [value(2, b"example.com"), value(4, &[0; 100]), value(0x20, b"\x01\0\0\0\0"), value(0xee, b"")].concat();
    assert_eq!(origin(&v2(0x21, 0x11, &[INET, &values].concat())), peer("192.0.2.1:1000"));

    let room = MAX_BODY_BYTES - INET.len() - 3;
    assert_eq!(origin(&v2(0x21, 0x11, &[INET, &value(4, &vec![0; room])].concat())), peer("192.0.2.1:1000"));
    let too_long = v2(0x21, 0x11, &[INET, &value(4, &vec![0; room + 1])].concat());
    assert_eq!(
        read(&too_long[..HEAD_BYTES]),
        Err(HeaderError::LongBody(4097)),
        "it is refused before its body has come"
    );
}

#[test]
fn a_checksum_is_checked() {
    let with = |checksum: u32| {
        let body = [INET, &value(5, b"id"), &value(3, &checksum.to_be_bytes()), &value(0x30, b"blue")].concat();
        v2(0x21, 0x11, &body)
    };
    let good = with(0xBFCA_1BDB);
    assert_eq!(origin(&good), peer("192.0.2.1:1000"));
    let addresses = HEAD_BYTES..HEAD_BYTES + INET.len();
    for bit in 8 * addresses.start..8 * addresses.end {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read(&flipped), Err(HeaderError::Checksum), "bit {bit}");
    }
}

#[test]
fn what_is_no_header_is_known_by_its_first_different_byte() {
    for (first, expected) in [
        (&b""[..], Signature::Part),
        (b"P", Signature::Part),
        (b"PROXY", Signature::Part),
        (b"PROXY ", Signature::V1),
        (b"P\0\0\0", Signature::Absent),
        (b"PROXY\r\n", Signature::Absent),
        (b"\r\n\r\n\0\r\nQUIT", Signature::Part),
        (b"\r\n\r\n\0\r\nQUIT\n", Signature::V2),
        (b"\r\n\r\n\0\r\nQUIT\r", Signature::Absent),
        (b"\r\0\0\0", Signature::Absent),
        (b"\0", Signature::Absent),
        (b"\x01", Signature::Absent),
        (b"\x16\x03", Signature::Absent),
    ] {
        assert_eq!(signature(first), expected, "{}", first.escape_ascii());
    }
    assert_eq!(read(b"GET / HTTP/1.1\r\n"), Ok(Beginning::Other));
}

/// Headers that are good, of both versions.
fn good_headers() -> impl Strategy<Value = (Vec<u8>, Origin)> {
    let v1 = (any::<SocketAddr>(), any::<u16>()).prop_map(|(source, port)| {
        // A scope and a flow are no part of an address on a wire.
        let source = SocketAddr::new(source.ip(), source.port());
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {family} {0} {0} {1} {port}\r\n", source.ip(), source.port());
        (line.into_bytes(), Origin::Peer(source))
    });
    let values = prop::collection::vec((4..=0xffu8, prop::collection::vec(any::<u8>(), 0..40)), 0..6);
    let v2 = (any::<SocketAddr>(), 1..=2u8, values).prop_map(|(source, transport, values)| {
        let source = SocketAddr::new(source.ip(), source.port());
        let (family, address) = match source {
            SocketAddr::V4(source) => (0x10, source.ip().octets().to_vec()),
            SocketAddr::V6(source) => (0x20, source.ip().octets().to_vec()),
        };
        let values: Vec<u8> = values.iter().flat_map(|(kind, content)| value(*kind, content)).collect();
        let ports = [source.port().to_be_bytes(), [0, 9]].concat();
        (v2(0x21, family | transport, &[&address[..], &address, &ports, &values].concat()), Origin::Peer(source))
    });
    prop_oneof![v1, v2]
}

/// What headers begin with, as far as chance would not find it.
const STARTS: [&[u8]; 5] = [b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"];

proptest! {
    #[test]
    fn a_good_header_is_read_whatever_follows_and_waited_for_until_it_is_whole(
        (header, origin) in good_headers(),
        rest in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let whole = Beginning::Header(Header { origin, bytes: header.len() });
        prop_assert_eq!(read(&[&header[..], &rest].concat()), Ok(whole));
        for end in 0..header.len() {
            prop_assert_eq!(read(&header[..end]), Ok(Beginning::Part), "{} of {} bytes", end, header.len());
        }
    }

    #[test]
    fn more_bytes_never_change_a_verdict(
start in prop::sample::select(&STARTS),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [start, &bytes].concat();
        let mut last = Ok(Beginning::Part);
        for end in 0..=bytes.len() {
            let now = read(&bytes[..end]);
            if last != Ok(Beginning::Part) {
                prop_assert_eq!(&now, &last);
            }
            last = now;
        }
    }

    #[test]
    fn no_more_than_the_longest_header_is_ever_needed(bytes in prop::collection::vec(any::<u8>(), MAX_HEADER_BYTES)) {
        for start in [&b"PROXY "[..], SIGNATURE, b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x10\x00"] {
            let bytes = [start, &bytes].concat();
            prop_assert_ne!(read(&bytes[..MAX_HEADER_BYTES]), Ok(Beginning::Part));
        }
    }
}
