package fastway

import (
	"os"
	"runtime"
	"sync"
	"time"

	"fastway/internal/wire"
)

const (
	// unansweredDials bounds the dials that the gateway owes an answer; more wait, whatever the gateway does.
	unansweredDials = 16 * kib
	// writeBytes is one write at most, so that progress shows.
	writeBytes = 64 * kib
	// unsentAnswers bounds the Closes that the gateway has caused, and does not read.
	unsentAnswers = 16 * kib
	// keptBuffer is what an idle link keeps of each of its two buffers.
	keptBuffer = 4 * kib
)

// outgoing is what waits for the socket, and the dials that wait for an answer: those have to be in one order.
type outgoing struct {
	mu sync.Mutex
	// ready waits for the writer, spare is the buffer that comes next; flying was taken and is being written.
	ready, spare []byte
	flying       int
	// messages counts those in ready, flyingMessages those that are being written.
	messages, flyingMessages int
	boundBytes, boundCount   int
	maxMessage               int
	// roomless are the senders that are to be told of room; dialers wait for it as well.
	roomless []*sender
	dialers  waiters
	dials    []*pendingDial
	// sleeping: the writer waits for a token.
	sleeping bool
	token    chan struct{}
	closing  bool
	// saidAll: the last ping was queued, and nothing comes behind it; confirmed: it was answered.
	saidAll, confirmed bool
	ended              *LinkError
	pings              uint64
	// pingWaits: the last ping was not taken by the writer yet.
	pingWaits bool
	sentBytes uint64
	// answers counts the Closes in ready that the gateway has caused, flyingAnswers those that are being written.
	answers, flyingAnswers int
}

// sender is the sending side of one connection. The lock of outgoing guards it.
type sender struct {
	waiters  waiters
	deadline deadline
	roomless bool
}

// pendingDial is a dial without an answer. The lock of outgoing guards it.
type pendingDial struct {
	remoteID uint32
	// answered gets one token, after conn and err were set.
	answered chan struct{}
	conn     *Conn
	err      error
	// abandoned: nobody waits any more.
	abandoned bool
}

func (o *outgoing) init(cfg *Config) {
	o.boundBytes, o.boundCount, o.maxMessage = cfg.SendBufferBytes, cfg.SendMessages, cfg.maxSent()
	o.token = make(chan struct{}, 1)
}

func (o *outgoing) isFull() bool {
	return len(o.ready)+o.flying >= o.boundBytes || o.boundCount > 0 && o.messages+o.flyingMessages >= o.boundCount
}

func (o *outgoing) isLow() bool {
	return len(o.ready)+o.flying <= o.boundBytes/2 && (o.boundCount == 0 || o.messages+o.flyingMessages <= o.boundCount/2)
}

// send takes copies of messages, until the link is held up; it says how many. With wait set, and none taken, it gives a
// token to wait for; the caller calls again then, with waited set.
func (o *outgoing) send(c *Conn, messages [][]byte, wait, waited bool) (sent int, token <-chan struct{}, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &c.sender
	if waited {
		s.waiters.leave()
	}
	for sent < len(messages) {
		if err = o.mayNotSend(c, messages[sent]); err != nil {
			break
		}
		if o.isFull() {
			err = ErrHeldUp
			break
		}
		o.ready = wire.AppendData(o.ready, c.id, messages[sent])
		o.messages++
		sent++
	}
	if sent > 0 {
		o.wakeWriter()
	}
	if err == ErrHeldUp {
		o.wantRoom(s)
		if wait && sent == 0 {
			return 0, s.waiters.join(), nil
		}
		return sent, nil, err
	}
	s.waiters.wake()
	return sent, nil, err
}

func (o *outgoing) mayNotSend(c *Conn, message []byte) error {
	switch {
	case c.end.Load() != nil:
		return c.end.Load()
	case o.ended != nil:
		return &CloseError{Reason: ClosedWithLink, Link: o.ended}
	case o.closing:
		return &CloseError{Reason: ClosedWithLink, Link: closedLink}
	case c.sender.deadline.passed():
		return os.ErrDeadlineExceeded
	case len(message) > o.maxMessage:
		return &TooLargeError{Bytes: len(message), Most: o.maxMessage}
	default:
		return nil
	}
}

func (o *outgoing) wantRoom(s *sender) {
	if !s.roomless {
		s.roomless = true
		o.roomless = append(o.roomless, s)
	}
}

// giveUp undoes a wait of a sender that has ended otherwise.
func (o *outgoing) giveUp(s *sender) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s.waiters.leave()
	s.waiters.wake()
}

func (o *outgoing) wakeWriter() {
	if o.sleeping {
		o.sleeping = false
		post(o.token)
	}
}

// answerClose queues a Close that the gateway has caused. It is false when too many wait: then the gateway makes more than it
// reads.
func (o *outgoing) answerClose(connID uint32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended != nil {
		return true
	}
	if o.answers+o.flyingAnswers >= unsentAnswers {
		return false
	}
	o.answers++
	o.push(commandOf(wire.Close, connID))
	return true
}

// command queues a command of this side. They are not bounded: each belongs to a call, or to something that is.
func (o *outgoing) command(cmd wire.Command) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended == nil {
		o.push(cmd)
	}
}

func (o *outgoing) push(cmd wire.Command) {
	o.ready = wire.AppendCommand(o.ready, cmd)
	o.wakeWriter()
}

