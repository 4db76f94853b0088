using System.Net;
using Fastway.Transports;

namespace Fastway.Links
{
    /// <summary>
    /// Where attempts to get a session a transport go. Behind a name there may be several gateways, only one of which has the
    /// session, so they go to that one. But a network may have another address for it: where that one gives no connection, the
    /// name is tried.
    /// </summary>
    internal sealed class Whereabouts
    {
        /// <summary>
        /// Milliseconds for which the name is left alone after another gateway has refused the session. Four refusals are
        /// believed, so a gateway that is silent has three times this before the others speak for it.
        /// </summary>
        private const long NamePause = 5000;

        /// <summary>The address of the gateway that has the session; null while that is not known.</summary>
        private IPAddress _known;

        /// <summary>The newest attempt went to the known address, and none has got a connection since.</summary>
        private bool _isUnreached;

        private long _nameNotBefore;

        /// <summary>The address to which an attempt goes that begins now; null for the name.</summary>
        public IPAddress Next(bool hasConnection, long now)
        {
            var isByName = _known == null || (_isUnreached && !hasConnection && now >= _nameNotBefore);
            _isUnreached = !isByName;
            return isByName ? null : _known;
        }

        /// <summary>A transport carries the session.</summary>
        public void Carries(Transport transport)
        {
            _known = transport.Peer ?? _known;
            Reset();
        }

        /// <summary>Forgets what came of attempts: the network may be another one.</summary>
        public void Reset()
        {
            _isUnreached = false;
            _nameNotBefore = 0;
        }

        /// <summary>Whether this is the address of the gateway that has the session, or may be.</summary>
        public bool IsThere(IPAddress peer)
        {
            return _known == null || peer == null || peer.Equals(_known);
        }

        /// <summary>The transport of an attempt has failed, or was refused.</summary>
        public void Failed(Transport transport)
        {
            _isUnreached &= transport.Peer == null;
        }

        /// <summary>A transport was refused; says whether by another gateway than the one that has the session.</summary>
        public bool IsRefusedElsewhere(Transport transport, long now)
        {
            if (IsThere(transport.Peer))
            {
                return false;
            }
            _nameNotBefore = now + NamePause;
            return true;
        }
    }
}
