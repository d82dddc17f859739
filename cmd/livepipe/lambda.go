package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/go-json-experiment/json"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/amazon"
	"github.com/livepipe/livepipe/internal/app"
)

type lambdaCmd struct {
	settings.ProcessConfig
	routerConfig
	routesConfig
	FunctionTimeout time.Duration `env:"LIVEPIPE_FUNCTION_TIMEOUT" help:"The function's own timeout, which it cannot see: its queues are held against six times that at start. 0 holds them against nothing."`
}

// place refuses to run where nobody would call the function.
func (c *lambdaCmd) place() error {
	if c.Bus != settings.AmazonBus {
		return errors.New("lambda consumes SQS queues: set LIVEPIPE_BUS=aws")
	}
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		return errors.New("lambda runs inside AWS Lambda only (deploy/cloudformation); elsewhere use livepipe router")
	}
	return c.Check()
}

// Run is the workers inside an AWS Lambda function: event source mappings of their queues bring the events.
func (c *lambdaCmd) Run(ctx context.Context, std settings.Streams) (err error) {
	if err := c.place(); err != nil {
		return err
	}
	log := c.Logger()
	if err := announce(log, c.ProcessConfig); err != nil {
		return err
	}
	set, err := c.routesConfig.rules()
	if err != nil {
		return err
	}
	workers, err := c.routerConfig.options(set)
	if err != nil {
		return err
	}
	db, err := c.OpenStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := c.OpenBlobs(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	topics, err := settings.OpenTopics(ctx, settings.BusSettings{BusConfig: c.BusConfig, StoreConfig: c.StoreConfig, Claims: files.Claims()}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, topics.Close()) }()

	var names []string
	for _, w := range workers.Workers {
		names = append(names, w.Worker)
	}
	c.checkVisibility(ctx, topics, names, log)
	f := &function{queues: topics.Lambda(names...)}
	defer f.finish()
	bus := settings.TopicsBus(topics)
	bus.Source, bus.Engine = f.queues.Source, f.queues.Engine() // what Lambda hands over, in place of what SQS is asked for
	return app.Run(ctx, app.Options{
		Logger: log, Registry: newRegistry(), Grace: c.StopGrace(), Unwatched: true,
		Bus: bus, Store: db, Blobs: files, Router: workers,
		Started: func(app.Addresses) {
			fmt.Fprintf(std.Out, "livepipe %s\n  workers  %s\n  running\n", std.Version, strings.Join(names, ", "))
			// It never returns. Without the option, Lambda would kill the process without a SIGTERM before.
			go lambda.StartWithOptions(f.handle, lambda.WithEnableSIGTERM())
		},
	})
}

// checkVisibility warns of a queue that shows its events again while the function may still be busy with them, or with what
// Lambda calls it for first: AWS recommends six times the function's timeout.
func (c *lambdaCmd) checkVisibility(ctx context.Context, topics *amazon.Bus, workers []string, log *slog.Logger) {
	if c.FunctionTimeout <= 0 {
		return
	}
	for _, worker := range workers {
		has, err := topics.VisibilityTimeout(ctx, worker)
		switch want := 6 * c.FunctionTimeout; {
		case err != nil: // it may lack the right, and works without
			log.Debug("visibility timeout of the queue not checked", "worker", worker, "error", err)
		case has < want:
			log.Warn("the queue hides its events for less than six times the function's timeout",
				"worker", worker, "visibility_timeout", has, "function_timeout", c.FunctionTimeout,
				"mend", fmt.Sprintf("livepipe provision --visibility-timeout=%s --fix", want))
		}
	}
}

// function is what AWS Lambda calls.
type function struct {
	queues *amazon.Lambda
	// answering is held for reading from the call to the end of its answer, and by finish.
	answering sync.RWMutex
}

// handle takes one invocation. Its context ends with Lambda's deadline and not with a stop, which lets handlers in flight
// finish and their outcomes count.
func (f *function) handle(ctx context.Context, event events.SQSEvent) (reply, error) {
	f.answering.RLock()
	answer, err := f.queues.Handle(ctx, event)
	if err == nil {
		var body []byte
		if body, err = json.Marshal(answer); err == nil {
			return reply{bytes.NewReader(body), f.answering.RUnlock}, nil
		}
	}
	f.answering.RUnlock()
	return reply{}, err
}

// lastAnswer is how long the answer to a call may take when the process stops: handlers are done by then, and three
// seconds are for the delays of what failed and for the answer itself.
const lastAnswer = 3 * time.Second

// finish waits until no answer is under way; a process that ends before has its whole batch come again.
func (f *function) finish() {
	idle := make(chan struct{})
	go func() {
		f.answering.Lock() // for good: whatever is called now comes too late
		close(idle)
	}()
	bound := time.NewTimer(lastAnswer)
	defer bound.Stop()
	select {
	case <-idle:
	case <-bound.C:
	}
}

// reply is an answer that says when it has been sent, which aws-lambda-go tells by closing it.
type reply struct {
	*bytes.Reader
	sent func()
}

// ContentType is what aws-lambda-go sends along.
func (reply) ContentType() string { return "application/json" }

// Close implements io.Closer.
func (r reply) Close() error {
	r.sent()
	return nil
}
