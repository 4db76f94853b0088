//! The bench sees what a gateway does wrong, however seldom, and names it.

use std::time::Duration;

use crate::support::{Misdeed, TestGateway, bench, bench_with, yardstick};

/// Runs an echo against a gateway that does `misdeed` to one frame in 100,000. It would go on for a minute, so only a
/// fault that is seen ends it in time.
#[track_caller]
fn echo_through(misdeed: Misdeed, expected: &[&str]) {
    let gateway = TestGateway::start(misdeed, 7);
    let words = ["echo", "--links", "20", "--window", "32", "--time", "60s", "--seed", "1"];
    bench_with(&words, &gateway.flags()).expect_failure(&[expected, &["echo with", "link ", "connection "]].concat());
}

#[test]
fn a_lost_frame_is_caught() {
    echo_through(Misdeed::Drop, &["wrong payload", "was lost", "16 later frames came"]);
}

#[test]
fn a_doubled_frame_is_caught() {
    echo_through(Misdeed::Duplicate, &["wrong payload", "came twice"]);
}

#[test]
fn a_corrupted_byte_is_caught() {
    echo_through(Misdeed::Corrupt, &["wrong payload", "was corrupted: byte "]);
}

#[test]
fn reordered_frames_are_caught() {
    echo_through(Misdeed::Reorder, &["wrong payload", "were reordered"]);
}

#[test]
fn a_cut_frame_is_caught() {
    echo_through(Misdeed::Cut, &["wrong payload", "63 bytes of payload, not 64"]);
}

#[test]
fn a_frame_on_the_wrong_connection_is_caught() {
    let gateway = TestGateway::start(Misdeed::Misdeliver, 7);
    let words = ["echo", "--links", "1", "--connections", "16", "--window", "32", "--time", "60s"];
    bench_with(&words, &gateway.flags()).expect_failure(&["belongs to another connection"]);
}

#[test]
fn a_lost_frame_is_missed_even_when_nothing_comes_after_it() {
    let gateway = TestGateway::start(Misdeed::Drop, 0);
    let words = ["echo", "--links", "1", "--time", "60s", "--patience", "200ms"];
    bench_with(&words, &gateway.flags()).expect_failure(&["frame 0 was lost: nothing came any more"]);
}

#[test]
fn the_same_holds_for_what_servers_push() {
    for (misdeed, expected) in [(Misdeed::Drop, "was lost"), (Misdeed::Corrupt, "was corrupted")] {
        let gateway = TestGateway::start(misdeed, 7);
        let words = ["push", "--links", "20", "--rate", "max", "--time", "60s"];
        bench_with(&words, &gateway.flags()).expect_failure(&["wrong payload at player link", expected]);
    }
}

#[test]
fn a_gateway_without_fault_passes() {
    let gateway = TestGateway::start(Misdeed::Nothing, 7);
    let words = ["echo", "--links", "20", "--window", "32", "--time", "300ms"];
    let exit = bench_with(&words, &gateway.flags()).expect_success();
    assert!(exit.stdout.contains("every one checked"), "{}", exit.stdout);
}

#[test]
fn a_schedule_slower_than_the_patience_loses_nothing() {
    let gateway = TestGateway::start(Misdeed::Pause { after: 3, time: Duration::from_millis(250) }, 7);
    let words = ["rate", "--links", "1", "--rate", "1", "--time", "2s", "--patience", "500ms", "--max-lag", "10s"];
    bench_with(&words, &gateway.flags()).expect_success();
}

#[test]
fn an_open_loop_shows_a_pause_in_every_message_that_was_due_meanwhile() {
    let pause = Misdeed::Pause { after: 1000, time: Duration::from_millis(100) };
    let gateway = TestGateway::start(pause, 7);
    let words =
        ["rate", "--links", "20", "--rate", "2000", "--time", "1s", "--warmup", "0", "--max-lag", "10s", "--json"];
    let exit = bench_with(&words, &gateway.flags()).expect_success();
    let latency = &exit.json()[0]["latency_us"];
    assert!(latency["max"].as_f64() > Some(90_000.0), "{latency}");
    // A tenth of the messages were due in that tenth of the second; half of them waited for more than half of it.
    assert!(latency["p99"].as_f64() > Some(50_000.0), "{latency}");
}

#[test]
fn a_closed_loop_would_not() {
    let pause = Misdeed::Pause { after: 1000, time: Duration::from_millis(100) };
    let gateway = TestGateway::start(pause, 7);
    let words = ["echo", "--links", "1", "--time", "1s", "--warmup", "0", "--json"];
    let exit = bench_with(&words, &gateway.flags()).expect_success();
    let latency = &exit.json()[0]["latency_us"];
    assert!(latency["max"].as_f64() > Some(90_000.0), "{latency}");
    assert!(latency["p99"].as_f64() < Some(50_000.0), "{latency}");
}

#[test]
fn a_generator_that_lags_says_so() {
    let gateway = TestGateway::start(Misdeed::Nothing, 7);
    let words = ["rate", "--links", "20", "--rate", "2000", "--time", "200ms", "--max-lag", "0"];
    let advice = ["the generator itself lagged", "--max-lag", "lower the rate or free a core"];
    bench_with(&words, &gateway.flags()).expect_failure(&advice);
}

#[test]
fn a_comparison_repeats_a_run_in_which_the_generator_lagged_and_gives_up_in_the_end() {
    let gateway = format!("gw={}", yardstick());
    // Long enough for a message to leave in it on any machine: without one there is no lag.
    let words = ["compare", "--works", "open-loop", "--time", "500ms", "--max-lag", "0", "--gateway", &gateway];
    let exit = bench(&words);
    exit.expect_failure(&["open-loop with gw: the generator itself lagged"]);
    assert_eq!(exit.stderr.matches("the run is repeated").count(), 3, "{}", exit.stderr);
}

#[test]
fn a_gateway_with_another_key_is_named() {
    let gateway = TestGateway::start(Misdeed::Nothing, 7);
    let (client, server) = (gateway.client.to_string(), gateway.server.to_string());
    let words = ["echo", "--client-addr", &client, "--server-addr", &server, "--key", "wrong"];
    bench(&words).expect_failure(&["server link 0", "wrong --key"]);
}
