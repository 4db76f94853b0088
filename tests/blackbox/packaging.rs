//! What `packaging/` has: the dashboard and the alerts against the metrics that a gateway really has, and the systemd unit.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use fastway_testkit::Gateway;
use fastway_testkit::process::gateway_binary;
use serde_json::Value;

const DASHBOARD: &str = "packaging/grafana/fastway.json";
const UNITS: &str = "packaging/systemd";
const UNIT: &str = "packaging/systemd/fastway.service";
const RULES: &str = "packaging/prometheus/fastway.rules.yml";
/// Before Linux 6.2 the kernel does not count them.
const NOT_EVERYWHERE: &str = "process_open_fds";
/// Labels that Prometheus adds, or that only its own series have.
const ADDED: [&str; 2] = ["job", "instance"];

/// A file of the repository.
fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// Has `promtool` do something with a file. It is not skipped where it is missing: an alert that nobody checked may never come.
fn promtool(words: &[&str], path: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(words).arg(path).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output =
        promtool.output().expect("`promtool` is needed to check alerts: install Debian's package `prometheus`");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{promtool:?}:\n{said}");
}

/// Not skipped where the tool is missing, as [`promtool`].
#[test]
fn the_systemd_unit_scores_below_2_in_the_security_analysis() {
    let mut analyze = Command::new("systemd-analyze");
    // In tenths; the exit code tells.
    analyze.args(["security", "--offline=true", "--no-pager", "--threshold=19", UNIT]);
    analyze.current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = analyze.output().expect("`systemd-analyze` is needed: install Debian's package `systemd`");
    let said = String::from_utf8_lossy(&output.stdout);
    let open: Vec<&str> = said.lines().filter(|line| !line.starts_with('✓')).collect();
    assert!(output.status.success(), "{}\n{}", open.join("\n"), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Overall exposure level"), "{said}");
}

/// A setting of a unit.
fn setting<'a>(unit: &'a str, name: &str) -> &'a str {
    let value = unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name}= in:\n{unit}"))
}

/// Not skipped where the tool is missing, as [`promtool`].
#[test]
fn systemd_takes_the_units() {
    let dir = tempfile::tempdir().unwrap();
    for unit in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(UNITS)).unwrap() {
        let unit = unit.unwrap().file_name().into_string().unwrap();
        // Not installed here: the tool would miss it.
        let text = read(&format!("{UNITS}/{unit}"));
        let program = format!("={} ", gateway_binary().display());
        let text = text.replace("ExecStart=fastway ", &format!("ExecStart{program}"));
        let text = text.replace("ExecReload=fastway ", &format!("ExecReload{program}"));
        fs::write(dir.path().join(unit), text).unwrap();
    }
    let mut units: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|unit| unit.unwrap().path()).collect();
    units.sort();
    assert_eq!(units.len(), 4, "{units:?}");
    let mut analyze = Command::new("systemd-analyze");
    let output = analyze.args(["verify", "--man=no"]).args(units).output();
    let output = output.expect("`systemd-analyze` is needed: install Debian's package `systemd`");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // What it complains of and takes all the same: unknown settings, for instance.
    let of_ours: Vec<&str> = said.lines().filter(|line| line.contains("fastway")).collect();
    assert!(output.status.success() && of_ours.is_empty(), "{said}");
}

#[test]
fn each_socket_unit_has_the_port_and_the_name_that_the_service_expects() {
    let service = read(UNIT);
    let command: Vec<&str> = setting(&service, "ExecStart").split(' ').collect();
    for name in ["client", "server", "admin"] {
        let unit = read(&format!("{UNITS}/fastway-{name}.socket"));
        assert_eq!(setting(&unit, "FileDescriptorName"), name);
        assert_eq!(setting(&unit, "Service"), "fastway.service");
        let flag = command.iter().position(|word| *word == format!("--{name}-addr")).unwrap();
        assert_eq!(setting(&unit, "ListenStream"), command[flag + 1].trim_start_matches(':'));
    }
}

#[test]
fn the_unit_waits_for_longer_than_a_stop_takes() {
    let (service, seconds) = (read(UNIT), |text: &str| text.trim_end_matches('s').parse::<u32>().unwrap());
    let help = Command::new(gateway_binary()).arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let line = help.lines().find(|line| line.contains("--shutdown-grace")).unwrap();
    let (_, grace) = line.trim_end_matches(')').rsplit_once("(default ").unwrap();
    assert!(seconds(setting(&service, "TimeoutStopSec")) > seconds(grace));
    assert_eq!(setting(&service, "Type"), "notify");
}

/// The metrics of a gateway that has just started: all series are there from the start on.
fn metrics() -> String {
    Gateway::with_admin(&[]).get("/metrics").text().to_owned()
}

