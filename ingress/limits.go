package ingress

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// maxAddresses bounds the memory of the limits: 65,536 limiters of about 250 bytes are 16 MiB. An address that fell out
// starts again with a full burst.
const maxAddresses = 1 << 16

// limits slows each address down on its own.
type limits struct {
	rate    rate.Limit
	burst   int
	trusted []netip.Prefix
	buckets *lru.Cache[netip.Addr, *rate.Limiter]
}

func newLimits(c Config) (*limits, error) {
	buckets, err := lru.New[netip.Addr, *rate.Limiter](maxAddresses)
	if err != nil {
		return nil, err
	}
	return &limits{rate: rate.Limit(c.AddressRate), burst: c.AddressBurst, trusted: c.TrustedProxies, buckets: buckets}, nil
}

// allow takes one request from the caller's bucket. Loopback and Unix sockets have none: it is this machine's own tools,
// or a proxy that was not named as trusted, behind which one flood would use up the bucket of everybody.
func (l *limits) allow(r *http.Request) error {
	address := l.caller(r)
	if address.IsLoopback() || !address.IsValid() {
		return nil
	}
	if address.Is6() { // whoever has one IPv6 address has its /64
		prefix, _ := address.Prefix(64)
		address = prefix.Addr()
	}
	bucket, ok := l.buckets.Get(address)
	if !ok {
		bucket = rate.NewLimiter(l.rate, l.burst)
		if earlier, found, _ := l.buckets.PeekOrAdd(address, bucket); found {
			bucket = earlier
		}
	}
	if !bucket.AllowN(time.Now(), 1) {
		return refuse(codeTooManyRequests)
	}
	return nil
}

// caller is the address that a request comes from: the nearest one in X-Forwarded-For that is not a trusted proxy, and
// the peer itself unless the peer is one. Whatever stands before that was written by the caller.
func (l *limits) caller(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address := peer.Addr().Unmap().WithZone("")
	if !l.isTrusted(address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && l.isTrusted(address); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = hop.Unmap().WithZone("")
	}
	return address
}

func (l *limits) isTrusted(address netip.Addr) bool {
	for _, prefix := range l.trusted {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}
