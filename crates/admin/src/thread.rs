//! The thread that runs commands, so that a slow command delays neither signals nor links.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, select_biased};
use fastway_service::logging::Patience;
use tracing::{debug, error, info, warn};

use super::registry::Excerpt;
use super::results::ResultFile;
use super::{CommandFile, CommandInfo, Outcome, Registry};

/// The target of log lines.
const TARGET: &str = "fastway::admin::thread";

/// How long the end of the gateway waits for a running command.
const GRACE: Duration = Duration::from_secs(1);

/// Calls that may be queued.
const CALLS: usize = 16;

/// Bytes kept of all answers of a call.
const CALL_BYTES: usize = 4 * Outcome::MAX_ANSWER_BYTES;

/// Owns the thread that runs commands: those of the command file and those of a [`Caller`]. Dropping it ends the
/// thread: a running command completes, queued ones are not run.
#[derive(Debug)]
pub struct AdminThread {
    /// Holds one request. The file is read when its turn comes, so a second queued request would find the same.
    requests: Option<Sender<()>>,
    calls: Sender<Call>,
    commands: Arc<[CommandInfo]>,
    stopping: Arc<AtomicBool>,
    ended: Receiver<()>,
}

/// Runs commands for the program, for instance for an HTTP request. It may outlive the [`AdminThread`].
#[derive(Clone, Debug)]
pub struct Caller {
    calls: Sender<Call>,
    commands: Arc<[CommandInfo]>,
    /// Closed when the thread has ended: a call that it left behind gets no answer.
    ended: Receiver<()>,
}

/// Why the commands of a [`Caller`] have no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The queue is full.
    #[error("too many commands wait for their turn ({CALLS}); none of these is run")]
    Busy,
    /// They were not done in time. One of them may still be running; those behind it are not run.
    #[error("the commands were not done within {0:?}; one may still be running, those behind it are not run")]
    Late(Duration),
    /// The thread has ended, or never ran.
    #[error("the thread that runs commands has ended")]
    Ended,
}

#[derive(Debug)]
struct Call {
    commands: Vec<String>,
    reply: Sender<Vec<Outcome>>,
    /// Held by the caller while it waits.
    caller: Weak<()>,
}

impl Call {
    fn is_wanted(&self) -> bool {
        self.caller.strong_count() > 0
    }
}

impl AdminThread {
    /// Starts the thread; it waits for [`AdminThread::run_commands`]. What the commands of the file answer is logged, and
    /// written to `results`.
    ///
    /// # Errors
    /// When the system has no thread left for it.
    pub fn start(registry: Registry, file: CommandFile, results: PathBuf) -> io::Result<Self> {
        let (requests, requested) = bounded(1);
        let (calls, called) = bounded(CALLS);
        let (end, ended) = bounded(0);
        let stopping = Arc::new(AtomicBool::new(false));

        let commands = registry.list().into();
        let runner = Runner { registry, file, results, runs: 0, stopping: Arc::clone(&stopping), _end: end };
        thread::Builder::new().name("admin".to_owned()).spawn(move || runner.serve(&requested, &called))?;
        Ok(Self { requests: Some(requests), calls, commands, stopping, ended })
    }

    /// Requests a run of the command file on the thread. Never blocks. While one request is queued behind running
    /// commands, further ones are dropped: the queued one finds the same file.
    pub fn run_commands(&self) {
        let sent = self.requests.as_ref().map(|requests| requests.try_send(()));
        match sent {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(()))) => debug!(target: TARGET, "the command file waits for its turn already"),
            Some(Err(TrySendError::Disconnected(()))) | None => {
                error!(
                    target: TARGET,
                    "the command file is not run: a command has panicked before; restart the gateway to run commands"
                );
            }
        }
    }

    /// A handle that runs commands on the thread and waits for their answers.
    pub fn caller(&self) -> Caller {
        Caller { calls: self.calls.clone(), commands: Arc::clone(&self.commands), ended: self.ended.clone() }
    }
}

