using System;
using System.Collections.Generic;
using NUnit.Framework;

namespace Fastway.Tests.Fuzz
{
    /// <summary>Calls what there is to call, in any order.</summary>
    internal sealed class RandomUser
    {
        private const int Remotes = 4;

        private readonly EndPoint _end;
        private readonly Random _random;
        private readonly List<Conn> _conns = new List<Conn>();

        public RandomUser(EndPoint end, Random random)
        {
            _end = end;
            _random = random;
        }

        public void DoSomething()
        {
            switch (_random.Next(6))
            {
                case 0:
                    Add(_end.Dial((uint)_random.Next(Remotes)));
                    break;
                case 1:
                    Add(_end.Accept());
                    break;
                case 2:
                    Any(conn => conn.Send(new byte[_random.Next(100)]));
                    break;
                case 3:
                    Any(conn => conn.Close());
                    break;
                default:
                    Any(conn => conn.Receive());
                    break;
            }
        }

        public void ReceiveAll()
        {
            Conn accepted;
            while ((accepted = _end.Accept()) != null)
            {
                _conns.Add(accepted);
            }
            foreach (var conn in _conns)
            {
                Assert.AreNotEqual(CloseReason.None, conn.CloseReason, "the link has ended");
                while (conn.Receive() != null)
                {
                }
            }
        }

        private void Add(Conn conn)
        {
            if (conn != null)
            {
                _conns.Add(conn);
            }
        }

        private void Any(Action<Conn> act)
        {
            if (_conns.Count > 0)
            {
                act(_conns[_random.Next(_conns.Count)]);
            }
        }
    }
}
