using System;
using System.Globalization;

namespace Fastway.Transports
{
    /// <summary>Host and port.</summary>
    internal struct Address
    {
        public readonly string Host;
        public readonly int Port;

        private Address(string host, int port)
        {
            Host = host;
            Port = port;
        }

        /// <summary>Reads <c>host:port</c>, <c>1.2.3.4:port</c> or <c>[::1]:port</c>.</summary>
        public static Address Parse(string text)
        {
            var colon = text == null ? -1 : text.LastIndexOf(':');
            int port;
            if (colon <= 0 || !int.TryParse(text.Substring(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port)
                || port < 1 || port > 65535)
            {
                throw new ArgumentException("an address is host:port, not \"" + text + "\"", "address");
            }
            return new Address(text.Substring(0, colon).Trim('[', ']'), port);
        }
    }
}
