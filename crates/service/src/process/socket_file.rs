//! A unix socket in the gateway's directory: made for its user alone, replaced when a dead gateway left it, removed at
//! the end.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};
use tracing::warn;

/// What the log calls this module.
const TARGET: &str = "fastway::process::socket_file";
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// The longest path that an address of a unix socket holds; the kernel adds a zero byte.
const LONGEST_PATH: usize = 107;

/// The file of a unix socket that listens. Dropping it removes the file.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and number of the file: what stands at the path later may be another one.
    id: (u64, u64),
}

/// Why a gateway has no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketFileError {
    /// Another process listens there.
    #[error("{0}: another process listens on this socket")]
    Taken(PathBuf),
    /// Something else stands there. It is left alone.
    #[error("{0}: there is a file in the place of the socket; remove it")]
    NoSocket(PathBuf),
    /// The file system does not let us have it.
    #[error("{path}: cannot {action} the socket: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

impl SocketFile {
    /// Listens on a socket at `path` that only the user of this process, and root, may connect to. A socket on which
    /// nobody listens is replaced.
    ///
    /// # Errors
    /// Somebody listens there, something else stands there, or the system refuses it.
    pub fn listen(path: PathBuf) -> Result<(UnixListener, Self), SocketFileError> {
        let failed = |action| {
            let path = path.clone();
            move |error| SocketFileError::Io { path, action, error }
        };
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed("make"))?;
        // The file takes over the mode of the socket, so that nobody else can connect, not even for a moment.
        fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(|errno| failed("protect")(errno.into()))?;
        match bind(&socket, &path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(&path)?;
                bind(&socket, &path)
            }
            bound => bound,
        }
        .map_err(failed("make"))?;
        let id = id_of(&path).map_err(failed("find"))?;
        let file = Self { path: path.clone(), id };
        socket.listen(BACKLOG).and_then(|()| socket.set_nonblocking(true)).map_err(failed("listen on"))?;
        Ok((socket.into(), file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let removed = match id_of(&self.path) {
            Ok(id) if id == self.id => fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            warn!(target: TARGET, path = %self.path.display(), %error, "socket cannot be removed");
        }
    }
}

/// Connects to a socket that a [`SocketFile`] stands for. The stream does not block.
///
/// # Errors
/// There is no such socket, nobody listens, too many wait already (`WouldBlock`), or this user may not connect.
pub fn connect_socket_file(path: &Path) -> io::Result<UnixStream> {
    with_address(path, |address| {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(address)?;
        Ok(socket.into())
    })
}

fn bind(socket: &Socket, path: &Path) -> io::Result<()> {
    with_address(path, |address| socket.bind(address))
}

/// Does something with the address of a path. One that is too long for an address is reached through its directory.
fn with_address<T>(path: &Path, act: impl FnOnce(&SockAddr) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= LONGEST_PATH {
        return act(&SockAddr::unix(path)?);
    }
    let dir = File::open(path.parent().unwrap_or(Path::new(".")))?;
    let name = path.file_name().unwrap_or_default();
    act(&SockAddr::unix(Path::new(&format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name))?)
}

/// Removes a socket on which nobody listens.
fn remove_stale(path: &Path) -> Result<(), SocketFileError> {
    let failed = |error| SocketFileError::Io { path: path.to_owned(), action: "replace", error };
    if !fs::symlink_metadata(path).map_err(failed)?.file_type().is_socket() {
        return Err(SocketFileError::NoSocket(path.to_owned()));
    }
    match connect_socket_file(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        // One whose queue is full is somebody's as well.
        Ok(_) | Err(_) => Err(SocketFileError::Taken(path.to_owned())),
    }
}

fn id_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::tempdir;

    use super::*;

    #[test]
    fn only_its_user_may_connect_and_its_file_goes_with_it() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("gate.sock");
        let (_listener, file) = SocketFile::listen(path.clone()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        connect_socket_file(&path).unwrap();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_is_replaced_when_nobody_listens_on_it() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("gate.sock");
        let (listener, file) = SocketFile::listen(path.clone()).unwrap();
        assert!(matches!(SocketFile::listen(path.clone()).unwrap_err(), SocketFileError::Taken(_)));
        // As a process that is killed leaves it.
        std::mem::forget(file);
        drop(listener);
        assert!(path.exists());
        let _replaced = SocketFile::listen(path.clone()).unwrap();
        connect_socket_file(&path).unwrap();
    }

    #[test]
    fn what_is_no_socket_of_ours_is_left_alone() {
        let dir = tempdir().unwrap();
        let (path, victim) = (dir.path().join("gate.sock"), dir.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &path).unwrap();
        assert!(matches!(SocketFile::listen(path.clone()).unwrap_err(), SocketFileError::NoSocket(_)));
        fs::remove_file(&path).unwrap();
        let (_listener, file) = SocketFile::listen(path.clone()).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn the_path_may_be_longer_than_an_address() {
        let dir = tempdir().unwrap();
        let deep = dir.path().join("d".repeat(200));
        fs::create_dir(&deep).unwrap();
        let (_listener, _file) = SocketFile::listen(deep.join("gate.sock")).unwrap();
        connect_socket_file(&deep.join("gate.sock")).unwrap();
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error_with_its_path() {
        let error = SocketFile::listen(PathBuf::from("/proc/gate.sock")).unwrap_err();
        assert!(error.to_string().starts_with("/proc/gate.sock: cannot make the socket: "), "{error}");
    }
}