/// What a query asks for: names of our metrics, and the values that it wants of labels.
fn asked(query: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = ["fastway_", "process_"].into_iter().flat_map(|start| query.match_indices(start));
    let starts = starts.map(|(at, _)| at).filter(|at| !query[..*at].ends_with(is_name));
    let found = starts.map(|at| {
        let (name, rest) = query[at..].split_at(query[at..].find(|c| !is_name(c)).unwrap_or(query.len() - at));
        let selector =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(selector, _)| selector);
        (name, selector.split(',').filter_map(wanted).collect())
    });
    found.collect()
}

/// A label and what is wanted of it.
fn wanted(matcher: &str) -> Option<(&str, &str)> {
    let (label, value) = matcher.split_once('=')?;
    Some((label.trim(), value.trim_start_matches('~').trim().trim_matches('"')))
}

/// Why a query would find nothing, if it would not.
fn fault(metrics: &str, query: &str) -> Option<String> {
    let series = |name: &str| {
        let of_name = metrics.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        of_name.map(str::to_owned).collect::<Vec<String>>()
    };
    let found = asked(query);
    if found.is_empty() {
        return Some(format!("no metric of ours in {query}"));
    }
    found.into_iter().filter(|(name, _)| *name != NOT_EVERYWHERE).find_map(|(name, labels)| {
        let series = series(name);
        let wanted = labels.iter().filter(|(label, _)| !ADDED.contains(label));
        let mut values = wanted.flat_map(|(label, values)| values.split('|').map(move |value| (label, value)));
        let missing =
            values.find(|(label, value)| !series.iter().any(|series| series.contains(&format!("{label}=\"{value}\""))));
        if series.is_empty() {
            return Some(format!("there is no {name}: {query}"));
        }
        missing.map(|(label, value)| format!("no {name} has {label}=\"{value}\": {query}"))
    })
}

/// The queries of the dashboard, those of its variables included.
fn queries_of_dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let panels = panels.filter_map(|panel| panel["targets"].as_array()).flatten().map(|target| &target["expr"]);
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let variables = variables.filter(|variable| variable["type"] == "query").map(|variable| &variable["query"]);
    panels.chain(variables).map(|query| query.as_str().unwrap().to_owned()).collect()
}

/// The queries of the alerts; one that goes on over several lines is one.
fn queries_of_alerts() -> Vec<String> {
    let rules = read(RULES);
    let alerts = rules.split("- alert: ").skip(1);
    let queries = alerts.map(|alert| {
        let (_, query) = alert.split_once("expr: ").expect("an alert has a query");
        let end = ["\n        for: ", "\n        labels: "].into_iter().filter_map(|next| query.find(next)).min();
        query[..end.expect("an alert has labels")].to_owned()
    });
    queries.collect()
}

#[test]
fn every_query_of_dashboard_and_alerts_finds_metrics_and_labels() {
    let metrics = metrics();
    let alerts = queries_of_alerts().into_iter().filter(|query| !query.contains("up{job=\"fastway\"}"));
    let queries: Vec<String> = queries_of_dashboard().into_iter().chain(alerts).collect();
    assert!(queries.len() > 40, "{queries:#?}");
    let faults: Vec<String> = queries.iter().filter_map(|query| fault(&metrics, query)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_query_that_finds_nothing_would_be_told() {
    let metrics = metrics();
    for (query, expected) in [
        ("sum(rate(fastway_link[5m]))", "there is no fastway_link: "),
        ("fastway_links{side=\"player\"} > 1", "no fastway_links has side=\"player\": "),
        ("fastway_links_closed_total{reason=~\"idle|bored\"}", "no fastway_links_closed_total has reason=\"bored\": "),
        ("fastway_workers / process_max_fd", "there is no process_max_fd: "),
        ("go_threads", "no metric of ours in "),
    ] {
        assert_eq!(fault(&metrics, query), Some(format!("{expected}{query}")), "{query}");
    }
    assert_eq!(fault(&metrics, "fastway_links{job=\"fastway\", side=\"client\"}"), None);
}

#[test]
fn prometheus_takes_the_alerts_and_they_come_when_they_should() {
    promtool(&["check", "rules"], RULES);
    promtool(&["check", "config", "--syntax-only"], "packaging/container/prometheus.yml");
    promtool(&["test", "rules"], "tests/packaging/alerts.yml");
}

#[test]
fn panels_lie_side_by_side_and_each_has_a_unit() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + w <= 24, "{panel}");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} lies on another one", panel["title"]);
        }
        assert!(panel["type"] == "row" || panel["fieldConfig"]["defaults"]["unit"].is_string(), "{panel}");
    }
}
