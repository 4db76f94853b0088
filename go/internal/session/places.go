package session

import (
	"net"
	"net/netip"
	"slices"
)

// places are a bounded number of places, shared out by address: when one more is wanted, the oldest holder of the address that
// has most gives way. So whoever takes them all loses his own, and keeps nobody out.
//
// An address is an IPv4 address, or an IPv6 /64: a host picks any address within that. A provider hands out /48s, each of which
// has as much as 16 addresses. The lock of its owner guards it.
type places[K comparable] struct {
	bound               int
	oldestFirst         []holder[K]
	addresses, networks holdings
}

// holder has a place.
type holder[K comparable] struct {
	key              K
	address, network *holding
}

// holding is how many places a prefix has.
type holding struct {
	prefix netip.Prefix
	places int
}

const (
	ipv4Bits         = 32
	ipv6AddressBits  = 64
	ipv6NetworkBits  = 48
	ipv6NetworkHosts = 16
)

// take gives key a place for an address, and says who gave way for it, if somebody had to.
func (p *places[K]) take(key K, from net.Addr) (yielded K, full bool) {
	if full = len(p.oldestFirst) >= p.bound; full {
		yielded = p.firstToYield()
		p.leave(yielded)
	}
	address, network := prefixesOf(from)
	p.oldestFirst = append(p.oldestFirst, holder[K]{key, p.addresses.add(address), p.networks.add(network)})
	return yielded, full
}

// leave gives the place of key back, if it has one.
func (p *places[K]) leave(key K) {
	at := p.find(key)
	if at < 0 {
		return
	}
	gone := p.oldestFirst[at]
	p.oldestFirst = slices.Delete(p.oldestFirst, at, at+1)
	p.addresses.remove(gone.address)
	p.networks.remove(gone.network)
}

func (p *places[K]) has(key K) bool { return p.find(key) >= 0 }

func (p *places[K]) find(key K) int {
	return slices.IndexFunc(p.oldestFirst, func(h holder[K]) bool { return h.key == key })
}

// firstToYield is the oldest of those whose address has most.
func (p *places[K]) firstToYield() K {
	first := &p.oldestFirst[0]
	for i := range p.oldestFirst {
		if h := &p.oldestFirst[i]; h.hasMoreThan(first) {
			first = h
		}
	}
	return first.key
}

// hasMoreThan compares shares; within a network, the addresses.
func (h *holder[K]) hasMoreThan(other *holder[K]) bool {
	if mine, others := h.share(), other.share(); mine != others {
		return mine > others
	}
	return h.network == other.network && h.address.places > other.address.places
}

// share is what the address has, or its part of what the network has, whichever is more.
func (h *holder[K]) share() int {
	if h.network.prefix == h.address.prefix {
		return h.address.places
	}
	return max(h.address.places, h.network.places/ipv6NetworkHosts)
}

// prefixesOf are the address that a place counts for, and the network that this is part of. What has no IP address is one
// address.
func prefixesOf(addr net.Addr) (address, network netip.Prefix) {
	tcp, isTCP := addr.(*net.TCPAddr)
	if !isTCP {
		return address, network
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	if ip.Is4() {
		address, _ = ip.Prefix(ipv4Bits)
		return address, address
	}
	address, _ = ip.Prefix(ipv6AddressBits)
	network, _ = ip.Prefix(ipv6NetworkBits)
	return address, network
}

// holdings are those of the prefixes that have a place.
type holdings map[netip.Prefix]*holding

func (hs *holdings) add(prefix netip.Prefix) *holding {
	if *hs == nil {
		*hs = make(holdings)
	}
	h := (*hs)[prefix]
	if h == nil {
		h = &holding{prefix: prefix}
		(*hs)[prefix] = h
	}
	h.places++
	return h
}

func (hs holdings) remove(h *holding) {
	if h.places--; h.places == 0 {
		delete(hs, h.prefix)
	}
}
