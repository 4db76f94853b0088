//! The JSON of the admin listener: numbers, links, servers and connections.

use std::collections::BTreeSet;
use std::thread;
use std::time::Instant;

use fastway_testkit::http::Http;
use fastway_testkit::process::Signal;
use fastway_testkit::{Client, Gateway, Link, Server, data, watch};
use fastway_wire::ConnId;
use serde_json::{Value, json};

/// Peers that have nothing to say stay, however long a test takes on a busy machine.
const NEVER_IDLE: [&str; 2] = ["--client-idle-timeout=0", "--server-idle-timeout=0"];

/// Why a path has nothing.
fn error(gateway: &Gateway, path: &str, status: u16) -> String {
    let answer = gateway.get(path);
    assert_eq!(answer.status, status, "{path}: {answer:?}");
    answer.json()["error"].as_str().unwrap().to_owned()
}

/// A gateway with a server and a client, and a connection between them.
fn playing() -> (Gateway, Client, Server, ConnId) {
    Gateway::with_admin(&[&["--workers", "2"][..], &NEVER_IDLE].concat()).playing()
}

#[test]
fn stats_has_what_was_counted_and_how_things_stand() {
    let (gateway, client, _server, _) = playing();
    let stats = gateway.stats();
    assert_eq!((&stats["state"], &stats["fresh"], &stats["workers"]), (&json!("running"), &json!(true), &json!(2)));
    assert_eq!((&stats["servers"], &stats["pid"]), (&json!(1), &json!(gateway.pid())));
    assert_eq!(stats["connections"], json!({ "open": 1, "opened": 1 }));
    let side = &stats["client"];
    assert_eq!(
        (&side["links"], &side["links_by_transport"], &side["links_by_protocol"]),
        (&json!(1), &json!({ "tcp": 1 }), &json!({ "plain": 1, "legacy": 0, "secure": 0 }))
    );
    // A dial and a message; an answer and a message.
    let counted =
        ["received_bytes", "sent_bytes", "received_frames", "sent_frames", "forwarded_frames", "reads", "writes"];
    assert_eq!(counted.map(|name| side[name].as_u64().unwrap()), [26, 30, 2, 2, 1, 2, 2]);
    assert_eq!(["waiting_packets", "waiting_bytes", "partial_bytes"].map(|name| side[name].as_u64().unwrap()), [0; 3]);
    assert_eq!(side["held_up"]["paused_source"], json!({ "now": 0, "count": 0, "total_ms": 0 }));
    assert!(stats["process"]["resident_bytes"].as_u64().unwrap() > 1 << 20, "{stats}");
    assert!(stats["allocator"]["allocated_bytes"].as_u64().unwrap() > 1 << 10, "{stats}");
    assert!(!stats["pool"].as_array().unwrap().is_empty());

    let sockets = gateway.sockets();
    drop(client);
    gateway.expect_sockets(sockets - 1);
    let later = gateway.stats();
    assert_eq!((&later["client"]["links"], &later["client"]["closed"]["end_of_stream"]), (&json!(0), &json!(1)));
    assert_eq!(later["connections"], json!({ "open": 0, "opened": 1 }));
    for name in ["time_ms", "uptime_ms"] {
        assert!(later[name].as_u64() >= stats[name].as_u64(), "{name}");
    }
    assert_eq!(later["started_ms"], stats["started_ms"]);
    assert!(error(&gateway, "/api/stats?all=1", 400).contains("no parameter \"all\"; accepted: none"));
}

#[test]
fn numbers_that_many_ask_for_at_once_are_from_few_looks() {
    let gateway = Gateway::with_admin(&[]);
    let began = Instant::now();
    let ask = || (0..8).map(|_| gateway.stats()["uptime_ms"].as_u64().unwrap()).collect::<Vec<_>>();
    let looks: BTreeSet<u64> = thread::scope(|scope| {
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().flat_map(|asking| asking.join().unwrap()).collect()
    });
    let most = 1 + began.elapsed().as_millis() / 100;
    assert!(looks.len() as u128 <= most, "{} looks, {most} at most: {looks:?}", looks.len());
}

