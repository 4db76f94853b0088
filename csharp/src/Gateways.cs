using System;
using System.Collections.Generic;
using System.Linq;
using Fastway.Crypto;
using Fastway.Links;

namespace Fastway
{
    /// <summary>
    /// Says which gateway of a list a link goes to next, and after which pause, each time that a link is lost or does not come
    /// about.
    /// </summary>
    /// <remarks>
    /// A gateway that drains (<see cref="LinkException.IsDraining"/>) is left for another one of the list, drawn at random,
    /// after a pause that is drawn from the whole of 0 to <see cref="DrainJitter"/>: thousands of players who are told at the
    /// same moment come neither at the same moment nor to the same gateway. A drain is no failure, and what failed before it
    /// makes no pause longer. Only when all gateways of the list drain, pauses grow as after failures, on top of the jitter.
    /// The next gateway is another one as well after an attempt that failed, and after a plain link that the gateway has
    /// closed, which has no words for a reason; after any other end, as when the network has failed, it is the same.
    /// It is for one thread.
    /// </remarks>
    public sealed class Gateways
    {
        private readonly string[] _addresses;
        /// <summary>Those that were left since a link has lasted, or ended in a drain.</summary>
        private readonly bool[] _left;
        private readonly Random _random;
        private Pauses _pauses;
        private int _at;

        /// <summary>
        /// The gateways of a game. The first one is tried first: shuffle them where nothing else spreads the players.
        /// </summary>
        /// <param name="addresses">At least one, as <c>host:port</c>.</param>
        /// <exception cref="ArgumentException">There is none.</exception>
        public Gateways(params string[] addresses)
            : this(addresses, new Random(BitConverter.ToInt32(RandomSource.System.Draw(sizeof(int)), 0)))
        {
        }

        internal Gateways(string[] addresses, Random random)
        {
            if (addresses == null || addresses.Length == 0)
            {
                throw new ArgumentException("there has to be a gateway", "addresses");
            }
            _addresses = (string[])addresses.Clone();
            _left = new bool[addresses.Length];
            _random = random;
            DrainJitter = TimeSpan.FromSeconds(1);
            FirstPause = TimeSpan.FromMilliseconds(100);
            LongestPause = TimeSpan.FromSeconds(10);
        }

        /// <summary>The address of the next attempt.</summary>
        public string Address
        {
            get { return _addresses[_at]; }
        }

        /// <summary>The pause after a drain is shorter than this. Default 1 s.</summary>
        public TimeSpan DrainJitter { get; set; }

        /// <summary>
        /// The pause after a first failure; each of the next is about twice as long, and all are jittered. They begin with this
        /// one again after a link that has outlived the longest, and after a drain. To be set before <see cref="Next"/> is
        /// called. Default 100 ms.
        /// </summary>
        public TimeSpan FirstPause { get; set; }

        /// <summary>The longest pause after a failure. To be set before <see cref="Next"/> is called. Default 10 s.</summary>
        public TimeSpan LongestPause { get; set; }

        /// <summary>
        /// Takes note of why there is no link to <see cref="Address"/>, and goes on to the address of the next attempt.
        /// </summary>
        /// <param name="why">
        /// What <see cref="EndPoint.Lost"/> has told, <see cref="EndPoint.Failure"/> keeps, or connecting has thrown.
        /// </param>
        /// <returns>The pause before that attempt.</returns>
        public TimeSpan Next(LinkException why)
        {
            if (why == null)
            {
                throw new ArgumentNullException("why");
            }
            if (_pauses == null)
            {
                _pauses = new Pauses(FirstPause, LongestPause, _random);
            }
            return TimeSpan.FromMilliseconds(why.Lived == null ? AfterAttempt(why) : AfterLink(why, why.Lived.Value));
        }

        private double AfterAttempt(LinkException why)
        {
            var wereAllLeft = GoElsewhere();
            return why.IsDraining ? AfterDrain(wereAllLeft) : _pauses.Next();
        }

        private double AfterLink(LinkException why, TimeSpan lived)
        {
            if (why.IsDraining || lived > LongestPause)
            {
                _pauses.Reset();
                Array.Clear(_left, 0, _left.Length);
            }
            if (why.IsDraining)
            {
                return AfterDrain(GoElsewhere());
            }
            if (why.Reason == LostReason.ClosedByGateway)
            {
                // It may have drained. Links that it closes again and again are no way around the pauses.
                GoElsewhere();
                return Jitter() + _pauses.Next();
            }
            return _pauses.Next();
        }

        /// <summary>The pause is longer when all gateways were left: none of them takes links.</summary>
        private double AfterDrain(bool wereAllLeft)
        {
            return Jitter() + (wereAllLeft ? _pauses.Next() : 0);
        }

        /// <summary>In milliseconds, from the whole range.</summary>
        private double Jitter()
        {
            return _random.NextDouble() * DrainJitter.TotalMilliseconds;
        }

        /// <summary>Leaves the present address; true when all were left, so that the next ones were asked before.</summary>
        private bool GoElsewhere()
        {
            _left[_at] = true;
            var others = Others();
            var wereAllLeft = others.Count == 0;
            if (wereAllLeft)
            {
                Array.Clear(_left, 0, _left.Length);
                others = Others();
            }
            if (others.Count > 0)
            {
                _at = others[_random.Next(others.Count)];
            }
            return wereAllLeft;
        }

        private List<int> Others()
        {
            return Enumerable.Range(0, _addresses.Length).Where(at => !_left[at] && at != _at).ToList();
        }
    }
}
