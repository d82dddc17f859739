package sqlite

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livepipe/livepipe/messages"
)

// together runs the jobs in one batch: they come while the writer is busy with a job that waits for them.
func together(t *testing.T, s *Store, jobs ...func(context.Context) error) []error {
	t.Helper()
	release := make(chan struct{})
	answers := make([]chan error, len(jobs)+1)
	start := func(i int, job func(context.Context) error) {
		answers[i] = make(chan error, 1)
		go func() { answers[i] <- job(t.Context()) }()
		synctest.Wait() // the job waits for its turn
	}
	start(len(jobs), func(ctx context.Context) error {
		return s.writer.do(ctx, func(*tx) error { <-release; return nil })
	})
	for i, job := range jobs {
		start(i, job)
	}
	close(release)
	errs := make([]error, len(jobs))
	for i := range jobs {
		errs[i] = <-answers[i]
	}
	return errs
}

func saver(s *Store, id string) func(context.Context) error {
	return func(ctx context.Context) error {
		saved, err := s.SaveMessage(ctx, "evt_"+id, received(id))
		if err == nil && !saved {
			err = errors.New("not saved")
		}
		return err
	}
}

// failure is a job that goes wrong in the middle of a batch, and what its own caller must hear.
type failure struct {
	job  func(context.Context) error
	want func(error) bool
}

func failures(s *Store) map[string]failure {
	cause := errors.New("no")
	write := func(fn func(*tx) error) func(context.Context) error {
		return func(ctx context.Context) error { return failed("test", s.writer.do(ctx, fn)) }
	}
	return map[string]failure{
		"its own error": {
			write(func(tx *tx) error {
				_, err := tx.exec(`DELETE FROM messages`) // must be undone
				return errors.Join(cause, err)
			}),
			func(err error) bool { return errors.Is(err, cause) && !messages.IsUnavailable(err) },
		},
		"a broken rule of the schema": {
			write(func(tx *tx) error {
				_, err := tx.exec(`INSERT INTO store_facts (only) VALUES (2)`)
				return err
			}),
			func(err error) bool { return err != nil && !messages.IsUnavailable(err) },
		},
		"a panic": {
			write(func(*tx) error { panic("what somebody wrote") }),
			func(err error) bool {
				return err != nil && strings.Contains(err.Error(), "panicked") && !strings.Contains(err.Error(), "somebody")
			},
		},
		"the transaction lost with it": {
			write(func(tx *tx) error {
				_, _ = tx.exec(`ROLLBACK`) // as SQLite itself does on some errors
				return cause
			}),
			func(err error) bool { return errors.Is(err, cause) },
		},
		"a disk too full for it": {
			func(ctx context.Context) error {
				e := received("big")
				text := strings.Repeat("x", 1<<20)
				e.Message.Text = &text
				_, err := s.SaveMessage(ctx, "evt_big", e)
				return err
			},
			messages.IsUnavailable,
		},
	}
}

func TestNeighboursOfAFailure(t *testing.T) {
	for name := range failures(nil) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openNew(t)
				save(t, s, "msg0")
				leavePages(t, s, 20)
				bad := failures(s)[name]
				errs := together(t, s, saver(s, "msg1"), bad.job, saver(s, "msg2"), saver(s, "msg3"))
				for _, i := range []int{0, 2, 3} {
					if errs[i] != nil {
						t.Errorf("neighbour %d: %v", i, errs[i])
					}
				}
				if !bad.want(errs[1]) {
					t.Errorf("the bad one answers %v", errs[1])
				}
				if n := count(t, s); n != 4 {
					t.Errorf("%d messages, want 4", n)
				}
				save(t, s, "msg4") // the writer lives
			})
		})
	}
}

func TestEndedContextIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openNew(t)
		ctx, cancel := context.WithCancel(t.Context())
		ran := false
		errs := together(t, s,
			func(c context.Context) error {
				return s.writer.do(c, func(*tx) error { cancel(); return nil }) // before the other's turn, in its batch
			},
			func(context.Context) error {
				return s.writer.do(ctx, func(*tx) error { ran = true; return nil })
			},
			saver(s, "msg1"),
		)
		if errs[0] != nil || !errors.Is(errs[1], context.Canceled) || errs[2] != nil || ran {
			t.Errorf("errors %v, ran %v", errs, ran)
		}
	})
}

func TestCallerMayLeaveARunningWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openNew(t)
		ctx, cancel := context.WithCancel(t.Context())
		release, left := make(chan struct{}), make(chan error, 1)
		go func() { left <- s.writer.do(ctx, func(*tx) error { <-release; return nil }) }()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want the context's error at once", err)
		}
		close(release)
		save(t, s, "msg1")
	})
}

func TestBatchIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &committer{queue: make(chan *job)}
		const waiting = 2*maxBatch + 10
		for range waiting {
			go func() { c.queue <- &job{} }()
		}
		synctest.Wait()
		for _, want := range []int{maxBatch, maxBatch, 10} {
			if n := len(c.gather(<-c.queue)); n != want {
				t.Errorf("a batch of %d, want %d", n, want)
			}
		}
	})
}

// leavePages lets the file grow by n pages and no more.
func leavePages(t *testing.T, s *Store, n int) {
	t.Helper()
	err := s.writer.do(t.Context(), func(tx *tx) error {
		var pages int
		if _, err := tx.scan(`PRAGMA page_count`, nil, &pages); err != nil {
			return err
		}
		_, err := tx.conn.ExecContext(context.Background(), "PRAGMA max_page_count = "+strconv.Itoa(pages+n))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDiskFullAndBack(t *testing.T) {
	s := openNew(t)
	save(t, s, "msg0")
	leavePages(t, s, 0)
	e := received("msg1")
	text := strings.Repeat("x", 100_000)
	e.Message.Text = &text
	for range 3 {
		if _, err := s.SaveMessage(t.Context(), "evt_msg1", e); !messages.IsUnavailable(err) {
			t.Fatalf("on a full disk: %v, want an outage", err)
		}
	}
	if _, known, err := s.Seen(t.Context(), chat1, "msg1"); known || err != nil {
		t.Errorf("Seen = %v, %v: half a write stayed", known, err)
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
	leavePages(t, s, 1000)
	if saved, err := s.SaveMessage(t.Context(), "evt_msg1", e); !saved || err != nil {
		t.Errorf("with space again: %v, %v, want true", saved, err)
	}
	if n := count(t, s); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
}

func TestAnotherProcessHoldsTheLock(t *testing.T) {
	path := migrated(t)
	s := openAt(t, path, Options{BusyTimeout: time.Millisecond})
	other, err := rawOpen(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	if err := s.Health(t.Context()); !messages.IsUnavailable(err) {
		t.Errorf("Health = %v, want an outage", err)
	}
	if err := saver(s, "msg1")(t.Context()); !messages.IsUnavailable(err) {
		t.Errorf("SaveMessage = %v, want an outage", err)
	}
	if n := count(t, s); n != 0 { // readers go on
		t.Errorf("%d messages, want 0", n)
	}
	if _, err := other.ExecContext(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	save(t, s, "msg1")
}
