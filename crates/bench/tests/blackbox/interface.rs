//! The program from outside: command line, results, and what is left when it ends.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::{Exit, Misdeed, Program, SecureFront, TestGateway, bench, bench_with, yardstick};
use rustix::process::Signal;
use serde_json::Value;

/// Runs `words` against a gateway that it starts itself, for a moment; for two turns where a peer misbehaves in the
/// second one, which on a busy machine needs some time for it.
#[track_caller]
fn briefly(words: &[&str]) -> Exit {
    let (yardstick, time) = (yardstick(), if words[0] == "stall" { "1s" } else { "200ms" });
    let common = ["--gateway", &yardstick, "--time", time, "--warmup", "50ms", "--max-lag", "10s"];
    bench(&[words, &common].concat()).expect_success()
}

#[test]
fn every_work_runs_and_counts_what_it_measures() {
    for words in [
        &["echo", "--links", "5", "--connections", "3", "--servers", "2"][..],
        &["rate", "--links", "5", "--rate", "500"],
        &["push", "--links", "5", "--rate", "500"],
        &["large", "--links", "2"],
        &["mixed", "--links", "5"],
        &["churn", "--at-once", "4"],
        &["stall", "--links", "5", "--rate", "500", "--trouble", "stops-reading"],
        &["stall", "--links", "5", "--rate", "500", "--trouble", "floods"],
        &["stall", "--links", "5", "--rate", "500", "--trouble", "garbage"],
        &["stall", "--links", "5", "--rate", "500", "--trouble", "handshakes"],
    ] {
        let run = briefly(&[words, &["--json"]].concat()).json().remove(0);
        assert_eq!(run["work"], words[0]);
        assert!(run["frames"].as_u64() > Some(0), "{run}");
        assert!(run["latency_us"]["p50"].as_f64() > Some(0.0), "{run}");
        assert!(run["cpu_us_per_frame"].as_f64() > Some(0.0), "{run}");
        assert!(run["process"]["resident_bytes"].as_u64() > Some(100_000), "{run}");
    }
}

#[test]
fn idle_links_are_weighed() {
    for connections in ["0", "1"] {
        let run = briefly(&["idle", "--links", "500", "--connections", connections, "--json"]).json().remove(0);
        let details = &run["details"];
        let grown =
            details["resident_bytes_after"].as_f64().unwrap() - details["resident_bytes_before"].as_f64().unwrap();
        assert_eq!(details["bytes_per_link"].as_f64(), Some((grown / 500.0).round()));
    }
}

#[test]
fn churn_leaves_no_link_behind() {
    let run = briefly(&["churn", "--json"]).json().remove(0);
    assert_eq!(run["details"]["descriptors_leaked"], 0, "{run}");
    assert!(run["details"]["cycles"].as_u64() >= run["frames"].as_u64(), "{run}");
}

/// The yardstick knows only plain links: that everything arrives shows that the session is really there.
#[test]
fn players_come_by_secure_sessions() {
    let gateway = TestGateway::start(Misdeed::Nothing, 0);
    let front = SecureFront::start(gateway.client);
    let flags = gateway.flags_by(front.address);
    let common = ["--link", "secure", "--time", "200ms", "--warmup", "50ms", "--max-lag", "10s", "--json"];
    for words in [
        &["echo", "--links", "5", "--connections", "3", "--window", "32"][..],
        &["rate", "--links", "5", "--rate", "500"],
        &["push", "--links", "5", "--rate", "max"],
        &["large", "--links", "2"],
        &["mixed", "--links", "5"],
        &["churn", "--at-once", "4"],
    ] {
        let run = bench_with(&[words, &common].concat(), &flags).expect_success().json().remove(0);
        assert!(run["frames"].as_u64() > Some(0), "{run}");
    }
}

#[test]
fn a_gateway_without_sessions_is_named() {
    let gateway = TestGateway::start(Misdeed::Nothing, 0);
    bench_with(&["echo", "--link", "secure"], &gateway.flags())
        .expect_failure(&["player link 0 could not be opened", "admits no secure session"]);
}

