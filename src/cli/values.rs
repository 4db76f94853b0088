//! From the text of a value to the value, in range and with its unit.
//!
//! Each parser is total; its error is what the flag accepts, worded to follow "expected".

use std::ops::RangeInclusive;
use std::time::Duration;

use fastway::config::{
    LinkKinds, LinkLimit, MemoryLimit, PoolStrategy, PrefixLength, ProxyProtocol, Secret, TrustedProxies,
};
use fastway_service::Cidr;
use fastway_service::logging::LogFormat;
use fastway_service::process::{Name, PidFilePlace};
use tracing::Level;

use super::address::{AdminAddr, HostNames, ListenAddr};
use super::duration as go_duration;

/// A value, or what would have been accepted.
pub(super) type Parsed<T> = Result<T, String>;

/// More threads than this are a slip: a gateway runs one for each core.
const WORKERS: RangeInclusive<usize> = 1..=256;

/// A message holds at least its ConnID; a gigabyte is beyond any game.
const MAX_PACKET: RangeInclusive<usize> = 4..=(1 << 30) - 1;

/// Room for the commands and small messages; at most what one allocation may reasonably be.
const BUFFER: RangeInclusive<usize> = 64..=1 << 30;

/// A size class keeps up to a page of memory.
const POOL_PAGE: RangeInclusive<usize> = 64..=64 << 30;

/// Beyond the largest buffer, a ratio leaves one size class in any case.
const POOL_FACTOR: RangeInclusive<usize> = 2..=1 << 20;

/// `--workers`.
pub(super) fn workers(text: &str) -> Parsed<usize> {
    number_within(text, WORKERS).ok_or_else(|| span("a number", WORKERS))
}

/// `--mem-pool-factor`.
pub(super) fn pool_factor(text: &str) -> Parsed<usize> {
    number_within(text, POOL_FACTOR).ok_or_else(|| span("a number", POOL_FACTOR))
}

/// The bound of a queue: not zero.
pub(super) fn queue(text: &str) -> Parsed<usize> {
    const QUEUE: RangeInclusive<usize> = 1..=u32::MAX as usize;
    number_within(text, QUEUE).ok_or_else(|| span("a number", QUEUE))
}

/// A limit, where 0 means none.
pub(super) fn limit(text: &str) -> Parsed<u32> {
    let number = decimal(text).and_then(|n| u32::try_from(n).ok());
    number.ok_or_else(|| format!("a number from 0 (no limit) to {}", u32::MAX))
}

/// `--max-links`.
pub(super) fn link_limit(text: &str) -> Parsed<LinkLimit> {
    match text {
        "auto" => Ok(LinkLimit::Auto),
        _ => match limit(text) {
            Ok(0) => Ok(LinkLimit::Unlimited),
            Ok(links) => Ok(LinkLimit::Links(links as usize)),
            Err(accepted) => Err(format!("auto, or {accepted}")),
        },
    }
}

/// `--max-buffered-bytes`.
pub(super) fn memory_limit(text: &str) -> Parsed<MemoryLimit> {
    match text {
        "auto" => Ok(MemoryLimit::Auto),
        _ => match size(text) {
            Ok(0) => Ok(MemoryLimit::Unlimited),
            Ok(bytes) => Ok(MemoryLimit::Bytes(bytes)),
            Err(accepted) => Err(format!("auto, 0 (no limit), or {accepted}")),
        },
    }
}

/// `--ipv6-prefix-length`.
pub(super) fn prefix_length(text: &str) -> Parsed<PrefixLength> {
    const BITS: RangeInclusive<usize> = PrefixLength::MIN as usize..=PrefixLength::MAX as usize;
    let bits = number_within(text, BITS).and_then(|bits| u8::try_from(bits).ok());
    bits.and_then(PrefixLength::new).ok_or_else(|| span("a number", BITS))
}

