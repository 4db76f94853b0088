//! Headers of the PROXY protocol, before everything else on a stream (`docs/protocol.md` §3.7).

use fastway_proxy_protocol::{MAX_HEADER_BYTES, Origin};
use fastway_transport::Stream;

use super::handshake::Handshake;
use crate::mux::accept::proxy_header::{Headed, ProxyFault, is_no_second, judge};
use crate::mux::routing::Side;

/// Reads the header of a stream, if it has one, and says where the connection comes from. On the client port it also waits
/// for the first byte behind it.
///
/// # Errors
/// The header may not be there, or should be, or is no good; or the peer left first.
pub(super) async fn read_origin(handshake: &Handshake, stream: &mut Stream) -> Result<Origin, ProxyFault> {
    let Handshake { core, side, peer, .. } = handshake;
    let (mode, is_trusted) = {
        let settings = &core.borrow().settings;
        (settings.side(*side).proxy_protocol, settings.trusted_proxies.contains(peer.ip()))
    };

    let origin = loop {
        match judge(mode, is_trusted, stream.peeked())? {
            Headed::Part => await_more(stream).await?,
            Headed::Without => break Origin::Socket,
            Headed::With(header) => {
                stream.skip_peeked(header.bytes);
                break header.origin;
            }
        }
    };

    while !is_no_second(stream.peeked())? {
        // Game servers may wait for the gateway to begin.
        if *side == Side::Server && stream.peeked().is_empty() {
            break;
        }
        await_more(stream).await?;
    }
    Ok(origin)
}

/// Waits for more bytes.
async fn await_more(stream: &mut Stream) -> Result<(), ProxyFault> {
    let more = stream.peek_more(MAX_HEADER_BYTES).await;
    more.map(|_| ()).map_err(|_| ProxyFault::Unused)
}
