package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/internal/lanes"
	"github.com/livepipe/livepipe/internal/media"
	"github.com/livepipe/livepipe/internal/rules"
	"github.com/livepipe/livepipe/router"
	"github.com/livepipe/livepipe/workers"
)

// RouterOptions makes a process run workers.
type RouterOptions struct {
	// Workers are the bindings of the route table to run.
	Workers []router.Binding
	Rules   *rules.Set
	// Concurrency is how many events one worker handles at a time.
	Concurrency int
	// MaxHeld and MaxHeldBytes bound the bodies that one worker holds in memory; zero leaves it to the bus.
	MaxHeld, MaxHeldBytes int
}

// makeEngine makes what the workers consume their queues with. Readiness asks it before it has any.
func (p *process) makeEngine() (err error) {
	if p.Router == nil {
		return nil
	}
	config := p.Bus.Engine
	config.Concurrency, config.SettleTimeout = p.Router.Concurrency, p.share(forSettling)
	if n := p.Router.MaxHeld; n != 0 {
		config.MaxMessages, config.MaxReceipts = n, max(n, config.MaxReceipts)
	}
	if n := p.Router.MaxHeldBytes; n != 0 {
		config.MaxBytes = n
	}
	p.engine, err = lanes.New(config, p.Bus.Source, p.log, lanes.NewMetrics(p.Registry))
	if err != nil {
		return fmt.Errorf("LIVEPIPE_CONCURRENCY, LIVEPIPE_MAX_HELD or LIVEPIPE_MAX_HELD_BYTES does not fit: %w", err)
	}
	p.health.queues = p.engine.Health
	return nil
}

// startRouter subscribes every chosen worker to its queue.
func (p *process) startRouter(ctx context.Context) error {
	if p.Router == nil {
		return nil
	}
	handlers, err := p.handlers()
	if err != nil {
		return err
	}
	config := router.Config{
		DeadLetters: watched{p.Bus.DeadLetters, p.health}, Logger: p.log, Metrics: p.Registry,
		CloseTimeout: p.share(forLettingGo),
	}
	for _, binding := range p.Router.Workers {
		config.Workers = append(config.Workers, router.Worker{
			Binding: binding, Subscriber: p.engine, Routes: handlers[binding.Worker],
		})
	}
	r, err := router.New(config)
	if err != nil {
		return err
	}
	if err := p.Registry.Register(newBacklog(p.Bus.Backlog, p.Router.Workers)); err != nil {
		return fmt.Errorf("register backlog metrics: %w", err)
	}
	// The router's own context never ends: a stop goes through the cleanup, which lets the engine finish first.
	p.run("router", func() error { return r.Run(context.WithoutCancel(ctx)) })
	p.onStop("workers", func(context.Context) error {
		ctx, cancel := p.until(untilHandled)
		defer cancel()
		r.Drain()
		return errors.Join(p.engine.Stop(ctx), r.Close())
	})
	if err := p.startRetention(); err != nil {
		return err
	}
	select {
	case <-r.Running():
		return nil
	case err := <-p.failures:
		return err
	case <-ctx.Done():
		return nil
	}
}

// handlers binds the workers' methods to the event types. The table in router says which queue takes which types, and
// router.New refuses a handler that has no place there or a type without a handler.
func (p *process) handlers() (map[string][]router.Route, error) {
	history, err := workers.NewHistory(p.Store, p.log, p.Registry)
	if err != nil {
		return nil, err
	}
	delivery := &workers.Delivery{Store: p.Store}
	routing := &workers.Routing{
		Rules: p.Router.Rules, Store: p.Store, Publisher: watched{p.Bus.Publisher, p.health}, Now: time.Now,
	}
	media := &workers.Media{Store: p.Store, Blobs: p.Blobs, Cleaner: media.NewCleaner(media.Config{}), Now: time.Now}
	dispatch := workers.NewDispatch(workers.DispatchConfig{Store: p.Store, Rules: p.Router.Rules, Logger: p.log})
	p.onStop("dispatch", func(context.Context) error {
		dispatch.Close()
		return nil
	})
	return map[string][]router.Route{
		"history": {
			router.On(history.Handle), router.On(history.HandleUpload), router.On(history.HandleEdit),
			router.On(history.HandleDeletion), router.On(history.HandleConversation),
		},
		"delivery": {router.On(delivery.Handle), router.On(delivery.HandleSeen)},
		"routing": {
			router.On(routing.Handle), router.On(routing.HandleUpload), router.On(routing.HandleEdit),
			router.On(routing.HandleDeletion), router.On(routing.HandleConversation), router.On(routing.HandleAccount),
			router.On(routing.HandleUnknown),
		},
		"dispatch": {router.On(dispatch.Handle)},
		"media":    {router.On(media.Handle)},
	}, nil
}
