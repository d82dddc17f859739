package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
)

// healthyTimeout bounds the whole question. The answer comes from memory; a process that cannot give it in this time is
// not healthy. It stays below what the image's HEALTHCHECK allows.
const healthyTimeout = 4 * time.Second

// healthyCmd is a container's health check: the image has neither a shell nor curl.
type healthyCmd struct {
	Addr string `env:"LIVEPIPE_ADMIN_ADDR" default:"127.0.0.1:8081" help:"Admin address of the process to ask; 0.0.0.0 and :: mean the one on this machine."`
}

// Run asks /readyz. It prints one line; the process exits with 0 when ready, else with 1.
func (c *healthyCmd) Run(ctx context.Context, std settings.Streams) error {
	addr, err := c.target()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthyTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", http.NoBody)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	// A transport of its own: the proxy that the environment names must not answer for this machine.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("no answer from %s: %w", addr, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // Docker keeps as much of a health check's output
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	line := strings.ReplaceAll(strings.TrimSpace(string(answer)), "\n", "; ")
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", line)
	}
	fmt.Fprintln(std.Out, line)
	return nil
}

// target is the address to ask: where a process listens on every address, it listens on loopback too.
func (c *healthyCmd) target() (string, error) {
	if c.Addr == "off" {
		return "", errors.New("the admin address is off: set LIVEPIPE_ADMIN_ADDR to host:port")
	}
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return "", fmt.Errorf("LIVEPIPE_ADMIN_ADDR must be host:port: %w", err)
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}