#[test]
fn round_trips_are_sampled_while_links_are_there() {
    let (gateway, _client, _server, _) = playing();
    for side in ["client", "server"] {
        watch::eventually("a sweep has asked for the round-trip time", || {
            let times = gateway.stats()[side]["round_trips"].clone();
            times["count"].as_u64() > Some(0) && times["total_us"].as_u64() > Some(0)
        });
    }
}

#[test]
fn what_is_refused_is_counted_by_its_reason() {
    let gateway = Gateway::with_admin(&["--max-links", "2", "--client-max-conn", "1", "--max-dials-per-second", "2"]);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    client.open(&mut server);
    client.dial(7);
    client.expect_refuse(7);
    client.dial(7);
    client.expect_refuse(7);
    let mut other = gateway.client();
    other.dial(8);
    other.expect_refuse(8);
    Link::connect(gateway.client_addr()).expect_eof();
    let mut stranger = Link::connect(gateway.server_addr());
    stranger.raw(8);
    stranger.send_raw(&[0; 20]);
    stranger.expect_eof();
    let mut gone = Link::connect(gateway.server_addr());
    gone.raw(8);
    drop(gone);
    watch::eventually("both handshakes have failed", || {
        let failed = gateway.stats()["handshakes"].clone();
        failed == json!({ "in_progress": 0, "failed": { "lost": 1, "too_slow": 0, "wrong_key": 1, "dropped": 0 } })
    });
    let refused = gateway.stats()["refused"].clone();
    assert_eq!(refused["dials"], json!({ "unknown": 1, "max_conns": 1, "dial_rate": 1 }));
    assert_eq!(
        refused["links"],
        json!({ "max_links": 1, "max_links_per_address": 0, "handover": 0, "descriptors": 0 })
    );
}

#[test]
fn links_shows_what_the_command_shows() {
    let (gateway, client, _server, _) = playing();
    let links = gateway.json("/api/links");
    assert_eq!((links["links"].as_array().unwrap().len(), &links["next"]), (2, &Value::Null));
    let filter = format!("/api/links?filter=client+link%3D{}", client.id());
    let link = gateway.json(&filter)["links"][0].clone();
    for (name, value) in [
        ("link", json!(client.id())),
        ("side", json!("client")),
        ("transport", json!("tcp")),
        ("protocol", json!("plain")),
        ("state", json!("open")),
        ("conns", json!(1)),
        ("received_frames", json!(2)),
        ("received_bytes", json!(26)),
        ("sent_frames", json!(2)),
        ("sent_bytes", json!(30)),
        ("waiting_bytes", json!(0)),
        ("held_up", json!({})),
        ("paused_by_link", Value::Null),
    ] {
        assert_eq!(link[name], value, "{name}");
    }
    assert!(link["round_trip_us"].as_u64().unwrap() > 0, "{link}");
    let shown = gateway.ctl(&["links", "client"]).stdout;
    assert!(shown.contains(&format!("peer={} ", link["peer"].as_str().unwrap())), "{shown}");
    assert!(link.get("server").is_none());
}

/// The numbers of all links, page by page.
fn walk(gateway: &Gateway, path: &str) -> Vec<Vec<u64>> {
    let (mut pages, mut page) = (Vec::new(), String::new());
    loop {
        let shown = gateway.json(&format!("{path}{page}"));
        pages.push(shown["links"].as_array().unwrap().iter().map(|link| link["link"].as_u64().unwrap()).collect());
        let Some(next) = shown["next"].as_str() else { return pages };
        page = format!("&page={next}");
    }
}

#[test]
fn pages_hold_every_link_once_in_every_order() {
    let (gateway, _client, _server, _) = playing();
    let mut quiet: Vec<Link> = (0..7).map(|_| Link::connect(gateway.client_addr())).collect();
    quiet.iter_mut().for_each(Link::expect_silence);
    let mut busy = gateway.client();
    (0..9).for_each(|_| busy.expect_silence());
    for sort in ["id", "busiest", "slowest"] {
        let pages = walk(&gateway, &format!("/api/links?limit=4&sort={sort}"));
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2], "{sort}");
        assert_eq!(pages.iter().flatten().collect::<BTreeSet<_>>().len(), 10, "{sort}");
    }
    let by_id = walk(&gateway, "/api/links?limit=4").concat();
    assert!(by_id.is_sorted(), "{by_id:?}");
    let busiest = gateway.json("/api/links?sort=busiest&filter=client&limit=1")["links"][0].clone();
    assert_eq!((&busiest["received_frames"], &busiest["side"]), (&json!(9), &json!("client")));
    assert_eq!(walk(&gateway, "/api/links?filter=held-up"), [Vec::<u64>::new()]);
}

