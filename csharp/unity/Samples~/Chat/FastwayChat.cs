using System;
using System.Text;
using UnityEngine;

namespace Fastway.Samples
{
    /// <summary>
    /// Joins the chat room of the Rust examples. Put it on any object of a scene: what the others say is logged, and
    /// <see cref="Say"/> can be bound to an input field.
    /// </summary>
    public sealed class FastwayChat : MonoBehaviour
    {
        private const uint Room = 2;

        [SerializeField] private string gateway = "127.0.0.1:10010";
        [SerializeField] private string playerName = "somebody";
        [SerializeField] private bool secure = true;

        private EndPoint _client;
        private Conn _room;
        private NetworkReachability _network;

        /// <summary>Says a line in the room; while the link is interrupted, it waits.</summary>
        public void Say(string line)
        {
            if (_room != null && !_room.Send(Encoding.UTF8.GetBytes(line)))
            {
                Debug.LogWarning("not said: " + line);
            }
        }

        private void OnEnable()
        {
            var options = new EndPointOptions { Session = secure ? SessionOptions.Secure(null) : null };
            _client = EndPoint.ConnectClient(gateway, options);
            _client.Interrupted += end => Debug.Log("the network is gone; looking for another way");
            _client.Resumed += end => Debug.Log("back, and nothing was lost");
            _client.Lost += why => Debug.LogError(why.Message);
            _client.Accepted += conn => conn.Received += Print;
            _room = _client.Dial(Room);
            _room.Send(Encoding.UTF8.GetBytes(playerName));
            _network = Application.internetReachability;
        }

        /// <summary>Once a frame: all events come from within.</summary>
        private void Update()
        {
            if (_network != Application.internetReachability)
            {
                _network = Application.internetReachability;
                _client.NetworkChanged();
            }
            _client.Poll();
        }

        private void OnDisable()
        {
            _client.Close();
        }

        private static void Print(Conn conn, ArraySegment<byte> message)
        {
            Debug.Log(Encoding.UTF8.GetString(message.Array, message.Offset, message.Count));
        }
    }
}
