//! What an operator asks of a running gateway, by command file and signal and by `fastway ctl`.

use std::fs;
use std::thread;

use fastway::admin::{Outcome, Results};
use fastway_testkit::process::Signal;
use fastway_testkit::{Client, Gateway, Link, Server, data, pprof, watch};
use fastway_wire::ConnId;

/// Peers that have nothing to say stay, however long a test takes on a busy machine.
const NEVER_IDLE: [&str; 2] = ["--client-idle-timeout=0", "--server-idle-timeout=0"];

/// Runs commands by file and signal and waits for what the result file says of them.
fn by_file(gateway: &Gateway, commands: &[&str]) -> Vec<Outcome> {
    let request = format!("test {}", commands.join(" / "));
    fs::write(gateway.file("fastway.cmd"), format!("# {request}\n{}\n", commands.join("\n"))).unwrap();
    gateway.signal(Signal::USR1);
    let mut outcomes = Vec::new();
    watch::eventually(&request, || {
        let text = fs::read_to_string(gateway.file("fastway.cmd.out")).unwrap_or_default();
        let results = Results::parse(&text).filter(|results| results.request.as_ref() == Some(&request));
        outcomes = results.map(|results| results.outcomes).unwrap_or_default();
        !outcomes.is_empty()
    });
    assert_eq!(outcomes.iter().map(|outcome| outcome.command.as_str()).collect::<Vec<_>>(), commands);
    fs::remove_file(gateway.file("fastway.cmd.out")).unwrap();
    outcomes
}

/// What a command answers by file and signal; `fastway ctl` has to have the same to say, but for what changes by itself.
fn answer(gateway: &Gateway, command: &str) -> String {
    let outcome = by_file(gateway, &[command]).remove(0);
    assert_eq!(outcome.error, None, "{command}");
    let exit = gateway.ctl(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(exit.code, Some(0), "{command}: {}", exit.stderr);
    assert_eq!(shape(&exit.stdout), shape(&outcome.answer), "{command}");
    outcome.answer
}

/// The words of an answer without their values.
fn shape(answer: &str) -> Vec<&str> {
    answer.split_whitespace().map(|word| word.split_once('=').map_or("word", |(name, _)| name)).collect()
}

/// Why a command fails, by file and signal as well as by `fastway ctl`.
fn error(gateway: &Gateway, command: &str) -> String {
    let outcome = by_file(gateway, &[command]).remove(0);
    let error = outcome.error.unwrap_or_else(|| panic!("{command} is taken: {}", outcome.answer));
    let exit = gateway.ctl(&command.split(' ').collect::<Vec<_>>());
    assert_eq!((exit.code, exit.stderr.trim_end()), (Some(1), format!("fastway ctl: {error}").as_str()), "{command}");
    error
}

fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name} in {line:?}"))
}

/// A gateway with a server and a client, and a connection between them.
fn playing() -> (Gateway, Client, Server, ConnId) {
    Gateway::start(&[&["--workers", "2"][..], &NEVER_IDLE].concat()).playing()
}

#[test]
fn help_lists_every_command() {
    let gateway = Gateway::start(&[]);
    let help = answer(&gateway, "help");
    for call in [
        "help",
        "cpuprof start",
        "cpuprof stop",
        "heapprof start",
        "heapprof stop",
        "lookup heap [n]",
        "lookup goroutine [n]",
        "lookup block [n]",
        "lookup threadcreate [n]",
        "lookup gc [n]",
        "links [FILTER…]",
        "servers [FILTER…]",
        "conns LINK",
        "kick LINK",
        "log [LEVEL]",
        "stats",
    ] {
        assert!(help.lines().any(|line| line.starts_with(&format!("{call} "))), "{call} is not in:\n{help}");
    }
}

