package fastway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"fastway/internal/session"
	"fastway/internal/wire"
)

func connect(ctx context.Context, role role, address string, cfg Config) (*EndPoint, error) {
	cfg, err := role.with(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	conn, err := cfg.Dial(ctx, address)
	if err != nil {
		return nil, &ConnectError{StepDial, role.String(), err}
	}
	return open(ctx, role, conn, address, cfg, func(ctx context.Context) error { return whyNoChallenge(ctx, address, &cfg) })
}

// open opens the session, registers a server, and waits for the answer to a ping. A server whose challenge is late asks diagnose,
// if there is one, why none comes.
func open(ctx context.Context, role role, conn net.Conn, address string, cfg Config, diagnose func(context.Context) error) (*EndPoint, error) {
	cfg, err := role.with(cfg)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	var events sessionEvents
	if conn, err = overSession(ctx, conn, address, &cfg, &events); err != nil {
		return nil, &ConnectError{StepSession, role.String(), whyNoSession(err, role, &cfg)}
	}
	if role == serverRole {
		if err := register(ctx, conn, &cfg, diagnose); err != nil {
			_ = conn.Close()
			return nil, &ConnectError{StepChallenge, role.String(), err}
		}
	}
	ep := start(role, conn, cfg)
	events.goTo(ep)
	if err := ep.firstWord(ctx); err != nil {
		return nil, &ConnectError{StepPing, role.String(), err}
	}
	return ep, nil
}

// register answers the gateway's challenge.
func register(ctx context.Context, conn net.Conn, cfg *Config, diagnose func(context.Context) error) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	if diagnose != nil {
		late := time.AfterFunc(lateChallenge, func() {
			if why := diagnose(ctx); why != nil {
				giveUp(why)
			}
		})
		defer late.Stop()
	}
	err := answerChallenge(conn, cfg)
	if !stop() {
		// The deadline is, or will be, in the past.
		err = context.Cause(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w: %w", errNoChallenge, err)
		}
	}
	return err
}

func answerChallenge(conn net.Conn, cfg *Config) error {
	var challenge [wire.ChallengeBytes]byte
	if _, err := io.ReadFull(conn, challenge[:]); err != nil {
		if session.EndedByPeer(err) {
			return turnedAway(serverRole, cfg)
		}
		return sessionError(err)
	}
	response := wire.Response(challenge, cfg.AuthKey, cfg.ServerID)
	_, err := conn.Write(response[:])
	return err
}

// firstWord waits until the gateway has said something that makes sense.
func (ep *EndPoint) firstWord(ctx context.Context) error {
	ep.out.ping()
	select {
	case <-ep.answered:
		return nil
	case <-ep.done:
		return ep.whyNoWord()
	case <-ctx.Done():
		ep.finish(&LinkError{End: LinkUnconfirmed, Err: context.Cause(ctx)})
		return context.Cause(ctx)
	}
}

func (ep *EndPoint) whyNoWord() error {
	switch end := ep.end.Load(); {
	case errors.Is(end, ErrDraining):
		return fmt.Errorf("%w: %w", ErrTurnedAway, end)
	case end.End == LinkProtocol:
		return fmt.Errorf("%w: %w", ErrNotAGateway, end)
	case ep.role == serverRole:
		return ErrWrongKey
	default:
		return turnedAway(clientRole, &ep.cfg)
	}
}
