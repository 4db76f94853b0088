package fastway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"time"

	"fastway/internal/wire"
	"fastway/slab"
)

// Config tells an endpoint what it may do. The zero value is a good one: every field has a default that suits a game.
//
// Two settings have to agree with the gateway's flags: MaxPacket with --max-packet, and PingInterval with its idle
// timeouts.
type Config struct {
	// ServerID is the number under which a server registers; clients dial it. Only for servers.
	ServerID uint32
	// AuthKey is the gateway's ServerAuthKey. Only for servers.
	AuthKey string

	// Session has the link outlive its physical connections. Default: a plain link.
	Session SessionConfig

	// Dial makes the physical connection, for those who need another one than TCP. ConnectTimeout bounds it.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	// ConnectTimeout bounds the look-up, the connection, the handshake and the gateway's first word together.
	// Default 10 s.
	ConnectTimeout time.Duration
	// DialTimeout bounds the wait for a dial's answer, beside the context. Default 5 s.
	DialTimeout time.Duration
	// CloseGrace bounds Shutdown and what Close does in the background. Default 3 s, the gateway's own grace.
	CloseGrace time.Duration
	// PingInterval is the time between pings. Default 10 s: three fit into the gateway's idle timeout of 30 s; with a
	// session 3 s, since a silent physical connection can be replaced. Negative: no pings.
	PingInterval time.Duration
	// DeadAfter is the number of ping intervals without a byte from the gateway after which it counts as gone: the link
	// ends, or its session is resumed. That is noticed within another interval; with a session within half the time, if that is
	// less. Default 3. Negative: never.
	DeadAfter int

	// MaxPacket is the largest message in either direction, counted as on the wire: 4 bytes more than its payload. It
	// has to be the gateway's own. Default 512 KiB.
	MaxPacket int
	// ReceiveMessages and ReceiveBytes bound what waits to be received on one connection; a message counts 8 bytes more
	// than its payload has. They are looked at once per read of the link. Defaults 8,192 and 1 MiB.
	ReceiveMessages, ReceiveBytes int
	// ReceiveTotalBytes bounds what waits on all connections of the link together. Default 16 MiB for a client, 128 MiB
	// for a server.
	ReceiveTotalBytes int
	// WhenFull says what happens at ReceiveMessages and ReceiveBytes. Default Hold for a client, CloseConn for a server.
	WhenFull WhenFull
	// SendBufferBytes bounds what waits for the socket, of all connections together; above it Send waits. Default
	// 256 KiB for a client, 1 MiB for a server. A larger message is sent, too.
	SendBufferBytes int
	// SendMessages bounds the same in messages. Default 0: only bytes count.
	SendMessages int
	// PendingAccepts bounds the connections that wait to be accepted; more are closed at once. Default 1,024. Negative:
	// nothing is accepted.
	PendingAccepts int
	// ReadBufferBytes is what one read of the link takes at most, if no message is larger. Default 16 KiB for a client,
	// 64 KiB for a server.
	ReadBufferBytes int

	// MemPool provides the memory in which messages wait to be received. Default: a pool of this package.
	MemPool Pool
	// Logger gets a line when the link ends, a connection is closed for its full queue, or something happens to the session
	// or to a gateway of a group. Default: no log.
	Logger *slog.Logger
	// Hooks are called when something happens, for metrics.
	Hooks Hooks

	// dialsTCP: Dial is the default, which reaches the same gateway again by the address of the connection's other end.
	dialsTCP bool
	// beyondPacket has a payload of MaxPacket be sent, as the original does: a gateway with a larger MaxPacket takes it.
	beyondPacket bool
	// silence is the original's way to hear of a silent gateway.
	silence silenceCheck
	// format is that of the original's sessions.
	format MsgFormat
}

// Pool is a memory pool: Alloc gives a slice of the given length, Free takes it back. It has to bear calls from several
// goroutines at a time.
type Pool = slab.Pool

// WhenFull is what happens to a connection whose messages nobody receives.
type WhenFull uint8

const (
	// WhenFullDefault is Hold for a client, CloseConn for a server.
	WhenFullDefault WhenFull = iota
	// Hold stops reading the link until half of what waits was received. All connections of the link wait with it,
	// answers to dials included; nothing is lost. A connection that was neither accepted nor given out by a dial yet
	// never holds the link: until then it is closed when it is full.
	Hold
	// CloseConn closes that one connection, with ErrQueueFull. What waits can still be received.
	CloseConn
)

// Hooks are functions that are told what happens; each may be nil. They are called without a lock held, some on the
// goroutine that reads the link: they must not block.
type Hooks struct {
	// LinkUp is called when the gateway has answered for the first time.
	LinkUp func()
	// LinkDown is called when the link has ended.
	LinkDown func(why *LinkError)
	// ConnOpened is called for each new connection; dialed tells whether this side opened it.
	ConnOpened func(c *Conn, dialed bool)
	// ConnClosed is called when a connection has ended.
	ConnClosed func(c *Conn, why *CloseError)
	// SendWaited is called when a Send had to wait for the socket, with the time it took.
	SendWaited func(waited time.Duration)
}

