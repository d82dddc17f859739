package conformance

import "go.uber.org/goleak"

// ProxyLeftovers are the goroutines that toxiproxy, which breaks connections in tests, sometimes leaves behind when it is
// closed under traffic.
func ProxyLeftovers() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"),
	}
}
