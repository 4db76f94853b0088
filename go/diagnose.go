package fastway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"fastway/internal/session"
	"fastway/internal/wire"
)

// Why a connect failed: which kind of link the port admits, which one came, and the settings to change.

// linkFlag is the gateway's flag for what the port admits.
func (r role) linkFlag() string { return "--" + r.String() + "-link" }

func (p SessionProtocol) String() string {
	switch p {
	case SecureSession:
		return "a secure session"
	case LegacySession:
		return "a legacy session"
	default:
		return "a plain link"
	}
}

// unanswered are the kinds of links where a port that admits nothing else does not answer the opening of a session.
func (p SessionProtocol) unanswered() string {
	if p == LegacySession {
		return "plain links or secure sessions"
	}
	return "plain links"
}

// asked is what Config.Session asks for.
func (cfg *Config) asked() string { return "Config.Session asks for " + cfg.Session.Protocol.String() }

// whyNoSession says why no session was opened.
func whyNoSession(err error, role role, cfg *Config) error {
	var refused *session.RefusedError
	var length *session.LengthError
	isRefused := errors.As(err, &refused)
	switch {
	case errors.Is(err, session.ErrChallenge), role == serverRole && errors.As(err, &length):
		return fmt.Errorf("%w: this server port admits plain links only (%s), and %s", ErrNotAdmitted, role.linkFlag(), cfg.asked())
	case isRefused && !refused.Status.IsKnown(), errors.As(err, &length):
		return fmt.Errorf("%w: %w", ErrNotAGateway, err)
	case isRefused && refused.Status == session.StatusNotAdmitted:
		return fmt.Errorf("%w: %w; this port admits other kinds (%s), or the gateway has no --session-key for a pinned key; %s",
			ErrNotAdmitted, sessionError(err), role.linkFlag(), cfg.asked())
	case isRefused && refused.Status == session.StatusNotAuthentic, errors.Is(err, session.ErrNotAuthentic):
		return fmt.Errorf("%w: %w", ErrWrongGateway, sessionError(err))
	case session.EndedByPeer(err):
		return fmt.Errorf("%w: this port may admit %s only (%s), and %s; or the gateway is at its limit of links or is being stopped",
			ErrTurnedAway, cfg.Session.Protocol.unanswered(), role.linkFlag(), cfg.asked())
	default:
		return sessionError(err)
	}
}

// turnedAway says why a link ended before the gateway's first word.
func turnedAway(role role, cfg *Config) error {
	const otherwise = "the gateway is at its limit of links, is being stopped, or this is another port; its log says which"
	if cfg.Session.Protocol == NoSession {
		return fmt.Errorf("%w: this port may admit sessions only (%s), and %s; or %s", ErrTurnedAway, role.linkFlag(), cfg.asked(), otherwise)
	}
	return fmt.Errorf("%w: %s", ErrTurnedAway, otherwise)
}

// lateChallenge is how long a server waits for its challenge before it finds out what it has connected to.
const lateChallenge = 500 * time.Millisecond

var errNoChallenge = errors.New("no challenge came; is this the gateway's server port?")

var pingFrame = wire.AppendCommand(nil, wire.Command{Type: wire.Ping})

// whyNoChallenge pings what listens at a server's address, over another link: the one that waits for its challenge must not
// be disturbed. It says what is known for sure, and nothing otherwise.
func whyNoChallenge(ctx context.Context, address string, cfg *Config) error {
	conn, err := cfg.Dial(ctx, address)
	if err != nil {
		return nil
	}
	if conn, err = overSession(ctx, conn, address, cfg, new(sessionEvents)); err != nil {
		return nil
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(pingFrame); err != nil {
		return nil
	}
	answer := make([]byte, len(pingFrame))
	n, err := io.ReadFull(conn, answer)
	switch {
	case err == nil && string(answer) == string(pingFrame):
		return fmt.Errorf("%w: it is a gateway's client port, and a server registers at the server port (--server-addr)", ErrNotAGateway)
	case isRefusalOfPlain(answer[:n]) && session.EndedByPeer(err) && cfg.Session.Protocol == NoSession:
		return fmt.Errorf("%w: this server port admits sessions only (--server-link), and %s", ErrNotAdmitted, cfg.asked())
	default:
		return nil
	}
}

// isRefusalOfPlain says whether this is all that a port for sessions has to say to a plain link: its status, or nothing from
// a gateway that has no words for it.
func isRefusalOfPlain(answer []byte) bool {
	return len(answer) == 0 || len(answer) == 1 && session.Status(answer[0]) == session.StatusNotAdmitted
}
