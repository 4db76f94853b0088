//! Requests to the admin listener, good ones and any others.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::link::read;
use crate::watch::DEADLINE;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status, for instance 200.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The body, which is JSON and says so.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A connection to the admin listener, on which a script sends whatever it likes.
#[derive(Debug)]
pub struct Http {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Http {
    /// Connects.
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).expect("the admin listener listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a read deadline");
        stream.set_write_timeout(Some(DEADLINE)).expect("a write deadline");
        Self { stream, input: Vec::new() }
    }

    /// Sends a request: `GET /path`, headers as `Name: value`, and a body, whose length is told.
    #[track_caller]
    pub fn send(&mut self, line: &str, headers: &[&str], body: &[u8]) {
        let named = |name: &str| headers.iter().any(|header| header.to_ascii_lowercase().starts_with(name));
        let host = if named("host:") { "" } else { "Host: 127.0.0.1\r\n" };
        let length = if body.is_empty() || named("content-length:") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let further: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        self.send_raw(&[format!("{line} HTTP/1.1\r\n{host}{length}{further}\r\n").as_bytes(), body].concat());
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the admin listener takes it");
    }

    /// Sends bytes to a listener that may well have closed the connection by now.
    ///
    /// # Errors
    /// As the socket says.
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next answer, of which the body comes with its length or in chunks; `headless` if there is none, as to HEAD.
    #[track_caller]
    pub fn receive(&mut self, headless: bool) -> Answer {
        let mut answer = self.head();
        if headless {
            return answer;
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                answer.body.extend(chunk);
            }
        } else {
            let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            answer.body = self.exactly(length);
        }
        answer
    }

    /// The head of the next answer, without its body.
    #[track_caller]
    pub fn head(&mut self) -> Answer {
        let head = String::from_utf8(self.until(b"\r\n\r\n")).expect("the head is text");
        let mut lines = head.trim_end().lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|word| word.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers: Vec<_> =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Answer { status: status.expect("a status"), headers, body: Vec::new() }
    }

    /// The next chunk of a body that comes in chunks; `None` at its end.
    #[track_caller]
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = String::from_utf8(self.until(b"\r\n")).expect("the size of a chunk is text");
        let size = usize::from_str_radix(size.trim_end(), 16).expect("the size of a chunk is a number");
        let chunk = self.exactly(size);
        assert_eq!(self.exactly(2), b"\r\n", "a chunk ends with its line");
        (size > 0).then_some(chunk)
    }

    /// Expects that the listener closes the connection next.
    #[track_caller]
    pub fn expect_eof(&mut self) {
        assert!(self.input.is_empty() && self.fill() == 0, "more came: {}", self.input.escape_ascii());
    }

    /// Everything that still comes before the listener closes the connection.
    #[track_caller]
    pub fn until_eof(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        std::mem::take(&mut self.input)
    }

    #[track_caller]
    fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.input.windows(end.len()).position(|window| window == end) {
                return self.input.drain(..at + end.len()).collect();
            }
            assert!(self.fill() > 0, "the connection ended after {}", self.input.escape_ascii());
        }
    }

    #[track_caller]
    fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.input.len() < count {
            assert!(self.fill() > 0, "the connection ended after {}", self.input.escape_ascii());
        }
        self.input.drain(..count).collect()
    }

    /// Reads what is there, or waits for it; 0 at the end, which a reset is too.
    #[track_caller]
    fn fill(&mut self) -> usize {
        let mut block = [0; 64 << 10];
        match read(&mut self.stream, &mut block) {
            Ok(count) => {
                self.input.extend_from_slice(&block[..count]);
                count
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("nothing came within {DEADLINE:?}: {error}"),
        }
    }
}
