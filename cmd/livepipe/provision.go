package main

import (
	"context"
	"fmt"
)

type provisionCmd struct {
	processConfig
	natsConfig
}

// Run brings the schema up to date, and makes streams and queues. It changes nothing that is as it should be.
func (c *provisionCmd) Run(ctx context.Context, std streams) error {
	if err := sqliteMigrate(ctx, c.processConfig); err != nil {
		return err
	}
	path, err := c.storePath()
	if err != nil {
		return err
	}
	fmt.Fprintln(std.out, "store ", path, "is up to date")
	b, err := attachBroker(ctx, c.busConfig, c.natsConfig, quiet(std))
	if err != nil {
		return err
	}
	for _, q := range queues() {
		fmt.Fprintln(std.out, "queue ", q.Name, "is ready")
	}
	return b.Close()
}
