//! The first bytes of a transport, at the acceptor.

use crate::legacy::message as legacy;
use crate::request::Request;
use crate::secure::message as secure;
use crate::{HelloError, Protocol};

/// Collects the first message of a transport. It keeps as much as has come, and never more than the longest message.
#[derive(Debug, Default)]
pub struct Reception {
    bytes: Vec<u8>,
}

impl Reception {
    /// Takes what came, and says what it asks for when all of it is there. Nobody can send more before the reply.
    ///
    /// # Errors
    /// It asks for nothing: close the transport.
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

    /// Bytes that wait for the rest.
    pub fn waiting_bytes(&self) -> usize {
        self.bytes.len()
    }
}