#[test]
fn links_shows_who_is_there_and_what_they_do() {
    let (gateway, client, _server, _) = playing();
    let links = answer(&gateway, "links");
    assert_eq!(links.lines().last(), Some("2 links"), "{links}");
    let line = links.lines().find(|line| line.contains("side=client")).unwrap();
    assert_eq!(field(line, "link"), client.id().to_string());
    assert!(field(line, "peer").starts_with("127.0.0.1:"), "{line}");
    let counted = ["conns", "received_frames", "received_bytes", "sent_frames", "sent_bytes", "waiting_bytes", "state"];
    assert_eq!(counted.map(|name| field(line, name)), ["1", "2", "26", "2", "30", "0", "open"]);
    assert_eq!(answer(&gateway, "links client held-up"), "0 links\n");
    assert_eq!(answer(&gateway, "links client peer=127.0.0.1").lines().count(), 2);
    assert_eq!(answer(&gateway, "links limit=1").lines().last(), Some("1 link (the first ones; limit=N shows more)"));
    for (command, part) in [
        ("links everything", "is no filter for links; accepted: client, server"),
        ("links limit=0", "\"0\" is not a limit from 1 to 10000"),
        ("links limit=10001", "is not a limit"),
        ("links limit=", "is not a limit"),
    ] {
        let error = error(&gateway, command);
        assert!(error.contains(part), "{command}: {error}");
    }
}

#[test]
fn servers_shows_the_game_servers() {
    let (gateway, _client, _server, _) = playing();
    let servers = answer(&gateway, "servers");
    assert_eq!((servers.lines().count(), field(&servers, "server"), field(&servers, "conns")), (2, "7", "1"));
    assert_eq!(answer(&gateway, "servers server=8"), "0 links\n");
}

#[test]
fn conns_shows_the_connections_of_a_link() {
    let (gateway, mut client, mut server, conn) = playing();
    let id = client.id();
    let conns = answer(&gateway, &format!("conns {id}"));
    assert_eq!(conns.lines().count(), 2, "{conns}");
    assert_eq!((field(&conns, "conn"), field(&conns, "client_link")), (&*conn.to_string(), &*id.to_string()));
    assert_eq!(field(&conns, "server"), "7");
    client.open(&mut server);
    assert!(
        answer(&gateway, &format!("conns {id} limit=1"))
            .ends_with("1 connection (the first ones; limit=N shows more)\n")
    );
    for command in ["conns", "kick"] {
        let error = error(&gateway, command);
        assert_eq!(error, "an argument is missing: the number of a link, which `links` shows");
    }
    for command in ["conns x", "conns -1", &format!("conns {id} {id}")] {
        let error = error(&gateway, command);
        assert!(error.contains("number of a link"), "{command}: {error}");
    }
    assert!(error(&gateway, "conns 4294967295").starts_with("there is no link 4294967295"));
}

#[test]
fn kick_closes_one_link_and_the_log_says_why() {
    let (mut gateway, mut client, mut server, conn) = playing();
    let kicked = by_file(&gateway, &[&format!("kick {}", client.id())]).remove(0);
    assert_eq!((kicked.error, field(&kicked.answer, "link")), (None, &*client.id().to_string()));
    client.expect_eof();
    server.expect_close(conn);
    gateway.wait_log_with(&["INFO", "client link closed", "kind=\"kicked\"", "an operator closed the link"]);

    let mut other = gateway.client();
    other.open(&mut server);
    let exit = gateway.ctl(&["kick", &other.id().to_string()]);
    assert_eq!((exit.code, field(&exit.stdout, "conns")), (Some(0), "1"));
    other.expect_eof();
    assert!(error(&gateway, &format!("kick {}", other.id())).starts_with("there is no link"));
    assert!(error(&gateway, "kick").contains("number of a link"));
    gateway.still_serves();
}

