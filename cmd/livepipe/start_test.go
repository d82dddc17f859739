package main

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livepipe/livepipe/cmd/livepipe/internal/settings"
)

// TestStartSaysWhereItWorks: one line with bus, prefix, store and files, no secret, and a warning when SNS and SQS lead to
// data that only this machine has.
func TestStartSaysWhereItWorks(t *testing.T) {
	data := t.TempDir()
	sqlite, files := "store=sqlite:"+filepath.Join(data, "livepipe.db"), "blobs=file://"+filepath.Join(data, "blobs")
	const postgres = "postgres://user:s3cret@db.internal:5432/live?password=s3cret&sslmode=require"
	for name, test := range map[string]struct {
		bus, store, blobs string
		want, warned      []string
	}{
		"embedded":      {bus: "embedded", want: []string{"bus=embedded", sqlite, files}},
		"another bus":   {bus: "nats://user:s3cret@bus:4222", want: []string{"bus=nats://hidden@bus:4222", sqlite}},
		"AWS":           {bus: "aws", store: postgres, blobs: "s3://files?region=x", want: []string{"bus=aws", "postgres://hidden@db.internal:5432/live?password=hidden&sslmode=require", "s3://files?region=x"}},
		"AWS, defaults": {bus: "aws", want: []string{"bus=aws", sqlite, files}, warned: []string{"LIVEPIPE_STORE", "LIVEPIPE_BLOBS"}},
		"AWS, SQLite":   {bus: "aws", blobs: "s3://files", want: []string{sqlite}, warned: []string{"LIVEPIPE_STORE"}},
		"AWS, files":    {bus: "aws", store: postgres, want: []string{files}, warned: []string{"LIVEPIPE_BLOBS"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := settings.ProcessConfig{}
			p.Data, p.Bus, p.Prefix, p.Store, p.Blobs = data, test.bus, "stage", test.store, test.blobs
			var log strings.Builder
			if err := announce(slog.New(slog.NewTextHandler(&log, nil)), p); err != nil {
				t.Fatal(err)
			}
			start, warning, _ := strings.Cut(log.String(), "level=WARN")
			for _, want := range append(test.want, "prefix=stage") {
				if !strings.Contains(start, want) {
					t.Errorf("no %q in %s", want, start)
				}
			}
			for _, setting := range []string{"LIVEPIPE_STORE", "LIVEPIPE_BLOBS"} {
				warned := slices.Contains(test.warned, setting)
				if strings.Contains(warning, setting) != warned {
					t.Errorf("warned of %s: %t, want %t: %s", setting, !warned, warned, warning)
				}
			}
			if (warning != "") != (len(test.warned) > 0) || strings.Contains(log.String(), "s3cret") || strings.Count(start, "level=") != 1 && warning == "" {
				t.Error(log.String())
			}
		})
	}
}

// TestShortGraceIsWarnedOf: on SQS a stop that is shorter than a receive may give one up.
func TestShortGraceIsWarnedOf(t *testing.T) {
	for grace, want := range map[time.Duration]bool{0: false, 24 * time.Second: true, 25 * time.Second: false} {
		p := settings.ProcessConfig{Grace: grace}
		p.Bus, p.PollWait, p.Store, p.Blobs = settings.AmazonBus, 20*time.Second, "postgres://db/live", "s3://files"
		var log strings.Builder
		if err := announce(slog.New(slog.NewTextHandler(&log, nil)), p); err != nil {
			t.Fatal(err)
		}
		if warned := strings.Contains(log.String(), "LIVEPIPE_GRACE is too short"); warned != want {
			t.Errorf("%s: warned %t, want %t", grace, warned, want)
		}
	}
}
