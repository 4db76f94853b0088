//! The folder that `--report` writes: one page that needs nothing else, and its plots as files.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::machine::Machine;
use super::overview;
use super::plot::{self, Plot, Runs, escape, plots};
use super::summary::Row;
use super::table::number;
use super::text;
use crate::cli::Bench;
use crate::outcome::Outcome;
use crate::works::Work;

const STYLE: &str = "\
:root{color-scheme:light dark;--bg:#fff;--card:#fff;--ink:#1f2328;--soft:#59636e;--edge:#d9dee3;--head:#f6f8fa;--warn:#9a6700;--warn-bg:#fff8e0}\
@media(prefers-color-scheme:dark){:root{--bg:#0e1116;--card:#151a21;--ink:#e6e9ec;--soft:#97a1ab;--edge:#2b3138;--head:#1b2129;--warn:#d4a72c;--warn-bg:#2e2610}}\
body{margin:0;background:var(--bg);color:var(--ink);\
font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif}\
main{max-width:1360px;margin:0 auto;padding:32px 24px 64px}h1{font-size:26px;margin:0 0 4px}\
h2{font-size:19px;margin:44px 0 2px}p{margin:0;color:var(--soft)}\
.scroll{overflow-x:auto;margin-top:24px;border:1px solid var(--edge);border-radius:8px}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th,td{padding:7px 14px;text-align:right;white-space:nowrap}th{background:var(--head);font-weight:600}\
th:nth-child(-n+2),td:nth-child(-n+2){text-align:left}tr+tr td{border-top:1px solid var(--edge)}\
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));gap:16px;margin-top:14px}\
figure{margin:0;padding:10px;background:var(--card);border:1px solid var(--edge);border-radius:8px}\
figure svg{display:block;width:100%;height:auto}\
ul{margin:8px 0 0;padding-left:22px}li{margin:4px 0}.warn{margin-top:16px;padding:10px 16px;border:1px solid var(--warn);\
border-left-width:5px;border-radius:8px;background:var(--warn-bg);color:var(--ink)}\
.short{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:24px;align-items:start}\
.explained{max-width:80ch;color:var(--ink)}dl{margin:20px 0 0;display:grid;grid-template-columns:auto 1fr;gap:2px 16px}\
dt{font-weight:600}dd{margin:0;color:var(--soft)}a{color:inherit}small{font-size:13px}.details{width:fit-content;max-width:100%}\
.details :is(th,td):nth-child(2){text-align:right}";

/// Writes the report into `folder`, which is made if it is not there.
pub(crate) fn write(
    folder: &Path,
    bench: &Bench,
    machine: &Machine,
    rows: &[Row],
    outcomes: &[Outcome],
) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut sections = String::new();
    for work in &bench.works {
        let plots = plots_of(bench, work, outcomes);
        for plot in &plots {
            fs::write(folder.join(format!("{}-{}.svg", work.name, plot.kind)), &plot.svg)?;
        }
        let of_work: Vec<&Row> = rows.iter().filter(|row| row.work == work.name).collect();
        // After a failure there are works that did not run.
        if !of_work.is_empty() {
            sections.push_str(&section(work, &details(&of_work), &plots));
        }
    }
    let names: Vec<&str> = bench.gateways.iter().map(|gateway| gateway.name.as_str()).collect();
    let overview = plot::overview(rows, &names);
    if let Some(svg) = &overview {
        fs::write(folder.join("overview.svg"), svg)?;
    }
    fs::write(folder.join("index.html"), page(bench, machine, rows, overview.as_deref(), &sections))
}

fn plots_of(bench: &Bench, work: &Work, outcomes: &[Outcome]) -> Vec<Plot> {
    let of = |gateway| outcomes.iter().filter(move |run| run.work == work.name && run.gateway == gateway).collect();
    let names = bench.gateways.iter().map(|gateway| gateway.name.as_str());
    let runs: Vec<Runs<'_>> = names.map(|gateway| Runs { gateway, outcomes: of(gateway) }).collect();
    plots(&runs)
}

