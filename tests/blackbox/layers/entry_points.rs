//! Where clocks are read and random numbers are made: in a few files, which hand both down. All else can be tested without
//! waiting, and with numbers that are known.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The files that may, and what enters there.
const ENTRY_POINTS: [(&str, &str); 19] = [
    ("crates/admin/src/cpuprof.rs", "a CPU profile: when it was taken, and for how long"),
    ("crates/admin/src/http/events.rs", "a look at the links, for what they did since the last one"),
    ("crates/admin/src/http/sample.rs", "a look at the whole gateway"),
    ("crates/service/src/logging/limit.rs", "a line that peers can cause"),
    ("crates/service/src/logging/queue.rs", "threads that wait for the reader of the log"),
    ("crates/service/src/process/signals.rs", "signals"),
    ("crates/session/src/stream/clock.rs", "sessions as byte streams: the clock of their runtime"),
    ("crates/session/src/stream/mod.rs", "the same: the secrets of their handshakes"),
    ("src/ctl/command_file.rs", "`fastway ctl` that waits for a result file"),
    ("src/ctl/drain.rs", "the same, that waits for the end of a drain"),
    ("src/ctl/ask.rs", "`fastway ctl`, a process of its own that waits for the gateway"),
    ("src/mux/gateway.rs", "the start of a gateway"),
    ("src/drain.rs", "lines of the log about a drain"),
    ("src/key_file.rs", "`fastway keygen`"),
    ("src/mux/link/turn_clock.rs", "the clock of a worker"),
    ("src/mux/observer/mod.rs", "threads that look at workers from outside"),
    ("src/mux/worker/question.rs", "threads that wait for a worker's answer"),
    (
        "src/mux/worker/tasks.rs",
        "the start of a worker: its clock, and its source of random numbers; how long upkeep takes",
    ),
    ("src/mux/worker/ticker.rs", "the thread that wakes the workers"),
];

const DIRS: [&str; 5] = ["src", "crates/admin/src", "crates/service/src", "crates/session/src", "crates/transport/src"];

/// What reads a clock or takes random numbers from the system.
const READS: [&str; 8] = [
    "Instant::now",
    "SystemTime::now",
    ".elapsed()",
    "rand::rng()",
    "rand::random",
    "rand::make_rng",
    "ThreadRng::default",
    "SysRng",
];

#[test]
fn clocks_are_read_and_random_numbers_made_at_the_entry_points_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    DIRS.iter().for_each(|dir| find(&root.join(dir), &mut files));
    let reads = files.iter().flat_map(|file| {
        let name = file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let reads = reads(&fs::read_to_string(file).unwrap());
        reads.into_iter().map(move |(number, line)| (name.clone(), number, line))
    });
    let (expected, others): (Vec<_>, Vec<_>) =
        reads.partition(|(name, ..)| ENTRY_POINTS.iter().any(|(entry, _)| entry == name));

    let others: Vec<String> = others.iter().map(|(name, number, line)| format!("{name}:{number}: {line}")).collect();
    assert!(others.is_empty(), "take it as an argument, or from the worker's clock:\n{}", others.join("\n"));
    let expected: BTreeSet<&str> = expected.iter().map(|(name, ..)| name.as_str()).collect();
    let idle = ENTRY_POINTS.iter().filter(|(entry, _)| !expected.contains(entry)).collect::<Vec<_>>();
    assert!(idle.is_empty(), "no entry points any more: {idle:?}");
}

#[test]
fn neither_tests_nor_comments_are_entry_points() {
    let text = "\
//! Instant::now()
fn first() -> Instant {
    Instant::now() // once
}

impl Clock {
    #[cfg(test)]
    fn second() -> Instant {
        if true {
            return Instant::now();
        }
        Instant::now()
    }

    fn third(start: Instant) -> Duration {
        start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    const FOURTH: u64 = rand::random();
}
";
    let found: Vec<_> = reads(text);
    assert_eq!(found, [(3, "Instant::now()".to_owned()), (16, "start.elapsed()".to_owned())]);
}

/// The source files below a directory that are not those of tests.
fn find(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The lines of a file that read a clock or make random numbers, by their numbers. What is for tests alone does not count: it
/// ends, as the formatter writes it, with the first line that is indented like its attribute and ends with a brace or more.
fn reads(text: &str) -> Vec<(usize, String)> {
    let mut reads = Vec::new();
    let mut for_tests = None;
    for (line, number) in text.lines().zip(1..) {
        let code = line.split("//").next().unwrap_or_default().trim();
        let indent = line.len() - line.trim_start().len();
        match for_tests {
            None if code.starts_with("#[cfg(test)]") => for_tests = Some(indent),
            None if READS.iter().any(|read| code.contains(read)) => reads.push((number, code.to_owned())),
            Some(begin) if indent == begin && code.ends_with([';', '}', ',']) => for_tests = None,
            _ => {}
        }
    }
    reads
}
