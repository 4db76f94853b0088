//! What the gateway asks of the kernel and of its allocator that no safe interface offers: the only unsafe code of the
//! project.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

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

/// What jemalloc is told before `main`: it is able to take heap profiles, and does not until it is asked to. Once it
/// is, about one allocation in 512 KiB is noted with its stack. The environment (`_RJEM_MALLOC_CONF`) has the last word.
// SAFETY: the name is the one under which `tikv-jemallocator` looks for a pointer to a C string, the type is such a
// pointer and never null, and nothing else of this program has that name.
#[unsafe(export_name = "_rjem_malloc_conf")]
#[used]
pub static MALLOC_CONF: Option<&'static libc::c_char> = {
    const TEXT: &CStr = c"prof:true,prof_active:false,lg_prof_sample:19";
    // SAFETY: a C string has at least one character, its end, and this one lives for ever.
    Some(unsafe { &*TEXT.as_ptr() })
};

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
    fn what_is_no_socket_is_an_error() {
        assert!(unacknowledged_bytes(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
