package main

import (
	"log/slog"
	"strings"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
)

// announce logs where a process works: its bus, the first part of every name there, its database and its files. It warns
// of a bus that other machines share beside data that they do not.
func announce(log *slog.Logger, p settings.ProcessConfig) error {
	p, err := p.InForce()
	if err != nil {
		return err
	}
	log.Info("starting", "bus", settings.Hide("", p.Bus), "prefix", p.Prefix, "store", settings.Hide("", p.Store), "blobs", settings.Hide("", p.Blobs))
	if p.Bus != settings.AmazonBus {
		return nil
	}
	if p.PollsTooLong() {
		log.Warn("LIVEPIPE_GRACE is too short for LIVEPIPE_POLL_WAIT: a stop may give a receive up, and what arrives for it waits until its lease ends",
			"grace", p.StopGrace(), "poll_wait", p.PollWait)
	}
	var alone []string
	if !strings.HasPrefix(p.Store, "postgres") {
		alone = append(alone, "LIVEPIPE_STORE: other machines do not see the conversations, and accounts made there do not count here")
	}
	if strings.HasPrefix(p.Blobs, "file:") {
		alone = append(alone, "LIVEPIPE_BLOBS: other machines find neither the uploads nor the bodies of large events")
	}
	if len(alone) > 0 {
		log.Warn("LIVEPIPE_BUS=aws with data on this machine only; for more than one machine set postgres:// and s3://",
			"settings", strings.Join(alone, "; "))
	}
	return nil
}
