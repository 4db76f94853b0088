//! What the gateway asks of the kernel and of its allocator that no safe interface offers: the only unsafe code of the
//! project.

pub mod cpu_samples;

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bytes that were written to a TCP socket and that the peer's machine has not acknowledged yet; the end of the stream
/// counts as one.
///
/// # Errors
/// The descriptor is no socket.
pub fn unacknowledged_bytes(socket: impl AsFd) -> io::Result<usize> {
    let mut queued: libc::c_int = 0;
    // SAFETY: TIOCOUTQ (SIOCOUTQ for sockets) writes one c_int, to a variable of this frame, and nothing else. The
    // borrowed descriptor is open for as long as `socket` lives.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut queued) };
    match result {
        0 => Ok(usize::try_from(queued).unwrap_or(0)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The round-trip time of a TCP socket as the kernel has smoothed it, to the microsecond.
///
/// # Errors
/// The descriptor is no TCP socket.
pub fn round_trip_time(socket: impl AsFd) -> io::Result<Duration> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).unwrap_or(0);
    // SAFETY: TCP_INFO writes at most `length` bytes, to a variable of this frame that is as long, and how many they were
    // to `length`. The borrowed descriptor is open for as long as `socket` lives.
    let result = unsafe {
        let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
        libc::getsockopt(socket.as_fd().as_raw_fd(), level, name, info.as_mut_ptr().cast(), &raw mut length)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it holds integers only, and what the kernel did not write is zero.
    let info = unsafe { info.assume_init() };
    Ok(Duration::from_micros(info.tcpi_rtt.into()))
}

/// Takes over the first `count` descriptors behind stderr, which whoever started this process has passed on (socket
/// activation, `sd_listen_fds(3)`). Programs that are started from here do not get them.
///
/// To be called before anything else opens descriptors, with the count that the environment states.
///
/// # Errors
/// One of them is not open, or this was called before.
pub fn inherited_descriptors(count: u16) -> io::Result<Vec<OwnedFd>> {
    const FIRST: RawFd = libc::STDERR_FILENO + 1;
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::Error::other("the inherited descriptors were taken before"));
    }
    let take = |number: RawFd| {
        // SAFETY: it sets a flag of a descriptor, and fails if that is not open.
        if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is open, and nothing of this process owns it: it was open at the start, as the environment states, and
        // it is taken only once.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    };
    (FIRST..FIRST.saturating_add(count.into())).map(take).collect()
}

/// Has host names looked up in `/etc/hosts` and by DNS alone, whatever `/etc/nsswitch.conf` says, if this program is linked
/// statically: it would load the modules named there, which belong to whichever C library is installed. To be called before
/// there are other threads.
pub fn resolve_names_without_modules() {
    #[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
    {
        // SAFETY: this is how glibc's nss.h declares it.
        unsafe extern "C" {
            fn __nss_configure_lookup(database: *const libc::c_char, services: *const libc::c_char) -> libc::c_int;
        }
        // SAFETY: both are C strings, which it only reads. Its answer tells of malformed ones.
        let _well_formed = unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
    }
}

/// What jemalloc is told before `main`: it is able to take heap profiles, and does not until it is asked to. Once it
/// is, about one allocation in 512 KiB is noted with its stack. The environment (`_RJEM_MALLOC_CONF`) has the last word.
///
/// jemalloc has such a variable of its own, for programs that have none. The linker takes the one that comes first, and
/// a crate comes before those that it depends on: hence the `use` below.
// SAFETY: the name is the one under which `tikv-jemallocator` looks for a pointer to a C string, the type is such a
// pointer and never null, and nothing else of this program has that name.
#[unsafe(export_name = "_rjem_malloc_conf")]
#[used]
pub static MALLOC_CONF: Option<&'static libc::c_char> = {
    const TEXT: &CStr = c"prof:true,prof_active:false,lg_prof_sample:19";
    // SAFETY: a C string has at least one character, its end, and this one lives for ever.
    Some(unsafe { &*TEXT.as_ptr() })
};

use tikv_jemalloc_sys as _;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn bytes_count_until_the_peer_has_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        assert_eq!(unacknowledged_bytes(&near).unwrap(), 0);
        near.set_nonblocking(true).unwrap();
        while near.write(&[0; 65536]).is_ok() {}
        assert!(unacknowledged_bytes(&near).unwrap() > 0);
        near.shutdown(Shutdown::Write).unwrap();
        far.read_to_end(&mut Vec::new()).unwrap();
        while unacknowledged_bytes(&near).unwrap() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_link_within_this_machine_has_a_short_round_trip() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let round_trip = round_trip_time(&near).unwrap();
        assert!(round_trip > Duration::ZERO && round_trip < Duration::from_secs(10), "{round_trip:?}");
    }

    #[test]
    fn what_is_no_socket_is_an_error() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert!(unacknowledged_bytes(&null).is_err());
        assert!(round_trip_time(&null).is_err());
    }
}
