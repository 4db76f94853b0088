//! Listening sockets that a service manager has bound (socket activation).

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use socket2::{Domain, Socket, Type};

use super::options::prepare;

/// Inherited listeners by name.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(&'static str, TcpListener)>);

/// Why a gateway does not start with what it inherited.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// The name says nothing to us.
    #[error("there is no port for a socket with the name {name:?}; accepted (FileDescriptorName=): {accepted}")]
    UnknownName {
        /// The name.
        name: String,
        /// The names that there are.
        accepted: String,
    },
    /// A port has one listener.
    #[error("several sockets have the name {0:?}: one for each name is accepted")]
    Twice(&'static str),
    /// It is something else.
    #[error(
        "the socket with the name {name:?} cannot be listened on: it is {is}; accepted: a listening TCP socket (ListenStream= with a port)"
    )]
    WrongType {
        /// Its name.
        name: &'static str,
        /// What it is.
        is: &'static str,
    },
    /// The system does not let us use it.
    #[error("the socket with the name {name:?} cannot be used: {error}")]
    Io {
        /// Its name.
        name: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

impl Inherited {
    /// Takes over descriptors, each with the name at its place.
    ///
    /// # Errors
    /// A name is not in `accepted`, or comes twice, or a descriptor is no TCP listener.
    pub fn new<'a>(
        descriptors: impl IntoIterator<Item = (OwnedFd, &'a str)>,
        accepted: &[&'static str],
    ) -> Result<Self, InheritedError> {
        let mut inherited = Self::default();
        for (descriptor, name) in descriptors {
            let Some(name) = accepted.iter().copied().find(|accepted| *accepted == name) else {
                return Err(InheritedError::UnknownName { name: name.to_owned(), accepted: accepted.join(", ") });
            };
            if inherited.0.iter().any(|(other, _)| *other == name) {
                return Err(InheritedError::Twice(name));
            }
            inherited.0.push((name, adopt(descriptor.into(), name)?));
        }
        Ok(inherited)
    }

    /// Gives the listener of a name away.
    pub fn take(&mut self, name: &str) -> Option<TcpListener> {
        let index = self.0.iter().position(|(other, _)| *other == name)?;
        Some(self.0.swap_remove(index).1)
    }
}

fn adopt(socket: Socket, name: &'static str) -> Result<TcpListener, InheritedError> {
    let wrong = |is| InheritedError::WrongType { name, is };
    let failed = |error| InheritedError::Io { name, error };
    let domain = socket.domain().map_err(|_| wrong("no socket"))?;
    if !matches!(domain, Domain::IPV4 | Domain::IPV6) {
        return Err(wrong("a socket of another family than IPv4 and IPv6"));
    }
    if socket.r#type().map_err(failed)? != Type::STREAM {
        return Err(wrong("a socket for datagrams"));
    }
    if !socket.is_listener().map_err(failed)? {
        return Err(wrong("a socket that does not listen (Accept=no is needed)"));
    }
    prepare(&socket).map_err(failed)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpStream, UdpSocket};
    use std::os::unix::net::UnixListener;

    use super::*;

    const NAMES: [&str; 2] = ["client", "server"];

    fn error(descriptors: Vec<(OwnedFd, &str)>) -> String {
        Inherited::new(descriptors, &NAMES).unwrap_err().to_string()
    }

    fn listener() -> OwnedFd {
        TcpListener::bind("127.0.0.1:0").unwrap().into()
    }

    #[test]
    fn listeners_are_found_by_their_names_in_any_order() {
        let [first, second] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addr = second.local_addr().unwrap();
        let mut inherited = Inherited::new([(first.into(), "server"), (second.into(), "client")], &NAMES).unwrap();
        let listener = inherited.take("client").unwrap();
        assert_eq!(listener.local_addr().unwrap(), addr);
        assert!(inherited.take("client").is_none() && inherited.take("server").is_some());

        let _client = TcpStream::connect(addr).unwrap();
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        };
        assert!(stream.nodelay().unwrap() && socket2::SockRef::from(&stream).keepalive().unwrap());
    }

    #[test]
    fn what_is_not_accepted_is_named_with_what_is() {
        let unknown = error(vec![(listener(), "client"), (listener(), "fastway-server.socket")]);
        assert!(
            unknown.contains("\"fastway-server.socket\"; accepted (FileDescriptorName=): client, server"),
            "{unknown}"
        );
        assert!(error(vec![(listener(), "client"), (listener(), "client")]).contains("several sockets"));

        let dir = tempfile::tempdir().unwrap();
        let stream = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(stream.local_addr().unwrap()).unwrap();
        for (descriptor, is) in [
            (OwnedFd::from(File::open("/dev/null").unwrap()), "no socket"),
            (UnixListener::bind(dir.path().join("socket")).unwrap().into(), "another family"),
            (UdpSocket::bind("127.0.0.1:0").unwrap().into(), "datagrams"),
            (stream.into(), "does not listen"),
        ] {
            let error = error(vec![(descriptor, "server")]);
            assert!(error.contains(is) && error.contains("accepted: a listening TCP socket"), "{error}");
        }
    }
}
