package fastway

import (
	"errors"
	"math/rand/v2"
	"time"

	"fastway/internal/session"
)

// Gateways says which gateway of a list a link goes to next, and after which pause, each time that a link has ended or a
// connect has failed.
//
// A gateway that drains (ErrDraining) is left for another one of the list, drawn at random, after a pause that is drawn from
// the whole of 0 to DrainJitter: thousands of clients that are told at the same moment come neither at the same moment nor to
// the same gateway. A drain is no failure, and what failed before it makes no pause longer. Only when all gateways of the list
// drain, pauses grow as Backoff has it, on top of the jitter.
//
//	gateways := fastway.Gateways{Addresses: []string{"east.example:10010", "west.example:10010"}}
//	for {
//		client, err := fastway.ConnectClient(ctx, gateways.Address(), cfg)
//		began := time.Now()
//		if err == nil {
//			play(ctx, client)
//			<-client.Done()
//			err = client.Err()
//		}
//		if !errors.Is(err, fastway.ErrDraining) {
//			log.Print(err)
//		}
//		time.Sleep(gateways.Next(err, time.Since(began)))
//	}
//
// The next gateway is another one after a drain, after a failed connect, and after a plain link that the gateway has ended,
// which has no words for a reason; after any other end, as when the network has failed, it is the same. It is for one
// goroutine.
type Gateways struct {
	// Addresses are those of the gateways, "host:port". The first one is tried first: shuffle them where nothing else
	// spreads the clients. The list stays as it is from the first call of Next on.
	Addresses []string
	// Backoff is for the pauses after failures.
	Backoff Backoff
	// DrainJitter bounds the pause after a drain. Default 1 s. Negative: no pause.
	DrainJitter time.Duration

	at int
	// left are those that were left since a link has lasted, or ended in a drain.
	left []bool
}

// Address is that of the next attempt; empty for an empty list.
func (g *Gateways) Address() string {
	if g.at >= len(g.Addresses) {
		return ""
	}
	return g.Addresses[g.at]
}

// Next takes note of why there is no link to Address, and goes on to the next one: it gives the pause before the attempt
// there. The error is that of a connect, or of a link that has ended after it has lived for so long.
func (g *Gateways) Next(why error, lived time.Duration) time.Duration {
	if g.left == nil {
		g.left = make([]bool, len(g.Addresses))
	}
	var failed *ConnectError
	if errors.As(why, &failed) {
		return g.afterConnect(why)
	}
	return g.afterLink(why, lived)
}

func (g *Gateways) afterConnect(why error) time.Duration {
	wereAllLeft := g.goElsewhere()
	var refused *SessionError
	switch {
	case errors.Is(why, ErrDraining):
		return g.pauseAfterDrain(wereAllLeft)
	case errors.As(why, &refused) && refused.RetryAfter > 0:
		return session.AfterOverload(refused.RetryAfter, g.Backoff.longest())
	default:
		return g.Backoff.Next()
	}
}

func (g *Gateways) afterLink(why error, lived time.Duration) time.Duration {
	g.Backoff.AfterLink(lived)
	isDrained := errors.Is(why, ErrDraining)
	if isDrained {
		g.Backoff.Reset()
	}
	if isDrained || lived > g.Backoff.longest() {
		clear(g.left)
	}
	switch {
	case isDrained:
		return g.pauseAfterDrain(g.goElsewhere())
	case endedByGateway(why):
		// It may have drained. Links that it ends again and again are no way around the back-off.
		g.goElsewhere()
		return drainDelay(g.DrainJitter) + g.Backoff.Next()
	default:
		return g.Backoff.Next()
	}
}

// endedByGateway is for plain links, which the gateway ends without a word.
func endedByGateway(why error) bool {
	var end *LinkError
	return errors.As(why, &end) && end.End == LinkGateway && end.Err == nil
}

// pauseAfterDrain is longer when all gateways were left: none of them takes links.
func (g *Gateways) pauseAfterDrain(wereAllLeft bool) time.Duration {
	pause := drainDelay(g.DrainJitter)
	if wereAllLeft {
		pause += g.Backoff.Next()
	}
	return pause
}

// goElsewhere leaves the present address; true when all were left, so that the next ones were asked before.
func (g *Gateways) goElsewhere() (wereAllLeft bool) {
	if len(g.Addresses) == 0 {
		return true
	}
	g.left[g.at] = true
	others := g.others()
	if wereAllLeft = len(others) == 0; wereAllLeft {
		clear(g.left)
		others = g.others()
	}
	if len(others) > 0 {
		g.at = others[rand.IntN(len(others))]
	}
	return wereAllLeft
}

// others are those that were not left, but for the present one.
func (g *Gateways) others() (others []int) {
	for at, left := range g.left {
		if !left && at != g.at {
			others = append(others, at)
		}
	}
	return others
}

// drainDelay draws the pause after a drain, from the whole range.
func drainDelay(jitter time.Duration) time.Duration {
	orElse(&jitter, time.Second)
	return max(rand.N(max(jitter, 1)), shortestDelay)
}
