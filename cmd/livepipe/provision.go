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
	"github.com/livepipe/livepipe/messages"
)

type provisionCmd struct {
	settings.ProcessConfig
	settings.NatsConfig
	Visibility time.Duration `name:"visibility-timeout" default:"1m" help:"With LIVEPIPE_BUS=aws: how long a queue hides a received event. For AWS Lambda, six times the function's timeout."`
	DryRun     bool          `help:"With LIVEPIPE_BUS=aws: print what would be made or differs, and change nothing."`
	Fix        bool          `help:"With LIVEPIPE_BUS=aws: set what differs to what livepipe wants. Otherwise differences are only reported."`
	IAM        bool          `name:"iam" help:"With LIVEPIPE_BUS=aws: print the least that each role must be allowed, as IAM policies, and do nothing."`
}

// Run brings the schema up to date, and makes streams, topics, queues and the bucket. It changes nothing that is as it
// should be.
func (c *provisionCmd) Run(ctx context.Context, std settings.Streams) error {
	if (c.DryRun || c.Fix || c.IAM) && c.Bus != settings.AmazonBus {
		return errors.New("--dry-run, --fix and --iam are for LIVEPIPE_BUS=aws")
	}
	if c.Bus == settings.AmazonBus && (c.DryRun || c.IAM) {
		return c.amazon(ctx, std)
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
