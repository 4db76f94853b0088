//! The thread that runs commands, so that a slow one holds up neither signals nor links.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use tracing::{debug, error, info, warn};

use super::registry::Excerpt;
use super::{CommandFile, Registry};

/// How long the end of the gateway waits for a command that runs.
const GRACE: Duration = Duration::from_secs(1);

/// Owns the thread that reads the command file and runs its commands. The thread ends when this is dropped: a command
/// that runs is finished, those behind it are left out.
#[derive(Debug)]
pub struct AdminThread {
    /// Holds one request: the file is read when its turn comes, so a second one that waits would find the same.
    requests: Option<Sender<()>>,
    stopping: Arc<AtomicBool>,
    ended: Receiver<()>,
}

impl AdminThread {
    /// Starts the thread; it waits for [`AdminThread::run_commands`].
    ///
    /// # Errors
    /// When the system has no thread left for it.
    pub fn start(registry: Registry, file: CommandFile) -> io::Result<Self> {
        let (requests, requested) = bounded(1);
        let (end, ended) = bounded(0);
        let stopping = Arc::new(AtomicBool::new(false));
        let runner = Runner { registry, file, stopping: Arc::clone(&stopping), _end: end };
        thread::Builder::new().name("admin".to_owned()).spawn(move || runner.serve(&requested))?;
        Ok(Self { requests: Some(requests), stopping, ended })
    }

    /// Has the command file run, soon, on the thread. Never blocks. While one request waits for the commands of another
    /// to finish, further ones are dropped: the waiting one will find whatever they would.
    pub fn run_commands(&self) {
        let sent = self.requests.as_ref().map(|requests| requests.try_send(()));
        match sent {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(()))) => debug!("the command file waits for its turn already"),
            Some(Err(TrySendError::Disconnected(()))) | None => {
                error!(
                    "the command file is not run: a command has panicked before; restart the gateway to run commands"
                );
            }
        }
    }
}

impl Drop for AdminThread {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.requests = None;
        if self.ended.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
            warn!("a command still runs; the gateway does not wait for it");
        }
    }
}

/// What the thread works with.
struct Runner {
    registry: Registry,
    file: CommandFile,
    stopping: Arc<AtomicBool>,
    /// Tells the owner by its drop that the thread has ended, even by a panic.
    _end: Sender<()>,
}

impl Runner {
    fn serve(mut self, requested: &Receiver<()>) {
        for () in requested {
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
            match self.file.read() {
                Ok(commands) => self.run_all(&commands),
                Err(error) => error!(%error, "command file not run"),
            }
        }
    }

    fn run_all(&mut self, commands: &[String]) {
        for command in commands {
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
            self.run(command);
        }
    }

    fn run(&mut self, command: &str) {
        let mut answer = String::new();
        let result = self.registry.run(command, &mut answer);
        let command = Excerpt::new(command);
        for line in answer.lines() {
            info!(%command, "{line}");
        }
        match result {
            Ok(()) => info!(%command, "command done"),
            Err(error) => error!(%command, %error, "command failed"),
        }
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
            let admin = AdminThread::start(registry, CommandFile::new(dir.path().join("cmd"))).unwrap();
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
    fn a_panic_in_a_command_is_survived_by_the_owner() {
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("cmd"), "boom").unwrap();
        let mut registry = Registry::default();
        registry.register("boom", "", "", |_, _| panic!("on purpose")).unwrap();
        let admin = AdminThread::start(registry, CommandFile::new(dir.path().join("cmd"))).unwrap();
        admin.run_commands();
        assert!(admin.ended.recv().is_err());
        admin.run_commands();
    }
}
