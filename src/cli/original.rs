//! Values that the original gateway's command line takes, in the flags that are written as the original writes them.
//!
//! Its integers are those of Go's `strconv.ParseInt` with base 0: a sign, `0x`, `0o`, `0b`, a leading zero for octal,
//! and underscores. Elsewhere a leading zero means decimal to some readers and octal to others, so it is refused.

/// The integer flags of the original, as it spells them.
const INTEGERS: [&str; 12] = [
    "MaxPacket",
    "MemPoolFactor",
    "MemPoolMinChunk",
    "MemPoolMaxChunk",
    "MemPoolPageSize",
    "ClientMaxConn",
    "ClientBufferSize",
    "ClientSendChanSize",
    "ClientSnetBuffer",
    "ServerBufferSize",
    "ServerSendChanSize",
    "ServerSnetBuffer",
];

/// Its addresses. An empty one is a random port there, as `:0` is.
const ADDRESSES: [&str; 2] = ["ClientAddr", "ServerAddr"];

/// The value in this program's own form, if `written` (the flag, dashes included) is the original's spelling of a flag
/// whose values differ there, and `text` is one of these values.
pub(super) fn translate(written: &str, text: &str) -> Option<String> {
    let name = written.trim_start_matches('-');
    if is_address(written) && text.is_empty() {
        return Some(":0".to_owned());
    }
    if !INTEGERS.contains(&name) {
        return None;
    }
    integer(text).map(|number| number.to_string())
}

/// Whether `written` is the original's spelling of an address. It takes one for each port: the last that is given.
pub(super) fn is_address(written: &str) -> bool {
    ADDRESSES.contains(&written.trim_start_matches('-'))
}

/// An integer as Go reads it; `None` if it is none, negative, or too large for Go.
fn integer(text: &str) -> Option<u64> {
    let (negative, text) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let (radix, digits) = base(text);
    if !has_well_placed_underscores(digits, radix != 10) {
        return None;
    }
    let digits = digits.replace('_', "");
    // The standard parser would take a second sign.
    let is_number = digits.chars().all(|digit| digit.is_digit(radix));
    let number = u64::from_str_radix(&digits, radix).ok().filter(|_| is_number)?;
    let fits = i64::try_from(number).is_ok() && (!negative || number == 0);
    fits.then_some(number)
}

/// The base that the beginning of a number names, and its digits.
fn base(text: &str) -> (u32, &str) {
    let prefixes = [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)];
    let named = prefixes.into_iter().find_map(|(prefix, radix)| Some((radix, text.strip_prefix(prefix)?)));
    let octal = || text.strip_prefix('0').filter(|rest| !rest.is_empty()).map(|rest| (8, rest));
    named.or_else(octal).unwrap_or((10, text))
}

/// Go takes single underscores between digits, and one behind the prefix of a base.
fn has_well_placed_underscores(digits: &str, has_prefix: bool) -> bool {
    let digits = if has_prefix { digits.strip_prefix('_').unwrap_or(digits) } else { digits };
    !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_go_reads_them() {
        let cases = [
            ("0", 0),
            ("-0", 0),
            ("00", 0),
            ("4096", 4096),
            ("+4096", 4096),
            ("010000", 4096),
            ("0_7", 7),
            ("0x1000", 4096),
            ("0X1F", 31),
            ("0x_10", 16),
            ("+0x10", 16),
            ("0b11", 3),
            ("0B1_1", 3),
            ("0o777", 511),
            ("0O7", 7),
            ("1_000_000", 1_000_000),
            ("9223372036854775807", 9_223_372_036_854_775_807),
        ];
        for (text, number) in cases {
            assert_eq!(integer(text), Some(number), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_and_what_is_negative_is_no_integer() {
        let cases = [
            "",
            "+",
            "-",
            "0x",
            "0x_",
            "_1",
            "1_",
            "1__0",
            "0__7",
            "08",
            "0b2",
            "0xg",
            " 1",
            "1 ",
            "1K",
            "1.5",
            "1e3",
            "++1",
            "0x+1",
            "-1",
            "-0x10",
            "9223372036854775808",
            "99999999999999999999999",
            "é",
        ];
        for text in cases {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_originals_spelling_has_its_values() {
        assert_eq!(translate("-MaxPacket", "0x10").as_deref(), Some("16"));
        assert_eq!(translate("--MaxPacket", "0x10").as_deref(), Some("16"));
        assert_eq!(translate("--max-packet", "0x10"), None);
        assert_eq!(translate("-maxpacket", "0x10"), None);
        assert_eq!(translate("-Workers", "0x10"), None);
        assert_eq!(translate("-ServerAddr", "").as_deref(), Some(":0"));
        assert_eq!(translate("-ServerAddr", ":1"), None);
        assert_eq!(translate("--server-addr", ""), None);
    }
}