#[test]
fn stats_counts_since_the_start() {
    let (gateway, client, _server, _) = playing();
    let before = gateway.sockets();
    drop(client);
    gateway.expect_sockets(before - 1);
    let stats = answer(&gateway, "stats");
    let clients = stats.lines().find(|line| line.starts_with("links side=client")).unwrap();
    assert_eq!(["open", "opened", "forwarded_frames"].map(|name| field(clients, name)), ["0", "1", "1"]);
    let closed = stats.lines().find(|line| line.starts_with("closed side=client")).unwrap();
    assert_eq!((field(closed, "end_of_stream"), field(closed, "kicked")), ("1", "0"));
    let conns = stats.lines().find(|line| line.starts_with("connections ")).unwrap();
    assert_eq!((field(conns, "open"), field(conns, "opened")), ("0", "1"));
    let workers = stats.lines().find(|line| line.starts_with("workers ")).unwrap();
    assert_eq!(field(workers, "count"), "2");
    let allocated: u64 = field(workers, "allocated_bytes").parse().unwrap();
    assert!(allocated > 512 << 10, "at least what reads take: {allocated}");
    assert!(error(&gateway, "stats now").contains("no arguments are taken"));
}

#[test]
fn log_changes_how_much_is_logged() {
    let mut gateway = Gateway::start(&[]);
    assert_eq!(answer(&gateway, "log"), "log filter: info\n");
    gateway.client().expect_silence();
    assert!(!gateway.log().contains("client link opened"));
    assert_eq!(answer(&gateway, "log debug"), "log filter: debug\n");
    gateway.client().expect_silence();
    gateway.wait_log_with(&["DEBUG", "client link opened", "peer=127.0.0.1:"]);
    assert_eq!(gateway.ctl(&["log", "error"]).stdout, "log filter: error");
    gateway.mark();
    assert_eq!(gateway.ctl(&["help"]).code, Some(0));
    assert!(error(&gateway, "log loud").contains("\"loud\" is not a level: error, warn"));
    assert!(error(&gateway, "log info debug").contains("one level"));
    gateway.wait_log_with(&["ERROR", "command failed", "log loud"]);
    assert!(!gateway.log().contains("lists the commands"), "answers are lines of the level info");
}

#[test]
fn goroutine_lists_every_task() {
    let (gateway, client, _server, _) = playing();
    let expected = "acceptor acceptor admin handshake link link pump pump sweep sweep".split(' ').collect::<Vec<_>>();
    let (mut silent, mut text) = (Vec::new(), String::new());
    watch::eventually("the handshake is among the tasks", || {
        // A handshake lasts for some seconds only.
        silent.push(gateway.half_open_server());
        answer(&gateway, "lookup goroutine");
        text = fs::read_to_string(gateway.file("fastway.goroutine.prof")).unwrap();
        let mut tasks: Vec<&str> = text.lines().map(|line| field(line, "task")).collect();
        tasks.sort_unstable();
        tasks.dedup_by(|one, other| one == other && *one == "handshake");
        tasks == expected
    });
    let link = text.lines().find(|line| line.contains(&format!("link={} side=client", client.id()))).unwrap();
    assert!(link.contains("state=\"waits for bytes\"") && field(link, "peer").starts_with("127.0.0.1:"), "{link}");
    for name in ["for", "age", "worker"] {
        assert!(!field(link, name).is_empty());
    }
    let handshake = text.lines().find(|line| line.starts_with("task=handshake")).unwrap();
    assert!(handshake.contains("peer=127.0.0.1:") && handshake.contains("for="), "{handshake}");
}

#[test]
fn threadcreate_lists_the_threads_with_their_cpu_time() {
    let gateway = Gateway::start(&["--workers", "2"]);
    answer(&gateway, "lookup threadcreate");
    let text = fs::read_to_string(gateway.file("fastway.threadcreate.prof")).unwrap();
    for name in ["worker-0", "worker-1", "admin"] {
        let line =
            text.lines().find(|line| line.contains(&format!("name={name} "))).unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains("state=") && line.contains("cpu=") && line.contains("system="), "{line}");
    }
    assert_eq!(field(text.lines().find(|line| line.contains("name=admin")).unwrap(), "state"), "\"running\"");
}

