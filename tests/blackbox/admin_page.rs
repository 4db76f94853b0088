//! The page at `/`, in a browser, with traffic.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fastway_testkit::browser::Browser;
use fastway_testkit::http::Http;
use fastway_testkit::process::Signal;
use fastway_testkit::{Client, Gateway, Link, Server, data, watch};
use serde_json::{Value, json};

const TOKEN: &str = "0123456789abcdef";
const LIVE: &str = "document.querySelector('#connection').dataset.state === 'live'";
const LOST: &str = "document.querySelector('#connection').innerText === 'Not connected'";

/// Peers that have nothing to say stay, however long a test takes on a busy machine.
const NEVER_IDLE: [&str; 2] = ["--client-idle-timeout=0", "--server-idle-timeout=0"];

fn address(gateway: &Gateway) -> String {
    format!("http://{}/", gateway.admin_addr())
}

/// A browser at the page of a gateway.
fn visit(gateway: &Gateway) -> Browser {
    let browser = Browser::start();
    browser.open(&address(gateway));
    browser
}

/// A server that sends back whatever comes, and players who send again what comes back, until they are dropped.
struct Traffic {
    stopping: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Traffic {
    fn start(gateway: &Gateway, players: usize) -> Self {
        let mut server = gateway.server(7);
        let mut clients: Vec<Client> = (0..players).map(|_| gateway.client()).collect();
        let conns: Vec<_> = clients.iter_mut().map(|client| client.open(&mut server)).collect();
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let play = move || {
            let mut round = 0_usize;
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                for (client, conn) in clients.iter_mut().zip(&conns) {
                    client.exchange(&mut server, *conn, &vec![b'x'; 1 + round * 37 % 900]);
                }
            }
        };
        Self { stopping, threads: vec![thread::spawn(play)] }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

/// The stats of a gateway's stream.
struct Events {
    http: Http,
    stats: Vec<Value>,
}

impl Events {
    /// Begins to follow the stream.
    fn follow(gateway: &Gateway) -> Self {
        let mut http = gateway.http();
        http.send("GET /api/events", &[], b"");
        assert_eq!(http.head().status, 200);
        Self { http, stats: Vec::new() }
    }

    /// What is told first: how things stood before.
    fn history(gateway: &Gateway) -> Value {
        let mut http = gateway.http();
        http.send("GET /api/events", &[], b"");
        assert_eq!(http.head().status, 200);
        let mut text = String::new();
        for _ in 0..20 {
            text += &String::from_utf8(http.chunk().expect("the stream goes on")).unwrap();
            let history = text.split("\n\n").find_map(|event| event.strip_prefix("event: history\ndata: "));
            if let Some(history) = history.filter(|_| text.ends_with("\n\n")) {
                return serde_json::from_str(history).unwrap();
            }
        }
        panic!("there is no history: {text}");
    }

    /// Reads one more piece of it.
    fn read(&mut self) {
        let text = String::from_utf8(self.http.chunk().expect("the stream goes on")).unwrap();
        let stats = text.split("\n\n").filter_map(|event| event.strip_prefix("event: stats\ndata: "));
        self.stats.extend(stats.map(|stats| serde_json::from_str::<Value>(stats).unwrap()));
    }

    /// The stats of a time, behind those before.
    fn at(&self, time: f64) -> Option<&[Value]> {
        self.stats.windows(2).find(|pair| pair[1]["time_ms"].as_f64() == Some(time))
    }
}

/// All numbers on the page by their names, exactly: what people read is rounded.
fn numbers(browser: &Browser) -> HashMap<String, f64> {
    let numbers = browser.run("return [...document.querySelectorAll('data')].map((one) => [one.id, one.value])");
    let pairs = numbers.as_array().unwrap().iter().map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

/// The numbers that the page has to show for two stats, one after the other.
fn expected(before: &Value, now: &Value) -> HashMap<String, f64> {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    let elapsed = number(&now["uptime_ms"]) - number(&before["uptime_ms"]);
    let rate =
        |path: &str| (number(now.pointer(path).unwrap()) - number(before.pointer(path).unwrap())) * 1000.0 / elapsed;
    let sum = |counts: &Value| counts.as_object().unwrap().values().map(number).sum::<f64>();
    let growth = |of: &dyn Fn(&Value) -> f64| (of(now) - of(before)) * 1000.0 / elapsed;
    let churn = |of: &dyn Fn(&Value, &str) -> f64| {
        growth(&|stats| ["client", "server"].iter().map(|side| of(stats, side)).sum())
    };
    let mut all: HashMap<String, f64> = [
        ("uptime", number(&now["uptime_ms"])),
        ("connections.open", number(&now["connections"]["open"])),
        ("memory.resident", number(&now["process"]["resident_bytes"])),
        ("memory.allocated", number(&now["allocator"]["allocated_bytes"])),
        ("cpu.user", rate("/process/user_cpu_ms") / 10.0),
        ("cpu.system", rate("/process/system_cpu_ms") / 10.0),
        ("cpu.busiest", number(&now["busiest_worker_permille"]) / 10.0),
        ("descriptors.open", number(&now["process"]["open_files"])),
        ("refusals.dials", growth(&|stats| sum(&stats["refused"]["dials"]))),
        ("refusals.links", growth(&|stats| sum(&stats["refused"]["links"]) + sum(&stats["sessions"]["refused"]))),
        ("churn.opened", churn(&|stats, side| number(&stats[side]["opened"]))),
        ("churn.closed", churn(&|stats, side| sum(&stats[side]["closed"]))),
        ("refused.accept: errors.all", number(&now["accept_errors"])),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (side, line) in [("client", "clients"), ("server", "servers")] {
        let stats = &now[side];
        all.insert(format!("links.{line}"), number(&stats["links"]));
        all.insert(format!("frames.{line}"), rate(&format!("/{side}/received_frames")));
        all.insert(format!("bytes.{line}"), rate(&format!("/{side}/received_bytes")));
        all.insert(format!("queue.{line}"), number(&stats["waiting_bytes"]));
        let unread = ["paused_source", "unread_answers"].map(|reason| number(&stats["held_up"][reason]["now"]));
        all.insert(format!("paused.{line}"), unread.iter().sum());
        let sampled = rate(&format!("/{side}/round_trips/count"));
        if sampled > 0.0 {
            all.insert(format!("round-trip.{line}"), rate(&format!("/{side}/round_trips/total_us")) / sampled);
        }
        for total in [
            "received_frames",
            "sent_frames",
            "received_bytes",
            "sent_bytes",
            "opened",
            "waiting_packets",
            "partial_bytes",
            "held_bytes",
        ] {
            all.insert(format!("totals.{total}.{side}"), number(&stats[total]));
        }
        for (reason, count) in stats["closed"].as_object().unwrap() {
            all.insert(format!("closed.{reason}.{side}"), number(count));
        }
        for (reason, held_up) in stats["held_up"].as_object().unwrap() {
            all.insert(format!("held-up.{reason}.{side}"), number(&held_up["now"]));
        }
    }
    all.extend(loads(now));
    all.extend(refusals(now));
    all
}

/// How busy each worker is, as the page names it.
fn loads(now: &Value) -> HashMap<String, f64> {
    let loads = now["load"].as_array().unwrap().iter().enumerate();
    let columns = |(worker, load): (usize, &Value)| {
        let busy = load["busy_permille"].as_f64().unwrap() / 10.0;
        let counts = [("links", "links"), ("connections", "connections"), ("waiting", "waiting_bytes")];
        let counts = counts.map(|(column, field)| (column, load[field].as_f64().unwrap()));
        let all = counts.into_iter().chain([("busy", busy)]);
        all.map(|(column, value)| (format!("workers.{column}.{worker}"), value)).collect::<Vec<_>>()
    };
    loads.flat_map(columns).collect()
}

/// What was refused, as the page names it.
fn refusals(now: &Value) -> HashMap<String, f64> {
    let kinds = [
        ("refused.dial: ", &now["refused"]["dials"]),
        ("refused.link: ", &now["refused"]["links"]),
        ("refused.proxy: ", &now["refused"]["proxy"]),
        ("refused.handshake: ", &now["handshakes"]["failed"]),
        ("sessions.", &now["sessions"]["refused"]),
        ("sessions.handshake: ", &now["sessions"]["handshakes"]["failed"]),
    ];
    let counts = kinds.into_iter().flat_map(|(kind, counts)| {
        let counts = counts.as_object().unwrap().iter();
        counts.map(move |(reason, count)| (format!("{kind}{reason}.all"), count.as_f64().unwrap()))
    });
    counts.collect()
}

/// Compares the page with the events that it shows, once it shows some that are known here.
fn expect_numbers_of(browser: &Browser, events: &mut Events) -> HashMap<String, f64> {
    let (shown, expected) = loop {
        events.read();
        let shown = numbers(browser);
        if let Some([before, now]) = events.at(shown["time"]) {
            break (shown, expected(before, now));
        }
    };
    for (name, value) in &expected {
        let seen = shown.get(name).unwrap_or_else(|| panic!("{name} is not shown: {shown:?}"));
        assert!((seen - value).abs() <= value.abs() * 1e-9, "{name}: {seen} on the page, {value} in the stream");
    }
    // A round trip that was sampled earlier is still shown.
    let unknown = ["time", "round-trip.clients", "round-trip.servers"];
    let more: Vec<&String> =
        shown.keys().filter(|name| !expected.contains_key(*name) && !unknown.contains(&name.as_str())).collect();
    assert!(more.is_empty(), "nobody has checked {more:?}");
    shown
}

#[test]
fn every_number_on_the_page_is_that_of_the_api() {
    let gateway = Gateway::with_admin(&[&["--workers", "2"][..], &NEVER_IDLE].concat());
    let browser = visit(&gateway);
    browser.expect(LIVE);
    browser.expect("document.querySelector('#servers .nothing').innerText === 'No game server is registered.'");
    let mut events = Events::follow(&gateway);
    let traffic = Traffic::start(&gateway, 5);
    for _ in 0..3 {
        drop(gateway.client());
    }
    let mut stranger = gateway.client();
    stranger.dial(99);
    stranger.expect_refuse(99);
    browser.expect("Number(document.getElementById('frames.clients').value) > 0");
    browser.expect("document.getElementById('closed.end_of_stream.client').value === '3'");
    browser.expect("Number(document.getElementById('round-trip.clients').value) > 0");
    browser.expect("document.querySelectorAll('#busiest tbody tr').length === 7");
    let shown = expect_numbers_of(&browser, &mut events);
    assert_eq!((shown["links.clients"], shown["links.servers"], shown["connections.open"]), (6.0, 1.0, 5.0));
    assert_eq!((shown["refused.dial: unknown.all"], shown["totals.opened.client"]), (1.0, 9.0));
    assert!(shown["round-trip.clients"] > 0.0 && shown["bytes.servers"] > 0.0, "{shown:?}");
    browser.expect("document.querySelector('#servers td[data-name=bytes-in]').innerText.endsWith('B/s')");
    expect_link_rows(&browser, &gateway);
    drop(traffic);
    browser.expect_no_faults();
}

/// What the tables say of links is what the API says.
fn expect_link_rows(browser: &Browser, gateway: &Gateway) {
    let links = gateway.json("/api/links");
    let links = links["links"].as_array().unwrap();
    let cells = "[...row.cells].map((cell) => [cell.dataset.name, cell.innerText])";
    let rows = |table: &str| {
        let rows = browser.run(&format!(
            "return [...document.querySelectorAll('#{table} tbody tr')].map((row) => Object.fromEntries({cells}))"
        ));
        rows.as_array().unwrap().clone()
    };
    for row in rows("busiest") {
        let link = links
            .iter()
            .find(|link| row["link"].as_str() == Some(&link["link"].to_string()))
            .unwrap_or_else(|| panic!("{row}"));
        assert_eq!((&row["peer"], &row["by"]), (&link["peer"], &json!("plain/tcp")));
        assert_eq!(row["conns"], link["conns"].to_string());
        let who = link["server"].as_u64().map_or("client".to_owned(), |server| format!("server {server}"));
        assert_eq!((&row["who"], &row["state"]), (&json!(who), &json!("open")));
    }
    let servers = rows("servers");
    assert_eq!((servers.len(), &servers[0]["server"], &servers[0]["conns"]), (1, &json!("7"), &json!("5")));
}

#[test]
fn what_is_held_up_is_shown_with_its_queue() {
    let gateway = Gateway::with_admin(&[&["--server-send-bytes", "1M"][..], &NEVER_IDLE].concat());
    let browser = visit(&gateway);
    let mut events = Events::follow(&gateway);
    browser.expect("document.querySelector('#slowest .nothing').offsetHeight > 0");
    let jam = Jam::start(&gateway, 8);
    browser.expect("document.getElementById('held-up.paused_source.client').value === '1'");
    browser.expect("document.querySelector('#slowest tbody').innerText.includes('paused source')");
    let shown = expect_numbers_of(&browser, &mut events);
    assert!(shown["queue.servers"] > 1e6, "{shown:?}");
    let state = browser.text("#slowest");
    assert!(state.contains("paused source") && state.contains("by link") && state.contains("MiB"), "{state}");
    browser.expect_no_faults();
    jam.end(gateway);
}

/// A server that reads nothing, and a client that floods it until the gateway is gone.
struct Jam {
    _server: Server,
    _client: Client,
    flood: Option<thread::JoinHandle<()>>,
}

impl Jam {
    fn start(gateway: &Gateway, server: u32) -> Self {
        let mut server = gateway.narrow_server(server);
        let mut client = gateway.client();
        let conn = client.open(&mut server);
        let mut sender = client.sender();
        let flood = thread::spawn(move || while sender.try_send_raw(&data(conn, &[0; 32 << 10])).is_ok() {});
        Self { _server: server, _client: client, flood: Some(flood) }
    }

    fn end(mut self, gateway: Gateway) {
        drop(gateway);
        self.flood.take().unwrap().join().unwrap();
    }
}

#[test]
fn trouble_stands_in_the_first_viewport_and_says_what_to_do() {
    let gateway = Gateway::with_admin(&NEVER_IDLE);
    let traffic = Traffic::start(&gateway, 12);
    let browser = visit(&gateway);
    browser.expect("document.querySelector('#connection').innerText === 'Live'");
    browser.expect("document.querySelector('#trouble-none').offsetHeight > 0");
    let jam = Jam::start(&gateway, 8);
    browser.expect("document.querySelector('#connection').innerText === 'Trouble'");
    browser.expect("document.querySelector('#trouble li').dataset.kind === 'server_stuck'");
    let line = browser.text("#trouble li");
    for part in
        ["Server 8 (link ", "takes too little: 16.", "and 1 client is paused for it", "For ", "Look at that server"]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(browser.run("return document.title").as_str().unwrap().starts_with("Trouble – fastway"));
    for (width, height) in [(360, 640), (1280, 800)] {
        for scheme in ["light", "dark"] {
            browser.resize(width, height);
            browser.prefer(scheme);
            browser.run("scrollTo(0, 0)");
            let seen = "document.querySelector('#trouble li').getBoundingClientRect().bottom <= innerHeight";
            browser.expect(seen);
            assert_eq!(browser.run(LOW_CONTRAST), json!([]), "{scheme}: text with a contrast below 4.5");
            let cut = browser.run(CUT_OFF);
            assert_eq!(cut, json!([]), "{width}: what is cut off");
            browser.screenshot(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{width}-{scheme}.png")));
        }
    }
    // How things are stays in sight.
    browser.run("scrollTo(0, document.body.scrollHeight)");
    browser.expect("scrollY > 100 && document.querySelector('#connection').getBoundingClientRect().top >= 0");
    browser.expect_no_faults();
    drop(traffic);
    jam.end(gateway);
}

/// Everything that is wider than the page, or than the part of it that has a scroll bar of its own.
const CUT_OFF: &str = r"
    const width = document.documentElement.clientWidth;
    const over = [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > width + 0.5);
    const scrolled = [...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth + 1);
    const page = document.documentElement.scrollWidth > width ? [document.documentElement] : [];
    return [...over, ...scrolled, ...page].map((one) => one.outerHTML.slice(0, 200));";

#[test]
fn the_page_shows_what_was_before_it_was_opened() {
    let gateway = Gateway::with_admin(&NEVER_IDLE);
    let links: Vec<Link> = (0..3).map(|_| Link::connect(gateway.client_addr())).collect();
    watch::eventually("the history has the links", || {
        let history = Events::history(&gateway);
        let column = history["fields"].as_array().unwrap().iter().position(|field| field == "client.links").unwrap();
        history["rows"].as_array().unwrap().iter().any(|row| row[column] == 3)
    });
    let sockets = gateway.sockets();
    drop(links);
    gateway.expect_sockets(sockets - 3);
    let browser = visit(&gateway);
    let links = "document.getElementById('links.clients').value";
    browser.expect(&format!("{links} === '0'"));
    // On a scale to 4 the line of clients was at three quarters, 25 of 100 below the top.
    let line = "document.querySelector('.plot path.client:not(.area)').getAttribute('d')";
    browser.expect(&format!("[...{line}.matchAll(/[ML][\\d.]+ ([\\d.]+)/g)].some(([, y]) => y === '25.0')"));
    browser.expect_no_faults();
}

#[test]
fn a_link_is_kicked_from_the_page_once_that_is_confirmed() {
    let gateway = Gateway::with_admin(&[&["--admin-token", TOKEN][..], &NEVER_IDLE].concat());
    let mut server = gateway.server(7);
    let mut client = gateway.client();
    client.open(&mut server);
    let link = client.id();
    let browser = Browser::start();
    browser.open(&format!("{}#token={TOKEN}", address(&gateway)));
    let button = format!("document.querySelector('#busiest tr[data-link=\"{}\"] button')", link);
    browser.expect(&button);
    let ask = || {
        browser.run(&format!("{button}.click()"));
        browser.expect("document.querySelector('#kick').open");
        let asked = browser.text("#kick");
        for part in [format!("Kick link {}?", link), "Client 127.0.0.1:".to_owned(), "1 connection.".to_owned()] {
            assert!(asked.contains(&part), "{part}: {asked}");
        }
    };
    ask();
    browser.run("document.querySelector('#kick-cancel').click()");
    browser.expect("!document.querySelector('#kick').open");
    client.expect_silence();
    ask();
    browser.run("document.querySelector('#kick-confirm').click()");
    client.expect_eof();
    browser.expect("!document.querySelector('#kick').open");
    browser.expect(&format!("document.querySelector('#done').innerText === 'Link {} was kicked.'", link));
    browser.expect("document.getElementById('closed.kicked.client').value === '1'");
    browser.expect_no_faults();
}

#[test]
fn a_kick_that_fails_says_why_and_closes_nothing() {
    let gateway = Gateway::with_admin(&NEVER_IDLE);
    let mut client = gateway.client();
    let browser = visit(&gateway);
    browser.expect("document.querySelector('#busiest td button')");
    // As if the link had been gone before.
    browser.run("document.querySelector('#busiest tbody tr').dataset.link = 4000000000; document.querySelector('#busiest td button').click()");
    browser.expect("document.querySelector('#kick').open");
    browser.run("document.querySelector('#kick-confirm').click()");
    browser.expect("document.querySelector('#kick-error').innerText.includes('there is no link 4000000000')");
    client.expect_silence();
    browser.expect_no_faults();
}

#[test]
fn reasons_that_nothing_happened_for_are_folded_away() {
    let gateway = Gateway::with_admin(&NEVER_IDLE);
    let browser = visit(&gateway);
    browser.expect("document.querySelectorAll('#counts tr.none').length > 40");
    let shown = "[...document.querySelectorAll('#counts .fold')].flatMap((fold) =>
        [...fold.parentElement.querySelectorAll('tbody tr')].filter((row) => row.offsetHeight > 0)).length";
    browser.expect(&format!("{shown} === 0"));
    drop(gateway.client());
    browser.expect(&format!("{shown} === 1"));
    browser.run("document.querySelectorAll('#counts .fold').forEach((fold) => fold.click())");
    browser.expect(&format!("{shown} > 40"));
    browser.expect_no_faults();
}

#[test]
fn a_value_of_the_past_is_shown_to_a_pointer_and_to_keys() {
    let gateway = Gateway::with_admin(&NEVER_IDLE);
    let browser = visit(&gateway);
    browser.expect("document.querySelector('.plot .empty').hidden");
    let _links: Vec<Link> = (0..3).map(|_| Link::connect(gateway.client_addr())).collect();
    let links = "document.getElementById('links.clients').value";
    browser.expect(&format!("{links} === '3'"));
    browser.run("document.querySelector('.plot').focus()");
    let said = "document.querySelector('.plot').getAttribute('aria-valuetext')";
    // A second further back with each key, to one before the players came; what is pointed at moves on with the time.
    watch::eventually("the past is shown and said", || {
        browser.keys(".plot", "\u{e012}");
        browser.run(&format!(
            "return {links} === '0' && /, \\d+ s before$/.test(document.getElementById('time').innerText)
                && {said}.endsWith('s ago: clients 0, servers 0')"
        )) == true
    });
    browser.keys(".plot", "\u{e00c}");
    browser.expect(&format!("{links} === '3'"));
    let plot = browser.run("const { left, right, top } = document.querySelector('.plot').getBoundingClientRect(); return [left, right, top]");
    let point = |x: f64| {
        let at = json!({ "type": "mouseMoved", "x": x, "y": plot[2].as_f64().unwrap() + 5.0 });
        browser.devtools("Input.dispatchMouseEvent", &at);
    };
    point(plot[0].as_f64().unwrap() + 2.0);
    browser.expect(&format!("{links} === ''"));
    point(plot[1].as_f64().unwrap() - 1.0);
    browser.expect(&format!("{links} === '3'"));
    browser.expect_no_faults();
}

#[test]
fn both_colour_schemes_can_be_read() {
    let gateway = Gateway::with_admin(&[]);
    let _traffic = Traffic::start(&gateway, 2);
    let browser = visit(&gateway);
    browser.expect(LIVE);
    browser.expect("document.querySelectorAll('#busiest tbody tr').length === 3");
    let backgrounds = ["light", "dark"].map(|scheme| {
        browser.prefer(scheme);
        let low = browser.run(LOW_CONTRAST);
        assert_eq!(low, json!([]), "{scheme}: text with a contrast below 4.5");
        browser.run("return getComputedStyle(document.body).backgroundColor")
    });
    assert_ne!(backgrounds[0], backgrounds[1]);
}

/// Every text that is shown with less contrast than the guidelines ask for.
const LOW_CONTRAST: &str = r"
    const channels = (color) => color.match(/[\d.]+/g).map(Number);
    const luminance = (color) => channels(color).slice(0, 3)
        .map((value) => value / 255)
        .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
        .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
    const behind = (element) => {
        const color = getComputedStyle(element).backgroundColor;
        return channels(color)[3] === 0 ? behind(element.parentElement) : color;
    };
    const contrast = (element) => {
        const both = [getComputedStyle(element).color, behind(element)].map(luminance).sort((a, b) => b - a);
        return (both[0] + 0.05) / (both[1] + 0.05);
    };
    const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const shown = [...document.body.querySelectorAll('*')].filter((element) => hasText(element) && element.offsetHeight > 0);
    if (shown.length < 100) return ['only ' + shown.length + ' texts were looked at'];
    return shown.filter((element) => contrast(element) < 4.5).map((element) => element.outerHTML);";

#[test]
fn a_phone_scrolls_in_one_direction_only() {
    let gateway = Gateway::with_admin(&[]);
    let _traffic = Traffic::start(&gateway, 12);
    let browser = visit(&gateway);
    browser.expect("document.querySelectorAll('#busiest tbody tr').length === 10");
    for width in [320, 360, 768, 1280] {
        browser.resize(width, 640);
        assert_eq!(browser.run(CUT_OFF), json!([]), "a page {width} wide");
    }
}

#[test]
fn a_token_is_asked_for_and_kept_by_the_tab() {
    let gateway = Gateway::with_admin(&["--admin-token", TOKEN]);
    let browser = visit(&gateway);
    let asked = "document.querySelector('#token').offsetHeight > 0 && document.activeElement.id === 'token-input'";
    browser.expect(asked);
    assert_eq!(browser.text("#connection"), "Token needed");
    assert_eq!(browser.run("return document.querySelector('main').offsetHeight"), 0);
    browser.keys("#token-input", "0123456789abcdeX\u{e007}");
    browser.expect("document.querySelector('#token-error').innerText === 'The gateway does not take this token.'");
    browser.expect(asked);
    browser.keys("#token-input", &format!("{TOKEN}\u{e007}"));
    browser.expect(LIVE);
    browser.expect("document.getElementById('links.clients').value === '0'");
    assert_eq!(browser.run("return document.querySelector('#token').offsetHeight"), 0);
    browser.open(&address(&gateway));
    browser.expect(LIVE);
    browser.expect_no_faults();
}

#[test]
fn a_token_in_the_address_is_taken_out_of_it() {
    let gateway = Gateway::with_admin(&["--admin-token", TOKEN]);
    let browser = Browser::start();
    browser.open(&format!("{}#token={TOKEN}", address(&gateway)));
    browser.expect(LIVE);
    assert_eq!(browser.run("return location.href"), address(&gateway));
    assert_eq!(browser.run("return history.length"), 2, "the blank page and this one");
}

#[test]
fn a_token_in_the_address_may_hold_any_character() {
    // What `encodeURIComponent` makes of them is a bookmark, too.
    for (token, encoded) in [
        ("0123456789+/%26&%=#?token=x", "0123456789%2B%2F%2526%26%25%3D%23%3Ftoken%3Dx"),
        ("a<b>c\"d`e%zz%2Bf'g|h^{i}", "a%3Cb%3Ec%22d%60e%25zz%252Bf'g%7Ch%5E%7Bi%7D"),
    ] {
        let gateway = Gateway::with_admin(&["--admin-token", token]);
        for written in [token, encoded] {
            let browser = Browser::start();
            browser.open(&format!("{}#token={written}", address(&gateway)));
            browser.expect(LIVE);
            assert_eq!(browser.run("return location.href"), address(&gateway), "{written}");
        }
    }
}

#[test]
fn a_gateway_that_hangs_or_ends_is_shown_as_not_connected_until_it_is_back() {
    let mut gateway = Gateway::with_admin(&[]);
    let admin = gateway.admin_addr().to_string();
    let browser = visit(&gateway);
    browser.expect(LIVE);
    gateway.pause();
    browser.expect(LOST);
    browser.expect("document.querySelector('#notice').innerText.includes('it does not answer. The next try is in')");
    gateway.resume();
    browser.expect(LIVE);
    browser.expect("document.querySelector('#notice').hidden");
    gateway.signal(Signal::TERM);
    gateway.expect_clean_exit();
    browser.expect(LOST);
    browser.expect("document.querySelector('#notice').innerText.includes('Below is how things stood at')");
    browser.expect("document.querySelector('#notice').innerText.includes('it cannot be reached')");
    assert!(browser.run("return document.title").as_str().unwrap().starts_with("Not connected"));
    let again = Gateway::start(&["--admin-addr", &admin]);
    browser.expect(LIVE);
    browser.expect(&format!("document.querySelector('#about').innerText.includes('pid {} ')", again.pid()));
    browser.expect_no_faults();
}

#[test]
fn what_peers_say_is_text_whatever_it_looks_like() {
    const EVIL: &str = "<img src=x onerror=alert(1)><b>";
    let gateway = Gateway::with_admin(&NEVER_IDLE);
    let (mut client, mut server): (Client, Server) = (gateway.client(), gateway.server(7));
    client.open(&mut server);
    let browser = Browser::start();
    // As if peers, reasons and transports had such names.
    browser.on_every_page(&format!(
        r#"const original = window.fetch;
        window.fetch = async (...request) => {{
            const response = await original(...request);
            const evil = (text) => text.replace(/127\.0\.0\.1:\d+|"tcp"|\bkicked\b|\bopen\b(?=",)/g, (name) =>
                name.startsWith('"') ? '"{EVIL}"' : '{EVIL}');
            const change = new TransformStream({{ transform: (text, to) => to.enqueue(evil(text)) }});
            const body = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(change).pipeThrough(new TextEncoderStream());
            return new Response(body, response);
        }};"#
    ));
    browser.open(&address(&gateway));
    browser.expect("document.querySelectorAll('#busiest tbody tr').length === 2");
    assert_eq!(browser.text("#busiest td[data-name=peer]"), EVIL);
    assert_eq!(browser.text("#servers td[data-name=by]"), format!("plain/{EVIL}"));
    browser.run("document.querySelectorAll('#counts .fold').forEach((fold) => fold.click())");
    assert!(browser.text("#counts").contains(EVIL));
    assert_eq!(browser.run("return document.querySelectorAll('img, main b').length"), 0);
    browser.expect_no_faults();
}

#[test]
fn the_page_needs_nothing_from_anywhere_else() {
    let gateway = Gateway::with_admin(&[]);
    let browser = visit(&gateway);
    browser.expect(LIVE);
    let loaded = browser.run("return performance.getEntriesByType('resource').map(({ name }) => name)");
    let loaded: Vec<&str> = loaded.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(loaded.len() == 13, "{loaded:?}");
    for name in loaded {
        assert!(name.starts_with(&address(&gateway)) || name.starts_with("data:"), "{name}");
    }
    browser.expect_no_faults();
}