// ping queues a ping, unless the last one still waits. It gives memory back that a burst has left.
func (o *outgoing) ping() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.flying == 0 && len(o.ready) == 0 {
		o.ready, o.spare = shrunk(o.ready), shrunk(o.spare)
	}
	if !o.pingWaits && !o.closing && o.ended == nil {
		o.pushPing()
	}
}

func (o *outgoing) pushPing() {
	o.pingWaits = true
	o.pings++
	o.push(wire.Command{Type: wire.Ping})
}

func shrunk(buf []byte) []byte {
	if cap(buf) > keptBuffer {
		return nil
	}
	return buf
}

// next gives the writer all that waits; nothing when the link closes and all is said and written, or has ended.
//
// What it gave the last time has been written.
func (o *outgoing) next(written []byte) []byte {
	for {
		batch, token := o.takeBatch(written)
		if token == nil {
			return batch
		}
		written = nil
		<-token
		// Who just woke the writer, and others that can run, may have more for the same write.
		runtime.Gosched()
	}
}

func (o *outgoing) takeBatch(written []byte) (batch []byte, token <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.written(written)
	switch {
	case o.ended != nil || len(o.ready) == 0 && o.saidAll:
		return nil, nil
	case len(o.ready) == 0:
		o.sleeping = true
		return nil, o.token
	}
	batch = o.ready
	o.ready, o.spare = o.spare[:0], nil
	o.flying, o.flyingMessages = len(batch), o.messages
	o.flyingAnswers = o.answers
	o.messages, o.answers, o.pingWaits = 0, 0, false
	return batch, nil
}

func (o *outgoing) written(batch []byte) {
	if batch == nil {
		return
	}
	o.sentBytes += uint64(len(batch))
	o.flying, o.flyingMessages, o.flyingAnswers = 0, 0, 0
	o.spare = batch[:0]
	if o.isLow() {
		o.tellRoom()
	}
}

// tellRoom wakes all who wait for room; each wakes the next of its own.
func (o *outgoing) tellRoom() {
	for i, s := range o.roomless {
		s.roomless = false
		s.waiters.wake()
		o.roomless[i] = nil
	}
	o.roomless = o.roomless[:0]
	o.dialers.wake()
}

func (o *outgoing) sentAndWaiting() (sent uint64, waiting int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sentBytes, len(o.ready) + o.flying
}

// dial queues a dial. When the link is held up it gives a token to wait for instead.
func (o *outgoing) dial(remoteID uint32, waited bool) (dial *pendingDial, token <-chan struct{}, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if waited {
		o.dialers.leave()
	}
	switch {
	case o.ended != nil:
		err = o.ended
	case o.closing:
		err = closedLink
	case o.isFull() || len(o.dials) >= unansweredDials:
		return nil, o.dialers.join(), nil
	default:
		dial = &pendingDial{remoteID: remoteID, answered: make(chan struct{}, 1)}
		o.dials = append(o.dials, dial)
		o.push(wire.Command{Type: wire.Dial, RemoteID: remoteID})
	}
	o.dialers.wake()
	return dial, nil, err
}

func (o *outgoing) giveUpDialing() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dialers.leave()
	o.dialers.wake()
}

// abandon gives a dial up. It gives the answer where that came in the same moment.
func (o *outgoing) abandon(dial *pendingDial) (conn *Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	dial.abandoned = true
	return dial.conn
}

// answer gives the oldest dial its answer. It says whether that fits a dial, and whether anybody waited.
func (o *outgoing) answer(remoteID uint32, conn *Conn, err error) (fits, wanted bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.dials) == 0 || o.dials[0].remoteID != remoteID {
		return false, false
	}
	dial := o.dials[0]
	o.dials[0] = nil
	o.dials = o.dials[1:]
	o.dialers.wake()
	dial.settle(conn, err)
	return true, !dial.abandoned
}

func (d *pendingDial) settle(conn *Conn, err error) {
	d.conn, d.err = conn, err
	d.answered <- struct{}{}
}

// close takes nothing more of what this side sends. It is false when that was asked before.
func (o *outgoing) close() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing || o.ended != nil {
		return false
	}
	o.closing = true
	o.refuseDials(closedLink)
	return true
}

// sayLast has the writer end when it has written all, with a ping last.
func (o *outgoing) sayLast() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended == nil {
		o.pushPing()
		o.saidAll = true
	}
}

func (o *outgoing) refuseDials(why *LinkError) {
	for _, dial := range o.dials {
		dial.settle(nil, why)
	}
	o.dials = nil
	o.dialers.wake()
}

// finish says that the link has ended.
func (o *outgoing) finish(end *LinkError) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = end
	o.wakeWriter()
	o.refuseDials(end)
	o.tellRoom()
}

func (o *outgoing) isClosing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closing
}

// confirm takes note of how many pings were answered. It tells whether the last one was, behind all else: then the gateway
// has everything.
func (o *outgoing) confirm(answered uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.confirmed = o.saidAll && answered >= o.pings
	return o.confirmed
}

func (o *outgoing) isConfirmed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.confirmed
}

// endSender has those who send on a connection that has ended look again.
func (o *outgoing) endSender(s *sender) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s.deadline.stop()
	s.waiters.wake()
}

func (o *outgoing) setDeadline(c *Conn, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.end.Load() == nil {
		c.sender.deadline.set(at, func() { o.onTime(&c.sender) })
		c.sender.waiters.wake()
	}
}

func (o *outgoing) onTime(s *sender) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s.deadline.rearm()
	s.waiters.wake()
}
