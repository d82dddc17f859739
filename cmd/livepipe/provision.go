package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

type provisionCmd struct {
	settings.ProcessConfig
	settings.NatsConfig
	Visibility time.Duration `name:"visibility-timeout" default:"1m" help:"With LIVEPIPE_BUS=aws: how long a queue hides a received event. For AWS Lambda, six times the function's timeout."`
	DryRun     bool          `help:"With LIVEPIPE_BUS=aws: print what would be made or differs, and change nothing."`
	Check      bool          `help:"Like --dry-run, for pipelines: exit with 3 when something would be made, changed or differs."`
	Fix        bool          `help:"With LIVEPIPE_BUS=aws: set what differs to what livepipe wants. Otherwise differences are only reported."`
	IAM        bool          `name:"iam" help:"With LIVEPIPE_BUS=aws: print the least that each role must be allowed, as IAM policies, and do nothing."`
}

// Run brings the schema up to date, and makes streams, topics, queues and the bucket. It changes nothing that is as it
// should be.
func (c *provisionCmd) Run(ctx context.Context, std settings.Streams) error {
	c.DryRun = c.DryRun || c.Check
	if (c.DryRun || c.Fix || c.IAM) && c.Bus != settings.AmazonBus {
		return errors.New("--dry-run, --check, --fix and --iam are for LIVEPIPE_BUS=aws")
	}
	switch {
	case c.IAM:
		return c.amazon(ctx, std)
	case c.DryRun:
		return c.look(ctx, std)
	}
	name, err := c.Migrate(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(std.Out, "store ", name, "is up to date")
	if c.Bus == settings.AmazonBus {
		return c.amazon(ctx, std)
	}
	b, err := settings.Attach(ctx, c.settings(), settings.Quiet(std))
	if err != nil {
		return err
	}
	for _, q := range settings.StreamQueues() {
		fmt.Fprintln(std.Out, "queue ", q.Name, "is ready")
	}
	return b.Close()
}

func (c *provisionCmd) settings() settings.BusSettings {
	return settings.BusSettings{BusConfig: c.BusConfig, StoreConfig: c.StoreConfig, NatsConfig: c.NatsConfig}
}

// look prints what provision would do.
func (c *provisionCmd) look(ctx context.Context, std settings.Streams) error {
	name, has, want, err := c.Schema(ctx)
	if err != nil {
		return err
	}
	switch {
	case has > want:
		return fmt.Errorf("%s: %w", name, store.ErrSchemaNew)
	case has < want:
		fmt.Fprintf(std.Out, "%-12s  %-12s  %s  version %d to %d\n", amazon.WouldRepair, "schema", name, has, want)
	default:
		fmt.Fprintf(std.Out, "%-12s  %-12s  %s\n", amazon.Exists, "schema", name)
	}
	err = c.amazon(ctx, std)
	if err == nil && c.Check && has < want {
		return errDrift
	}
	return err
}

// errDrift ends a check that found something.
var errDrift = &exitError{3, errors.New("not everything stands as it should")}

// amazon makes what LIVEPIPE_BUS=aws needs, and prints a line for each thing as it is done.
func (c *provisionCmd) amazon(ctx context.Context, std settings.Streams) error {
	bus := c.settings()
	config, err := bus.AmazonConfig(ctx, settings.Quiet(std))
	if err != nil {
		return err
	}
	bucket, err := c.Bucket()
	if err != nil {
		return err
	}
	if c.IAM {
		return c.iam(ctx, std, config, bucket)
	}
	report, err := amazon.Provision(ctx, config, amazon.ProvisionOptions{
		Bucket: bucket, VisibilityTimeout: c.Visibility, DryRun: c.DryRun, Repair: c.Fix,
		Progress: func(s amazon.Step) { fmt.Fprintln(std.Out, s) },
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(std.Out, report.Summary())
	if c.Check && report.Count(amazon.WouldCreate, amazon.WouldRepair, amazon.Differs) > 0 {
		return errDrift
	}
	return nil
}

func (c *provisionCmd) iam(ctx context.Context, std settings.Streams, config amazon.Config, bucket string) error {
	policies, err := amazon.IAMPolicies(ctx, config, amazon.Access{
		Bucket: bucket, Publishes: map[string][]string{"routing": {messages.TypeDispatchRequested.Topic()}},
	})
	if err != nil {
		return err
	}
	for _, role := range slices.Sorted(maps.Keys(policies)) {
		fmt.Fprintf(std.Out, "%s\n%s\n", role, policies[role])
	}
	return nil
}