fn page(bench: &Bench, machine: &Machine, rows: &[Row], overview: Option<&str>, sections: &str) -> String {
    let reservations = overview::reservations(machine, rows);
    let reservations: String =
        reservations.iter().map(|text| format!("<p class=\"warn\" role=\"note\">{}</p>\n", escape(text))).collect();
    let statements = overview::statements(bench, rows);
    let statements: String = statements.iter().map(|text| format!("<li>{}</li>\n", escape(text))).collect();
    let overview = overview.map(|svg| format!("<figure>{svg}</figure>\n")).unwrap_or_default();
    let machine = escape(&machine.describe());
    let runs = match bench.rounds {
        1 => "one round".to_owned(),
        rounds => format!("medians of {rounds} rounds, ratios (with their spread) within each round"),
    };
    let seconds = bench.settings.time.as_secs_f64();
    let (table, seed, terms) = (table(rows), bench.settings.seed, terms());
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>fastway-bench</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>fastway-bench</h1>\n<p>{machine}</p>\n\
         <p>{runs}; {seconds} s each; seed {seed}.</p>\n{reservations}\
         <h2>In short</h2>\n<div class=\"short\">\n<div>\n<ul>\n{statements}</ul>\n{terms}</div>\n{overview}</div>\n\
         <h2>All figures</h2>\n{table}{sections}</main>\n</body>\n</html>\n"
    )
}

/// What the words of the tables mean.
const TERMS: [(&str, &str); 6] = [
    ("work", "what was asked of the gateway; each is explained below"),
    ("CPU µs/frame", "processor time of the gateway for one message, in millionths of a second; less is better"),
    ("ratio", "that cost in times of the first gateway's, the lowest and the highest round in parentheses"),
    ("p50, p99", "half of the messages, and 99 % of them, took at most this long to the other end and back"),
    ("frames/s", "messages that the gateway carried in a second"),
    ("memory", "what the gateway had in RAM at the end of the run"),
];

fn terms() -> String {
    let terms: String = TERMS.iter().map(|(term, meaning)| format!("<dt>{term}</dt><dd>{meaning}</dd>\n")).collect();
    format!("<dl>\n{terms}</dl>\n")
}

fn table(rows: &[Row]) -> String {
    let table = text::table(rows);
    let head: String = table.head.iter().map(|cell| format!("<th>{}</th>", escape(cell))).collect();
    let line = |cells: &Vec<String>| {
        let cells = cells.iter().map(|cell| escape(cell)).enumerate();
        // The first one names the work.
        let cells = cells.map(|(column, cell)| match column {
            0 => format!("<td><a href=\"#{cell}\">{cell}</a></td>"),
            _ => format!("<td>{cell}</td>"),
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let rows: String = table.rows.iter().map(line).collect();
    format!("<div class=\"scroll\"><table>\n<thead><tr>{head}</tr>\n</thead>\n<tbody>{rows}</tbody>\n</table></div>\n")
}

/// What only this work measures: a row for each figure, a column for each gateway.
fn details(rows: &[&Row]) -> String {
    let keys: BTreeSet<&String> = rows.iter().flat_map(|row| row.details.keys()).collect();
    if keys.is_empty() {
        return String::new();
    }
    let head: String = rows.iter().map(|row| format!("<th>{}</th>", escape(&row.gateway))).collect();
    let line = |key: &String| {
        let value = |row: &&Row| row.details.get(key).map_or_else(|| "–".to_owned(), |value| number(*value));
        let cells: String = rows.iter().map(|row| format!("<td>{}</td>", value(row))).collect();
        format!("<tr><td>{}</td>{cells}</tr>\n", escape(&key.replace("_us", " µs").replace('_', " ")))
    };
    let lines: String = keys.into_iter().map(line).collect();
    format!(
        "<div class=\"scroll details\"><table>\n<thead><tr><th>only here</th>{head}</tr>\n</thead>\n\
         <tbody>{lines}</tbody>\n</table></div>\n"
    )
}

fn section(work: &Work, details: &str, plots: &[Plot]) -> String {
    let parameters: Vec<String> =
        work.parameters().iter().map(|(key, value)| format!("{key} {}", value.to_string().trim_matches('"'))).collect();
    let figures: String = plots.iter().map(|plot| format!("<figure>{}</figure>\n", plot.svg)).collect();
    let (name, parameters) = (escape(&work.name), escape(&parameters.join(" · ").replace('_', " ")));
    let explanation = escape(&work.explanation());
    format!(
        "<section id=\"{name}\">\n<h2>{name}</h2>\n<p class=\"explained\">{explanation}</p>\n\
         <p><small>{parameters}</small></p>\n<div class=\"plots\">\n{figures}</div>\n{details}</section>\n"
    )
}