// ConfigError is a setting that cannot work.
type ConfigError struct {
	// Field is its name in Config.
	Field string
	// Value is what it was set to, Least the smallest value that works.
	Value, Least int
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("fastway: Config.%s is %d; it has to be at least %d", e.Field, e.Value, e.Least)
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// role is the side of the gateway that an endpoint connects to.
type role uint8

const (
	clientRole role = iota
	serverRole
)

func (r role) String() string {
	if r == serverRole {
		return "server"
	}
	return "client"
}

func (r role) other() role { return clientRole + serverRole - r }

// with fills the gaps in a config.
func (r role) with(cfg Config) (Config, error) {
	defaults := r.defaults()
	orElse(&cfg.ConnectTimeout, 10*time.Second)
	orElse(&cfg.DialTimeout, 5*time.Second)
	orElse(&cfg.CloseGrace, 3*time.Second)
	orElse(&cfg.DeadAfter, 3)
	orElse(&cfg.MaxPacket, 512*kib)
	orElse(&cfg.ReceiveMessages, 8192)
	orElse(&cfg.ReceiveBytes, mib)
	orElse(&cfg.ReceiveTotalBytes, defaults.ReceiveTotalBytes)
	orElse(&cfg.WhenFull, defaults.WhenFull)
	orElse(&cfg.SendBufferBytes, defaults.SendBufferBytes)
	orElse(&cfg.PendingAccepts, 1024)
	orElse(&cfg.ReadBufferBytes, defaults.ReadBufferBytes)
	// A length on the wire has 32 bits.
	cfg.MaxPacket = min(cfg.MaxPacket, math.MaxInt32)
	cfg.Session = cfg.Session.with(defaults.Session)
	orElse(&cfg.PingInterval, cfg.Session.pingInterval())
	if cfg.Dial == nil {
		cfg.Dial, cfg.dialsTCP = dialTCP, true
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg, cfg.check()
}

func (r role) defaults() Config {
	if r == serverRole {
		return Config{
			ReceiveTotalBytes: 128 * mib, WhenFull: CloseConn, SendBufferBytes: mib, ReadBufferBytes: 64 * kib,
			Session: SessionConfig{ReplayBytes: mib},
		}
	}
	return Config{
		ReceiveTotalBytes: 16 * mib, WhenFull: Hold, SendBufferBytes: 256 * kib, ReadBufferBytes: 16 * kib,
		Session: SessionConfig{ReplayBytes: 256 * kib},
	}
}

func (cfg SessionConfig) with(defaults SessionConfig) SessionConfig {
	if cfg.Protocol == NoSession && cfg.GatewayKey.isSet() {
		cfg.Protocol = SecureSession
	}
	orElse(&cfg.ReplayBytes, defaults.ReplayBytes)
	orElse(&cfg.HandshakeTimeout, 10*time.Second)
	orElse(&cfg.WaitTimeout, time.Minute)
	orElse(&cfg.Backoff.Longest, 5*time.Second)
	return cfg
}

func (cfg *SessionConfig) pingInterval() time.Duration {
	if cfg.Protocol == NoSession {
		return 10 * time.Second
	}
	return 3 * time.Second
}

// silenceTime is for how long the gateway may be silent; 0: for ever.
func (cfg *Config) silenceTime() time.Duration {
	if cfg.PingInterval <= 0 || cfg.DeadAfter <= 0 {
		return 0
	}
	return cfg.PingInterval * time.Duration(cfg.DeadAfter)
}

// looksPerPing is how often in a ping interval it is looked whether something has come. A physical connection below a session is
// replaced within one and a half times the time for silence, so it is looked at twice in that at least.
func (cfg *Config) looksPerPing() int {
	if cfg.DeadAfter == 1 && cfg.Session.Protocol != NoSession {
		return 2
	}
	return 1
}

// leastReplay is what the initiator of a secure session has to be able to keep.
const leastReplay = 64 * kib

func (cfg *SessionConfig) leastReplay() int {
	if cfg.Protocol == SecureSession {
		return leastReplay
	}
	return 1
}

func orElse[T comparable](field *T, value T) {
	var unset T
	if *field == unset {
		*field = value
	}
}

func (cfg *Config) check() error {
	for _, setting := range []ConfigError{
		{"MaxPacket", cfg.MaxPacket, wire.MaxCommandBytes - wire.LenBytes},
		{"ReceiveMessages", cfg.ReceiveMessages, 1},
		{"ReceiveBytes", cfg.ReceiveBytes, 1},
		{"ReceiveTotalBytes", cfg.ReceiveTotalBytes, 1},
		{"SendBufferBytes", cfg.SendBufferBytes, 1},
		{"SendMessages", cfg.SendMessages, 0},
		{"ReadBufferBytes", cfg.ReadBufferBytes, kib},
		{"Session.ReplayBytes", cfg.Session.ReplayBytes, cfg.Session.leastReplay()},
	} {
		if setting.Value < setting.Least {
			return &setting
		}
	}
	if cfg.Session.Protocol == LegacySession && cfg.Session.GatewayKey.isSet() {
		return errKeyOfLegacy
	}
	return nil
}

// errKeyOfLegacy keeps a program that wants a secure session from having another one.
var errKeyOfLegacy = errors.New("fastway: Config.Session has a GatewayKey, which a LegacySession cannot check")

// maxMessage is the longest payload of one message.
func (cfg *Config) maxMessage() int { return cfg.MaxPacket - wire.ConnIDBytes }

// maxSent is the longest payload that is sent.
func (cfg *Config) maxSent() int {
	if cfg.beyondPacket {
		return cfg.MaxPacket
	}
	return cfg.maxMessage()
}

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", address)
}
