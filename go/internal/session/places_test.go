package session

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func at(address string) net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 1))
}

// manyIn are addresses of as many /64s of one /48.
func manyIn(network string, count int) (addresses []string) {
	for i := range count {
		addresses = append(addresses, fmt.Sprintf("%s:%x::1", network, i))
	}
	return addresses
}

func TestTheOldestOfTheAddressWithMostPlacesGivesWay(t *testing.T) {
	for _, test := range []struct {
		name    string
		holders []string
		// yields is the place in holders.
		yields int
	}{
		{"the oldest of all is alone at its address", strings.Fields("192.0.2.1 192.0.2.2 192.0.2.2 192.0.2.3"), 1},
		{"all have as much", strings.Fields("192.0.2.9 2001:db8::1 192.0.2.1"), 0},
		{"a host with many addresses", strings.Fields("192.0.2.1 2001:db8::1 2001:db8::2 192.0.2.3"), 1},
		{"an IPv4 address in IPv6", strings.Fields("192.0.2.1 192.0.2.2 ::ffff:192.0.2.2 192.0.2.3"), 1},
		{"an address of one interface", strings.Fields("192.0.2.1 fe80::1%a fe80::1%b 192.0.2.3"), 1},
		{"a /48 with less than 16 times as much", append(strings.Fields("192.0.2.1 192.0.2.1"), manyIn("2001:db8:0", 31)...), 0},
		{"a /48 with more than 16 times as much", append(strings.Fields("192.0.2.1 192.0.2.1"), manyIn("2001:db8:0", 48)...), 2},
		{"an address of a /48 with much", append(manyIn("2001:db8:0", 48), "2001:db8:0:7::2"), 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := places[int]{bound: len(test.holders)}
			for key, holder := range test.holders {
				if _, full := p.take(key, at(holder)); full {
					t.Fatalf("holder %d had no place", key)
				}
			}
			if yielded, full := p.take(-1, at("198.51.100.1")); !full || yielded != test.yields {
				t.Errorf("%d gave way (%v), want %d", yielded, full, test.yields)
			}
			if p.has(test.yields) || !p.has(-1) {
				t.Errorf("the place was not handed over")
			}
		})
	}
}

func TestPlacesThatWereLeftCountForNobody(t *testing.T) {
	p := places[int]{bound: 3}
	for key, holder := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.2"} {
		p.take(key, at(holder))
	}
	p.leave(1)
	p.leave(1)
	if yielded, full := p.take(3, at("192.0.2.3")); full {
		t.Fatalf("%d gave way, and there was room", yielded)
	}
	if yielded, _ := p.take(4, &net.UnixAddr{Name: "no IP address"}); yielded != 0 {
		t.Errorf("%d gave way, and all have as much", yielded)
	}
	for key := range 5 {
		p.leave(key)
	}
	if len(p.addresses)+len(p.networks)+len(p.oldestFirst) > 0 {
		t.Errorf("%+v is left", p)
	}
}