/// `--client-link` and `--server-link`.
pub(super) fn link_kinds(text: &str) -> Parsed<LinkKinds> {
    let mut kinds = LinkKinds { plain: false, secure: false, unpinned: false, legacy: false };
    for word in text.split(',') {
        match word {
            "plain" => kinds.plain = true,
            "secure" => (kinds.secure, kinds.unpinned) = (true, true),
            "secure-nk" => kinds.secure = true,
            "legacy" => kinds.legacy = true,
            _ => return Err("plain, secure, secure-nk, legacy, or several of them with commas between them".to_owned()),
        }
    }
    Ok(kinds)
}

/// `--client-proxy-protocol`.
pub(super) fn client_proxy_protocol(text: &str) -> Parsed<ProxyProtocol> {
    match text {
        "off" => Ok(ProxyProtocol::Off),
        "optional" => Ok(ProxyProtocol::Optional),
        "required" => Ok(ProxyProtocol::Required),
        _ => Err("off, optional or required".to_owned()),
    }
}

/// `--server-proxy-protocol`: the gateway speaks first there, so it cannot wait for what may come.
pub(super) fn server_proxy_protocol(text: &str) -> Parsed<ProxyProtocol> {
    match text {
        "off" => Ok(ProxyProtocol::Off),
        "required" => Ok(ProxyProtocol::Required),
        _ => Err("off or required".to_owned()),
    }
}

/// `--proxy-trusted`; nothing is nobody.
pub(super) fn trusted_proxies(text: &str) -> Parsed<TrustedProxies> {
    const FORM: &str = "addresses or networks with commas between them, such as 10.0.0.0/8,192.0.2.1,fd00::/8";
    if text.is_empty() {
        return Ok(TrustedProxies::default());
    }
    let network = |text: &str| text.parse::<Cidr>().map_err(|error| format!("{FORM}; '{text}' is {error}"));
    text.split(',').map(network).collect()
}

/// `--max-packet`, in bytes.
pub(super) fn max_packet(text: &str) -> Parsed<u32> {
    let bytes = bytes_within(text, MAX_PACKET).and_then(|bytes| u32::try_from(bytes).ok());
    bytes.ok_or_else(|| "a size from 4 to below 1G, such as 524288 or 512K".to_owned())
}

/// Size of a buffer in bytes.
pub(super) fn buffer(text: &str) -> Parsed<usize> {
    bytes_within(text, BUFFER).ok_or_else(|| "a size from 64 to 1G, such as 2048 or 2K".to_owned())
}

/// `--mem-pool-page-size`, in bytes.
pub(super) fn pool_page(text: &str) -> Parsed<usize> {
    bytes_within(text, POOL_PAGE).ok_or_else(|| "a size from 64 to 64G, such as 1048576 or 1M".to_owned())
}

/// Any size in bytes: digits, then nothing, `B`, `K`, `KB`, `M`, `MB`, `G` or `GB`.
pub(super) fn size(text: &str) -> Parsed<usize> {
    bytes(text).ok_or_else(|| "a size such as 524288, 512K, 1M or 1G".to_owned())
}

/// A span of time as Go writes it; zero is one.
pub(super) fn duration(text: &str) -> Parsed<Duration> {
    go_duration::parse(text).ok_or_else(|| "a duration such as 30s, 1m30s, 500ms or 0".to_owned())
}

/// How long something may take: not no time at all.
pub(super) fn time_limit(text: &str) -> Parsed<Duration> {
    let accepted = || "a duration above 0, such as 30s, 1m30s or 500ms".to_owned();
    go_duration::parse(text).filter(|time| !time.is_zero()).ok_or_else(accepted)
}

/// An address to listen on.
pub(super) fn listen_addr(text: &str) -> Parsed<ListenAddr> {
    let accepted = "an address with a port from 0 to 65535: :10010, 127.0.0.1:10010, [::1]:10010 or localhost:10010";
    ListenAddr::parse(text).ok_or_else(|| accepted.to_owned())
}

