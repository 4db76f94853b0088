using System;
using Fastway.Transports;

namespace Fastway.Links
{
    /// <summary>A link that is gone with its transport.</summary>
    internal sealed class PlainLink : Link
    {
        private readonly Transport _transport;
        private bool _wasOpen;

        public PlainLink(Transport transport)
        {
            _transport = transport;
        }

        public override bool IsLive
        {
            get { return _transport.IsOpen; }
        }

        public override void Step(long now)
        {
            _transport.Step(now);
            _wasOpen |= _transport.IsOpen;
            SeeEnd();
        }

        public override int Read(ArraySegment<byte> into, long now)
        {
            var count = _transport.Read(into);
            SeeEnd();
            return count;
        }

        public override int Write(ArraySegment<byte> bytes, long now)
        {
            return _transport.Write(bytes);
        }

        public override void Flush(long now)
        {
            _transport.Flush();
        }

        public override void Silent(long now)
        {
            Failure = Failure ?? new LinkException(LostReason.Silent);
        }

        public override void Wait(int milliseconds)
        {
            _transport.Wait(milliseconds);
        }

        public override void Close(long now)
        {
            _transport.Close();
        }

        private void SeeEnd()
        {
            if (!_transport.HasEnded || Failure != null)
            {
                return;
            }
            var error = _transport.Error;
            var reason = !_wasOpen ? LostReason.Unreachable
                : error == null ? LostReason.ClosedByGateway
                : LostReason.Network;
            Failure = new LinkException(reason, error == null ? null : error.Message, error);
        }
    }
}
