package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
)

// maxBatch bounds how much one transaction holds. A job costs about 0.1 ms, so 128 of them hold the write lock for some
// 13 ms besides the fsync: more would add wait for the first without saving many fsyncs for the rest.
const maxBatch = 128

// committer owns the write connection. One goroutine takes every job that came while the previous commit was on its way
// to the disk, runs each in a savepoint of one transaction, and commits once for all of them: at n callers an fsync is
// shared by up to n. No job can harm another: an error rolls back its own savepoint only.
type committer struct {
	queue   chan *job
	closing <-chan struct{}
	stopped chan error
	tx      tx
}

// job is one caller's part of a batch. run may be called twice: when another job's failure took the transaction away,
// the rest of the batch starts again.
type job struct {
	ctx  context.Context
	run  func(*tx) error
	err  error
	done chan struct{} // closed when err is final
}

// startCommitter takes the connection over and closes it after closing was closed.
func startCommitter(conn *sql.Conn, closing <-chan struct{}) *committer {
	c := &committer{
		queue:   make(chan *job), // no buffer: a job is either its caller's, who may give up, or in a batch
		closing: closing,
		stopped: make(chan error, 1),
		tx:      tx{conn: conn, cached: map[string]*sql.Stmt{}},
	}
	go c.loop()
	return c
}

// do runs fn in a transaction and returns when it is on disk. Once ctx has ended it returns at once; a write that had
// started by then may still take effect, so fn must not touch what the caller goes on using.
func (c *committer) do(ctx context.Context, fn func(*tx) error) error {
	j := &job{ctx: ctx, run: fn, done: make(chan struct{})}
	select {
	case <-c.closing: // the select below chooses freely among what is ready
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	select {
	case c.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.closing:
		return errClosed
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write is do for a function with a result.
func write[T any](ctx context.Context, c *committer, fn func(*tx) (T, error)) (T, error) {
	var out T
	err := c.do(ctx, func(tx *tx) (err error) {
		out, err = fn(tx)
		return err
	})
	if err != nil { // out may still be written by a job that outlives its caller
		var zero T
		return zero, err
	}
	return out, nil
}

// wait returns when the last batch is done and the connection is closed.
func (c *committer) wait() error { return <-c.stopped }

func (c *committer) loop() {
	defer func() { c.stopped <- c.tx.close() }()
	for {
		select {
		case j := <-c.queue:
			c.commit(c.gather(j))
		case <-c.closing:
			return
		}
	}
}

// gather adds everything that waits by now. Those whom the last commit has just answered get a turn first, so that they
// come with this batch and not each time with the one after it.
func (c *committer) gather(first *job) []*job {
	batch := append(make([]*job, 0, 8), first)
	runtime.Gosched()
	for len(batch) < maxBatch {
		select {
		case j := <-c.queue:
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// errLost marks that the whole transaction is gone: SQLite itself rolls back on a full disk or an I/O error.
var errLost = errors.New("transaction lost")

// commit runs the batch as one transaction. If that is lost, each job gets one of its own, so that what is wrong with one
// (too big for the space that is left, say) is not its neighbours' trouble.
func (c *committer) commit(batch []*job) {
	err := c.transact(batch)
	if !errors.Is(err, errLost) || len(batch) == 1 {
		finish(batch, err)
		return
	}
	for i := range batch {
		err := c.transact(batch[i : i+1])
		finish(batch[i:i+1], err)
		if err != nil && !errors.Is(err, errLost) { // no transaction begins: nobody after this one would fare better
			finish(batch[i+1:], err)
			return
		}
	}
}

func finish(batch []*job, err error) {
	for _, j := range batch {
		if err != nil {
			j.err = err
		}
		close(j.done)
	}
}

func (c *committer) transact(batch []*job) error {
	if _, err := c.tx.exec(`BEGIN IMMEDIATE`); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, j := range batch {
		if err := c.step(j); err != nil {
			return c.rollback(err)
		}
	}
	if _, err := c.tx.exec(`COMMIT`); err != nil {
		return c.rollback(fmt.Errorf("commit: %w", err))
	}
	return nil
}

// rollback ends what is left of the transaction. Often SQLite has done so already, and then it says that there is none.
func (c *committer) rollback(cause error) error {
	_, _ = c.tx.exec(`ROLLBACK`)
	return fmt.Errorf("%w: %w", errLost, cause)
}

// step runs one job inside a savepoint and keeps its error with it. It returns an error only when the transaction around
// the savepoint is gone.
func (c *committer) step(j *job) error {
	if j.err = j.ctx.Err(); j.err != nil {
		return nil
	}
	if _, err := c.tx.exec(`SAVEPOINT job`); err != nil {
		return fmt.Errorf("begin savepoint: %w", err)
	}
	if j.err = protect(j.run, &c.tx); j.err != nil {
		if _, err := c.tx.exec(`ROLLBACK TO job`); err != nil {
			return j.err // the savepoint went with its transaction; this is why
		}
	}
	if _, err := c.tx.exec(`RELEASE job`); err != nil {
		return fmt.Errorf("release savepoint: %w", err)
	}
	return nil
}

// protect turns a panic into an error. The value of the panic is left out unless it is the runtime's own, because it
// might quote what somebody wrote.
func protect(run func(*tx) error, tx *tx) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error:
			err = fmt.Errorf("write panicked: %w\n%s", r, debug.Stack())
		default:
			err = fmt.Errorf("write panicked with a %T\n%s", r, debug.Stack())
		}
	}()
	return run(tx)
}
