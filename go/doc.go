// Package fastway connects Go programs to a fastway game gateway.
//
// Players and game servers each have one link to the gateway, an [EndPoint]. On it they open any number of virtual
// connections, each a [Conn]: a client dials a server by the ID under which it registered, a server dials a client by the
// ID that came with a connection of it, and either side accepts.
//
//	server, err := fastway.ConnectServer(ctx, "10.0.0.1:10020", fastway.Config{ServerID: 1, AuthKey: "the key"})
//	conn, err := server.AcceptConn(ctx)
//	message, err := conn.Receive(ctx)
//	err = conn.Send(ctx, message)
//
//	client, err := fastway.ConnectClient(ctx, "gateway.example:10010", fastway.Config{})
//	conn, err := client.DialConn(ctx, 1)
//
// A [ServerGroup] keeps a game server connected to a changing list of gateways.
//
// # Sessions
//
// A plain link ends with its physical connection. With Config.Session it outlives it: when that is cut, or silent, or the
// network changes, the next one goes on where it was, and virtual connections do not notice. A secure session is encrypted
// and, with the gateway's key pinned, authenticated; a legacy one is the original's snet.
//
//	client, err := fastway.ConnectClient(ctx, "gateway.example:10010", fastway.Config{
//		Session: fastway.SessionConfig{GatewayKey: key},
//	})
//
// [SessionConfig].OnEvent tells of interruptions; [EndPoint.Reconnect] is for a device that knows that its network has
// changed. A session that is over ends the link, with a [SessionError] in its [LinkError].
//
// # Coming from the original
//
// Programs written for github.com/funny/fastway/go change import paths: fastway for that package, and fastway/link,
// fastway/link/codec, fastway/slab and fastway/snet for the packages that its API speaks of. All that these export is here, but for
// NewGateway, Gateway and GatewayCfg: the gateway is a program of its own, which package fastway/fastwaytest runs for tests.
// [DialClient], [DialServer], [NewClient], [NewServer], [EndPointCfg] and the sessions of [EndPoint.Dial] and [EndPoint.Accept] are
// as they were, with these differences, all of which keep programs alive that would have failed:
//
//   - Send waits when SendChanSize messages wait for the socket; the original closes the whole link.
//   - Messages that came before the other end closed can still be received; the original drops them.
//   - DialClient, DialServer and NewServer are done when the gateway has answered, so a wrong key or port is their error.
//   - Dial gives up after 5 seconds without an answer, and several dials may wait at a time.
//   - A link whose gateway is silent for three ping intervals is closed, unless there is a TimeoutCallback.
//
// [ConnOf] gives the [Conn] under a session, for programs that move on step by step.
//
// # Streams
//
// A Conn is a [net.Conn] and [EndPoint.Listener] is a [net.Listener], so net/http, gRPC and crypto/tls run over virtual
// connections unchanged. What carries streams should hold the link instead of closing a connection that is read slowly:
// set Config.WhenFull to [Hold].
//
// # Back-pressure
//
// Sending: messages of all connections wait in one buffer for the socket. While it is full, Send waits; TrySend gives
// [ErrHeldUp]. This speaks of this side's own link and not of the other end.
//
// Receiving: what waits on a connection is bounded by Config.ReceiveMessages and Config.ReceiveBytes. At the bound
// Config.WhenFull decides: [Hold] (the default of clients) stops reading the link until half was received, and nothing is
// lost; [CloseConn] (the default of servers) closes that connection with [ErrQueueFull], so that one reader cannot stop
// the others. A connection that was not handed out yet, by an accept or a dial, never holds the link. All connections
// together are bounded by Config.ReceiveTotalBytes: there the largest that must not hold the link loses what waits, and
// when there is none the link is held.
//
// In between: the gateway bounds what it queues for a slow player, and closes a player that stays too slow. Who sends in
// bulk keeps what is in flight below half of the gateway's ClientSendChanSize and --client-send-bytes.
//
// # Waiting
//
// Whatever waits takes a context or keeps to the deadlines of [net.Conn], and loses nothing when it gives up: a message
// that was not received waits for the next Receive, and a dial that was given up leaves nothing behind. Connecting,
// dialing and shutting down are bounded by the Config as well. Receive, Accept and Send wait for ever otherwise.
//
// # Errors and ends
//
// [ConnectError], [DialError], [LinkError] and [CloseError] say what failed, and errors.Is finds the cause in them:
// [ErrRefused], [ErrWrongKey], [ErrDraining], [ErrQueueFull], [ErrTooLargePacket], io.EOF where the other side ended it,
// net.ErrClosed where this side did, os.ErrDeadlineExceeded, the context's own errors. What came before an end can always be
// received, but for what this side closed itself. [Gateways] knows which gateway is next, and when.
//
// # Cost
//
// A link has two goroutines and a timer, with a session as well; a virtual connection has none, and no memory for messages while none wait. What
// is sent together is written at once. In steady state Send, [Conn.ReceiveAppend] and Read allocate nothing.
package fastway
