//! The result file: the outcomes of the commands of the last run.
//!
//! ```text
//! # pid 27257 run 3
//! # what the first comment of the command file said
//! $ links server
//!   link=3 side=server …
//! ok
//! $ kick 99
//! error: there is no link 99; `links` shows those that there are
//! ```
//!
//! Only answers are indented, so nothing in an answer looks like an outcome.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;

use fastway_service::process::create_anew;

/// The outcomes of the commands of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// The first comment of the command file.
    pub request: Option<String>,
    /// The commands that were run, in order.
    pub outcomes: Vec<Outcome>,
    /// Why the file was not run, or not to its end.
    pub failure: Option<String>,
}

/// The outcome of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The command as it was given.
    pub command: String,
    /// Its answer, in whole lines.
    pub answer: String,
    /// The error, if it failed.
    pub error: Option<String>,
}

impl Outcome {
    /// Longest answer that is kept, in bytes.
    pub const MAX_ANSWER_BYTES: usize = 1 << 20;
}

impl Results {
    /// Parses a result file; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        lines.next()?.strip_prefix("# pid ")?;

        let mut results = Self::default();
        // Whether the last command has no outcome so far.
        let mut is_open = false;
        for line in lines {
            match line.split_at_checked(2)? {
                ("# ", request) => results.request = Some(request.to_owned()),
                ("$ ", command) => {
                    results.outcomes.push(Outcome { command: command.to_owned(), ..Outcome::default() });
                    is_open = true;
                }
                ("  ", answer) => writeln!(results.outcomes.last_mut()?.answer, "{answer}").ok()?,
                _ if line == "ok" => is_open = false,
                _ => {
                    let error = Some(line.strip_prefix("error: ")?.to_owned());
                    match results.outcomes.last_mut().filter(|_| is_open) {
                        Some(last) => last.error = error,
                        None => results.failure = error,
                    }
                    is_open = false;
                }
            }
        }
        Some(results)
    }
}

/// A result file being written. It replaces the old one when it is complete.
#[derive(Debug)]
pub(super) struct ResultFile {
    path: PathBuf,
    unfinished: OsString,
    /// The file, or the error that ended it.
    out: io::Result<BufWriter<File>>,
}

impl ResultFile {
    /// Begins a file that will replace the one at `path`.
    pub(super) fn begin(path: &Path, run: u64) -> Self {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let out = create_anew(Path::new(&unfinished)).map(BufWriter::new);
        let mut file = Self { path: path.to_owned(), unfinished, out };
        file.write(format_args!("# pid {} run {run}\n", process::id()));
        file
    }

    /// Adds the comment of the command file.
    pub(super) fn request(&mut self, request: &str) {
        self.write(format_args!("# {request}\n"));
    }

    /// Adds the outcome of a command.
    pub(super) fn outcome(&mut self, outcome: &Outcome) {
        self.write(format_args!("$ {}\n", outcome.command));
        outcome.answer.lines().for_each(|line| self.write(format_args!("  {line}\n")));
        match &outcome.error {
            Some(error) => self.failure(error),
            None => self.write(format_args!("ok\n")),
        }
    }

    /// Adds why the file, or the rest of it, is not run.
    pub(super) fn failure(&mut self, error: &str) {
        let error = error.replace(['\n', '\r'], " ");
        self.write(format_args!("error: {error}\n"));
    }

    /// Replaces the old file.
    pub(super) fn finish(self) -> io::Result<()> {
        let written = self.out.and_then(|mut out| out.flush()).and_then(|()| fs::rename(&self.unfinished, &self.path));
        if written.is_err() {
            // The rest of it is useless, and the first error is the one to report.
            let _ = fs::remove_file(&self.unfinished);
        }
        written
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        if let Ok(out) = &mut self.out
            && let Err(error) = out.write_fmt(text)
        {
            self.out = Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    fn outcome(command: &str, answer: &str, error: Option<&str>) -> Outcome {
        Outcome { command: command.to_owned(), answer: answer.to_owned(), error: error.map(str::to_owned) }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("fastway.cmd.out");
        let outcomes = vec![
            outcome("help", "one\nok\nerror: x\n\n$ two\n", None),
            outcome("kick 9", "", Some("there is no link 9")),
            outcome("stats", "", None),
        ];
        let mut file = ResultFile::begin(&path, 3);
        file.request("ctl 12");
        outcomes.iter().for_each(|outcome| file.outcome(outcome));
        file.failure("the gateway stops");
        assert!(!path.exists());
        file.finish().unwrap();
        let failure = Some("the gateway stops".to_owned());
        let expected = Results { request: Some("ctl 12".to_owned()), outcomes, failure };
        assert_eq!(Results::parse(&fs::read_to_string(&path).unwrap()), Some(expected));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_run_that_was_refused_has_nothing_but_the_reason() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("fastway.cmd.out");
        let mut file = ResultFile::begin(&path, 1);
        file.failure("it is\nno text");
        file.finish().unwrap();
        let results = Results::parse(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(results, Results { failure: Some("it is no text".to_owned()), ..Results::default() });
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_at_the_end() {
        let dir = tempdir().unwrap();
        let mut file = ResultFile::begin(&dir.path().join("missing").join("out"), 1);
        file.outcome(&Outcome::default());
        assert!(file.finish().is_err());
    }

    #[test]
    fn what_is_no_result_file_is_not_taken_for_one() {
        for text in ["", "hello", "# pid 1 run 1\nx", "# pid 1 run 1\n  answer to nothing\n", "# pid 1 run 1\nwhat: no"]
        {
            assert_eq!(Results::parse(text), None, "{text:?}");
        }
    }
}
