//! The command line as a whole: words in, configuration or one line out.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use argh::FlagInfoKind;
use fastway::config::{Config, LinkKinds, LinkLimit, MemoryLimit, PoolStrategy, ProxyProtocol, Secret};
use fastway_admin::http::HttpConfig;
use fastway_service::process::Name;
use proptest::prelude::*;
use tracing::Level;

use super::*;

fn no_env(_: &str) -> Option<OsString> {
    None
}

/// What a command line is taken for.
#[derive(Debug)]
enum Invocation {
    Run(Box<Options>),
    Print(String),
    Other,
}

/// Reads a command line with its values. A fault is one line.
fn parse(args: impl Iterator<Item = OsString>, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Invocation, String> {
    let one_line = |faults: Faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    match super::parse(args).map_err(|error| error.to_string())? {
        super::Invocation::Run(line) => super::options(&line, env).map(Box::new).map(Invocation::Run).map_err(one_line),
        super::Invocation::Print(text) => Ok(Invocation::Print(text)),
        _ => Ok(Invocation::Other),
    }
}

fn parse_words<S: Into<OsString>>(words: impl IntoIterator<Item = S>) -> Result<Invocation, String> {
    parse(words.into_iter().map(Into::into).collect::<Vec<_>>().into_iter(), &no_env)
}

/// The options for words without blanks in them.
fn options(line: &str) -> Options {
    match parse_words(line.split_whitespace()) {
        Ok(Invocation::Run(options)) => *options,
        other => panic!("{line}: {other:?}"),
    }
}

fn config(line: &str) -> Config {
    options(line).config
}

fn error(line: &str) -> String {
    error_of(line.split_whitespace().collect())
}

fn error_of(words: Vec<&str>) -> String {
    parse_words(&words).map(|_| panic!("{words:?} was taken")).unwrap_err().to_string()
}

fn printed(line: &str) -> String {
    match parse_words(line.split_whitespace()) {
        Ok(Invocation::Print(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

fn flags() -> Vec<&'static argh::FlagInfo<'static>> {
    Flags::tables().into_iter().flat_map(|table| table.flags).collect()
}

/// What a flag's line in `--help` says its default is.
fn documented_default(flag: &argh::FlagInfo<'_>) -> Option<String> {
    let (_, default) = flag.description.split_once("(default ")?;
    Some(default.trim_end_matches(')').replace("empty", ""))
}

/// The default configuration without a key: its server port is kept to loopback.
fn default_on_loopback() -> Config {
    let mut config = Config::default();
    config.listen.server = vec!["127.0.0.1:0".to_owned()];
    config
}

fn same(a: &Config, b: &Config) -> bool {
    format!("{a:?}") == format!("{b:?}") && a.settings.server_auth_keys == b.settings.server_auth_keys
}

#[test]
fn nothing_given_is_the_default_on_loopback() {
    let options = options("");
    assert!(same(&options.config, &default_on_loopback()), "{options:?}");
    assert_eq!((options.name, options.log_level), (Name::default(), None));
    assert!(matches!(&options.notices[..], [notice] if notice.contains("127.0.0.1")), "{:?}", options.notices);
}

#[test]
fn each_documented_default_is_the_one_that_counts() {
    let given = flags().into_iter().filter_map(|flag| Some(format!("{}={}", flag.long, documented_default(flag)?)));
    let given: Vec<String> = given.collect();
    assert!(given.len() > 30, "{given:?}");
    let Ok(Invocation::Run(options)) = parse_words(given) else { panic!("a default was refused") };
    assert!(same(&options.config, &default_on_loopback()), "{options:?}");
    assert_eq!((options.name, options.log_level), (Name::default(), Some(Level::INFO)));
}

#[test]
fn each_value_has_a_documented_default_but_the_files_of_secrets() {
    let values = flags().into_iter().filter(|flag| flag.kind != FlagInfoKind::Switch);
    let without: Vec<_> = values.filter(|flag| documented_default(flag).is_none()).map(|flag| flag.long).collect();
    assert_eq!(without, ["--server-auth-key-file", "--session-key", "--admin-token-file", "--config"]);
}

#[test]
fn every_flag_lands_where_it_belongs() {
    let config = config(
        "-Workers=3 -ReusePort -MaxPacket=1M -MemPoolType=chan -MemPoolFactor=4 -MemPoolMinChunk=128B \
         -MemPoolMaxChunk=128KB -MemPoolPageSize=2m -ClientAddr=127.0.0.1:1 -ClientMaxConn=17 -ClientBufferSize=3K \
         -ClientSendChanSize=5 --client-send-bytes=6M --client-slow-grace=7s -ClientIdleTimeout=1m30s \
         -ServerAddr=[::]:2 -ServerAuthKey=k -ServerBufferSize=65K -ServerSendChanSize=8 --server-send-bytes=9M \
         -ServerIdleTimeout=500ms --max-handshakes=10 --max-links=11 --max-links-per-address=12 \
         --max-dials-per-second=13 --max-bytes-per-second=14K --max-buffered-bytes=16M --shutdown-grace=15s --allow-anonymous-servers \
         --client-proxy-protocol=optional --max-accepts-per-second=18 --ipv6-prefix-length=56 --server-proxy-protocol=required --proxy-trusted=10.0.0.0/8,::1",
    );
    assert_eq!((config.startup.workers, config.startup.reuse_port, config.startup.max_packet), (3, true, 1 << 20));
    let pool = &config.startup.pool;
    assert_eq!((pool.strategy, pool.factor, pool.min_chunk), (PoolStrategy::Chan, 4, 128));
    assert_eq!((pool.max_chunk, pool.page_bytes), (128 << 10, 2 << 20));
    let client = &config.settings.client;
    assert_eq!((config.listen.client.join(" ").as_str(), client.buffer_bytes), ("127.0.0.1:1", 3 << 10));
    assert_eq!((client.send_queue_packets, client.send_queue_bytes), (5, 6 << 20));
    assert_eq!(client.idle_timeout, Some(Duration::from_secs(90)));
    assert_eq!(
        (config.settings.client_max_conns, config.settings.client_slow_grace),
        (Some(17), Duration::from_secs(7))
    );
    let server = &config.settings.server;
    assert_eq!((config.listen.server.join(" ").as_str(), server.buffer_bytes), ("[::]:2", 65 << 10));
    assert_eq!((server.send_queue_packets, server.send_queue_bytes), (8, 9 << 20));
    assert_eq!(server.idle_timeout, Some(Duration::from_millis(500)));
    assert_eq!(config.settings.server_auth_keys, [Secret::new("k")]);
    let limits = &config.settings.limits;
    assert_eq!(
        (limits.max_handshakes, limits.max_links, limits.max_links_per_address),
        (10, LinkLimit::Links(11), Some(12))
    );
    assert_eq!((limits.max_dials_per_second, limits.max_bytes_per_second), (Some(13), Some(14 << 10)));
    assert_eq!(limits.max_buffered_bytes, MemoryLimit::Bytes(16 << 20));
    assert_eq!((limits.max_accepts_per_second, limits.ipv6_prefix.bits()), (Some(18), 56));
    assert_eq!((client.proxy_protocol, server.proxy_protocol), (ProxyProtocol::Optional, ProxyProtocol::Required));
    let trusted =
        ["10.1.2.3", "::1", "11.1.2.3"].map(|peer| config.settings.trusted_proxies.contains(peer.parse().unwrap()));
    assert_eq!(trusted, [true, true, false]);
    assert_eq!(
        (config.settings.shutdown_grace, config.settings.allow_anonymous_servers),
        (Duration::from_secs(15), true)
    );
}

#[test]
fn zero_means_never_and_no_limit() {
    let config = config(
        "-ClientIdleTimeout=0 -ServerIdleTimeout=0s -ClientMaxConn=0 --max-links=0 --max-links-per-address=0 \
         --max-dials-per-second=0 --max-bytes-per-second=0 --max-buffered-bytes=0",
    );
    assert_eq!(
        (config.settings.client.idle_timeout, config.settings.server.idle_timeout, config.settings.client_max_conns),
        (None, None, None)
    );
    assert_eq!(
        (config.settings.limits.max_links, config.settings.limits.max_links_per_address),
        (LinkLimit::Unlimited, None)
    );
    assert_eq!(
        (config.settings.limits.max_dials_per_second, config.settings.limits.max_bytes_per_second),
        (None, None)
    );
    assert_eq!(config.settings.limits.max_buffered_bytes, MemoryLimit::Unlimited);
}

#[test]
fn spellings_of_one_flag() {
    let spellings = [
        "-ClientAddr=:7",
        "-ClientAddr :7",
        "--ClientAddr :7",
        "--client-addr=:7",
        "-client-addr :7",
        "-CLIENTADDR=:7",
    ];
    for line in spellings {
        assert_eq!(config(line).listen.client, [":7"], "{line}");
    }
    for line in ["-ServerAuthPassword=x", "--server-auth-password x", "-ServerAuthKey x"] {
        assert_eq!(config(line).settings.server_auth_keys, [Secret::new("x")], "{line}");
    }
}

#[test]
fn switches_are_gos() {
    for line in ["-ReusePort", "--reuse-port", "-ReusePort=true", "-ReusePort=1", "-ReusePort=T", "-ReusePort=TRUE"] {
        assert!(config(line).startup.reuse_port, "{line}");
    }
    for line in ["-ReusePort=false", "-ReusePort=0", "-ReusePort=f", "-ReusePort=False", "-ReusePort -ReusePort=F"] {
        assert!(!config(line).startup.reuse_port, "{line}");
    }
    assert!(error("-ReusePort false").contains("meant -ReusePort=false?"));
    assert!(error("-ReusePort=yes").contains("true or false"));
    assert!(error("-ReusePort=").contains("''"));
}

#[test]
fn the_last_of_a_repeated_flag_wins() {
    assert_eq!(config("-ClientAddr=:1 --client-addr :2 -ClientAddr=:3").listen.client, [":3"]);
    assert_eq!(config("--workers=many --workers=2").startup.workers, 2);
    assert_eq!(config("-ServerAuthKey=a -ServerAuthPassword=b").settings.server_auth_keys, [Secret::new("b")]);
}

#[test]
fn a_port_has_several_addresses_when_the_flag_is_repeated() {
    assert_eq!(config("--client-addr :2 --client-addr=127.0.0.1:3").listen.client, [":2", "127.0.0.1:3"]);
    assert_eq!(config("--client-addr :0 --client-addr=:0").listen.client, [":0", ":0"], "two random ports");
    assert_eq!(config("-ClientAddr=:1 -ClientAddr=:2 --clientaddr=:3").listen.client, [":2", ":3"]);
    assert_eq!(config("--server-addr :1 --server-addr [::1]:1").listen.server, ["127.0.0.1:1", "[::1]:1"]);
    let twice = error("--client-addr=:1 --client-addr=:2 --client-addr=:1");
    assert!(twice.contains("':1'") && twice.contains("each address once"), "{twice}");
    let open = error("--server-addr 127.0.0.1:1 --server-addr 10.0.0.1:2");
    assert!(open.contains("'10.0.0.1:2' can be reached from outside"), "{open}");
}

#[test]
fn values_may_look_like_anything() {
    let key = |words: Vec<&str>| match parse_words(words) {
        Ok(Invocation::Run(options)) => options.config.settings.server_auth_keys.into_iter().next().unwrap_or_default(),
        other => panic!("{other:?}"),
    };
    assert_eq!(key(vec!["-ServerAuthKey=-x=-y"]), Secret::new("-x=-y"));
    assert_eq!(key(vec!["-ServerAuthKey=--help"]), Secret::new("--help"));
    assert_eq!(key(vec!["-ServerAuthKey=a b\n"]), Secret::new("a b\n"));
    assert_eq!(key(vec!["-ServerAuthKey", "-secret"]), Secret::new("-secret"));
    assert_eq!(key(vec!["-ServerAuthKey", "help"]), Secret::new("help"));
    assert!(key(vec!["-ServerAuthKey="]).is_empty());
    assert!(key(vec!["-ServerAuthKey", ""]).is_empty());
}

#[test]
fn a_flag_is_not_taken_for_a_value() {
    for line in
        ["-ServerAuthKey -ReusePort", "-ServerAuthKey --client-addr=:1", "-ServerAuthKey", "--server-auth-key -h"]
    {
        assert!(error(line).contains("needs a value"), "{line}");
    }
}

#[test]
fn help_and_version_are_asked_for_in_many_ways() {
    for line in ["-h", "--h", "-help", "--help", "-Help", "--reuse-port --help", "--help --workers=none"] {
        assert!(printed(line).starts_with("Usage: fastway"), "{line}");
    }
    let version = format!("fastway {}\n", env!("CARGO_PKG_VERSION"));
    for line in ["-version", "--version", "--workers 2 -Version"] {
        assert!(printed(line).starts_with(&version), "{line}");
    }
    options("--help=false --version=0");
}

#[test]
fn help_lists_each_flag_once_and_fits_the_screen() {
    let help = printed("--help");
    for flag in flags() {
        let lines = help.lines().filter(|line| line.trim_start().split(' ').next() == Some(flag.long)).count();
        assert_eq!(lines, 1, "{}", flag.long);
    }
    for line in help.lines() {
        assert!(line.chars().count() <= 100, "{line}");
        assert!(line == line.trim_end(), "{line}");
    }
}

#[test]
fn no_two_flags_fold_to_one_name() {
    let mut names: Vec<_> = flags().iter().map(|flag| flag.long.replace('-', "")).collect();
    names.push("serverauthpassword".to_owned());
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn stray_words_are_named() {
    for line in ["gateway", "-- x", "-", "-ReusePort -- x", "---client-addr=:1", "-=1", "--=1", "=", "help"] {
        let error = error(line);
        assert!(error.starts_with("unexpected argument '"), "{line}: {error}");
    }
    assert!(error_of(vec![""]).contains("''"));
}

#[test]
fn unknown_flags_get_a_suggestion() {
    for (line, suggestion) in [
        ("-ClientAdr=:1", "--client-addr?"),
        ("--workerz", "--workers?"),
        ("--max_packet=1", "--max-packet?"),
        ("--verison", "--version?"),
    ] {
        let error = error(line);
        assert!(error.contains(suggestion), "{line}: {error}");
        assert!(!error.contains("=1"), "the value may be a secret: {error}");
    }
    assert!(!error("--frobnicate").contains("did you mean"));
}

#[test]
fn words_that_are_not_utf_8_keep_their_value_to_themselves() {
    let words = [b"--reuse-port".to_vec(), b"-ServerAuthKey=se\xffcret".to_vec()].map(OsString::from_vec);
    let error = parse_words(words).unwrap_err().to_string();
    assert!(error.starts_with("argument 2 (-ServerAuthKey=…)"), "{error}");
    let error = parse_words([OsString::from_vec(b"secret=\xff".to_vec())]).unwrap_err().to_string();
    assert!(error.starts_with("argument 1 is not UTF-8") && !error.contains("secret"), "{error}");
}

#[test]
fn sizes_must_agree() {
    let cases = [
        ("--client-send-bytes=4K", "'4K' for --client-send-bytes: expected at least the 512K of --max-packet"),
        (
            "-MaxPacket=2M --client-send-bytes=1M",
            "'1M' for --client-send-bytes: expected at least the 2M of -MaxPacket",
        ),
        ("-MemPoolMinChunk=128K", "'128K' for -MemPoolMinChunk: expected at most the 64K of --mem-pool-max-chunk"),
        (
            "--max-buffered-bytes=4M",
            "'4M' for --max-buffered-bytes: expected at least 4194336 bytes, so that an eighth of it holds a message (the \
             512K of --max-packet), or 0",
        ),
        ("--max-buffered-bytes=lots", "expected auto, 0 (no limit), or a size such as 524288, 512K, 1M or 1G"),
        ("-MemPoolPageSize=100", "'100' for -MemPoolPageSize: expected at least the 64K of --mem-pool-max-chunk"),
    ];
    for (line, expected) in cases {
        let error = error(line);
        assert!(error.ends_with(expected), "{line}: {error}");
    }
    config("-MaxPacket=4M -MemPoolMinChunk=64K -MemPoolPageSize=64K");
}

#[test]
fn bounds_that_were_not_given_follow_larger_sizes_that_were() {
    let raised = config("-MaxPacket=17M -MemPoolMaxChunk=2M");
    assert!(raised.settings.client.send_queue_bytes >= 4 * (17 << 20));
    assert!(raised.settings.server.send_queue_bytes >= 4 * (17 << 20));
    assert_eq!(raised.startup.pool.page_bytes, 2 << 20);
}

#[test]
fn legacy_sessions_of_both_sides_keep_what_the_originals_code_keeps() {
    let config = config("-ClientSnetEnable -ServerSnetEnable");
    assert_eq!(config.settings.client.session.legacy_replay_bytes, 64 << 10);
    assert_eq!(config.settings.server.session.legacy_replay_bytes, 64 << 10);
}

#[test]
fn the_originals_flags_of_sessions_keep_their_meaning() {
    let config = config(
        "-ClientSnetEnable -ClientSnetEncrypt=true -ClientSnetBuffer=33k -ClientSnetInitTimeout=11s \
         -ClientSnetWaitTimeout=1m1s -ServerSnetEnable=1 -ServerSnetEncrypt -ServerSnetBuffer=2M \
         -ServerSnetInitTimeout=12s -ServerSnetWaitTimeout=62s",
    );
    let (client, server) = (config.settings.client.session, config.settings.server.session);
    assert_eq!(
        (config.settings.client.kinds, config.settings.server.kinds),
        (LinkKinds::SESSIONS, LinkKinds::SESSIONS)
    );
    assert_eq!((client.legacy_encrypt, client.legacy_replay_bytes), (true, 33 << 10));
    assert_eq!((server.legacy_encrypt, server.legacy_replay_bytes), (true, 2 << 20));
    assert_eq!((client.handshake_time, client.wait), (Some(Duration::from_secs(11)), Duration::from_secs(61)));
    assert_eq!((server.handshake_time, server.wait), (Some(Duration::from_secs(12)), Duration::from_secs(62)));
    assert!(error("-ClientSnetBuffer=big").contains("'big' for -ClientSnetBuffer"));
    assert!(error("-ServerSnetWaitTimeout=60").contains("'60' for -ServerSnetWaitTimeout"));
}

#[test]
fn a_list_says_exactly_what_is_admitted() {
    let kinds = |plain, secure, legacy| LinkKinds { plain, secure, unpinned: secure, legacy };
    for (line, client, server) in [
        ("", LinkKinds::PLAIN, LinkKinds::PLAIN),
        ("-ClientSnetEnable=false", LinkKinds::PLAIN, LinkKinds::PLAIN),
        ("--client-link plain,secure,legacy", kinds(true, true, true), LinkKinds::PLAIN),
        ("-ClientSnetEnable --client-link secure", kinds(false, true, false), LinkKinds::PLAIN),
        ("-ServerSnetEnable --server-link=plain", LinkKinds::PLAIN, LinkKinds::PLAIN),
        ("--server-link legacy,secure", LinkKinds::PLAIN, LinkKinds::SESSIONS),
    ] {
        let config = config(line);
        assert_eq!((config.settings.client.kinds, config.settings.server.kinds), (client, server), "{line}");
    }
    let (_dir, key) = session_key();
    for (list, unpinned) in [("secure-nk", false), ("plain,secure-nk,legacy", false), ("secure-nk,secure", true)] {
        let kinds = config(&format!("--client-link {list} {key}")).settings.client.kinds;
        assert_eq!((kinds.secure, kinds.unpinned), (true, unpinned), "{list}");
    }
    for list in ["", "plain,", "snet", "secure legacy"] {
        assert!(error_of(vec!["--client-link", list]).contains("plain, secure, secure-nk, legacy"), "{list}");
    }
    assert!(error("--server-link plain,secure").contains("the gateway speaks first to plain servers"));
}

#[test]
fn what_sessions_do_not_protect_is_said() {
    let says = |line: &str, part: &str| options(line).notices.iter().any(|notice| notice.contains(part));
    for (line, legacy, no_key, reuse_port) in [
        ("", false, false, false),
        ("-ReusePort", false, false, false),
        ("-ClientSnetEnable", true, true, false),
        ("-ServerSnetEnable -ReusePort", true, true, true),
        ("--client-link secure,plain", false, true, false),
        ("--client-link legacy -ReusePort", true, false, true),
    ] {
        assert_eq!(says(line, "legacy sessions are admitted"), legacy, "{line}");
        assert_eq!(says(line, "no session key"), no_key, "{line}");
        assert_eq!(says(line, "sessions with --reuse-port"), reuse_port, "{line}");
    }
}

#[test]
fn bounds_of_sessions_land_where_they_belong() {
    let sessions = config(
        "--max-waiting=1 --max-waiting-bytes=2K --max-waiting-per-address=3 --max-waiting-bytes-per-address=4K \
         --max-handshakes-per-address=4 --max-handshakes-per-second=5",
    )
    .settings
    .sessions;
    let waiting = sessions.waiting;
    assert_eq!((waiting.sessions, waiting.bytes), (1, 2 << 10));
    assert_eq!((waiting.sessions_per_address, waiting.bytes_per_address), (3, 4 << 10));
    assert_eq!((sessions.max_handshakes_per_address, sessions.max_handshakes_per_second), (4, Some(5)));
    assert_eq!(config("--max-handshakes-per-second=0").settings.sessions.max_handshakes_per_second, None);
}

#[test]
fn the_originals_spelling_takes_gos_integers() {
    let given = config(
        "-MaxPacket=010000 --ClientMaxConn=0x1F -ClientSendChanSize=+5 -ServerSendChanSize 1_000 -MemPoolFactor=0b11",
    );
    assert_eq!((given.startup.max_packet, given.settings.client_max_conns), (4096, Some(31)));
    assert_eq!((given.settings.client.send_queue_packets, given.settings.server.send_queue_packets), (5, 1000));
    assert_eq!(given.startup.pool.factor, 3);
    assert_eq!(config("-MaxPacket=512K -ClientMaxConn=-0").settings.client_max_conns, None);
    assert_eq!(
        (config("-ClientAddr=").listen.client.join(" ").as_str(), config("-ReusePort --").startup.reuse_port),
        (":0", true)
    );
    assert_eq!(config("-ServerAddr= -ServerAuthKey=k").listen.server, [":0"]);
}

#[test]
fn a_server_port_without_a_key_stays_on_this_machine() {
    for (line, addr) in [
        ("-ServerAddr=:10020", "127.0.0.1:10020"),
        ("-ServerAddr=localhost:1", "localhost:1"),
        ("-ServerAddr=127.0.0.2:1", "127.0.0.2:1"),
        ("-ServerAddr=[::1]:1", "[::1]:1"),
        ("-ServerAddr=:1 -ServerAuthKey=k", ":1"),
        ("-ServerAddr=0.0.0.0:1 -ServerAuthKey=k", "0.0.0.0:1"),
        ("-ServerAddr=:1 --allow-anonymous-servers", ":1"),
        ("-ServerAddr=[::]:1 --allow-anonymous-servers", "[::]:1"),
    ] {
        assert_eq!(config(line).listen.server.join(" "), addr, "{line}");
    }
    for addr in ["0.0.0.0:1", "[::]:1", "10.0.0.1:0", "game.example.com:1"] {
        let error = error(&format!("-ServerAddr={addr}"));
        assert!(error.contains(&format!("-ServerAddr '{addr}'")), "{error}");
        assert!(error.contains("--allow-anonymous-servers") && error.contains("--server-auth-key"), "{error}");
    }
}

#[test]
fn notices_are_given_when_the_key_is_missed() {
    assert_eq!(options("-ServerAuthKey=k").notices, [""; 0]);
    assert_eq!(options("-ServerAddr=127.0.0.1:0").notices, [""; 0]);
    assert!(options("-ServerAddr=:1").notices[0].contains("127.0.0.1 only"));
    assert!(options("-ServerAddr=:1 --allow-anonymous-servers").notices[0].contains("whoever reaches"));
}

#[test]
fn name_and_log_level() {
    let options = options("--name=eu-1 --log-level=debug");
    assert_eq!((options.name.to_string(), options.log_level), ("eu-1".to_owned(), Some(Level::DEBUG)));
    assert!(error("--name=../x").contains("'../x' for --name: expected 1 to 200 bytes of letters"));
    assert!(error("--log-level=loud").contains("'loud' for --log-level: expected error, warn"));
}

fn admin(line: &str) -> HttpConfig {
    options(line).admin
}

#[test]
fn the_admin_listener_is_off_unless_it_is_asked_for() {
    for line in ["", "--admin-addr=off", "--admin-token=0123456789abcdef", "--admin-addr=:1 --admin-addr=off"] {
        assert_eq!(admin(line).addr, None, "{line}");
    }
    let given = "--admin-addr=0.0.0.0:9000 --admin-token=0123456789abcdef --admin-host=Gate.example.com,b \
                 --admin-ready-needs-server";
    let config = HttpConfig {
        addr: Some("0.0.0.0:9000".to_owned()),
        token: Secret::new("0123456789abcdef"),
        hosts: vec!["gate.example.com".to_owned(), "b".to_owned()],
        ready_needs_server: true,
        name: Name::default(),
    };
    assert_eq!(admin(given), config);
}

#[test]
fn the_admin_listener_without_a_token_stays_on_this_machine() {
    for (line, addr) in [
        ("--admin-addr=:9000", "127.0.0.1:9000"),
        ("--admin-addr=[::1]:9000", "[::1]:9000"),
        ("--admin-addr=localhost:1", "localhost:1"),
        ("--admin-addr=:9000 --admin-token=0123456789abcdef", ":9000"),
    ] {
        assert_eq!(admin(line).addr.as_deref(), Some(addr), "{line}");
    }
    assert!(options("--admin-addr=:1").notices[1].contains("admin listener answers on 127.0.0.1 only"));
    for addr in ["0.0.0.0:1", "[::]:1", "10.0.0.1:0", "gate.example.com:1"] {
        let error = error(&format!("-AdminAddr={addr}"));
        assert!(error.contains(&format!("-AdminAddr '{addr}'")) && error.contains("--admin-token-file"), "{error}");
    }
}

#[test]
fn the_admin_token_comes_from_flag_file_or_environment() {
    let (_file, flag) = secret_file("--admin-token-file", b"from-the-file-123\n");
    let token = |line: &str, value: &str| {
        let env = |name: &str| (name == "FASTWAY_ADMIN_TOKEN").then(|| OsString::from(value));
        let words = line.split_whitespace().chain(["--admin-addr=:1"]).map(OsString::from);
        match parse(words, &env) {
            Ok(Invocation::Run(options)) => String::from_utf8(options.admin.token.expose().to_vec()).unwrap(),
            other => panic!("{line}: {other:?}"),
        }
    };
    assert_eq!(token(&flag, "from-the-environment"), "from-the-file-123");
    assert_eq!(token("", "from-the-environment"), "from-the-environment");
    assert_eq!(token("--admin-token=from-the-flag-123", "from-the-environment"), "from-the-flag-123");
    assert_eq!(token("--admin-token=", "from-the-environment"), "");
    let both = error(&format!("--admin-token=x {flag}"));
    assert_eq!(both, "--admin-token and --admin-token-file both give the admin token: expected one of them");
}

#[test]
fn a_bad_admin_token_is_refused_and_not_shown() {
    let (_file, with_blank) = secret_file("--admin-token-file", b"sesame sesame sesame");
    for line in ["--admin-token=sesame", "--admin-token=sesame-sesame-s\u{e9}same", &with_blank] {
        let error = error(line);
        assert!(error.contains("16 to 4096 printable ASCII") && !error.contains("sesame"), "{error}");
    }
}

/// A file with a key, and the flag that names it.
fn key_file(content: &[u8]) -> (tempfile::NamedTempFile, String) {
    secret_file("--server-auth-key-file", content)
}

fn secret_file(flag: &str, content: &[u8]) -> (tempfile::NamedTempFile, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    let flag = format!("{flag}={}", file.path().display());
    (file, flag)
}

/// A directory with a session key, and the flag that names it.
fn session_key() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    crate::key_file::generate(&path).unwrap();
    let flag = format!("--session-key={}", path.display());
    (dir, flag)
}

fn key_with_env(line: &str, value: &[u8]) -> Secret {
    let env = |name: &str| (name == "FASTWAY_SERVER_AUTH_KEY").then(|| OsString::from_vec(value.to_vec()));
    match parse(line.split_whitespace().map(OsString::from), &env) {
        Ok(Invocation::Run(options)) => options.config.settings.server_auth_keys.into_iter().next().unwrap_or_default(),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_key_comes_from_flag_file_or_environment() {
    let (_file, from_file) = key_file(b"\xffbinary\r\n\n");
    assert_eq!(config(&from_file).settings.server_auth_keys, [Secret::new(*b"\xffbinary")]);
    assert_eq!(key_with_env("", b"\xfeenv\n"), Secret::new(*b"\xfeenv"));
    assert_eq!(key_with_env(&from_file, b"env"), Secret::new(*b"\xffbinary"));
    assert_eq!(key_with_env("-ServerAuthKey=flag", b"env"), Secret::new("flag"));
    assert!(key_with_env("-ServerAuthKey=", b"env").is_empty());
    assert!(key_with_env("", b"").is_empty());
}

#[test]
fn a_key_with_more_at_its_ends_than_it_shows_is_warned_of() {
    for (content, odd) in
        [(&b" key"[..], "white space"), (b"key\t\n", "white space"), (b"\xef\xbb\xbfkey", "byte order mark")]
    {
        let (_file, flag) = key_file(content);
        let notices = options(&flag).notices;
        assert!(notices.iter().any(|notice| notice.contains(odd)), "{content:?}: {notices:?}");
    }
    let (_file, flag) = key_file(b"a key\r\n");
    assert_eq!(options(&flag).notices, [""; 0]);
}

#[test]
fn the_key_does_not_show_in_debug_output() {
    let shown = format!("{:?}", options("-ServerAuthKey=hush"));
    assert!(shown.contains("server_auth_keys") && !shown.contains("hush"), "{shown}");
}

#[test]
fn faulty_key_files_are_named() {
    let (file, flag) = key_file(b"key");
    let both = error(&format!("-ServerAuthPassword=secret {flag}"));
    assert_eq!(both, "-ServerAuthPassword and --server-auth-key-file both give the server key: expected one of them");
    drop(file);
    assert!(error(&flag).starts_with("cannot read '/"), "{}", error(&flag));
    for content in [&b""[..], b"\n"] {
        let (_file, flag) = key_file(content);
        assert!(error(&flag).contains("this one is empty"));
    }
    let (_file, flag) = key_file(&vec![b'x'; (64 << 10) + 1]);
    assert!(error(&flag).contains("longer than 65536 bytes"));
    assert!(error("--server-auth-key-file=/").contains("cannot read '/'"));
    assert!(error("--server-auth-key-file=").contains("cannot read ''"));
    assert_eq!(config(&key_file_of_limit().1).settings.server_auth_keys[0].expose().len(), 64 << 10);
}

fn key_file_of_limit() -> (tempfile::TempPath, String) {
    let (file, flag) = key_file(&vec![b'x'; 64 << 10]);
    (file.into_temp_path(), flag)
}

/// Another spelling of a flag: `dashes` in front, others left out, letters in the case that `upper` says.
fn respell(long: &str, dashes: &str, keep_dashes: bool, upper: u64) -> String {
    let name = long.trim_start_matches('-').chars().filter(|c| keep_dashes || *c != '-');
    let cased = name.enumerate().map(|(i, c)| if upper >> (i % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c });
    dashes.chars().chain(cased).collect()
}

proptest! {
    #[test]
    fn every_spelling_of_every_flag_is_known(
        pick in any::<prop::sample::Index>(), two in any::<bool>(), keep in any::<bool>(), upper in any::<u64>(),
    ) {
        let flag = *pick.get(&flags());
        let Some(default) = documented_default(flag) else { return Ok(()) };
        let written = respell(flag.long, if two { "--" } else { "-" }, keep, upper);
        let joined = parse_words([format!("{written}={default}")]);
        let apart = parse_words([written, default]);
        for parsed in [joined, apart] {
            let Ok(Invocation::Run(options)) = parsed else { return Err(TestCaseError::fail(format!("{parsed:?}"))) };
            prop_assert!(same(&options.config, &default_on_loopback()));
        }
    }

    #[test]
    fn a_bad_value_is_blamed_on_its_flag_as_written(
        pick in any::<prop::sample::Index>(), junk in "[!?#%]{1,10}", upper in any::<u64>(),
    ) {
        let flag = *pick.get(&flags());
        let is_secret = ["--server-auth-key", "--admin-token", "--session-key"].iter().any(|secret| flag.long.starts_with(secret));
        let is_checked = !is_secret && !["--name", "--pid-file", "--config"].contains(&flag.long);
        prop_assume!(is_checked);
        let written = respell(flag.long, "-", false, upper);
        let error = error_of(vec![&format!("{written}={junk}")]);
        prop_assert!(error.starts_with(&format!("invalid value '{junk}' for {written}: expected ")), "{}", error);
    }

    #[test]
    fn any_words_give_options_text_or_one_line(words in prop::collection::vec(word(), 0..8)) {
        if let Err(error) = parse_words(words) {
            let error = error.to_string();
            prop_assert!(!error.contains(char::is_control), "{:?}", error);
            prop_assert!(error.chars().count() < 5000, "{:?}", error);
        }
    }
}

/// Words near enough to flags to get far into the parser.
fn word() -> impl Strategy<Value = String> {
    let flag = any::<prop::sample::Index>().prop_map(|pick| pick.get(&flags()).long.to_owned());
    let flag = flag
        .prop_filter("reads files", |long| !["--server-auth-key-file", "--admin-token-file"].contains(&long.as_str()));
    prop_oneof![
        flag.clone(),
        (flag, "[0-9KMGmsh.:-]{0,6}").prop_map(|(flag, value)| format!("{flag}={value}")),
        "-{0,3}[a-zA-Z-]{0,12}(=.{0,8})?",
        prop::collection::vec(any::<char>(), 0..300).prop_map(String::from_iter),
    ]
}