#[test]
fn what_links_does_not_take_is_named() {
    let gateway = Gateway::with_admin(&[]);
    for (query, part) in [
        ("limit=0", "`limit`: \"0\" is not a number from 1 to 1000"),
        ("limit=1001", "is not a number from 1 to 1000"),
        ("limit=x", "is not a number from 1 to 1000"),
        ("sort=fastest", "`sort`: \"fastest\" is not id, busiest or slowest"),
        ("page=5", "`page`: \"5\" is not what `next` of the page before says"),
        ("filter=everything", "is no filter for links; accepted: client, server"),
        ("filter=client&filter=server", "`filter` is given twice"),
        ("side=client", "no parameter \"side\"; accepted: filter, sort, limit, page"),
    ] {
        for path in ["/api/links", "/api/servers"] {
            let error = error(&gateway, &format!("{path}?{query}"), 400);
            assert!(error.contains(part), "{query}: {error}");
        }
    }
}

#[test]
fn servers_shows_the_game_servers() {
    let (gateway, _client, _server, _) = playing();
    let _other = gateway.server(9);
    let servers = gateway.json("/api/servers?sort=busiest");
    let ids: Vec<u64> =
        servers["servers"].as_array().unwrap().iter().map(|one| one["server"].as_u64().unwrap()).collect();
    assert_eq!((ids, &servers["next"]), (vec![7, 9], &Value::Null));
    assert_eq!(gateway.json("/api/servers?filter=server%3D9")["servers"][0]["conns"], 0);
    assert_eq!(gateway.json("/api/servers?limit=1")["servers"].as_array().unwrap().len(), 1);
}

#[test]
fn conns_shows_the_connections_of_a_link_in_pages() {
    let (gateway, mut client, mut server, conn) = playing();
    let mut expected: BTreeSet<u32> = (0..8).map(|_| client.open(&mut server).get()).collect();
    expected.insert(conn.get());
    let (mut seen, mut page) = (Vec::new(), String::new());
    loop {
        let shown = gateway.json(&format!("/api/conns?link={}&limit=4{page}", client.id()));
        assert_eq!(shown["link"], client.id());
        seen.extend(shown["conns"].as_array().unwrap().clone());
        let Some(next) = shown["next"].as_str() else { break };
        page = format!("&page={next}");
    }
    assert_eq!(
        seen.iter().map(|one| u32::try_from(one["conn"].as_u64().unwrap()).unwrap()).collect::<BTreeSet<_>>(),
        expected
    );
    assert_eq!(seen.len(), expected.len());
    let server_link = gateway.json("/api/servers")["servers"][0]["link"].clone();
    assert!(
        seen.iter()
            .all(|one| one["client_link"] == client.id() && one["server_link"] == server_link && one["server"] == 7)
    );

    assert!(error(&gateway, "/api/conns?link=4294967295", 404).contains("there is no link 4294967295"));
    for (query, part) in [
        ("", "`link` is missing"),
        ("link=x", "\"x\" is not the number of a link"),
        ("link=-1", "is not the number of a link"),
        ("link=1&page=x", "`page`: \"x\" is not what `next`"),
        ("link=1&limit=0", "`limit`"),
    ] {
        let error = error(&gateway, &format!("/api/conns?{query}"), 400);
        assert!(error.contains(part), "{query}: {error}");
    }
}

