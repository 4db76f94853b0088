//! The SDK's examples do what their first lines say.

use std::fs;
use std::io::Write;
use std::path::Path;

use fastway_testkit::Gateway;
use fastway_testkit::examples::{example, start_example, terminal};
use fastway_testkit::process::Process;

#[test]
fn the_echo_client_gets_its_words_back_from_the_echo_server() {
    let gateway = Gateway::start(&[]);
    let server = start_example("echo-server", &[&gateway.server_addr().to_string()]);
    server.wait_stdout(|line| line == "ready as server 1");
    let exit = start_example("echo-client", &[&gateway.client_addr().to_string()]).wait_exit();
    assert_eq!((exit.code, exit.stdout.as_str()), (Some(0), "hello\nis anybody there?\ngoodbye"), "{}", exit.stderr);
}

#[test]
fn an_example_without_a_gateway_says_so() {
    for (name, args) in [("echo-server", ["127.0.0.1:1"].as_slice()), ("echo-client", &["127.0.0.1:1"])] {
        let exit = start_example(name, args).wait_exit();
        assert_eq!(exit.code, Some(1));
        assert!(exit.stderr.contains("no connection to the gateway at 127.0.0.1:1"), "{}", exit.stderr);
    }
}

#[test]
fn what_one_terminal_types_appears_at_the_two_others_and_only_there() {
    let gateway = Gateway::start(&[]);
    let room = open_room(&gateway);
    let mut ann = join(&gateway, &room, "ann");
    let mut bob = join(&gateway, &room, "bob");
    let mut cy = join(&gateway, &room, "cy");
    ann.wait_stdout(|line| line == "* cy joined");
    cy.wait_stdout(|line| line.starts_with("* here with you: ") && line.contains("ann") && line.contains("bob"));

    ann.type_line("hello, you two");
    for other in [&bob, &cy] {
        other.wait_stdout(|line| line == "ann: hello, you two");
    }
    cy.type_line("hello \x1b[2Jann");
    for other in [&ann, &bob] {
        other.wait_stdout(|line| line == "cy: hello [2Jann");
    }

    bob.end_input();
    assert_eq!(bob.wait_exit().code, Some(0));
    for other in [&ann, &cy] {
        other.wait_stdout(|line| line == "* bob left");
    }
    cy.kill();
    ann.wait_stdout(|line| line == "* cy left");
    assert!(!ann.stdout().contains("hello, you two"), "ann sees what she said herself:\n{}", ann.stdout());
}

#[test]
fn nothing_that_is_typed_ends_the_chat() {
    let gateway = Gateway::start(&[]);
    let room = open_room(&gateway);
    let ann = join(&gateway, &room, "ann");
    let mut nameless = start_example("chat", &["join", &gateway.client_addr().to_string(), " \x07"]);
    ann.wait_stdout(|line| line == "* somebody joined");
    nameless.type_line(b"no text: \xff\xfe");
    ann.wait_stdout(|line| line == "somebody: no text: \u{fffd}\u{fffd}");
    nameless.type_line("");
    nameless.type_line("x".repeat(1 << 20));
    nameless.type_line("still here");
    ann.wait_stdout(|line| line == format!("somebody: {}", "x".repeat(1000)));
    ann.wait_stdout(|line| line == "somebody: still here");
    assert!(!ann.stdout().lines().any(|line| line == "somebody: "), "{}", ann.stdout());
}

#[test]
fn a_player_at_a_terminal_leaves_by_ctrl_d() {
    let gateway = Gateway::start(&[]);
    let room = open_room(&gateway);
    let bob = join(&gateway, &room, "bob");
    let (mut keyboard, terminal) = terminal();
    let mut command = example("chat", &["join", &gateway.client_addr().to_string(), "ann"]);
    let mut ann = command.stdin(terminal.try_clone().unwrap()).stdout(terminal).spawn().unwrap();
    // The other side of the terminal was open here as well; when this side goes, ann's input ends.
    drop(command);
    bob.wait_stdout(|line| line == "* ann joined");
    keyboard.write_all(b"hello from a terminal\n").unwrap();
    bob.wait_stdout(|line| line == "ann: hello from a terminal");
    keyboard.write_all(b"\x04").unwrap();
    bob.wait_stdout(|line| line == "* ann left");
    assert!(ann.wait().unwrap().success());
}

#[test]
fn the_chat_says_what_is_wrong_when_the_gateway_has_no_room_or_is_gone() {
    let mut gateway = Gateway::start(&[]);
    let (player_port, server_port) = (gateway.client_addr().to_string(), gateway.server_addr().to_string());
    for (args, complaint) in [
        (["join", &player_port, "ann"].as_slice(), "server 2 is not there"),
        (&["join", &server_port, "ann"], "client port"),
        (&["join", "127.0.0.1:1", "ann"], "no connection to the gateway at 127.0.0.1:1"),
        (&["join", &player_port], "usage: chat server"),
    ] {
        let exit = start_example("chat", args).wait_exit();
        assert_eq!(exit.code, Some(1), "{exit:?}");
        assert!(exit.stderr.contains(complaint), "{args:?}: {}", exit.stderr);
    }
    let mut room = open_room(&gateway);
    let mut ann = join(&gateway, &room, "ann");
    gateway.kill();
    for program in [&mut ann, &mut room] {
        let exit = program.wait_exit();
        assert_eq!(exit.code, Some(1), "{exit:?}");
        assert!(exit.stderr.contains("link"), "{}", exit.stderr);
    }
}

#[test]
fn the_chat_server_dials_its_players() {
    let gateway = Gateway::start(&[]);
    let _room = open_room(&gateway);
    let mut player = gateway.client();
    player.dial(2);
    let talk = player.expect_accept(2);
    player.send(talk, b"a player made by hand");
    let (delivery, from) = player.expect_connect();
    assert_eq!(from, 2);
    player.expect_data(delivery, b"* you are the first here");
}

#[test]
fn players_hear_that_the_room_has_closed() {
    let gateway = Gateway::start(&[]);
    let mut room = open_room(&gateway);
    let mut ann = join(&gateway, &room, "ann");
    room.kill();
    let exit = ann.wait_exit();
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains("the other end closed the connection"), "{}", exit.stderr);
}

fn open_room(gateway: &Gateway) -> Process {
    let room = start_example("chat", &["server", &gateway.server_addr().to_string()]);
    room.wait_stdout(|line| line == "the room is open");
    room
}

fn join(gateway: &Gateway, room: &Process, name: &str) -> Process {
    let player = start_example("chat", &["join", &gateway.client_addr().to_string(), name]);
    player.wait_stdout(|line| line.starts_with("* "));
    room.wait_stdout(|line| line == format!("{name} joined"));
    player
}

#[test]
fn the_page_about_the_sdk_shows_what_the_documentation_compiles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/sdk.md")).unwrap();
    let compiled = ["client", "config", "gateways", "session/config", "session/shared"]
        .map(|module| documentation(&root.join(format!("rust-client/src/{module}.rs"))));
    let shown: Vec<&str> = page.split("```rust\n").skip(1).filter_map(|text| text.split("```").next()).collect();
    assert_eq!(shown.len(), 5);
    for code in shown {
        assert!(compiled.iter().any(|text| text.contains(code)), "docs/sdk.md shows what nothing compiles:\n{code}");
    }
}

/// The text of all documentation comments.
fn documentation(source: &Path) -> String {
    let source = fs::read_to_string(source).unwrap();
    source.lines().filter_map(|line| line.trim_start().strip_prefix("/// ")).map(|line| format!("{line}\n")).collect()
}
