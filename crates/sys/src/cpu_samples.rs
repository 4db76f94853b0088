//! Samples of what the threads of this process spend their CPU time on.
//!
//! Each thread has a timer of its own, on its own CPU clock, and the timer's signal interrupts that thread and no other.
//! A timer of the process (`setitimer`) loses samples instead: it has one signal for all threads, and while that is
//! pending or handled, there is no second one.
//!
//! The kernel looks at such timers at its tick only, and a signal may come late. So a sample does not stand for a period:
//! it stands for the CPU time that its thread has used since its last sample, by the thread's own clock. Whatever the
//! kernel leaves out, the next sample of the thread makes up for.

use std::collections::HashSet;
use std::ffi::{c_int, c_void};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Threads that can be sampled at a time; further ones are not. A gateway has one for each core, and some for its
/// commands, its log and its HTTP.
const MOST_THREADS: usize = 1024;

/// Frames of a stack that are kept, from the innermost one on.
const MOST_FRAMES: usize = 128;

/// Words of samples that a thread may be ahead of [`Sampler::take`]: at 100 samples a second and the deepest stacks half a
/// second, and more than a second at usual ones. While there is no room, no sample is taken, and the next one stands for
/// more time.
const RING_WORDS: usize = 1 << 13;

/// Libraries that are not unwound out of, since the unwinder may wait for a lock there that the interrupted thread holds.
/// The samples are kept, with their innermost frame alone.
const NOT_UNWOUND: [&str; 2] = ["/libgcc_s", "/ld-"];

/// Takes samples until it is dropped. There is one at a time in a process.
#[derive(Debug)]
pub struct Sampler {
    period: Duration,
    timers: Vec<Timer>,
}

/// A moment of a thread.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The thread, by its number in the kernel.
    pub thread: u32,
    /// The CPU time that it has used since its sample before.
    pub cpu: Duration,
    /// What it did, the innermost function first: addresses inside of the instruction that was interrupted, and of the
    /// calls that led there.
    pub stack: &'a [usize],
}

/// Why there are no samples.
#[derive(Debug)]
pub enum StartError {
    /// There is a [`Sampler`] already.
    Taken,
    /// The system has no timer left, or does not tell which threads there are.
    System(io::Error),
}