/// `--admin-addr`.
pub(super) fn admin_addr(text: &str) -> Parsed<AdminAddr> {
    match text {
        "off" => Ok(AdminAddr::Off),
        _ => listen_addr(text).map(AdminAddr::At).map_err(|accepted| format!("off, or {accepted}")),
    }
}

/// `--admin-host`.
pub(super) fn host_names(text: &str) -> Parsed<HostNames> {
    HostNames::parse(text).ok_or_else(|| "names of hosts with commas between them: gate.example.com,gate".to_owned())
}

/// A boolean as Go's `strconv.ParseBool` takes it.
pub(super) fn boolean(text: &str) -> Parsed<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("true or false (or t, f, 1, 0)".to_owned()),
    }
}

/// `--mem-pool-type`.
pub(super) fn pool_strategy(text: &str) -> Parsed<PoolStrategy> {
    match text {
        "sync" => Ok(PoolStrategy::Sync),
        "atom" => Ok(PoolStrategy::Atom),
        "chan" => Ok(PoolStrategy::Chan),
        _ => Err("sync, atom or chan".to_owned()),
    }
}

/// `--log-level`.
pub(super) fn log_level(text: &str) -> Parsed<Level> {
    match text {
        "error" => Ok(Level::ERROR),
        "warn" => Ok(Level::WARN),
        "info" => Ok(Level::INFO),
        "debug" => Ok(Level::DEBUG),
        "trace" => Ok(Level::TRACE),
        _ => Err("error, warn, info, debug or trace".to_owned()),
    }
}

/// `--log-format`.
pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json".to_owned()),
    }
}

/// `--name`: the start of file names in the working directory, so it must not lead out of it.
pub(super) fn name(text: &str) -> Parsed<Name> {
    Name::new(text).map_err(|_| Name::ACCEPTED.to_owned())
}

/// `--pid-file`.
pub(super) fn pid_file(text: &str) -> Parsed<PidFilePlace> {
    match text {
        "" => Err("the name of a file, or none".to_owned()),
        "none" => Ok(PidFilePlace::Nowhere),
        path => Ok(PidFilePlace::At(path.into())),
    }
}

/// `--pid` of `ctl`.
pub(super) fn pid(text: &str) -> Parsed<u32> {
    let number = decimal(text).and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
    number.ok_or_else(|| "the number of a process".to_owned())
}

/// `--server-auth-key`: any text; hidden from here on.
pub(super) fn secret(text: &str) -> Parsed<Secret> {
    Ok(Secret::new(text))
}

/// The words that a flag takes, beside numbers, addresses or paths if it takes those.
pub(crate) fn words(long: &str) -> &'static [&'static str] {
    match long {
        "--mem-pool-type" => &["sync", "atom", "chan"],
        "--client-link" | "--server-link" => &["plain", "secure", "secure-nk", "legacy"],
        "--log-level" => &["error", "warn", "info", "debug", "trace"],
        "--log-format" => &["text", "json"],
        "--max-links" | "--max-buffered-bytes" => &["auto"],
        "--admin-addr" => &["off"],
        "--client-proxy-protocol" => &["off", "optional", "required"],
        "--server-proxy-protocol" => &["off", "required"],
        "--pid-file" => &["none"],
        _ => &[],
    }
}

/// A size as a person would write it.
pub(crate) fn show_size(bytes: usize) -> String {
    let units = [(30, "G"), (20, "M"), (10, "K")];
    let unit = units.iter().find(|(shift, _)| bytes != 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

fn span(kind: &str, range: RangeInclusive<usize>) -> String {
    format!("{kind} from {} to {}", range.start(), range.end())
}

fn number_within(text: &str, range: RangeInclusive<usize>) -> Option<usize> {
    decimal(text).filter(|number| range.contains(number))
}

fn bytes_within(text: &str, range: RangeInclusive<usize>) -> Option<usize> {
    bytes(text).filter(|bytes| range.contains(bytes))
}

fn bytes(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..)?.to_ascii_uppercase();
    let unit: usize = match unit.as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1 << 10,
        "M" | "MB" => 1 << 20,
        "G" | "GB" => 1 << 30,
        _ => return None,
    };
    decimal(digits)?.checked_mul(unit)
}

