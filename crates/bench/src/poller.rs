//! Readiness of many sockets, level-triggered, and a timer that is exact to some microseconds.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// Events taken from the kernel at a time.
const BATCH: usize = 2048;

/// What the timer's events carry; never given out by a table of links.
const TIMER: u64 = u64::MAX;

/// What a socket is watched for. An end or an error of a socket shows as readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Interest {
    pub(crate) const READ: Self = Self { read: true, write: false };

    fn flags(self) -> EventFlags {
        let (read, write) = (self.read.then_some(EventFlags::IN), self.write.then_some(EventFlags::OUT));
        read.unwrap_or(EventFlags::empty()) | write.unwrap_or(EventFlags::empty())
    }
}

/// A socket that can be read or written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl From<Event> for Ready {
    fn from(event: Event) -> Self {
        // Fields of a packed struct are copied before they are used.
        let (flags, data) = (event.flags, event.data);
        let read = flags.intersects(EventFlags::IN | EventFlags::ERR | EventFlags::HUP);
        Self { token: data.u64(), read, write: flags.contains(EventFlags::OUT) }
    }
}

/// One epoll instance.
pub(crate) struct Poller {
    epoll: OwnedFd,
    /// The kernel rounds epoll's own timeouts to milliseconds; a schedule of 20,000 messages a second needs more.
    timer: OwnedFd,
    events: Vec<Event>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        Ok(Self { epoll, timer, events: Vec::with_capacity(BATCH) })
    }

    /// Watches `socket`; its events carry `token`. Closing the socket ends it.
    pub(crate) fn add(&self, socket: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(token), interest.flags())?)
    }

    /// Watches `socket` for something else from now on.
    pub(crate) fn modify(&self, socket: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(token), interest.flags())?)
    }

    /// Waits until a socket is ready or `time` is over (`None`: for ever), and appends what is ready to `ready`.
    pub(crate) fn wait(&mut self, time: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        let at_once = time == Some(Duration::ZERO);
        if let Some(time) = time.filter(|_| !at_once) {
            self.arm(time)?;
        }
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), at_once.then_some(&AT_ONCE)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.extend(self.events.drain(..).map(Ready::from).filter(|event| event.token != TIMER));
        Ok(())
    }

    /// Setting the timer also takes back an expiry that nobody has read.
    fn arm(&self, time: Duration) -> io::Result<()> {
        let tv_sec = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let it_value = Timespec { tv_sec, tv_nsec: i64::from(time.subsec_nanos()) };
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    #[test]
    fn waiting_ends_with_the_time_and_not_before() {
        let mut poller = Poller::new().unwrap();
        for micros in [1, 300, 2500] {
            let (time, started, mut ready) = (Duration::from_micros(micros), Instant::now(), Vec::new());
            poller.wait(Some(time), &mut ready).unwrap();
            assert!(started.elapsed() >= time);
            assert!(ready.is_empty());
        }
    }

    #[test]
    fn a_ready_socket_ends_the_waiting_and_is_named() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&far, 7, Interest::READ).unwrap();
        let mut ready = Vec::new();
        poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
        assert!(ready.is_empty());
        near.write_all(b"x").unwrap();
        poller.wait(Some(Duration::from_secs(60)), &mut ready).unwrap();
        assert!(matches!(ready[..], [Ready { token: 7, read: true, write: false }]));
    }
}