#[test]
fn who_is_held_up_comes_first_among_the_slowest() {
    let gateway = Gateway::with_admin(&["--server-send-bytes", "1M"]);
    let mut idle: Vec<Link> = (0..3).map(|_| Link::connect(gateway.client_addr())).collect();
    idle.iter_mut().for_each(Link::expect_silence);
    let mut server = gateway.narrow_server(7);
    let mut client = gateway.client();
    let conn = client.open(&mut server);
    let mut sender = client.sender();
    thread::spawn(move || while sender.try_send_raw(&data(conn, &[0; 32 << 10])).is_ok() {});
    watch::eventually("the server is full and the client paused", || {
        let slowest = gateway.json("/api/links?sort=slowest&limit=2")["links"].clone();
        let of = |side: &str| slowest.as_array().unwrap().iter().find(|link| link["side"] == side).cloned();
        let (Some(client), Some(server)) = (of("client"), of("server")) else { return false };
        let paused = client["held_up"].get("paused_source").is_some() && client["paused_by_link"] == server["link"];
        paused && server["held_up"].get("outbox_full").is_some() && server["waiting_bytes"].as_u64() > Some(1 << 20)
    });
    let stats = gateway.stats();
    assert!(stats["server"]["waiting_bytes"].as_u64().unwrap() > 1 << 20, "{stats}");
    assert!(stats["client"]["held_up"]["paused_source"]["count"].as_u64().unwrap() > 0, "{stats}");
    assert_eq!(stats["server"]["held_up"]["outbox_full"]["now"], 1, "{stats}");
}

/// The events of a stream, one after the other: name and data.
struct Stream {
    http: Http,
    text: String,
}

impl Stream {
    fn open(gateway: &Gateway) -> Self {
        let mut http = gateway.http();
        http.send("GET /api/events", &[], b"");
        let answer = http.head();
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
        Self { http, text: String::new() }
    }

    /// The next event; `None` at the end.
    fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let Some((name, data)) = event.split_once("\ndata: ") else { continue };
                let name = name.strip_prefix("event: ").unwrap().to_owned();
                return Some((name, serde_json::from_str(data).unwrap()));
            }
            self.text += &String::from_utf8(self.http.chunk()?).unwrap();
        }
    }

    /// The next event of this name, one of the next 100.
    fn find(&mut self, name: &str) -> Value {
        let mut events = std::iter::from_fn(|| self.next()).take(100);
        events.find(|(found, _)| found == name).unwrap_or_else(|| panic!("there is no event {name}")).1
    }
}

/// The paths of all values in an object, without the values.
fn shape(value: &Value, at: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| shape(field, &format!("{at}.{name}"), paths)),
        Value::Array(items) => items.iter().for_each(|item| shape(item, &format!("{at}[]"), paths)),
        _ => drop(paths.insert(at.to_owned())),
    }
}

fn shape_of(value: &Value) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    shape(value, "", &mut paths);
    paths
}

#[test]
fn events_have_the_numbers_of_stats_once_a_second() {
    let (gateway, mut client, mut server, conn) = playing();
    let mut stream = Stream::open(&gateway);
    let first = stream.find("stats");
    let second = stream.find("stats");
    assert_eq!(shape_of(&first), shape_of(&gateway.stats()));
    assert_eq!(first["client"]["forwarded_frames"], 1);
    // A look that begins late on a busy machine comes nearer to the next one.
    let apart = second["uptime_ms"].as_u64().unwrap() - first["uptime_ms"].as_u64().unwrap();
    assert!(apart >= 500, "{apart} ms apart");
    client.exchange(&mut server, conn, b"again");
    watch::eventually("an event has what was forwarded", || stream.find("stats")["client"]["forwarded_frames"] == 2);
}

#[test]
fn events_begin_with_what_was_before_anybody_listened() {
    let gateway = Gateway::with_admin(&NEVER_IDLE);
    let link = Link::connect(gateway.client_addr());
    let column = |history: &Value, name: &str| {
        let fields = history["fields"].as_array().unwrap();
        let column = fields.iter().position(|field| field == name).unwrap_or_else(|| panic!("{name}: {fields:?}"));
        let rows = history["rows"].as_array().unwrap();
        rows.iter().map(|row| row[column].as_u64().unwrap()).collect::<Vec<_>>()
    };
    watch::eventually("the history has the link, and how things stood a second later", || {
        let history = Stream::open(&gateway).find("history");
        column(&history, "client.links").iter().filter(|links| **links == 1).count() >= 2
    });
    let mut stream = Stream::open(&gateway);
    let history = stream.find("history");
    let stats = stream.find("stats");
    let uptimes = column(&history, "uptime_ms");
    assert!(uptimes.is_sorted() && uptimes.last().unwrap() <= &stats["uptime_ms"].as_u64().unwrap(), "{uptimes:?}");
    assert!(column(&history, "started_ms").iter().all(|started| *started == stats["started_ms"]), "{history}");
    assert!(column(&history, "process.resident_bytes").iter().all(|bytes| *bytes > 1 << 20), "{history}");
    drop(link);
}

