package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/router"
)

// dlqCmd groups what operators do with dead letters.
type dlqCmd struct {
	List    dlqListCmd    `cmd:"" help:"List dead letters: worker, reason, event, attempts. Never what a person wrote."`
	Show    dlqShowCmd    `cmd:"" help:"Show one dead letter; its body only with --payload."`
	Redrive dlqRedriveCmd `cmd:"" help:"Hand dead letters to their worker again, and to no other."`
	Purge   dlqPurgeCmd   `cmd:"" help:"Delete dead letters for good."`
}

// dlqConfig is how a command reaches the dead letters: through the running process, or the files when none runs.
type dlqConfig struct {
	settings.BusConfig
	settings.StoreConfig
	settings.NatsClient
}

// with opens the dead letters for one use.
func (c dlqConfig) with(ctx context.Context, std settings.Streams, use func(settings.DeadLetters) error) error {
	bus := settings.BusSettings{BusConfig: c.BusConfig, StoreConfig: c.StoreConfig, NatsConfig: settings.NatsConfig{NatsClient: c.NatsClient}}
	return bus.WithBus(ctx, std, func(b *settings.OpenBus) error { return use(b.Dead) })
}

type dlqListCmd struct {
	dlqConfig
	Worker string `help:"Only this worker's."`
	Limit  int    `default:"100" help:"At most so many of each worker, oldest first."`
}

// Run lists dead letters.
func (c *dlqListCmd) Run(ctx context.Context, std settings.Streams) error {
	var only []string
	if c.Worker != "" {
		only = []string{c.Worker}
	}
	bindings, err := router.Select(only...)
	if err != nil {
		return err
	}
	return c.with(ctx, std, func(dead settings.DeadLetters) error {
		table := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "WORKER\tID\tREASON\tATTEMPTS\tFAILED AT\tTYPE\tEVENT")
		for _, binding := range bindings {
			letters, err := dead.List(ctx, binding.Worker, c.Limit)
			if err != nil {
				return err
			}
			for _, l := range letters {
				fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", l.Worker, l.ID, l.Reason, l.Attempts,
					l.FailedAt.UTC().Format(time.RFC3339), l.Type, l.EventID)
			}
		}
		return table.Flush()
	})
}

type dlqShowCmd struct {
	dlqConfig
	Worker  string `arg:"" help:"Whose dead letter it is."`
	ID      string `arg:"" name:"id" help:"Its id in the list."`
	Payload bool   `help:"Print the event as well. It holds what a person wrote."`
}

// Run shows one dead letter.
func (c *dlqShowCmd) Run(ctx context.Context, std settings.Streams) error {
	if _, err := router.Select(c.Worker); err != nil {
		return err
	}
	return c.with(ctx, std, func(dead settings.DeadLetters) error {
		letter, msg, err := dead.Get(ctx, c.Worker, c.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(std.Out, "worker    %s\nid        %s\nreason    %s\ndetail    %s\nattempts  %d\nfailed at %s\ntype      %s\nevent     %s\nsize      %d bytes\n",
			letter.Worker, letter.ID, letter.Reason, letter.Detail, letter.Attempts,
			letter.FailedAt.UTC().Format(time.RFC3339), letter.Type, letter.EventID, letter.Size)
		if c.Payload {
			fmt.Fprintf(std.Out, "\n%s\n", msg.Payload)
		}
		return nil
	})
}

// dlqChoice says which dead letters of a worker are meant.
type dlqChoice struct {
	Worker string   `arg:"" help:"Whose dead letters."`
	IDs    []string `arg:"" name:"id" optional:"" help:"Their ids in the list."`
	All    bool     `help:"All of the worker's."`
	Where  string   `help:"Those for which the expression is true, over reason, type, event_id, attempts and failed_at, such as 'reason == \"exhausted\"'."`
}

// pick gives the filter; ids need none.
func (c dlqChoice) pick() (func(bus.DeadLetter) bool, error) {
	chosen := 0
	for _, is := range []bool{len(c.IDs) > 0, c.All, c.Where != ""} {
		if is {
			chosen++
		}
	}
	if chosen != 1 {
		return nil, errors.New("say which: ids of the list, --where, or --all")
	}
	if c.Where == "" {
		return nil, nil
	}
	program, err := expr.Compile(c.Where, expr.Env(letterFacts(bus.DeadLetter{})), expr.AsBool())
	if err != nil {
		return nil, fmt.Errorf("--where: %w", err)
	}
	return func(l bus.DeadLetter) bool {
		is, err := vm.Run(program, letterFacts(l))
		return err == nil && is == true
	}, nil
}

func letterFacts(l bus.DeadLetter) map[string]any {
	return map[string]any{
		"reason": l.Reason, "type": l.Type, "event_id": l.EventID, "attempts": l.Attempts, "failed_at": l.FailedAt,
	}
}

type dlqRedriveCmd struct {
	dlqConfig
	dlqChoice
	Rate float64 `default:"100" help:"At most so many a second; more than 0."`
}

// Run hands dead letters back.
func (c *dlqRedriveCmd) Run(ctx context.Context, std settings.Streams) error {
	if !(c.Rate > 0) { // NaN is none either
		return fmt.Errorf("--rate is %v: it must be more than 0", c.Rate)
	}
	if _, err := router.Select(c.Worker); err != nil {
		return err
	}
	pick, err := c.pick()
	if err != nil {
		return err
	}
	return c.with(ctx, std, func(dead settings.DeadLetters) error {
		n, err := dead.Redrive(ctx, c.Worker, bus.Redrive{IDs: c.IDs, Pick: pick, PerSecond: c.Rate})
		fmt.Fprintf(std.Out, "%d handed to %s again\n", n, c.Worker)
		return err
	})
}

type dlqPurgeCmd struct {
	dlqConfig
	Worker string   `arg:"" help:"Whose dead letters."`
	IDs    []string `arg:"" name:"id" optional:"" help:"Their ids in the list."`
	All    bool     `help:"All of the worker's."`
}

// Run deletes dead letters.
func (c *dlqPurgeCmd) Run(ctx context.Context, std settings.Streams) error {
	if c.All == (len(c.IDs) > 0) {
		return errors.New("say which: ids of the list, or --all")
	}
	if _, err := router.Select(c.Worker); err != nil {
		return err
	}
	return c.with(ctx, std, func(dead settings.DeadLetters) error {
		n, err := dead.Purge(ctx, c.Worker, c.IDs...)
		fmt.Fprintf(std.Out, "%d deleted\n", n)
		return err
	})
}
