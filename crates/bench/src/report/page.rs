//! The folder that `--report` writes: one page that needs nothing else, and its plots as files.

use std::fs;
use std::io;
use std::path::Path;

use super::machine::Machine;
use super::plot::{Plot, Runs, escape, plots};
use super::summary::Row;
use super::table::number;
use super::text;
use crate::cli::Bench;
use crate::outcome::Outcome;
use crate::works::Work;

const STYLE: &str = "\
:root{color-scheme:light dark;--bg:#fff;--card:#fff;--ink:#1f2328;--soft:#59636e;--edge:#d9dee3;--head:#f6f8fa}\
@media(prefers-color-scheme:dark){:root{--bg:#0e1116;--card:#151a21;--ink:#e6e9ec;--soft:#97a1ab;--edge:#2b3138;--head:#1b2129}}\
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
figure svg{display:block;width:100%;height:auto}";

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
        let details = rows.iter().filter(|row| row.work == work.name).filter_map(details).collect::<String>();
        sections.push_str(&section(work, &details, &plots));
    }
    fs::write(folder.join("index.html"), page(bench, machine, rows, &sections))
}

fn plots_of(bench: &Bench, work: &Work, outcomes: &[Outcome]) -> Vec<Plot> {
    let of = |gateway| outcomes.iter().filter(move |run| run.work == work.name && run.gateway == gateway).collect();
    let names = bench.gateways.iter().map(|gateway| gateway.name.as_str());
    let runs: Vec<Runs<'_>> = names.map(|gateway| Runs { gateway, outcomes: of(gateway) }).collect();
    plots(&runs)
}

fn page(bench: &Bench, machine: &Machine, rows: &[Row], sections: &str) -> String {
    let machine = escape(&machine.describe());
    let runs = match bench.rounds {
        1 => "one round".to_owned(),
        rounds => format!("medians of {rounds} rounds, ratios (with their spread) within each round"),
    };
    let seconds = bench.settings.time.as_secs_f64();
    let (table, seed) = (table(rows), bench.settings.seed);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>fastway-bench</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>fastway-bench</h1>\n<p>{machine}</p>\n\
         <p>{runs}; {seconds} s each; seed {seed}. Every payload and the order were checked.</p>\n\
         {table}{sections}</main>\n</body>\n</html>\n"
    )
}

fn table(rows: &[Row]) -> String {
    fn line<T: AsRef<str>>(tag: &str, cells: &[T]) -> String {
        let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell.as_ref()))).collect();
        format!("<tr>{cells}</tr>\n")
    }
    let table = text::table(rows);
    let head = line("th", &table.head);
    let rows: String = table.rows.iter().map(|cells| line("td", cells)).collect();
    format!("<div class=\"scroll\"><table>\n<thead>{head}</thead>\n<tbody>{rows}</tbody>\n</table></div>\n")
}

/// What only this work measures.
fn details(row: &Row) -> Option<String> {
    let details: Vec<String> = row.details.iter().map(|(key, value)| format!("{key} {}", number(*value))).collect();
    let details = details.join(" · ").replace('_', " ");
    (!details.is_empty()).then(|| format!("<p>{}: {}</p>\n", escape(&row.gateway), escape(&details)))
}

fn section(work: &Work, details: &str, plots: &[Plot]) -> String {
    let parameters: Vec<String> =
        work.parameters().iter().map(|(key, value)| format!("{key} {}", value.to_string().trim_matches('"'))).collect();
    let figures: String = plots.iter().map(|plot| format!("<figure>{}</figure>\n", plot.svg)).collect();
    let (name, parameters) = (escape(&work.name), escape(&parameters.join(" · ").replace('_', " ")));
    format!(
        "<section>\n<h2>{name}</h2>\n<p>{parameters}</p>\n{details}<div class=\"plots\">\n{figures}</div>\n</section>\n"
    )
}
