//! The first message of a transport, received by an acceptor (`docs/protocol.md` §2, §3.1, §3.6).

use crate::legacy::message as legacy;
use crate::request::Request;
use crate::secure::message as secure;
use crate::{HelloError, Protocol};

/// Collects the first message of a transport.
#[derive(Debug, Default)]
pub struct Reception {
    bytes: Vec<u8>,
}

impl Reception {
    /// Adds received bytes, and returns the request once the message is complete. Bytes behind it are an error: no
    /// initiator sends more before the reply.
    ///
    /// # Errors
    /// The bytes are no request: close the transport.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<Request>, HelloError> {
        self.bytes.extend_from_slice(bytes);
        let Some(first) = self.bytes.first() else { return Ok(None) };
        match Protocol::of(*first) {
            Protocol::Plain => Err(HelloError::NoSession(*first)),
            Protocol::Secure => {
                let is_whole = secure::Hello::decode(&self.bytes)?.is_some();
                Ok(is_whole.then(|| Request::secure(std::mem::take(&mut self.bytes))))
            }
            Protocol::Legacy => Ok(legacy::Hello::decode(&self.bytes)?.map(Request::legacy)),
        }
    }

    /// Bytes of the incomplete message.
    pub fn waiting_bytes(&self) -> usize {
        self.bytes.len()
    }
}