impl Caller {
    /// All commands.
    pub fn commands(&self) -> &[CommandInfo] {
        &self.commands
    }

    /// Runs commands, in order and behind the queued ones. Returns the outcome of each.
    ///
    /// # Errors
    /// There is no answer, or none within `limit`.
    pub fn run(&self, commands: Vec<String>, limit: Duration) -> Result<Vec<Outcome>, CallError> {
        let (reply, answer) = bounded(1);
        let waiting = Arc::new(());

        self.calls.try_send(Call { commands, reply, caller: Arc::downgrade(&waiting) }).map_err(
            |error| match error {
                TrySendError::Full(_) => CallError::Busy,
                TrySendError::Disconnected(_) => CallError::Ended,
            },
        )?;

        select_biased! {
            recv(answer) -> outcomes => outcomes.map_err(|_| CallError::Ended),
            // The answer may have been the thread's last act.
            recv(self.ended) -> _ => answer.try_recv().map_err(|_| CallError::Ended),
            default(limit) => Err(CallError::Late(limit)),
        }
    }
}

impl Drop for AdminThread {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.requests = None;
        if self.ended.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
            warn!(target: TARGET, "a command still runs; the gateway does not wait for it");
        }
    }
}

/// The state of the thread.
struct Runner {
    registry: Registry,
    file: CommandFile,
    results: PathBuf,
    /// How often the command file was run.
    runs: u64,
    stopping: Arc<AtomicBool>,
    /// Its drop tells the owner that the thread has ended, even by a panic.
    _end: Sender<()>,
}

