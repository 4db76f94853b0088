package fastway

import "time"

// halfCloser is a connection whose sending side can be closed alone, as TCP's and TLS's.
type halfCloser interface{ CloseWrite() error }

// writeLoop is the goroutine that writes what waits, all of it at a time.
func (ep *EndPoint) writeLoop() {
	var batch []byte
	for {
		if batch = ep.out.next(batch); batch == nil {
			return
		}
		if err := ep.write(batch); err != nil {
			ep.writeFailed(err)
			return
		}
	}
}

// writeFailed leaves it to the reader to say how the link ended, for a while: what the gateway has said last, and its own
// end, come before the failure.
func (ep *EndPoint) writeFailed(err error) {
	select {
	case <-ep.done:
	case <-time.After(min(ep.cfg.CloseGrace, time.Second)):
		ep.finish(lostLink(err))
	}
}

// write writes a batch. When the socket was full over a tick and took it in the end, somebody has made room: a gateway
// that holds this link back lives.
func (ep *EndPoint) write(batch []byte) error {
	for len(batch) > 0 {
		piece := batch[:min(len(batch), writeBytes)]
		began := ep.keep.ticks.Load()
		if _, err := ep.conn.Write(piece); err != nil {
			return err
		}
		if ep.keep.ticks.Load() != began {
			ep.keep.heard.Store(true)
		}
		batch = batch[len(piece):]
	}
	return nil
}
