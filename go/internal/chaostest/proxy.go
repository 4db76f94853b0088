// Package chaostest has a proxy that does to links what networks do.
package chaostest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy carries links to a target, until it is told otherwise. It ends with its test.
type Proxy struct {
	// Addr is where it listens.
	Addr   string
	target string
	lis    net.Listener
	ended  sync.WaitGroup

	mu     sync.Mutex
	links  map[*link]bool
	closed bool
	count  int
	// refused counts links that found no target.
	refused int
}

// link is a link that is carried.
type link struct {
	ours, theirs net.Conn
	// hole: what it carries is lost.
	hole  bool
	isCut bool
	// flips: the next bytes that it carries come altered.
	flips bool
	// left counts the directions that are carried.
	left int
}

// Start carries links to target.
func Start(tb testing.TB, target string) *Proxy {
	tb.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Addr: lis.Addr().String(), target: target, lis: lis, links: make(map[*link]bool)}
	p.ended.Add(1)
	go p.accept()
	tb.Cleanup(p.close)
	return p
}

func (p *Proxy) close() {
	p.lis.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Cut()
	p.ended.Wait()
}

// Retarget has new links go elsewhere.
func (p *Proxy) Retarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Cut ends all links at once, as a reset does, and says how many there were.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	cut := 0
	for link := range p.links {
		if !link.isCut {
			link.cut()
			cut++
		}
	}
	return cut
}

// Freeze makes a black hole of the links that there are: nothing comes through any more, and no end is told.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for link := range p.links {
		link.hole = true
	}
}

// Links is how many links were carried so far.
func (p *Proxy) Links() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// Refused is how many links found no target so far.
func (p *Proxy) Refused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// Flip alters a bit of what each link carries next.
func (p *Proxy) Flip() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for link := range p.links {
		link.flips = true
	}
}

func (l *link) cut() {
	l.isCut = true
	for _, conn := range []net.Conn{l.ours, l.theirs} {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		conn.Close()
	}
}

func (p *Proxy) accept() {
	defer p.ended.Done()
	for {
		ours, err := p.lis.Accept()
		if err != nil {
			return
		}
		p.carry(ours)
	}
}

func (p *Proxy) carry(ours net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	theirs, err := net.Dial("tcp", p.target)
	if err != nil || p.closed {
		p.refused++
		ours.Close()
		return
	}
	l := &link{ours: ours, theirs: theirs, left: 2}
	p.links[l] = true
	p.count++
	p.ended.Add(2)
	go p.copy(l, ours, theirs)
	go p.copy(l, theirs, ours)
}

func (p *Proxy) copy(l *link, from, to net.Conn) {
	defer p.ended.Done()
	block := make([]byte, 32<<10)
	for {
		n, err := from.Read(block)
		if n > 0 && p.passes(l, block[:n]) {
			// A failure shows when it is read.
			_, _ = to.Write(block[:n])
		}
		if err != nil {
			p.end(l, to, err)
			return
		}
	}
}

func (p *Proxy) passes(l *link, bytes []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.flips {
		l.flips = false
		bytes[len(bytes)-1] ^= 1
	}
	return !l.hole
}

// end passes the end of one direction on; a failure ends both. A black hole tells nobody.
func (p *Proxy) end(l *link, to net.Conn, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch tcp, ok := to.(*net.TCPConn); {
	case l.hole:
	case ok && why == io.EOF:
		_ = tcp.CloseWrite()
	default:
		l.cut()
	}
	if l.left--; l.left == 0 {
		l.cut()
		delete(p.links, l)
	}
}
