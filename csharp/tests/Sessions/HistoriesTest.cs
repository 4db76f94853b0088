using System;
using Fastway.Sessions;
using Fastway.Tests.Sessions.Acceptors;
using NUnit.Framework;

namespace Fastway.Tests.Sessions
{
    /// <summary>Random histories: cuts, delays and reordering at arbitrary points.</summary>
    [TestFixture]
    [Category("Computes")]
    public class HistoriesTest
    {
        private const int Steps = 60;

        [Test]
        public void A_secure_stream_survives_any_network()
        {
            Run(600, random => World.Secure(random, random.Below(2) == 0), true);
        }

        [Test]
        public void A_legacy_stream_survives_any_network()
        {
            Run(600, random => World.Legacy(random, random.Below(2) == 0), false);
        }

        private static void Run(int histories, Func<SeededRandom, World> make, bool withEnds)
        {
            var closed = 0;
            for (var seed = 1; seed <= histories; seed++)
            {
                var random = new SeededRandom(seed);
                var world = make(random);
                world.Connect();
                try
                {
                    for (var steps = random.Below(Steps); steps > 0; steps--)
                    {
                        Step(world, random, withEnds);
                    }
                    world.Settle();
                }
                catch (Exception exception)
                {
                    throw new AssertionException("Seed " + seed + ": " + exception.Message, exception);
                }
                closed += world.Initiator.End == null || world.Initiator.End.Kind == SessionEndKind.Closed ? 1 : 0;
            }
            Assert.Greater(closed, histories * 9 / 10, "histories in which all arrived");
        }

        private static void Step(World world, SeededRandom random, bool withEnds)
        {
            switch (random.Below(30))
            {
                case 0: case 1: case 2: case 3:
                    world.Write(random.Below(20000));
                    break;
                case 4: case 5: case 6:
                    world.WriteAtAcceptor(random.Below(20000));
                    break;
                case 7: case 8:
                    world.Write(random.Below(100));
                    world.WriteAtAcceptor(random.Below(100));
                    break;
                case 9: case 10: case 11: case 12:
                    world.DeliverToAcceptor(One(world, random), random.Below(65536));
                    break;
                case 13: case 14: case 15: case 16:
                    world.DeliverToInitiator(One(world, random), random.Below(65536));
                    break;
                case 17: case 18:
                    world.DeliverToInitiator(One(world, random), random.Below(64));
                    world.DeliverToAcceptor(One(world, random), random.Below(64));
                    break;
                case 19: case 20: case 21:
                    world.DeliverAll();
                    break;
                case 22: case 23: case 24:
                    world.Flush(random.Below(65536));
                    break;
                case 25:
                    world.Connect();
                    break;
                case 26:
                    Roam(world, random);
                    break;
                case 27:
                    world.Cut(One(world, random), random.Below(2) == 0);
                    break;
                case 28:
                    world.Pass(random.Below(random.Below(4) == 0 ? 20000 : 500));
                    break;
                default:
                    End(world, random, withEnds);
                    break;
            }
        }

        /// <summary>What was on its way by the older cable comes after the newer was answered, and before it is
        /// proven.</summary>
        private static void Roam(World world, SeededRandom random)
        {
            var older = world.Cables[world.Cables.Count - 1];
            var newer = world.Connect();
            if (newer != null)
            {
                world.DeliverToAcceptor(newer, int.MaxValue);
                world.DeliverToAcceptor(older, random.Below(65536));
                world.DeliverToInitiator(newer, int.MaxValue);
                world.Flush(random.Below(20000));
            }
        }

        private static void End(World world, SeededRandom random, bool withEnds)
        {
            if (withEnds && random.Below(4) == 0)
            {
                world.Close();
            }
            else if (withEnds && random.Below(4) == 0)
            {
                world.CloseAtAcceptor();
            }
        }

        /// <summary>Late ones are where something happens.</summary>
        private static Cable One(World world, SeededRandom random)
        {
            return world.Cables[world.Cables.Count - 1 - random.Below(Math.Min(world.Cables.Count, 3))];
        }
    }
}
