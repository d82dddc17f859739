package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/livepipe/livepipe/internal/blobs"
	"github.com/livepipe/livepipe/internal/conformance"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/router"
)

// deletion is one call of DeleteOlder; at is the time since the start.
type deletion struct {
	of     string
	before time.Duration // before now
	limit  int
	at     time.Duration
}

// attic is a store with old messages, by organisation.
type attic struct {
	Store
	began    time.Time
	accounts []store.Account
	old      map[string]int
	uploads  []string      // media ids: what the next slice that succeeds has among its messages
	takes    time.Duration // one slice
	fails    func(org string) error
	beside   store.Deleted // what a failing slice has deleted nevertheless
	calls    []deletion
}

func (a *attic) Accounts(context.Context) ([]store.Account, error) {
	if a.fails != nil {
		if err := a.fails(""); err != nil {
			return nil, err
		}
	}
	return a.accounts, nil
}

func (a *attic) DeleteOlder(ctx context.Context, of messages.Tenant, before time.Time, limit int) (store.Deleted, error) {
	a.calls = append(a.calls, deletion{of.Org, time.Since(before), limit, time.Since(a.began)})
	if !pause(ctx, a.takes) {
		return store.Deleted{}, ctx.Err()
	}
	if a.fails != nil {
		if err := a.fails(of.Org); err != nil {
			return a.beside, err
		}
	}
	d := store.Deleted{Messages: min(limit, a.old[of.Org]), Files: a.uploads}
	a.old[of.Org] -= d.Messages
	a.uploads = nil
	return d, nil
}

// keeping is an account that keeps its messages for some days.
func keeping(org string, days int) store.Account {
	return store.Account{Tenant: messages.Tenant{Org: org, LiveChat: "lc"}, Limits: store.Limits{RetentionDays: days}}
}

// sweeping runs retention over the store for a while of virtual time.
func sweeping(t *testing.T, a *attic, lasting time.Duration) (deleted float64, log string) {
	t.Helper()
	return sweepingFiles(t, a, nil, lasting)
}

// sweepingFiles is sweeping with the files of uploads.
func sweepingFiles(t *testing.T, a *attic, files retentionFiles, lasting time.Duration) (deleted float64, log string) {
	t.Helper()
	var lines conformance.Journal
	a.began = time.Now()
	r := newRetention(a, files, lines.Logger())
	ctx, stop := context.WithTimeout(t.Context(), lasting)
	defer stop()
	if err := r.run(ctx); err != nil {
		t.Errorf("retention ended with %v", err)
	}
	if late := time.Since(a.began) - lasting; late > 0 {
		t.Errorf("it stopped %s late", late)
	}
	return testutil.ToFloat64(r.deleted), lines.String()
}

const day = 24 * time.Hour

func TestRetentionDeletesWhatIsOlderThanItsAccountKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attic{
			accounts: []store.Account{keeping("month", 30), keeping("forever", 0), keeping("day", 1)},
			old:      map[string]int{"month": 2500, "forever": 10, "day": 3}, takes: 50 * time.Millisecond,
		}
		deleted, log := sweeping(t, a, 90*time.Minute)
		slice := 50 * time.Millisecond
		want := []deletion{ // pauses are four times a slice; ages are as of the start of an account
			{"month", 30 * day, 1000, 0},
			{"month", 30*day + 5*slice, 1000, 5 * slice},
			{"month", 30*day + 10*slice, 1000, 10 * slice},
			{"day", day, 1000, 11 * slice},
			{"month", 30 * day, 1000, time.Hour + 12*slice},
			{"day", day, 1000, time.Hour + 13*slice},
		}
		if diff := cmp.Diff(want, a.calls, cmp.AllowUnexported(deletion{})); diff != "" {
			t.Errorf("deletions (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int{"month": 0, "forever": 10, "day": 0}, a.old); diff != "" || deleted != 2503 {
			t.Errorf("%v deleted, left (-want +got):\n%s", deleted, diff)
		}
		if !strings.Contains(log, "org=month livechat=lc messages=2500") {
			t.Errorf("log says %s", log)
		}
	})
}

func TestRetentionWaitsForAStoreThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attic{accounts: []store.Account{keeping("a", 1)}, old: map[string]int{"a": 1500}}
		down := messages.Unavailable(errors.New("no connection"))
		a.fails = func(string) error { // down for the first minute, and for another one after the first slice
			if since := time.Since(a.began); since < time.Minute || a.old["a"] == 500 && since < 2*time.Minute {
				return down
			}
			return nil
		}
		deleted, log := sweeping(t, a, 3*time.Minute)
		if deleted != 1500 || strings.Contains(log, "ERROR") {
			t.Errorf("%v deleted; log says %s", deleted, log)
		}
		if len(a.calls) > 10 {
			t.Errorf("a store that is down was asked %d times", len(a.calls))
		}
	})
}

func TestRetentionOfOneAccountKeepsNoOtherWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attic{accounts: []store.Account{keeping("bad", 1), keeping("good", 1)}, old: map[string]int{"bad": 1, "good": 1}}
		a.fails = func(org string) error {
			if org == "bad" {
				return errors.New("broken index")
			}
			return nil
		}
		deleted, log := sweeping(t, a, time.Minute)
		if deleted != 1 || a.old["good"] != 0 || strings.Count(log, "delete old messages") != 1 {
			t.Errorf("%v deleted; log says %s", deleted, log)
		}
	})
}

func TestRetentionStopsAtOnce(t *testing.T) {
	for name, a := range map[string]*attic{
		"in a slice":           {takes: time.Hour},
		"between two slices":   {takes: 40 * time.Second},
		"while the store down": {fails: func(string) error { return messages.Unavailable(errors.New("down")) }},
		"between two sweeps":   {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a.accounts, a.old = []store.Account{keeping("a", 1)}, map[string]int{"a": 5000}
				if _, log := sweeping(t, a, time.Minute+time.Second); strings.Contains(log, "ERROR") {
					t.Errorf("a stop is no error: %s", log)
				}
			})
		})
	}
}

// A number of days that somebody mistyped must not become a time in the future.
func TestRetentionOfManyDaysDeletesNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attic{accounts: []store.Account{keeping("a", 1<<40)}, old: map[string]int{}}
		sweeping(t, a, time.Minute)
		if len(a.calls) != 1 || a.calls[0].before < 99*365*day || a.calls[0].before > 101*365*day {
			t.Errorf("deletions: %+v", a.calls)
		}
	})
}

// Only a process that writes history deletes, and no function, which is frozen between its calls.
func TestWhoDeletes(t *testing.T) {
	tests := map[string]struct {
		workers   []string
		unwatched bool
		deletes   bool
	}{
		"all workers":     {nil, false, true},
		"history alone":   {[]string{"history"}, false, true},
		"without history": {[]string{"routing", "media"}, false, false},
		"a function":      {nil, true, false},
	}
	for name, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			bindings, err := router.Select(tt.workers...)
			if err != nil {
				t.Fatal(err)
			}
			a := &attic{accounts: []store.Account{keeping("a", 1)}, old: map[string]int{"a": 1}, began: time.Now()}
			p := &process{log: slog.New(slog.DiscardHandler), Options: Options{
				Registry: prometheus.NewRegistry(), Store: a,
				Router: &RouterOptions{Workers: bindings}, Unwatched: tt.unwatched, Grace: time.Second,
			}}
			p.health = newHealth(Options{Store: healthyStore{}, Blobs: &blobs.Store{}})
			if err := p.startRetention(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := p.stop(); err != nil || (a.old["a"] == 0) != tt.deletes {
				t.Errorf("%s: %d old ones left, %v", name, a.old["a"], err)
			}
		})
	}
}
