//! The commands `links`, `servers`, `conns`, `kick` and `stats`.

use std::fmt::{self, Write};
use std::sync::Arc;

use super::output::Counted;
use super::{Args, CommandError, RegisterError, Registry};
use crate::observe::{
    ConnectionInfo, LinkFilter, LinkId, LinkInfo, NamedCounts, Observe, PausedBy, Report, Role, SessionCounts, Side,
    SideCounts, Totals,
};

/// Lines of an answer, unless `limit=N` is given.
const LINES: usize = 100;
/// Largest limit.
const MOST_LINES: usize = 10_000;

/// Adds `links`, `servers`, `conns`, `kick` and `stats`.
///
/// # Errors
/// When the registry has one of the commands already.
pub fn register_links(registry: &mut Registry, observer: &Arc<dyn Observe>) -> Result<(), RegisterError> {
    let asked = Arc::clone(observer);
    registry.register(
        "links",
        "[FILTER…]",
        "shows links: `links client held-up limit=20`",
        move |args, answer| show_links(&*asked, args.words(), "", answer),
    )?;

    let asked = Arc::clone(observer);
    registry.register("servers", "[FILTER…]", "shows the links of game servers", move |args, answer| {
        show_links(&*asked, args.words(), "server", answer)
    })?;

    let asked = Arc::clone(observer);
    registry.register("conns", "LINK", "shows the virtual connections of a link", move |args, answer| {
        show_connections(&*asked, args, answer)
    })?;

    let asked = Arc::clone(observer);
    registry.register("kick", "LINK", "closes a link", move |args, answer| {
        let (link, _) = link_and_limit(args.words(), false)?;
        let kicked = asked.kick(link).map_err(CommandError::failed)?.ok_or_else(|| no_link(link))?;
        Ok(writeln!(answer, "kicked {}", Shown(&kicked))?)
    })?;

    let asked = Arc::clone(observer);
    registry.register("stats", "", "shows what was counted since the start", move |args, answer| {
        args.none()?;
        Ok(show_report(&asked.report_now().map_err(CommandError::failed)?, answer)?)
    })
}

fn show_links(
    observer: &dyn Observe,
    words: &[&str],
    filter: &str,
    answer: &mut dyn Write,
) -> Result<(), CommandError> {
    let mut filter: LinkFilter = filter.parse().map_err(CommandError::failed)?;
    let mut limit = LINES;
    for word in words {
        match word.strip_prefix("limit=") {
            Some(number) => limit = read_limit(number)?,
            None => filter.add(word).map_err(CommandError::failed)?,
        }
    }

    let page = observer.links(&filter, limit).map_err(CommandError::failed)?;
    for link in &page.links {
        writeln!(answer, "{}", Shown(link))?;
    }

    let more = if page.more { " (the first ones; limit=N shows more)" } else { "" };
    Ok(writeln!(answer, "{}{more}", Counted(page.links.len(), "link"))?)
}

fn show_connections(observer: &dyn Observe, args: Args<'_>, answer: &mut dyn Write) -> Result<(), CommandError> {
    let (link, limit) = link_and_limit(args.words(), true)?;
    let page = observer.connections(link, None, limit).map_err(CommandError::failed)?.ok_or_else(|| no_link(link))?;

    for ConnectionInfo { conn, client, server_link, server } in &page.connections {
        writeln!(answer, "conn={conn} client_link={client} server={server} server_link={server_link}")?;
    }

    let more = if page.next.is_some() { " (the first ones; limit=N shows more)" } else { "" };
    Ok(writeln!(answer, "{}{more}", Counted(page.connections.len(), "connection"))?)
}

fn link_and_limit(words: &[&str], with_limit: bool) -> Result<(LinkId, usize), CommandError> {
    const WANTED: &str = "the number of a link, which `links` shows";
    let (link, rest) = words.split_first().ok_or(CommandError::Missing(WANTED))?;
    let link = link.parse().map(LinkId::new).map_err(|_| CommandError::argument(link, WANTED))?;

    match rest {
        [] => Ok((link, LINES)),
        [word] if with_limit && word.starts_with("limit=") => {
            Ok((link, read_limit(word.trim_start_matches("limit="))?))
        }
        [surplus, ..] => Err(CommandError::argument(surplus, "expected behind the number of a link")),
    }
}

fn read_limit(number: &str) -> Result<usize, CommandError> {
    let limit = number.parse().ok().filter(|limit| (1..=MOST_LINES).contains(limit));
    limit.ok_or_else(|| CommandError::argument(number, "a limit from 1 to 10000"))
}

fn no_link(link: LinkId) -> CommandError {
    CommandError::failed(format!("there is no link {link}; `links` shows those that there are"))
}