#[test]
fn every_key_of_a_result_is_documented() {
    let words = ["compare", "--works", "echo-w1,open-loop,churn", "--rounds", "1", "--json"];
    let gateways = [format!("a={}", yardstick()), format!("b={}", yardstick())];
    let gateways = gateways.each_ref().map(|gateway| ["--gateway", gateway]).concat();
    let common = ["--time", "100ms", "--max-lag", "10s"];
    let exit = bench(&[&words[..], &gateways, &common].concat()).expect_success();
    let idle = briefly(&["idle", "--links", "50", "--json"]);
    let stall = briefly(&["stall", "--links", "5", "--rate", "500", "--trouble", "garbage", "--json"]);
    let mut keys = BTreeSet::new();
    [exit.json(), idle.json(), stall.json()].iter().flatten().for_each(|line| collect_keys(line, &mut keys));
    let documentation =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmark.md")).unwrap();
    let missing: Vec<_> = keys.iter().filter(|key| !documentation.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/benchmark.md does not say what these are: {missing:?}");
    assert!(keys.len() > 40, "{keys:?}");
}

fn collect_keys(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                keys.insert(key.clone());
                collect_keys(value, keys);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}

/// Prints 1,000 more each time that it is asked, in the directory of the gateway.
const COUNTER: &str = "sh -c 'test -f output && echo x >> asked && echo allocated_bytes=$(wc -l < asked)000'";

#[test]
fn allocations_are_asked_for_at_the_borders_of_what_is_recorded() {
    for work in ["echo", "churn", "stall"] {
        let run = briefly(&[work, "--json", "--allocations", COUNTER]).json().remove(0);
        let frames = run["frames"].as_f64().unwrap();
        let per_frame = run["allocated_bytes_per_frame"].as_f64().unwrap();
        assert_eq!((per_frame * frames).round(), 1000.0, "{work}: {run}");
    }
    let run = briefly(&["echo", "--json", "--allocations", "sh -c 'sleep 1; echo 7'"]).json().remove(0);
    assert_eq!(run["allocated_bytes_per_frame"], 0.0);
    assert!(run["seconds"].as_f64() < Some(1.0), "the time until the answer is not recorded: {run}");
    let run = briefly(&["echo", "--json"]).json().remove(0);
    assert_eq!(run["allocated_bytes_per_frame"], Value::Null);
    assert!(briefly(&["echo", "--allocations", COUNTER]).stdout.contains(" bytes per frame"));
}

#[test]
fn a_table_shows_allocations_where_somebody_knows_them() {
    let gateways = [format!("a={}", yardstick()), format!("b={}", yardstick())];
    let words = ["compare", "--works", "echo-w1", "--rounds", "1", "--time", "100ms", "--max-lag", "10s"];
    let words = [&words[..], &gateways.each_ref().map(|gateway| ["--gateway", gateway]).concat()].concat();
    let unknown = bench(&words).expect_success();
    assert!(!unknown.stdout.contains("allocated"), "{}", unknown.stdout);

    let counter = format!("b={COUNTER}");
    let known = bench(&[&words[..], &["--allocations", &counter]].concat()).expect_success().stdout;
    let cell = |gateway: &str| {
        let row = known.lines().find(|line| line.contains(&format!("| {gateway} "))).unwrap();
        row.trim_end_matches('|').rsplit('|').next().unwrap().trim().to_owned()
    };
    assert!(known.contains("| allocated B/frame |"), "{known}");
    assert_eq!(cell("a"), "–");
    assert!(cell("b").parse::<f64>().unwrap() > 0.0, "{known}");
}

#[test]
fn a_command_that_does_not_tell_allocations_is_named() {
    for (command, expected) in [
        ("sh -c 'echo no idea; exit 3'", "failed, exit status: 3: no idea"),
        ("echo hello", "it printed \"hello\""),
        ("/no/such/program", "cannot run /no/such/program"),
    ] {
        let exit = bench(&["echo", "--gateway", &yardstick(), "--time", "100ms", "--allocations", command]);
        exit.expect_failure(&["echo with gateway: ", "(--allocations)", expected]);
    }
}

#[test]
fn a_comparison_shows_ratios_to_the_first_gateway() {
    let gateways = [format!("first={}", yardstick()), format!("second={}", yardstick())];
    let words = ["compare", "--works", "round-trip", "--rounds", "3", "--time", "100ms", "--seed", "9"];
    let exit = bench(&[&words[..], &["--gateway", &gateways[0], "--gateway", &gateways[1]]].concat()).expect_success();
    assert!(exit.stdout.contains("seed 9\n"), "{}", exit.stdout);
    let row = |name: &str| {
        let line = exit.stdout.lines().find(|line| line.contains(&format!("| {name} "))).unwrap();
        line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(row("first")[4], "–");
    let ratio = row("second")[4].clone();
    let numbers: Vec<f64> = ratio.split([' ', '(', ')', '–']).filter_map(|number| number.parse().ok()).collect();
    let [median, min, max] = numbers[..] else { panic!("no ratio with its spread: {ratio:?}") };
    assert!(min > 0.0 && min <= median && median <= max, "{ratio}");
}

#[test]
fn the_suite_names_its_machine() {
    let gateway = format!("bare={}", yardstick());
    let works = "echo-w32,push-unpaced,churn,stall-floods";
    let words =
        ["suite", "--gateway", &gateway, "--works", works, "--rounds", "1", "--time", "400ms", "--max-lag", "10s"];
    let exit = bench(&words).expect_success();
    assert!(exit.stdout.contains(" core") && exit.stdout.contains("Linux "), "{}", exit.stdout);
    for work in ["echo-w32", "push-unpaced", "churn", "stall-floods"] {
        assert!(exit.stdout.contains(&format!("| {work} ")), "{}", exit.stdout);
    }
}

#[test]
fn a_report_is_well_formed_and_needs_nothing_from_outside() {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report");
    let gateways = [format!("a&b<i>={}", yardstick()), format!("\"plain\"={}", yardstick())];
    let words = ["compare", "--works", "echo-w1,churn", "--rounds", "1", "--time", "300ms", "--report"];
    let gateways = gateways.each_ref().map(|gateway| ["--gateway", gateway]).concat();
    bench(&[&words[..], &[report.to_str().unwrap()], &gateways].concat()).expect_success();
    let files: Vec<_> = fs::read_dir(&report).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().any(|file| file.ends_with("index.html")), "{files:?}");
    for kind in ["latency", "throughput", "cpu"] {
        assert!(files.iter().any(|file| file.ends_with(format!("echo-w1-{kind}.svg"))), "{kind}: {files:?}");
    }
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
        let page = roxmltree::Document::parse_with_options(&text, options).unwrap_or_else(|e| panic!("{file:?}: {e}"));
        let words: String = page.descendants().filter_map(|node| node.text()).collect();
        assert!(words.contains("a&b<i>") && words.contains("\"plain\""), "{file:?} does not name the gateways");
        // The name of the SVG language looks like an address and is none.
        assert!(!text.replace("http://www.w3.org/2000/svg", "").contains("http"), "{file:?} points outside");
    }
}

