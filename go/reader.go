package fastway

import (
	"errors"
	"fmt"
	"io"

	"fastway/internal/wire"
)

// errFromGateway are faults in what makes sense by itself.
var (
	errDialFromGateway  = errors.New("a Dial, which only clients and servers send")
	errUnexpectedAnswer = errors.New("an answer to a dial that was not made")
	errBadConnID        = errors.New("a new connection with an ID that is in use, or no connection's")
)

// readLoop is the goroutine that reads the link and hands out what comes.
func (ep *EndPoint) readLoop() {
	in := newReadBuffer(ep.cfg.ReadBufferBytes)
	for {
		if !ep.awaitReceivers() {
			return
		}
		n, err := ep.conn.Read(in.room())
		in.wrote += n
		if n > 0 {
			ep.keep.heard.Store(true)
			ep.counters.receivedBytes.Add(uint64(n))
			if fault := ep.received(in); fault != nil {
				ep.finish(&LinkError{End: LinkProtocol, Err: fault})
				return
			}
		}
		if err != nil {
			ep.finish(ep.whyEnded(err))
			return
		}
	}
}

// awaitReceivers waits while queues hold the link; false when it has ended.
func (ep *EndPoint) awaitReceivers() bool {
	for ep.unread.isHeld() {
		select {
		case <-ep.unread.goOn:
		case <-ep.done:
			return false
		}
	}
	return true
}

func (ep *EndPoint) whyEnded(err error) *LinkError {
	switch {
	case ep.out.isConfirmed():
		return closedLink
	case errors.Is(err, io.EOF):
		return &LinkError{End: LinkGateway}
	default:
		return lostLink(err)
	}
}

// lostLink is how a link ended whose physical connection failed, or its session.
func lostLink(err error) *LinkError {
	err = sessionError(err)
	var over *SessionError
	if errors.As(err, &over) && over.End == SessionAborted {
		return &LinkError{End: LinkGateway, Err: err}
	}
	return &LinkError{End: LinkLost, Err: err}
}

// received hands out what is whole.
func (ep *EndPoint) received(in *readBuffer) error {
	for {
		run, err := wire.NextRun(in.waiting(), uint32(ep.cfg.MaxPacket))
		if err != nil {
			return err
		}
		if run.Messages == 0 {
			break
		}
		if err := ep.handOut(run); err != nil {
			return err
		}
		in.read += len(run.Bytes)
	}
	in.compact(uint32(ep.cfg.MaxPacket))
	return nil
}

func (ep *EndPoint) handOut(run wire.Run) error {
	if run.ConnID != 0 {
		return ep.deliver(run)
	}
	cmd, err := wire.ParseCommand(wire.FirstPayload(run.Bytes))
	if err != nil {
		return err
	}
	if err := ep.obey(cmd); err != nil {
		return fmt.Errorf("%w (ConnID %d, RemoteID %d)", err, cmd.ConnID, cmd.RemoteID)
	}
	ep.answeredOnce.Do(ep.isUp)
	return nil
}

func (ep *EndPoint) isUp() {
	close(ep.answered)
	if ep.cfg.Hooks.LinkUp != nil {
		ep.cfg.Hooks.LinkUp()
	}
}

// deliver hands messages to their connection. Those of one that has ended on this side are late, and dropped.
func (ep *EndPoint) deliver(run wire.Run) error {
	ep.counters.receivedMessages.Add(uint64(run.Messages))
	conn := ep.conns.get(run.ConnID)
	if conn == nil {
		return nil
	}
	// Counted before the receiver can count it off.
	tooMuch := ep.unread.add(len(run.Bytes))
	switch conn.in.deliver(run, &ep.bounds, ep.mem) {
	case holdsLink:
		ep.unread.hold()
		ep.counters.readsHeld.Add(1)
	case dropped:
		ep.unread.sub(len(run.Bytes))
		return nil
	case overflow:
		ep.unread.sub(len(run.Bytes))
		return ep.closeFull(conn)
	}
	if tooMuch && !ep.unread.isHeld() {
		return ep.enforceTotal()
	}
	return nil
}

// closeFull ends a connection whose messages nobody receives. What waits can be received.
func (ep *EndPoint) closeFull(conn *Conn) (err error) {
	if conn.finish(closedQueueFull) {
		ep.counters.closedQueueFull.Add(1)
		ep.cfg.Logger.Warn("a connection was closed: its receive queue was full", "conn", conn.id, "remote", conn.remoteID)
		err = ep.answerClose(conn)
	}
	ep.setAside(conn)
	return err
}

// answerClose tells the gateway of a close that it has caused.
func (ep *EndPoint) answerClose(conn *Conn) error {
	if !ep.out.answerClose(conn.id) {
		return ErrFlooded
	}
	return nil
}

// turnAway closes a connection that nobody wants.
func (ep *EndPoint) turnAway(conn *Conn) error {
	if !conn.forget() {
		return nil
	}
	return ep.answerClose(conn)
}

// setAside forgets a connection that has ended, but for what it left to be received: that counts as before.
func (ep *EndPoint) setAside(conn *Conn) {
	ep.conns.remove(conn)
	if unread, _ := conn.in.unread(&ep.bounds); unread == 0 {
		return
	}
	if len(ep.leftover) == cap(ep.leftover) {
		ep.leftover = onlyUnread(ep.leftover, &ep.bounds)
	}
	ep.leftover = append(ep.leftover, conn)
}