/// A link in one line.
struct Shown<'a>(&'a LinkInfo);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LinkInfo {
            id, role, peer, transport, protocol, worker, age, silent, connections, traffic, waiting, ..
        } = self.0;
        write!(out, "link={id} side={}", role.side())?;
        if let Role::Server(server) = role {
            write!(out, " server={server}")?;
        }

        write!(out, " peer={peer} transport={transport} protocol={protocol} worker={worker}")?;
        write!(out, " age={age:.1?} silent={silent:.1?}")?;
        write!(out, " conns={connections} received_frames={}", traffic.received_frames)?;
        write!(out, " received_bytes={} sent_frames={}", traffic.received_bytes, traffic.sent_frames)?;
        write!(out, " sent_bytes={} waiting_packets={}", traffic.sent_bytes, waiting.packets)?;
        write!(out, " waiting_bytes={} partial_bytes={}", waiting.bytes, self.0.partial_bytes)?;
        write!(out, " state={}", self.0.state())?;

        for (reason, lasting) in self.0.held_up() {
            write!(out, " {}={lasting:.1?}", reason.name())?;
        }

        match self.0.paused_by {
            Some(PausedBy::Server(link)) => write!(out, " paused_by_link={link}"),
            Some(PausedBy::Worker(worker)) => write!(out, " paused_by_worker={worker}"),
            Some(PausedBy::Memory) => write!(out, " paused_by_memory"),
            None => Ok(()),
        }
    }
}

/// Shows the counts of all workers together.
fn show_report(report: &Report, out: &mut dyn Write) -> fmt::Result {
    let Totals { connections, connections_opened, unknown_connection, sources_paused, .. } = &report.total;
    let Totals { accept_errors, accept_pauses, server_handshakes, .. } = &report.total;

    show_side(Side::Client, &report.total.client, out)?;
    show_side(Side::Server, &report.total.server, out)?;

    writeln!(out, "connections open={connections} opened={connections_opened}")?;
    write!(out, "dials")?;
    report.total.dials_refused.iter().try_for_each(|(reason, count)| write!(out, " refused_{reason}={count}"))?;
    writeln!(out)?;

    writeln!(out, "servers registered={} handshakes={server_handshakes}", report.servers)?;
    show_counts("handshakes failed", &report.total.server_handshakes_failed, out)?;
    show_counts("accept rejected", &report.total.links_rejected, out)?;
    show_counts("proxy headers rejected", &report.total.proxy_headers_rejected, out)?;
    writeln!(out, "accept errors={accept_errors} pauses={accept_pauses}")?;

    show_sessions(report, out)?;
    let waiting = report.total.waiting_bytes();
    writeln!(
        out,
        "data unknown_connection={unknown_connection} sources_paused={sources_paused} waiting_bytes={waiting}"
    )?;

    write!(out, "workers count={}", report.workers.len())?;
    if let Some(bytes) = report.total.allocated_bytes {
        write!(out, " allocated_bytes={bytes}")?;
    }
    writeln!(out)
}

fn show_sessions(report: &Report, out: &mut dyn Write) -> fmt::Result {
    let SessionCounts { opened, interrupted, resumes, refused, handshakes_failed } = &report.total.sessions;

    let (waiting, bytes) = (report.waiting.holders, report.waiting.bytes);
    let in_progress = report.total.client.session_handshakes + report.total.server.session_handshakes;

    write!(out, "sessions open={} waiting={waiting} waiting_bytes={bytes}", report.sessions)?;
    opened.iter().try_for_each(|(protocol, count)| write!(out, " opened_{protocol}={count}"))?;
    writeln!(out, " interrupted={interrupted}")?;
    writeln!(out, "session handshakes={in_progress}")?;
    show_counts("session handshakes failed", handshakes_failed, out)?;
    show_counts("session refused", refused, out)?;
    show_counts("session resumes", resumes, out)
}

/// Shows a count in total and by reason.
fn show_counts(what: &str, counts: &NamedCounts, out: &mut dyn Write) -> fmt::Result {
    write!(out, "{what}={}", counts.total())?;
    counts.iter().try_for_each(|(name, count)| write!(out, " {name}={count}"))?;
    writeln!(out)
}

fn show_side(side: Side, counts: &SideCounts, out: &mut dyn Write) -> fmt::Result {
    let SideCounts { opened, received_bytes, sent_bytes, forwarded, closed, .. } = counts;
    write!(out, "links side={side} open={} opened={opened}", counts.links())?;
    writeln!(out, " received_bytes={received_bytes} sent_bytes={sent_bytes} forwarded_frames={forwarded}")?;
    write!(out, "closed side={side} ")?;
    show_counts("all", closed, out)
}