impl Sampler {
    /// Has each thread sampled whenever it has used `period` of CPU time.
    ///
    /// # Errors
    /// There is one already, or the system does not have what it takes.
    pub fn start(period: Duration) -> Result<Self, StartError> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Err(StartError::Taken);
        }
        // From here on its drop gives back what was taken.
        let mut sampler = Self { period, timers: Vec::new() };
        sampler.prepare().map_err(StartError::System)?;
        Ok(sampler)
    }

    /// Has threads sampled that did not exist before, and forgets those that do not exist any more. All the CPU time of a
    /// new thread is in its samples.
    ///
    /// # Errors
    /// The system has no timer left, or does not tell which threads there are.
    pub fn attach_new_threads(&mut self) -> io::Result<()> {
        self.attach(|_clock| Ok(Duration::ZERO))
    }

    /// Takes the samples that there are.
    pub fn take(&mut self, mut on_sample: impl FnMut(Sample<'_>)) {
        for slot in &SLOTS {
            slot.take(&mut on_sample);
        }
    }

    /// Ends the sampling; what was not taken yet can still be taken.
    pub fn stop(&mut self) {
        SAMPLING.store(false, Ordering::Release);
        self.timers.clear();
    }

    fn prepare(&mut self) -> io::Result<()> {
        LOCKING_CODE.get_or_init(|| executable_ranges(&NOT_UNWOUND));
        // The unwinder sets itself up at its first use, which must not be in the middle of the same.
        unwind(|_address| false);
        handle_signal()?;
        // What signals that came late have left behind.
        self.take(|_sample| {});
        self.attach(ThreadClock::now)?;
        SAMPLING.store(true, Ordering::Release);
        Ok(())
    }

    /// `counted`: the CPU time of a thread that is to be in no sample.
    fn attach(&mut self, counted: impl Fn(&ThreadClock) -> io::Result<Duration>) -> io::Result<()> {
        let threads = threads()?;
        // The list may lack a thread that lives, when another one ends while it is read.
        let is_gone = |thread: i32| !threads.contains(&thread) && ThreadClock::of(thread).now().is_err();
        self.timers.retain(|timer| !is_gone(timer.thread));
        // A thread keeps its slot as long as it lives, so that a slot never has two who write.
        for slot in &SLOTS {
            let thread = slot.thread.load(Ordering::Relaxed);
            if thread != NO_THREAD && is_gone(thread) {
                slot.thread.store(NO_THREAD, Ordering::Release);
            }
        }
        let attached: HashSet<i32> = self.timers.iter().map(|timer| timer.thread).collect();
        for thread in threads.difference(&attached).copied() {
            let Some((index, slot)) = slot_for(thread) else {
                return Ok(());
            };
            let clock = ThreadClock::of(thread);
            let timer = counted(&clock).and_then(|counted| {
                slot.begin(thread, counted);
                Timer::start(thread, clock, index, self.period)
            });
            match timer {
                Ok(timer) => self.timers.push(timer),
                // It has ended meanwhile.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ESRCH)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop();
        TAKEN.store(false, Ordering::Release);
    }
}

/// Whether there is a [`Sampler`].
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether signals are followed by samples: one may come after its timer was deleted.
static SAMPLING: AtomicBool = AtomicBool::new(false);

static SLOTS: [Slot; MOST_THREADS] = [const { Slot::new() }; MOST_THREADS];

/// Where [`NOT_UNWOUND`] are.
static LOCKING_CODE: OnceLock<Vec<Range<usize>>> = OnceLock::new();

const NO_THREAD: i32 = 0;

/// What a thread and the [`Sampler`] share. The thread alone writes samples to it, in the handler of its signal.
struct Slot {
    /// The thread that it belongs to.
    thread: AtomicI32,
    /// CPU time of the thread that is in samples already, or before them, in nanoseconds.
    counted: AtomicU64,
    ring: OnceLock<Ring>,
}

impl Slot {
    const fn new() -> Self {
        Self { thread: AtomicI32::new(NO_THREAD), counted: AtomicU64::new(0), ring: OnceLock::new() }
    }

    fn begin(&self, thread: i32, counted: Duration) {
        self.ring.get_or_init(Ring::new);
        self.counted.store(nanoseconds(counted), Ordering::Relaxed);
        self.thread.store(thread, Ordering::Release);
    }

    /// Adds a sample of the thread that runs this. Safe in a signal handler: it waits for nothing and allocates nothing.
    fn add(&self, stack: &[usize]) {
        let Some((ring, now)) = self.ring.get().zip(ThreadClock::OWN.now().ok()) else {
            return;
        };
        let now = nanoseconds(now);
        let cpu = now.saturating_sub(self.counted.load(Ordering::Relaxed));
        let thread = self.thread.load(Ordering::Relaxed).cast_unsigned();
        let head = [stack.len() as u64, thread.into(), cpu];
        if ring.push(head.len() + stack.len(), head.into_iter().chain(stack.iter().map(|address| *address as u64))) {
            self.counted.store(now, Ordering::Relaxed);
        }
    }

    fn take(&self, on_sample: &mut impl FnMut(Sample<'_>)) {
        let Some(ring) = self.ring.get() else {
            return;
        };
        let mut stack = [0; MOST_FRAMES];
        ring.take(|words| {
            let [frames, thread, cpu] = std::array::from_fn(|_| words.next().unwrap_or(0));
            let frames = usize::try_from(frames).unwrap_or(0).min(MOST_FRAMES);
            let kept = &mut stack[..frames];
            kept.fill_with(|| words.next().and_then(|word| usize::try_from(word).ok()).unwrap_or(0));
            let thread = u32::try_from(thread).unwrap_or(0);
            on_sample(Sample { thread, cpu: Duration::from_nanos(cpu), stack: kept });
        });
    }
}

/// The slot of a thread: its own, or a free one.
fn slot_for(thread: i32) -> Option<(usize, &'static Slot)> {
    let holder = |(_, slot): &(usize, &Slot)| slot.thread.load(Ordering::Relaxed);
    let own = SLOTS.iter().enumerate().find(|place| holder(place) == thread);
    own.or_else(|| SLOTS.iter().enumerate().find(|place| holder(place) == NO_THREAD))
}

/// A queue of words, with one thread that adds and one that takes.
struct Ring {
    words: Box<[AtomicU64]>,
    /// Words that were added, ever.
    added: AtomicUsize,
    /// Words that were taken, ever.
    taken: AtomicUsize,
}

impl Ring {
    fn new() -> Self {
        let words = (0..RING_WORDS).map(|_| AtomicU64::new(0)).collect();
        Self { words, added: AtomicUsize::new(0), taken: AtomicUsize::new(0) }
    }

    /// Adds `count` words, all of them or none.
    fn push(&self, count: usize, words: impl Iterator<Item = u64>) -> bool {
        let added = self.added.load(Ordering::Relaxed);
        let waiting = added.wrapping_sub(self.taken.load(Ordering::Acquire));
        if waiting + count > RING_WORDS {
            return false;
        }
        for (place, word) in (added..).zip(words) {
            self.word(place, |to| to.store(word, Ordering::Relaxed));
        }
        self.added.store(added.wrapping_add(count), Ordering::Release);
        true
    }

    /// Calls `take_one` until it has taken all words.
    fn take(&self, mut take_one: impl FnMut(&mut dyn Iterator<Item = u64>)) {
        let added = self.added.load(Ordering::Acquire);
        let mut places = self.taken.load(Ordering::Relaxed)..added;
        while !places.is_empty() {
            take_one(&mut places.by_ref().map(|place| self.word(place, |word| word.load(Ordering::Relaxed))));
        }
        self.taken.store(added, Ordering::Release);
    }

    fn word<T>(&self, place: usize, access: impl FnOnce(&AtomicU64) -> T) -> T {
        access(&self.words[place % RING_WORDS])
    }
}

/// A timer that sends a thread SIGPROF whenever that has used so much CPU time.
#[derive(Debug)]
struct Timer {
    thread: i32,
    id: libc::timer_t,
}

// SAFETY: what identifies a timer is a number of the kernel's, whatever its type; any thread may use it.
unsafe impl Send for Timer {}

impl Timer {
    fn start(thread: i32, clock: ThreadClock, slot: usize, period: Duration) -> io::Result<Self> {
        // SAFETY: it holds integers and a pointer that is not followed; the kernel ignores what is not set below.
        let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGPROF;
        event.sigev_notify_thread_id = thread;
        event.sigev_value.sival_ptr = ptr::without_provenance_mut(slot);
        let mut id = ptr::null_mut();
        // SAFETY: it reads and writes variables of this frame.
        succeeded(unsafe { libc::timer_create(clock.0, &raw mut event, &raw mut id) })?;
        let timer = Self { thread, id };
        let period = libc::timespec {
            tv_sec: period.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: period.subsec_nanos().into(),
        };
        let times = libc::itimerspec { it_interval: period, it_value: period };
        // SAFETY: the timer is ours and exists; it reads a variable of this frame.
        succeeded(unsafe { libc::timer_settime(timer.id, 0, &raw const times, ptr::null_mut()) })?;
        Ok(timer)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the timer is ours and exists. A signal of it that is on its way only names a slot.
        unsafe { libc::timer_delete(self.id) };
    }
}

/// The clock of the CPU time of a thread.
#[derive(Clone, Copy, Debug)]
struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// That of the thread that reads it.
    const OWN: Self = Self(libc::CLOCK_THREAD_CPUTIME_ID);

    /// `pthread_getcpuclockid` for whom only the kernel's number of the thread is known.
    const fn of(thread: i32) -> Self {
        /// The time in which a thread was scheduled, of one thread.
        const SCHEDULED_OF_THREAD: libc::clockid_t = 2 | 4;
        Self((!thread << 3) | SCHEDULED_OF_THREAD)
    }

    fn now(&self) -> io::Result<Duration> {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: it writes to a variable of this frame.
        succeeded(unsafe { libc::clock_gettime(self.0, &raw mut now) })?;
        let (seconds, nanoseconds) = (now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0));
        Ok(Duration::new(seconds, nanoseconds))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn succeeded(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The threads of this process.
fn threads() -> io::Result<HashSet<i32>> {
    let mut threads = HashSet::new();
    for entry in fs::read_dir("/proc/self/task")? {
        threads.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(threads)
}

/// Where the code of mapped files is whose paths have one of `parts`.
fn executable_ranges(parts: &[&str]) -> Vec<Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let range = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let address = |digits| usize::from_str_radix(digits, 16).ok();
        let is_meant = rest.as_bytes().get(2) == Some(&b'x') && parts.iter().any(|part| rest.contains(part));
        is_meant.then_some(address(start)?..address(end)?)
    };
    maps.lines().filter_map(range).collect()
}

/// Has SIGPROF handled for as long as the process lives: signals of timers come even after those were deleted, and would
/// end the process if nobody handled them.
fn handle_signal() -> io::Result<()> {
    // SAFETY: all its parts may be zero.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = on_signal as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    // SAFETY: it reads a variable of this frame. The handler is one for SA_SIGINFO, and calls only what may be called
    // in the middle of anything: see there.
    succeeded(unsafe { libc::sigaction(libc::SIGPROF, &raw const action, ptr::null_mut()) })
}

/// Takes a sample of the thread that it interrupts.
///
/// Nothing here allocates, takes a lock, or panics. The unwinder of GCC takes no lock either where the C library has
/// `_dl_find_object` (glibc since 2.35); before, it takes one that the thread may hold already.
extern "C" fn on_signal(_signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes pointers to what it has put on the stack of this handler; for a signal of a timer, as
    // `si_code` says that this is, that has a value.
    let slot = unsafe {
        let info = &*info;
        (info.si_code == libc::SI_TIMER).then(|| info.si_value().sival_ptr.addr())
    };
    // SAFETY: it has no arguments.
    let thread = unsafe { libc::gettid() };
    let slot = slot.and_then(|index| SLOTS.get(index)).filter(|slot| slot.thread.load(Ordering::Acquire) == thread);
    if let Some(slot) = slot
        && SAMPLING.load(Ordering::Acquire)
    {
        // SAFETY: the pointer is to a variable of this thread. What was interrupted may be about to read it.
        let errno = unsafe { *libc::__errno_location() };
        // SAFETY: the kernel's third argument is a `ucontext_t`.
        let interrupted = unsafe { program_counter(&*context.cast::<libc::ucontext_t>()) };
        add_sample(slot, interrupted);
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
    }
}

fn add_sample(slot: &Slot, interrupted: usize) {
    let mut stack = [0; MOST_FRAMES];
    let mut frames = 0;
    let in_locking_code = |code: &Vec<Range<usize>>| code.iter().any(|range| range.contains(&interrupted));
    if !LOCKING_CODE.get().is_some_and(in_locking_code) {
        unwind(|address| {
            // The frames before the interrupted one are those of the handler; behind the outermost one may be a null.
            if (frames > 0 || address == interrupted) && address != 0 {
                // A call is before the address that it returns to.
                stack[frames] = if frames == 0 { address } else { address.wrapping_sub(1) };
                frames += 1;
            }
            frames < MOST_FRAMES
        });
    }
    if frames == 0 {
        stack[0] = interrupted;
        frames = 1;
    }
    slot.add(&stack[..frames]);
}

/// Calls `on_frame` with the address of each frame of this thread's stack, the innermost one first, until it returns `false`.
fn unwind(mut on_frame: impl FnMut(usize) -> bool) {
    // SAFETY: without its lock it must not run beside a use of the symbols that `backtrace` keeps; to walk a stack uses none.
    unsafe { backtrace::trace_unsynchronized(|frame| on_frame(frame.ip().addr())) };
}

#[cfg(target_arch = "x86_64")]
fn program_counter(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize
}

#[cfg(target_arch = "aarch64")]
fn program_counter(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.pc as usize
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::sync::{Arc, Barrier};
    use std::thread;
    use std::time::Instant;

    use super::*;

    const PERIOD: Duration = Duration::from_millis(10);

    /// Uses so much CPU time on this thread.
    #[inline(never)]
    fn burn(time: Duration) {
        let end = ThreadClock::OWN.now().unwrap() + time;
        while ThreadClock::OWN.now().unwrap() < end {
            (0..10_000_u64).for_each(|number| _ = black_box(number));
        }
    }

    fn own_thread() -> u32 {
        // SAFETY: it has no arguments.
        unsafe { libc::gettid() }.cast_unsigned()
    }

    // One test, since a process has one sampler.
    #[test]
    fn the_samples_of_a_thread_add_up_to_its_cpu_time() {
        let mut sampler = Sampler::start(PERIOD).unwrap();
        assert!(matches!(Sampler::start(PERIOD), Err(StartError::Taken)));
        for _ in 0..2 {
            // A thread that was there when sampling began, and two that came later.
            let burnt = Duration::from_millis(200);
            let attached = Arc::new(Barrier::new(3));
            let late = [(); 2].map(|()| {
                let attached = Arc::clone(&attached);
                thread::spawn(move || {
                    burn(burnt);
                    attached.wait();
                    attached.wait();
                    burn(burnt);
                    own_thread()
                })
            });
            burn(2 * burnt);
            attached.wait();
            sampler.attach_new_threads().unwrap();
            attached.wait();
            let [first, second] = late.map(|thread| thread.join().unwrap());
            let mut sums = [(own_thread(), Duration::ZERO), (first, Duration::ZERO), (second, Duration::ZERO)];
            let burning = burn as fn(Duration) as usize;
            let mut in_burn = 0;
            sampler.take(|sample| {
                let sum = sums.iter_mut().find(|(thread, _)| *thread == sample.thread);
                sum.into_iter().for_each(|(_, sum)| *sum += sample.cpu);
                in_burn += usize::from(sample.stack.iter().any(|address| address.wrapping_sub(burning) < 4096));
            });
            for (_, sum) in sums {
                assert!(sum > burnt && sum < 3 * burnt, "{sums:?}");
            }
            assert!(in_burn > 10, "{in_burn} samples have the function that runs");
            drop(sampler);
            sampler = Sampler::start(PERIOD).unwrap();
        }
        sampler.stop();
        sampler.take(|_| {});
        burn(5 * PERIOD);
        let stopped = Instant::now();
        sampler.take(|sample| panic!("{sample:?} after {:?}", stopped.elapsed()));
    }

    #[test]
    fn a_full_ring_takes_no_part_of_a_sample() {
        let ring = Ring::new();
        let push = |count: usize| ring.push(count, (0..).take(count));
        assert!(push(RING_WORDS - 1));
        assert!(!push(2));
        let mut taken = 0;
        ring.take(|words| taken += words.count());
        assert_eq!(taken, RING_WORDS - 1);
        for _ in 0..3 {
            assert!(push(RING_WORDS / 2));
            ring.take(|words| assert!(words.eq(0..RING_WORDS as u64 / 2)));
        }
    }

    #[test]
    fn code_of_mapped_files_is_found() {
        let libc = executable_ranges(&["/libc.so", "/libc-"]);
        assert!(libc.iter().any(|range| range.contains(&(libc::getpid as *const () as usize))), "{libc:?}");
        assert_eq!(executable_ranges(&["/no such file"]), []);
    }
}