/// A server that takes nothing, and a client whose data for it waits in the gateway.
fn jam(gateway: &Gateway) -> (Client, Server, ConnId) {
    let mut server = gateway.narrow_server(7);
    let mut client = gateway.client();
    let conn = client.open(&mut server);
    let mut sender = client.sender();
    thread::spawn(move || while sender.try_send_raw(&data(conn, &[0; 32 << 10])).is_ok() {});
    // What the system still takes for the server lets the client go on for a moment, again and again, until it is full.
    watch::eventually("the client is paused, and nothing was taken for the server for a second", || {
        let links = gateway.ctl(&["links", "held-up"]).stdout;
        let stuck = links.lines().find(|line| line.contains("outbox_full=") && line.contains("slow_write="));
        let seconds = stuck.and_then(|line| field(line, "slow_write").strip_suffix('s')?.parse::<f64>().ok());
        links.contains("paused_by_link=") && seconds.is_some_and(|seconds| seconds >= 1.0)
    });
    (client, server, conn)
}

#[test]
fn block_shows_who_was_held_up_by_whom() {
    let gateway = Gateway::start(&[&["--server-send-bytes", "1M"][..], &NEVER_IDLE].concat());
    let (client, _server, _) = jam(&gateway);
    let paused = answer(&gateway, "links client held-up");
    assert!(paused.contains("paused_source=") && paused.contains("paused_by_link="), "{paused}");

    let path = gateway.file("fastway.block.prof");
    answer(&gateway, "lookup block");
    let top = pprof::top(&path);
    for name in
        ["paused_source", "outbox_full", "slow_write", "clients", "servers", &format!("link {} 127", client.id())]
    {
        assert!(top.contains(name), "{name} is not in the profile:\n{top}");
    }
    answer(&gateway, "lookup block 1");
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.contains("reason=paused_source")).unwrap();
    assert!(line.contains(&format!("at=\"link {} 127.0.0.1:", client.id())) && line.contains("lasting="), "{line}");

    // What a link that is closed by now was held up is kept.
    assert_eq!(gateway.ctl(&["kick", &client.id().to_string()]).code, Some(0));
    answer(&gateway, "lookup block 1");
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.contains("reason=paused_source")).unwrap();
    assert!(line.contains("at=\"links of worker 0 that are closed\""), "{line}");
}

#[test]
fn a_jammed_link_is_seen_among_the_tasks() {
    let gateway = Gateway::start(&[&["--server-send-bytes", "1M"][..], &NEVER_IDLE].concat());
    let _jam = jam(&gateway);
    answer(&gateway, "lookup goroutine");
    let text = fs::read_to_string(gateway.file("fastway.goroutine.prof")).unwrap();
    assert!(text.contains("state=\"not read: the outbox of server link"), "{text}");
    assert!(text.contains("state=\"its outbox is full\"") || text.contains("state=\"waits until the system"), "{text}");
}

#[test]
fn the_heap_profile_opens_in_pprof_with_our_functions() {
    let gateway = Gateway::start(&["--client-send-bytes", "256M", "--client-slow-grace", "10m"]);
    let path = gateway.file("fastway.heap.prof");
    let first = by_file(&gateway, &["lookup heap"]).remove(0);
    assert!(first.answer.contains("heap profile written to") && first.answer.contains("sampling starts now"));
    assert!(pprof::top(&path).contains("Type: inuse_space"));
    // 100 MB held for a client that reads nothing: with one sample in half a megabyte some of it is sampled for certain.
    let mut server = gateway.server(7);
    let mut client = gateway.narrow_client();
    let conn = client.open(&mut server);
    (0..400).for_each(|_| server.send(conn, &[0; 256 << 10]));
    server.expect_silence();
    answer(&gateway, "lookup heap 1");
    let top = pprof::top(&path);
    for function in ["fastway::mux::pool::", "fastway::mux::worker::receive"] {
        assert!(top.contains(function), "{function} is not in the profile:\n{top}");
    }
    assert!(!top.contains("_rjem_"), "the allocator has taken what others hold:\n{top}");
    answer(&gateway, "heapprof stop");
    let again = by_file(&gateway, &["lookup heap"]).remove(0);
    assert!(again.answer.contains("sampling starts now"), "{}", again.answer);
    answer(&gateway, "heapprof start");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(error(&gateway, "lookup heap").contains("the heap profile cannot be written"));
}