func onlyUnread(conns []*Conn, bounds *bounds) []*Conn {
	kept := conns[:0]
	for _, conn := range conns {
		if unread, _ := conn.in.unread(bounds); unread > 0 {
			kept = append(kept, conn)
		}
	}
	clear(conns[len(kept):])
	return kept
}

// enforceTotal is for when too much waits on all connections together: those that must not hold the link lose what waits,
// the largest first. When there is none, the link is held.
func (ep *EndPoint) enforceTotal() error {
	for ep.unread.isOver() {
		largest := ep.largestToLose()
		if largest == nil {
			ep.counters.readsHeld.Add(1)
			ep.unread.holdTogether()
			return nil
		}
		if largest.end.Load() == nil {
			if err := ep.closeFull(largest); err != nil {
				return err
			}
		}
		ep.release(largest.in.lose(ep.mem))
	}
	return nil
}

func (ep *EndPoint) largestToLose() (largest *Conn) {
	most := 0
	for _, conn := range append(ep.conns.list(), ep.leftover...) {
		if bytes, mayHold := conn.in.unread(&ep.bounds); !mayHold && bytes > most {
			largest, most = conn, bytes
		}
	}
	return largest
}

// obey does what the gateway says.
func (ep *EndPoint) obey(cmd wire.Command) error {
	switch cmd.Type {
	case wire.Accept:
		return ep.accepted(cmd)
	case wire.Connect:
		return ep.connected(cmd)
	case wire.Refuse:
		if fits, _ := ep.out.answer(cmd.RemoteID, nil, ErrRefused); !fits && !ep.out.isClosing() {
			return errUnexpectedAnswer
		}
		return nil
	case wire.Close:
		ep.closedRemotely(cmd.ConnID)
		return nil
	case wire.Ping:
		ep.pingAnswered()
		return nil
	default:
		return errDialFromGateway
	}
}

func (ep *EndPoint) accepted(cmd wire.Command) error {
	if ep.out.isClosing() {
		return nil
	}
	conn, err := ep.openConn(cmd)
	if err != nil {
		return err
	}
	ep.opened(conn, true)
	fits, wanted := ep.out.answer(cmd.RemoteID, conn, nil)
	if !wanted {
		ep.counters.lateAccepts.Add(1)
		err = ep.turnAway(conn)
	}
	if !fits && !ep.out.isClosing() {
		return errUnexpectedAnswer
	}
	return err
}

func (ep *EndPoint) connected(cmd wire.Command) error {
	if ep.out.isClosing() {
		return nil
	}
	conn, err := ep.openConn(cmd)
	if err != nil {
		return err
	}
	ep.opened(conn, false)
	if !ep.accepts.push(conn) {
		ep.counters.acceptsOverflowed.Add(1)
		return ep.turnAway(conn)
	}
	return nil
}

func (ep *EndPoint) openConn(cmd wire.Command) (*Conn, error) {
	if cmd.ConnID == 0 {
		return nil, errBadConnID
	}
	conn := &Conn{ep: ep, id: cmd.ConnID, remoteID: cmd.RemoteID}
	free, alive := ep.conns.add(conn)
	if !free {
		return nil, errBadConnID
	}
	if !alive {
		conn.finish(&CloseError{Reason: ClosedWithLink, Link: closedLink})
		ep.tellClosed(conn)
	}
	return conn, nil
}

func (ep *EndPoint) opened(conn *Conn, dialed bool) {
	if ep.cfg.Hooks.ConnOpened != nil {
		ep.cfg.Hooks.ConnOpened(conn, dialed)
	}
}

func (ep *EndPoint) closedRemotely(id uint32) {
	if conn := ep.conns.get(id); conn != nil {
		conn.finish(closedRemotely)
		ep.setAside(conn)
	}
}

// pingAnswered ends a link that is closing when the gateway has everything. What can be closed by halves waits for the
// gateway's own end; not before, since a gateway may close at the first half and keep the answer to itself.
func (ep *EndPoint) pingAnswered() {
	ep.answeredPings++
	if !ep.out.confirm(ep.answeredPings) {
		return
	}
	if conn, halves := ep.conn.(halfCloser); halves {
		// What fails here shows when it is read.
		_ = conn.CloseWrite()
	} else {
		ep.finish(closedLink)
	}
}

// readBuffer is what was read of the link and not handed out yet.
type readBuffer struct {
	mem, block  []byte
	read, wrote int
}

func newReadBuffer(size int) *readBuffer {
	block := make([]byte, size)
	return &readBuffer{mem: block, block: block}
}

func (b *readBuffer) waiting() []byte { return b.mem[b.read:b.wrote] }

func (b *readBuffer) room() []byte { return b.mem[b.wrote:] }

// compact makes room behind an incomplete frame. Memory follows the bytes received: it doubles until the frame fits.
func (b *readBuffer) compact(maxPacket uint32) {
	left := b.waiting()
	if len(left) == 0 && len(b.mem) > len(b.block) {
		b.mem = b.block
	}
	if size, _ := wire.Size(left, maxPacket); len(left) == len(b.mem) && size > len(b.mem) {
		b.mem = make([]byte, min(2*len(b.mem), size))
	}
	b.read, b.wrote = 0, copy(b.mem, left)
}
