package session

import "time"

// How long an attempt is alone before it gets another one beside it.
const (
	// firstUnconnectedDelay is the longest first delay while no attempt has a connection, of which the real one is drawn from the
	// upper half; or so many times as long as connecting takes, where that is longer. A crowd that comes back at once is answered
	// within a second or two, and should not have asked twice by then.
	firstUnconnectedDelay = time.Second
	connectsWaited        = 3
	// firstConnectedDelay is the shortest first delay where an attempt has a connection, which the real one is up to half longer
	// than; connectedAgain is that for an acceptor that has replied before. It is so many times as long as replies take, where that
	// is longer.
	firstConnectedDelay = time.Second
	connectedAgain      = 500 * time.Millisecond
	repliesWaited       = 2
	// connectsWaitedConnected: what it took to connect says how long a reply takes at least.
	connectsWaitedConnected = 2
)

// answerTimes are how long it takes to connect to the acceptor, and to be answered from then on; 0 where that is not known.
type answerTimes struct{ connect, reply time.Duration }

// learn takes note of an attempt that was answered. No reply is so fast that none would be known.
func (a *answerTimes) learn(connect, reply time.Duration) {
	a.connect, a.reply = timeNow(a.connect, connect), timeNow(a.reply, max(reply, 1))
}

// timeNow is what something takes, as far as is known, after it took so long. A network or an acceptor that has become slower is
// known at once; a packet that was lost is forgotten soon.
func timeNow(known, last time.Duration) time.Duration {
	if known == 0 {
		return last
	}
	return max(last, (known+last)/2)
}

// delays are those between an attempt and the one beside it, each twice as long as the one before.
type delays struct{ unconnected, connected, longest time.Duration }

// firstDelays begin with the first.
func (a answerTimes) firstDelays(longest time.Duration) delays {
	connected := firstConnectedDelay
	if a.reply > 0 {
		connected = max(connectedAgain, repliesWaited*a.reply)
	}
	return delays{min(max(firstUnconnectedDelay, connectsWaited*a.connect), longest), min(connected, longest), longest}
}

// slowest are all as long as they get.
func slowest(longest time.Duration) delays { return delays{longest, longest, longest} }

// next is when an attempt that begins now gets the next one beside it.
func (d *delays) next(now time.Time) due {
	next := due{at: now, unconnected: jittered(d.unconnected), connected: upToHalfLonger(d.connected), isBeside: true}
	d.unconnected, d.connected = min(2*d.unconnected, d.longest), min(2*d.connected, d.longest)
	return next
}

// due is when the next attempt may begin.
type due struct {
	at time.Time
	// isBeside: it began at that time, and the next is due so long after, while none has a connection, or after the newest
	// connection, where there is one.
	isBeside               bool
	unconnected, connected time.Duration
}

// dueAt is due then, whatever is under way.
func dueAt(t time.Time) due { return due{at: t} }

// time is when it is due, as it looks now: newest is the attempt that got its connection last, nil if none has one.
func (d due) time(newest *try) time.Time {
	switch {
	case !d.isBeside:
		return d.at
	case newest == nil:
		return d.at.Add(d.unconnected)
	}
	since := d.at
	if newest.connected.After(since) {
		since = newest.connected
	}
	return since.Add(max(d.connected, connectsWaitedConnected*newest.dialTook))
}