#[test]
fn lookups_take_nothing_but_a_number() {
    let gateway = Gateway::start(&[]);
    for what in ["heap", "goroutine", "block", "threadcreate", "gc"] {
        for word in ["x", "-1", "10000"] {
            let error = error(&gateway, &format!("lookup {what} {word}"));
            assert_eq!(error, format!("{word:?} is not a number from 0 to 9999"));
        }
    }
    assert!(error(&gateway, "lookup").starts_with("there is no command"));
    assert!(error(&gateway, "lookup everything").starts_with("there is no command"));
}

#[test]
fn several_commands_run_in_order_and_each_has_its_result() {
    let mut gateway = Gateway::start(&[]);
    let outcomes = by_file(&gateway, &["help", "no such", "stats", "kick 9", "log"]);
    let failed: Vec<bool> = outcomes.iter().map(|outcome| outcome.error.is_some()).collect();
    assert_eq!(failed, [false, true, false, true, false]);
    assert!(outcomes[0].answer.contains("lists the commands") && outcomes[4].answer.contains("log filter"));
    for parts in [["done", "help"], ["failed", "no such"], ["done", "stats"], ["failed", "kick 9"], ["done", "log"]] {
        gateway.wait_log_with(&parts);
    }
}

#[test]
fn a_command_file_that_is_refused_says_so_in_the_result_file() {
    let gateway = Gateway::start(&[]);
    for (content, reason) in [
        (b"# nothing\n".to_vec(), "holds no command"),
        (b"help\n".repeat(20_000), "larger than 65536 bytes"),
        (b"help\n\xff".to_vec(), "not text: at byte 5"),
    ] {
        let _ = fs::remove_file(gateway.file("fastway.cmd.out"));
        fs::write(gateway.file("fastway.cmd"), content).unwrap();
        gateway.signal(Signal::USR1);
        watch::eventually(reason, || {
            let text = fs::read_to_string(gateway.file("fastway.cmd.out")).unwrap_or_default();
            let results = Results::parse(&text).filter(|results| results.outcomes.is_empty());
            results.and_then(|results| results.failure).is_some_and(|failure| failure.contains(reason))
        });
    }
}

#[test]
fn commands_under_load_lose_nothing() {
    let (gateway, mut client, mut server, conn) = playing();
    let mut others: Vec<Link> = (0..200).map(|_| Link::connect(gateway.client_addr())).collect();
    others.iter_mut().for_each(Link::expect_silence);
    let all = [
        "links limit=10000",
        "servers",
        "stats",
        "lookup goroutine",
        "lookup block",
        "lookup threadcreate",
        "lookup gc",
    ];
    let mut sent = 0_u32;
    thread::scope(|scope| {
        let commands = scope.spawn(|| {
            for _ in 0..5 {
                assert!(by_file(&gateway, &all).iter().all(|outcome| outcome.error.is_none()));
            }
        });
        while !commands.is_finished() || sent < 1000 {
            let batch: Vec<Vec<u8>> = (sent..sent + 50).map(|number| number.to_le_bytes().repeat(50)).collect();
            batch.iter().for_each(|payload| client.send(conn, payload));
            batch.iter().for_each(|payload| server.expect_data(conn, payload));
            batch.iter().for_each(|payload| server.send(conn, payload));
            batch.iter().for_each(|payload| client.expect_data(conn, payload));
            sent += 50;
        }
    });
    let links = answer(&gateway, "links limit=10000");
    assert_eq!(links.lines().last(), Some("202 links"));
    // Besides: the dial, and the exchange before.
    let received = (sent + 2).to_string();
    assert!(links.lines().any(|line| line.contains(&format!("received_frames={received} "))), "{received}: {links}");
}
