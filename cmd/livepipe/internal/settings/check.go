package settings

import (
	"context"
	"fmt"
	"net"
	"time"
)

// shortestGrace leaves each step of a stop its share: the shortest gets a twentieth.
const shortestGrace = time.Second

// Check says what is wrong with the settings of every process, before anything opens.
func (c ProcessConfig) Check() error {
	if c.Grace != 0 && c.Grace < shortestGrace { // 0: the default
		return fmt.Errorf("LIVEPIPE_GRACE is %s: a stop takes at least %s", c.Grace, shortestGrace)
	}
	return nil
}

// Check says what is wrong with the address of the broker.
func (c NatsConfig) Check() error {
	if c.NATSListen == "" {
		return nil
	}
	return CheckAddr("LIVEPIPE_NATS_LISTEN", c.NATSListen)
}

// CheckAddr says what is wrong with an address to listen on.
func CheckAddr(name, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil && port != "" {
		_, err = net.DefaultResolver.LookupPort(context.Background(), "tcp", port) // a number or a name of this machine's own list
	}
	if err != nil || port == "" {
		return fmt.Errorf("%s is %q: it must be HOST:PORT", name, addr)
	}
	return nil
}