#[test]
fn events_name_a_server_that_is_stuck_and_those_who_wait_for_it() {
    let gateway = Gateway::with_admin(&NEVER_IDLE);
    let mut stream = Stream::open(&gateway);
    assert_eq!(stream.find("trouble")["trouble"], json!([]));
    let mut server = gateway.narrow_server(8);
    let mut client = gateway.client();
    let conn = client.open(&mut server);
    let mut sender = client.sender();
    let flood = thread::spawn(move || while sender.try_send_raw(&data(conn, &[0; 32 << 10])).is_ok() {});
    let mut trouble = Value::Null;
    watch::eventually("the server is named", || {
        trouble = stream.find("trouble")["trouble"][0].clone();
        trouble["kind"] == "server_stuck"
    });
    assert_eq!((&trouble["severity"], &trouble["server"]), (&json!("critical"), &json!(8)));
    assert_eq!(trouble["link"], gateway.json("/api/servers")["servers"][0]["link"]);
    assert!(trouble["lasting_ms"].as_u64().unwrap() >= 3000, "{trouble}");
    let summary = trouble["summary"].as_str().unwrap();
    assert!(summary.contains("takes too little") && summary.contains("1 client is paused for it"), "{summary}");
    drop((gateway, server, client));
    flood.join().unwrap();
}

#[test]
fn events_name_what_is_wrong_while_nobody_can_be_accepted() {
    let gateway = Gateway::with_admin(&NEVER_IDLE);
    let mut stream = Stream::open(&gateway);
    assert_eq!(stream.find("trouble")["trouble"], json!([]));
    gateway.leave_descriptors(0);
    // The first ones find numbers that are free between those that are taken.
    let _waiting: Vec<_> = (0..400).map(|_| std::net::TcpStream::connect(gateway.client_addr()).unwrap()).collect();
    watch::eventually("accepting is said to be paused", || {
        let trouble = stream.find("trouble")["trouble"].clone();
        let kinds: Vec<&Value> = trouble.as_array().unwrap().iter().map(|trouble| &trouble["kind"]).collect();
        kinds.contains(&&json!("accept_paused"))
    });
    // What the process takes is known without a free descriptor.
    let stats = stream.find("stats");
    assert!(stats["process"]["resident_bytes"].as_u64().unwrap() > 1 << 20, "{stats}");
}

#[test]
fn links_that_are_not_held_up_are_not_among_the_slowest() {
    let (gateway, mut client, mut server, conn) = playing();
    let mut stream = Stream::open(&gateway);
    for _ in 0..3 {
        client.exchange(&mut server, conn, &[0; 1000]);
        assert_eq!(stream.find("tables")["slowest"], json!([]));
    }
}

#[test]
fn stats_say_which_gateway_it_is_and_how_busy_each_worker_is() {
    let gateway = Gateway::with_admin(&["--workers", "2"]);
    let stats = gateway.stats();
    assert_eq!(stats["name"], "fastway");
    assert_eq!(stats["host"], std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim());
    let _links = [gateway.server(7), gateway.server(8)];
    watch::eventually("a worker has used CPU time", || {
        let load = gateway.stats()["load"].clone();
        let load = load.as_array().unwrap();
        let numbers: Vec<&Value> = load.iter().map(|worker| &worker["worker"]).collect();
        assert_eq!(numbers, [&json!(0), &json!(1)]);
        assert!(load.iter().all(|worker| worker["busy_permille"].as_u64().unwrap() <= 1000), "{load:?}");
        assert!(
            load.iter().all(|worker| worker["longest_upkeep_us"].as_u64().unwrap() > 0),
            "this is upkeep: {load:?}"
        );
        let links: u64 = load.iter().map(|worker| worker["links"].as_u64().unwrap()).sum();
        links == 2 && load.iter().any(|worker| worker["cpu_ms"].as_u64().unwrap() > 0)
    });
}

