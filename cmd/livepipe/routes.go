package main

import (
	"fmt"
	"os"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
	"github.com/livepipe/livepipe/internal/rules"
	"github.com/livepipe/livepipe/router"
)

// routesCmd shows and checks where events go.
type routesCmd struct {
	Show  routesShowCmd  `cmd:"" default:"1" help:"Print which worker takes which events."`
	Check routesCheckCmd `cmd:"" help:"Check a file of routing rules, secrets and all, without running it."`
}

type routesShowCmd struct{}

// Run prints the route table.
func (routesShowCmd) Run(std settings.Streams) error {
	return router.Print(std.Out, router.Table())
}

type routesCheckCmd struct {
	File string `arg:"" type:"path" help:"The file, as for LIVEPIPE_ROUTES."`
}

// Run reports every problem of the file at once.
func (c *routesCheckCmd) Run(std settings.Streams) error {
	if _, err := rules.Load(c.File, os.Getenv); err != nil {
		return err
	}
	fmt.Fprintln(std.Out, c.File, "ok")
	return nil
}
