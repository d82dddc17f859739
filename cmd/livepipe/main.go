// Command livepipe is the backend between LiveChat and an organisation's own systems: one binary, a role for each
// subcommand, and `serve` for everything in one process.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/account"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/livechat"
	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
)

// version is stamped by the build.
var version = "dev"

// cli is the whole command line. Every flag has an environment variable, named in --help.
type cli struct {
	Serve     serveCmd         `cmd:"" default:"withargs" help:"Run everything in one process: ingress, router and all workers (the default)."`
	Ingress   ingressCmd       `cmd:"" help:"Run the HTTP side alone: take webhooks and API calls, publish events."`
	Router    routerCmd        `cmd:"" help:"Run workers alone: consume their queues."`
	Lambda    lambdaCmd        `cmd:"" help:"Run workers as an AWS Lambda function that SQS calls."`
	Broker    brokerCmd        `cmd:"" help:"Run the embedded broker alone, for processes of one machine that share it."`
	Provision provisionCmd     `cmd:"" help:"Bring the store's schema up to date and make streams and queues."`
	Account   account.Command  `cmd:"" help:"Make, show, rotate and remove the accounts that may call, and their credentials."`
	LiveChat  livechat.Command `cmd:"" name:"livechat" help:"Register webhooks with LiveChat, and publish what history misses of its chats."`
	DLQ       dlqCmd           `cmd:"" name:"dlq" help:"Look at dead letters, send them again, or delete them."`
	Routes    routesCmd        `cmd:"" help:"Print which worker takes which events, or check a file of routing rules."`
	Send      sendCmd          `cmd:"" help:"Post sample events at a running ingress and print each answer."`
	Healthy   healthyCmd       `cmd:"" help:"Ask a running process whether it is ready: what a container's health check runs."`
	Config    configCmd        `cmd:"" help:"Print the configuration in force, secrets hidden."`
	Version   versionCmd       `cmd:"" help:"Print the version."`
}

func main() {
	os.Exit(run(os.Args[1:], settings.Streams{Out: os.Stdout, Err: os.Stderr, Version: version}))
}

// run is main without its process: it returns the exit code.
func run(args []string, std settings.Streams) int {
	ctx, stop := untilSignal()
	defer stop()
	var c cli
	exit := -1
	parser, err := kong.New(&c,
		kong.Name("livepipe"),
		kong.Description("The backend between LiveChat and your own systems: webhooks in, typed events on a durable bus, workers out.\n\n"+
			"Run it without a command to start everything on this machine, and open docs/operations.md for more."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Help(help),
		kong.Writers(std.Out, std.Err),
		kong.Exit(func(code int) { exit = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		fmt.Fprintln(std.Err, "livepipe:", err)
		return 2
	}
	command, err := parser.Parse(args)
	if exit >= 0 { // --help has been printed
		return exit
	}
	if err != nil {
		var parse *kong.ParseError
		if errors.As(err, &parse) {
			fmt.Fprintf(std.Err, "livepipe: %v (try livepipe --help)\n", err)
			return 2
		}
		fmt.Fprintln(std.Err, "livepipe:", err)
		return 1
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(std.Err, "livepipe:", err)
		if coded := (*exitError)(nil); errors.As(err, &coded) {
			return coded.code
		}
		return 1
	}
	return 0
}

// exitError is one that ends the process with a code of its own.
type exitError struct {
	code int
	error
}

// untilSignal gives a context that ends at the first SIGINT or SIGTERM. The second one ends the process at once: the
// leases of what it held expire, and another process takes over.
func untilSignal() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-done:
			return
		}
		select {
		case <-signals:
			os.Exit(1)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(std settings.Streams) error {
	fmt.Fprintln(std.Out, "livepipe", std.Version)
	return nil
}