#[test]
fn events_have_what_tables_show() {
    let (gateway, mut client, mut server, conn) = playing();
    let mut quiet: Vec<Link> = (0..12).map(|_| Link::connect(gateway.client_addr())).collect();
    quiet.iter_mut().for_each(Link::expect_silence);
    let mut stream = Stream::open(&gateway);
    let first = stream.find("tables");
    assert_eq!(first["servers"][0]["server"], 7);
    assert_eq!(first["busiest"].as_array().unwrap().len(), 10);
    assert_eq!(first["slowest"], json!([]));
    assert_eq!(first["servers"][0]["rates"], Value::Null, "nothing to compare it with");
    let tables = loop {
        client.exchange(&mut server, conn, &[0; 1000]);
        let tables = stream.find("tables");
        if tables["busiest"][0]["link"] == client.id() || tables["busiest"][1]["link"] == client.id() {
            break tables;
        }
    };
    let rates = &tables["servers"][0]["rates"];
    assert!(rates["received_bytes_per_second"].as_u64().unwrap() > 0, "{tables}");
    assert_eq!(tables["busiest"][9]["rates"]["received_bytes_per_second"], 0, "{tables}");
}

#[test]
fn streams_are_bounded_and_leave_nothing_behind() {
    let gateway = Gateway::with_admin(&[]);
    let sockets = gateway.sockets();
    let mut streams: Vec<Stream> = (0..16).map(|_| Stream::open(&gateway)).collect();
    let refused = gateway.get("/api/events");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(refused.json()["error"].as_str().unwrap().contains("16 streams"));
    streams.iter_mut().for_each(|stream| assert_eq!(stream.find("stats")["state"], "running"));
    drop(streams);
    gateway.expect_sockets(sockets);
    Stream::open(&gateway).find("stats");
    assert_eq!(gateway.request("HEAD /api/events", &[], b"").status, 405);
    assert!(error(&gateway, "/api/events?every=5", 400).contains("accepted: none"));
}

#[test]
fn streams_end_with_the_gateway() {
    let mut gateway = Gateway::with_admin(&[]);
    let mut streams: Vec<Stream> = (0..4).map(|_| Stream::open(&gateway)).collect();
    streams.iter_mut().for_each(|stream| drop(stream.find("stats")));
    gateway.signal(Signal::TERM);
    for stream in &mut streams {
        assert_eq!(stream.find("end"), json!({ "reason": "the gateway stops" }));
        assert_eq!(stream.next(), None);
    }
    gateway.expect_clean_exit();
}

#[test]
fn the_api_under_load_loses_nothing() {
    let (gateway, mut client, mut server, conn) = playing();
    let mut others: Vec<Link> = (0..200).map(|_| Link::connect(gateway.client_addr())).collect();
    others.iter_mut().for_each(Link::expect_silence);
    assert_eq!(gateway.post_commands(r#"{"commands": ["heapprof start"]}"#).status, 200);
    let mut sent = 0_u32;
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut streams = [Stream::open(&gateway), Stream::open(&gateway)];
            for _ in 0..3 {
                for path in
                    ["/api/stats", "/api/links?sort=busiest&limit=1000", "/api/servers", "/api/links?sort=slowest"]
                {
                    gateway.json(path);
                }
                assert!(gateway.get("/metrics").text().contains("fastway_links"));
                assert_eq!(gateway.get("/debug/pprof/heap").status, 200);
                assert_eq!(gateway.get("/debug/pprof/profile?seconds=1").status, 200);
                let everything = json!({ "commands": ["lookup goroutine", "lookup block", "links limit=10000"] });
                assert_eq!(gateway.post_commands(&everything.to_string()).status, 200);
                streams.iter_mut().for_each(|stream| drop(stream.find("tables")));
            }
        });
        while !asking.is_finished() || sent < 1000 {
            let batch: Vec<Vec<u8>> = (sent..sent + 50).map(|number| number.to_le_bytes().repeat(50)).collect();
            batch.iter().for_each(|payload| client.send(conn, payload));
            batch.iter().for_each(|payload| server.expect_data(conn, payload));
            batch.iter().for_each(|payload| server.send(conn, payload));
            batch.iter().for_each(|payload| client.expect_data(conn, payload));
            sent += 50;
        }
    });
    let stats = gateway.stats();
    assert_eq!(stats["client"]["forwarded_frames"], sent + 1);
    assert_eq!(stats["server"]["forwarded_frames"], sent + 1);
    assert_eq!(stats["client"]["links"], 201);
}