#[test]
fn a_report_explains_its_works_and_says_the_result_in_short() {
    let dir = tempfile::tempdir().unwrap();
    let gateways = [format!("first={}", yardstick()), format!("second={}", yardstick())];
    let gateways = gateways.each_ref().map(|gateway| ["--gateway", gateway]).concat();
    let words = ["compare", "--works", "round-trip,stall-floods", "--rounds", "2", "--time", "500ms"];
    let folder = ["--max-lag", "10s", "--report", dir.path().to_str().unwrap()];
    bench(&[&words[..], &folder, &gateways].concat()).expect_success();
    let page = fs::read_to_string(dir.path().join("index.html")).unwrap();
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    let page = roxmltree::Document::parse_with_options(&page, options).unwrap();
    let text: String = page.descendants().filter_map(|node| node.text()).collect();
    for part in [
        "In all 8 runs every message arrived whole and in order",
        "second takes ",
        "Beside a peer that misbehaves, 99 % of the messages over first take at most",
        "one player with one connection each send messages of 64 bytes",
        "beside a peer that misbehaves: a player that sends 200,000 messages a second",
        "half of the messages, and 99 % of them, took at most this long",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What it links to is there.
    let links: Vec<&str> = page.descendants().filter_map(|node| node.attribute("href")?.strip_prefix('#')).collect();
    assert!(links.contains(&"stall-floods"), "{links:?}");
    for link in links {
        assert!(page.descendants().any(|node| node.attribute("id") == Some(link)), "{link}");
    }
    let stall = fs::read_to_string(dir.path().join("stall-floods-stall.svg")).unwrap();
    for line in ["first alone", "first beside it", "second alone", "second beside it"] {
        assert!(stall.contains(line), "{line}");
    }
    assert!(dir.path().join("overview.svg").exists());
}

#[test]
fn a_run_that_finds_no_source_port_says_so() {
    // A network of its own with few ports.
    let script = "echo '40000 40019' > /proc/sys/net/ipv4/ip_local_port_range && ip link set lo up && exec \"$@\"";
    let prefix = ["unshare", "--map-root-user", "--net", "sh", "-c", script, "sh"];
    let words = ["echo", "--links", "50", "--time", "100ms", "--gateway"];
    let exit = Program::start_within(&prefix, &[&words[..], &[&yardstick(), "--sleep"]].concat()).wait();
    exit.expect_failure(&[
        "could not be opened: no source port is left for links to 127.0.0.1:",
        "one of the ports 40000 to 40019 (net.ipv4.ip_local_port_range)",
        "Give fewer --links",
    ]);
}

#[test]
fn a_gateway_that_dies_is_named_with_its_last_words() {
    // The shell says something, and dies when its time is over, in the middle of the run.
    let command = format!("sh -c 'echo goodbye; exec timeout -s KILL 1 \"$@\"' sh {}", yardstick());
    let exit = bench(&["echo", "--gateway", &command, "--time", "60s"]);
    exit.expect_failure(&["echo with gateway: the gateway died: signal: 9", "goodbye"]);
}

#[test]
fn a_comparison_that_fails_shows_what_was_measured_before() {
    let gateway = format!("gw={}", yardstick());
    let works = "round-trip,open-loop";
    let exit = bench(&["compare", "--works", works, "--time", "500ms", "--max-lag", "0", "--gateway", &gateway]);
    exit.expect_failure(&["open-loop with gw: the generator itself lagged"]);
    assert!(exit.stdout.contains("| round-trip | gw "), "{}", exit.stdout);
    assert!(!exit.stdout.contains("| open-loop"), "{}", exit.stdout);
}

#[test]
fn a_gateway_that_does_not_start_is_named() {
    bench(&["echo", "--gateway", "sh -c 'echo no; exit 3' {client} {server}"]).expect_failure(&[
        "ended before it listened",
        "exit status: 3",
        "no",
    ]);
    bench(&["echo", "--gateway", "/no/such/program {client} {server}"])
        .expect_failure(&["cannot start /no/such/program"]);
}

#[test]
fn ctrl_c_ends_it_and_the_gateway() {
    for signal in [Signal::INT, Signal::TERM] {
        let program = Program::start(&["echo", "--gateway", &yardstick(), "--time", "60s"]);
        program.wait_for_gateway();
        program.signal(signal);
        let exit = program.wait();
        assert_eq!(exit.code, Some(130), "{}", exit.stderr);
        assert_eq!(exit.stderr, "fastway-bench: interrupted\n");
    }
}

#[test]
fn a_generator_that_polls_is_not_busy_for_it() {
    let yardstick = yardstick();
    let words = ["rate", "--links", "5", "--rate", "200", "--time", "500ms", "--max-lag", "10s", "--json", "--gateway"];
    let exit = Program::start_awake(&[&words[..], &[&yardstick]].concat()).wait().expect_success();
    let busy = exit.json()[0]["generator"]["busy"].as_f64().unwrap();
    assert!(busy < 0.7, "{busy}");
}

#[test]
fn nothing_but_results_is_printed_where_there_is_no_terminal() {
    let exit = briefly(&["echo", "--links", "3", "--json"]);
    assert_eq!(exit.stderr, "");
    assert_eq!(exit.stdout.lines().count(), 1);
}

#[test]
fn a_faulty_command_line_is_refused_and_says_what_is_accepted() {
    for (words, expected) in [
        (&["ecko"][..], "ecko"),
        (&[], "compare"),
        (&["echo", "--size", "7"], "--size is 7; it can be 8"),
        (&["echo", "--size", "1G"], "as in 64, 32K or 1M"),
        (&["echo", "--links", "0"], "--links is 0"),
        (&["echo", "--time", "0"], "--time is 0"),
        (&["echo", "--seconds", "5"], "--seconds; did you mean --time, as in --time 5s?"),
        (&["suite", "--runs=3"], "did you mean --rounds?"),
        (&["idle", "--clients", "3"], "did you mean --links?"),
        (&["rate", "--rate", "0"], "a number above 0"),
        (&["echo", "--client-addr", "127.0.0.1:1"], "--server-addr"),
        (&["echo", "--gateway", "gw"], "where {client} goes"),
        (&["stall", "--trouble", "rain"], "stops-reading, floods, garbage or handshakes"),
        (&["echo", "--link", "tls"], "give plain or secure"),
        (&["compare", "--gateway", "a=g {client} {server}", "--link", "a=tls"], "--link a: give plain or secure"),
        (&["compare", "--gateway", "a=g {client} {server}", "--link", "b=plain"], "no gateway is called \"b\""),
        (&["compare"], "NAME='command"),
        (&["echo", "--gateway", "gw {client} {server}", "--allocations", ""], "--allocations: the command is empty"),
        (&["compare", "--gateway", "a=gw {client} {server}", "--allocations", "b=x"], "no gateway is called \"b\""),
        (&["compare", "--gateway", "gw {client} {server}"], "NAME='command"),
        (&["compare", "--gateway", "a=gw {client} {server}", "--works", "eco"], "known are echo-w1"),
        (&["compare", "--gateway", "a=g {client} {server}", "--gateway", "a=g {client} {server}"], "called \"a\""),
    ] {
        let exit = bench(words);
        assert_eq!(exit.code, Some(2), "{words:?}: {}", exit.stderr);
        assert!(exit.stderr.contains(expected), "{words:?}: {}", exit.stderr);
        assert_eq!(exit.stdout, "");
    }
}

#[test]
fn help_is_there_for_the_program_and_every_work() {
    assert!(bench(&["--help"]).expect_success().stdout.contains("yardstick"));
    for work in ["echo", "rate", "push", "large", "mixed", "idle", "churn", "stall", "compare", "suite", "yardstick"] {
        assert!(bench(&[work, "--help"]).expect_success().stdout.contains("Options:"), "{work}");
    }
}