/// Digits and nothing else; the standard parser lets a sign through. A number that begins with 0 is octal to the
/// original, so it is not guessed at.
fn decimal(text: &str) -> Option<usize> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = text == "0" || !text.starts_with('0');
    if is_number && is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes() {
        let cases = [
            ("524288", 524_288),
            ("0", 0),
            ("64B", 64),
            ("2k", 2048),
            ("512K", 524_288),
            ("64KB", 65_536),
            ("64kb", 65_536),
            ("1M", 1 << 20),
            ("1mb", 1 << 20),
            ("1G", 1 << 30),
            ("16GB", 16 << 30),
            ("18446744073709551615", usize::MAX),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn not_sizes() {
        let cases = [
            "",
            "K",
            "-1",
            "+1",
            "1.5K",
            " 1",
            "1 K",
            "1T",
            "1KiB",
            "1BB",
            "0x10",
            "1_000",
            "K1",
            "1K1",
            "010",
            "00",
            "１",
            "1é",
            "18446744073709551616",
            "17179869184G",
            "99999999999999999999999999",
        ];
        for text in cases {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_end_where_they_say() {
        let is_ok = [
            (workers("1").is_ok(), workers("0").is_ok()),
            (workers("256").is_ok(), workers("257").is_ok()),
            (max_packet("4").is_ok(), max_packet("3").is_ok()),
            (max_packet("1073741823").is_ok(), max_packet("1G").is_ok()),
            (buffer("64").is_ok(), buffer("63").is_ok()),
            (buffer("1G").is_ok(), buffer("1073741825").is_ok()),
            (pool_factor("2").is_ok(), pool_factor("1").is_ok()),
            (pool_page("64G").is_ok(), pool_page("65G").is_ok()),
            (queue("1").is_ok(), queue("0").is_ok()),
            (limit("0").is_ok(), limit("4294967296").is_ok()),
        ];
        for (case, within_and_beyond) in is_ok.iter().enumerate() {
            assert_eq!(*within_and_beyond, (true, false), "case {case}");
        }
    }

    #[test]
    fn names_stay_in_the_directory() {
        for good in ["fastway", "gate-1", "eu.west", "网关"] {
            assert_eq!(name(good).unwrap().to_string(), good);
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "/tmp/x", "a\\b", "a b", "a\nb", "a\0b", &"x".repeat(201)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words() {
        assert_eq!(["1", "t", "T", "TRUE", "true", "True"].map(boolean), [const { Ok(true) }; 6]);
        assert_eq!(["0", "f", "F", "FALSE", "false", "False"].map(boolean), [const { Ok(false) }; 6]);
        for bad in ["", "yes", "no", "on", "tRUE", "2", " true"] {
            assert!(boolean(bad).is_err(), "{bad}");
        }
        assert!(pool_strategy("slab").is_err());
        assert!(log_level("loud").is_err() && log_level("").is_err());
    }

    proptest! {
        #[test]
        fn a_shown_size_reads_as_itself(bytes in any::<usize>(), shift in 0..64_u32) {
            let bytes = bytes << shift;
            prop_assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }

        #[test]
        fn a_size_is_its_digits_times_its_unit(number in any::<u64>(), unit in 0..4_usize) {
            let text = format!("{number}{}", ["", "K", "m", "GB"][unit]);
            let bytes = u128::from(number) << (10 * unit);
            prop_assert_eq!(size(&text).ok(), usize::try_from(bytes).ok());
        }

        #[test]
        fn no_text_is_too_odd(text in any::<String>()) {
            let _ = (size(&text), limit(&text), queue(&text), name(&text), boolean(&text), listen_addr(&text));
        }
    }
}
