using System;
using System.Net;
using System.Net.Sockets;

namespace Snet
{
    /// <summary>Sockets that wait, and that may be closed by another thread meanwhile.</summary>
    internal static class Sockets
    {
        /// <summary>Connects within so many milliseconds, which are the time-outs of what follows, too.</summary>
        public static void Connect(Socket socket, IPEndPoint target, int timeout)
        {
            var connecting = socket.BeginConnect(target, null, null);
            if (!connecting.AsyncWaitHandle.WaitOne(timeout))
            {
                throw new TimeoutException("No connection to " + target + " within " + timeout + " ms.");
            }
            socket.EndConnect(connecting);
            socket.NoDelay = true;
            socket.SendTimeout = timeout;
            socket.ReceiveTimeout = timeout;
        }

        /// <summary>Waits for bytes: 0 when the socket is broken, however that shows.</summary>
        public static int Receive(Socket socket, byte[] to, int offset, int count)
        {
            try
            {
                SocketError error;
                return socket.Receive(to, offset, count, SocketFlags.None, out error);
            }
            catch (ObjectDisposedException)
            {
                return 0;
            }
        }

        /// <summary>Sends all; false when the socket is broken.</summary>
        public static bool SendAll(Socket socket, byte[] bytes, int count)
        {
            try
            {
                for (var sent = 0; sent < count;)
                {
                    SocketError error;
                    var taken = socket.Send(bytes, sent, count - sent, SocketFlags.None, out error);
                    if (taken <= 0 || error != SocketError.Success)
                    {
                        return false;
                    }
                    sent += taken;
                }
                return true;
            }
            catch (ObjectDisposedException)
            {
                return false;
            }
        }

        /// <summary>Closes it, if there is one.</summary>
        public static void Close(Socket socket)
        {
            if (socket != null)
            {
                socket.Close();
            }
        }
    }
}
