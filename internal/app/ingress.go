package app

import (
	"context"
	"fmt"
	"net"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/ingress"
	"github.com/livepipe/livepipe/internal/secrets"
)

// IngressOptions makes a process take requests.
type IngressOptions struct {
	Addr     string
	Config   ingress.Config
	Channels []channels.Channel
	Secrets  *secrets.Key // opens what the store keeps sealed
}

// startIngress listens last: from the first request on, everything behind it runs.
func (p *process) startIngress(ctx context.Context) error {
	if p.Ingress == nil {
		return nil
	}
	handler, err := ingress.New(p.Ingress.Config, ingress.Deps{
		Channels:   p.Ingress.Channels,
		Publisher:  watched{p.Bus.Publisher, p.health},
		History:    p.Store,
		Accounts:   p.Store,
		Secrets:    p.Ingress.Secrets,
		Uploads:    p.Store,
		Blobs:      p.Blobs,
		Logger:     p.log,
		Registerer: p.Registry,
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.Ingress.Addr)
	if err != nil {
		return fmt.Errorf("listen for calls (LIVEPIPE_ADDR): %w", err)
	}
	p.http = listener
	callers := newCallers(handler.HTTPServer(), p.log)
	p.run("ingress", func() error { return callers.serve(listener) })
	p.onStop("ingress", func(context.Context) error {
		ctx, cancel := p.until(untilDrained)
		defer cancel()
		return callers.shutdown(ctx)
	})
	return nil
}