impl Runner {
    fn serve(mut self, requested: &Receiver<()>, called: &Receiver<Call>) {
        loop {
            select_biased! {
                recv(requested) -> request => match request {
                    Ok(()) if !self.is_stopping() => self.run_file(),
                    _ => return,
                },
                recv(called) -> call => if let Ok(call) = call {
                    let _caller_waits_no_more = call.reply.send(self.run_call(&call));
                },
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn run_file(&mut self) {
        self.runs += 1;
        let mut results = ResultFile::begin(&self.results, self.runs);

        match self.file.read() {
            Ok(script) => {
                script.request.iter().for_each(|request| results.request(request));
                self.run_all(&script.commands, &mut results);
            }
            Err(error) => {
                error!(target: TARGET, %error, "command file not run");
                results.failure(&error.to_string());
            }
        }

        if let Err(error) = results.finish() {
            error!(target: TARGET, path = %self.results.display(), %error, "the results are only in the log: their file cannot be written");
        }
    }

    fn run_all(&mut self, commands: &[String], results: &mut ResultFile) {
        for command in commands {
            match self.run_next(command, Outcome::MAX_ANSWER_BYTES) {
                Some(outcome) => results.outcome(&outcome),
                None => return results.failure("the gateway stops: the commands behind are not run"),
            }
        }
    }

    /// Stops when the caller no longer waits.
    fn run_call(&mut self, call: &Call) -> Vec<Outcome> {
        let mut room = CALL_BYTES;
        let outcomes = call.commands.iter().take_while(|_| call.is_wanted()).map_while(|command| {
            let outcome = self.run_next(command, room.min(Outcome::MAX_ANSWER_BYTES))?;
            room = room.saturating_sub(outcome.answer.len());
            Some(outcome)
        });
        outcomes.collect()
    }

    /// Runs a command, unless the gateway is stopping. At most `room` bytes of its answer are kept.
    fn run_next(&mut self, command: &str, room: usize) -> Option<Outcome> {
        (!self.is_stopping()).then(|| self.run(command, room))
    }

    fn run(&mut self, line: &str, room: usize) -> Outcome {
        let mut answer = Answer::new(room);
        let result = self.registry.run(line, &mut answer);
        // Nothing waits for this thread, so a long answer is logged in full, at the speed of the log's reader.
        let _patience = Patience::begin();

        let command = Excerpt::new(line).plain();
        for line in answer.text.lines() {
            info!(target: TARGET, command, "{line}");
        }

        match &result {
            Ok(()) => info!(target: TARGET, command, "command done"),
            Err(error) => error!(target: TARGET, command, %error, "command failed"),
        }

        let error = result.err().map(|error| error.to_string());
        Outcome { command: line.to_owned(), answer: answer.text, error }
    }
}

/// The answer of a command, up to a bound.
struct Answer {
    text: String,
    room: usize,
    cut: bool,
}

impl Answer {
    const CUT: &str = "… the rest is cut off\n";

    fn new(room: usize) -> Self {
        Self { text: String::new(), room, cut: false }
    }
}

impl fmt::Write for Answer {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.cut {
            return Ok(());
        }
        self.cut = self.text.len() + part.len() > self.room;
        self.text.push_str(if self.cut { Self::CUT } else { part });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::{TempDir, tempdir};

    use super::*;

    /// A thread whose command `meet` sends its argument and then waits to be let go.
    struct Meeting {
        dir: TempDir,
        admin: AdminThread,
        arrived: Receiver<String>,
        leave: Sender<()>,
    }

    impl Meeting {
        fn new() -> Self {
            let dir = tempdir().unwrap();
            let (arrive, arrived) = bounded(16);
            let (leave, left) = bounded::<()>(0);
            let mut registry = Registry::default();
            registry
                .register("meet", "WHO", "", move |args, _| {
                    arrive.send(args.words().concat()).unwrap();
                    // Fails when the test has ended: then nobody waits.
                    let _ = left.recv();
                    Ok(())
                })
                .unwrap();
            let admin =
                AdminThread::start(registry, CommandFile::new(dir.path().join("cmd")), dir.path().join("out")).unwrap();
            Self { dir, admin, arrived, leave }
        }

        fn request(&self, commands: &str) {
            fs::write(self.dir.path().join("cmd"), commands).unwrap();
            self.admin.run_commands();
        }

        fn expect(&self, who: &str) {
            assert_eq!(self.arrived.recv_timeout(Duration::from_secs(30)).unwrap(), who);
        }
    }

    #[test]
    fn requests_that_come_while_commands_run_make_one_further_run() {
        let meeting = Meeting::new();
        meeting.request("meet first");
        meeting.expect("first");
        for count in 0..100 {
            meeting.request(&format!("meet {count}"));
        }
        meeting.leave.send(()).unwrap();
        meeting.expect("99");
        meeting.leave.send(()).unwrap();
        meeting.request("meet last");
        meeting.expect("last");
    }

    #[test]
    fn a_bad_file_and_a_bad_command_change_nothing() {
        let meeting = Meeting::new();
        meeting.admin.run_commands();
        meeting.request("no such command\nmeet me");
        meeting.expect("me");
    }

    #[test]
    fn the_thread_ends_with_its_owner_and_leaves_out_what_waits() {
        let Meeting { dir, admin, arrived, leave } = Meeting::new();
        fs::write(dir.path().join("cmd"), "meet one\nmeet two\nmeet three").unwrap();
        admin.run_commands();
        assert_eq!(arrived.recv().unwrap(), "one");
        let stopping = Arc::clone(&admin.stopping);
        let owner = thread::spawn(move || drop(admin));
        while !stopping.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        leave.send(()).unwrap();
        owner.join().unwrap();
        assert!(arrived.recv().is_err(), "the thread has dropped its commands");
    }

    #[test]
    fn a_caller_gets_what_came_of_each_command() {
        let meeting = Meeting::new();
        let caller = meeting.admin.caller();
        let names: Vec<&str> = caller.commands().iter().map(|command| command.name.as_str()).collect();
        assert_eq!(names, ["help", "meet"]);
        let commands = || vec!["meet me".to_owned(), "no such".to_owned()];
        let asking = thread::spawn(move || (caller.run(commands(), Duration::from_secs(30)), caller));
        meeting.expect("me");
        meeting.leave.send(()).unwrap();
        let (outcomes, caller) = asking.join().unwrap();
        let outcomes = outcomes.unwrap();
        assert_eq!((outcomes[0].command.as_str(), &outcomes[0].error), ("meet me", &None));
        assert!(outcomes[1].error.as_ref().unwrap().contains("there is no command"));
        drop(meeting.admin);
        assert_eq!(caller.run(vec!["help".to_owned()], Duration::from_secs(30)), Err(CallError::Ended));
    }

    #[test]
    fn what_is_left_of_a_call_that_was_given_up_is_not_run() {
        let meeting = Meeting::new();
        let (reply, _answer) = bounded(1);
        let waiting = Arc::new(());
        let commands = ["meet one", "meet two"].map(str::to_owned).to_vec();
        meeting.admin.calls.send(Call { commands, reply, caller: Arc::downgrade(&waiting) }).unwrap();
        meeting.expect("one");
        drop(waiting);
        meeting.leave.send(()).unwrap();
        meeting.request("meet three");
        meeting.expect("three");
    }

    #[test]
    fn a_call_that_the_thread_leaves_behind_is_told_so() {
        let (calls, _never_taken) = bounded(CALLS);
        let (end, ended) = bounded(0);
        let caller = Caller { calls, commands: Arc::default(), ended };
        let asking = thread::spawn(move || caller.run(vec!["help".to_owned()], Duration::from_secs(30)));
        drop(end);
        assert_eq!(asking.join().unwrap(), Err(CallError::Ended));
    }

    #[test]
    fn callers_beyond_those_that_may_wait_are_turned_away() {
        let meeting = Meeting::new();
        meeting.request("meet first");
        meeting.expect("first");
        let caller = meeting.admin.caller();
        let call = || caller.run(vec!["meet me".to_owned()], Duration::ZERO);
        (0..CALLS).for_each(|_| assert_eq!(call(), Err(CallError::Late(Duration::ZERO))));
        assert_eq!(call(), Err(CallError::Busy));
    }

    #[test]
    fn a_long_answer_is_cut() {
        let mut answer = Answer::new(Outcome::MAX_ANSWER_BYTES);
        for _ in 0..3 << 10 {
            fmt::Write::write_str(&mut answer, &"x".repeat(1 << 10)).unwrap();
        }
        assert!(answer.text.ends_with("cut off\n") && answer.text.len() < Outcome::MAX_ANSWER_BYTES + 100);
    }

    #[test]
    fn what_the_commands_of_a_call_answer_together_is_bounded() {
        let dir = tempdir().unwrap();
        let mut registry = Registry::default();
        registry.register("tell", "", "", |_, answer| Ok(write!(answer, "{}", "x\n".repeat(300 << 10))?)).unwrap();
        let admin =
            AdminThread::start(registry, CommandFile::new(dir.path().join("cmd")), dir.path().join("out")).unwrap();
        let outcomes = admin.caller().run(vec!["tell".to_owned(); 100], Duration::from_secs(60)).unwrap();
        assert_eq!(outcomes.len(), 100);
        let bytes: usize = outcomes.iter().map(|outcome| outcome.answer.len()).sum();
        assert!(bytes <= CALL_BYTES + 100 * Answer::CUT.len(), "{bytes}");
        assert_eq!(outcomes[0].answer.len(), 600 << 10);
        assert_eq!(outcomes[99].answer, Answer::CUT);
    }

    #[test]
    fn a_panic_in_a_command_is_survived_by_the_owner() {
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("cmd"), "boom").unwrap();
        let mut registry = Registry::default();
        registry.register("boom", "", "", |_, _| panic!("on purpose")).unwrap();
        let admin =
            AdminThread::start(registry, CommandFile::new(dir.path().join("cmd")), dir.path().join("out")).unwrap();
        admin.run_commands();
        assert!(admin.ended.recv().is_err());
        admin.run_commands();
    }
}
