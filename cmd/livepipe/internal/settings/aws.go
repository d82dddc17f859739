package settings

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/app"
	"github.com/livepipe/livepipe/internal/lanes"
	"github.com/livepipe/livepipe/router"
)

// awsConfig is what SNS and SQS need besides AWS's own AWS_REGION, credentials and AWS_ENDPOINT_URL.
type awsConfig struct {
	FIFO          bool          `name:"fifo" env:"LIVEPIPE_FIFO" help:"With LIVEPIPE_BUS=aws: FIFO topics and queues, which keep the order of each conversation. Standard ones promise the final state."`
	Provision     bool          `env:"LIVEPIPE_PROVISION" help:"With LIVEPIPE_BUS=aws: make missing topics, queues and the bucket at start. Otherwise only 'livepipe provision' does."`
	PollWait      time.Duration `env:"LIVEPIPE_POLL_WAIT" default:"20s" help:"With LIVEPIPE_BUS=aws: how long a receive waits for an event, 1s to 20s. A stop waits for open receives, so less makes it quicker and idle queues dearer."`
	PublishLinger time.Duration `env:"LIVEPIPE_PUBLISH_LINGER" default:"0s" help:"With LIVEPIPE_BUS=aws: how long a batch of events that is not full waits for more. Batches form without it while others are under way."`
}

// AmazonConfig turns the settings into what the transport is made of.
func (s BusSettings) AmazonConfig(ctx context.Context, log *slog.Logger) (amazon.Config, error) {
	if s.PollWait < time.Second || s.PollWait > 20*time.Second {
		return amazon.Config{}, fmt.Errorf("LIVEPIPE_POLL_WAIT is %s, SQS takes 1s to 20s", s.PollWait)
	}
	settings, err := amazon.LoadAWS(ctx)
	if err != nil {
		return amazon.Config{}, err
	}
	return amazon.Config{
		AWS: settings, Prefix: s.Prefix, FIFO: s.FIFO, Queues: topicQueues(), Claims: s.Claims,
		PollWait: s.PollWait, PublishLinger: s.PublishLinger, Logger: log,
	}, nil
}

// told logs what provisioning at a start did and found.
func told(log *slog.Logger) func(amazon.Step) {
	return func(s amazon.Step) {
		level := slog.LevelDebug
		switch s.Action {
		case amazon.Created:
			level = slog.LevelInfo
		case amazon.Differs:
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "provision", "kind", s.Kind, "name", s.Name, "action", s.Action, "detail", s.Detail)
	}
}

// topicQueues are the route table in the words of SNS and SQS.
func topicQueues() []amazon.Queue {
	var all []amazon.Queue
	for _, binding := range router.Table() {
		q := amazon.Queue{Name: binding.Worker}
		for _, t := range binding.Types {
			q.Topics = append(q.Topics, t.Topic())
		}
		all = append(all, q)
	}
	return all
}

// OpenTopics finds the topics and queues, and makes them first when LIVEPIPE_PROVISION says so.
func OpenTopics(ctx context.Context, s BusSettings, log *slog.Logger) (*amazon.Bus, error) {
	config, err := s.AmazonConfig(ctx, log)
	if err != nil {
		return nil, err
	}
	if s.Provision {
		bucket, err := s.Bucket()
		if err != nil {
			return nil, err
		}
		if _, err := amazon.Provision(ctx, config, amazon.ProvisionOptions{Bucket: bucket, Progress: told(log)}); err != nil {
			return nil, err
		}
	}
	return amazon.Open(ctx, config)
}

// TopicsBus makes SNS and SQS what the roles and the commands see.
func TopicsBus(b *amazon.Bus) app.Bus {
	return app.Bus{
		Publisher:   b.Publisher(),
		DeadLetters: b.DeadLetters(),
		Source:      func(ctx context.Context, queue string) (lanes.Source, error) { return b.Source(ctx, queue) },
		Engine:      b.Engine(),
		Backlog: func(ctx context.Context, queue string) (int64, time.Time, error) {
			events, err := b.Backlog(ctx, queue)
			return events, time.Time{}, err
		},
		Health: b.Health, Paid: true,
	}
}
