package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// callTimeout bounds a call whose caller sets no bound: connecting and waiting for a statement are 15 s at most, so above
// 30 s the network swallows what is sent.
const callTimeout = 30 * time.Second

// retries is how often a call that the server undid is made again before it counts as an outage.
const retries = 4

// call gathers the statements of one call of the Store. They go out in one piece and are one transaction, which
// PostgreSQL commits when it comes to the end of them; what they return counts only after that.
type call struct{ batch pgx.Batch }

// exec adds a statement.
func (c *call) exec(sql string, args ...any) { c.batch.Queue(sql, outgoing(args)...) }

// count adds a statement and notes how many rows it changed.
func (c *call) count(rows *int64, sql string, args ...any) {
	c.batch.Queue(sql, outgoing(args)...).Exec(func(tag pgconn.CommandTag) error {
		*rows = tag.RowsAffected()
		return nil
	})
}

// each adds a query and calls row for every row of its result.
func (c *call) each(sql string, args []any, row func(scan func(dest ...any) error) error) {
	c.batch.Queue(sql, outgoing(args)...).Query(func(rows pgx.Rows) error {
		scan := func(dest ...any) error {
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			incoming(dest)
			return nil
		}
		for rows.Next() {
			if err := row(scan); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// into reads the one row of a query.
func into(dest ...any) func(scan func(...any) error) error {
	return func(scan func(...any) error) error { return scan(dest...) }
}

// moment makes all queries that follow see the same commits; ended has to come after them.
func (c *call) moment() { c.exec(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`) }

func (c *call) ended() { c.exec(`COMMIT`) }

// write makes a call that changes something. When the connection is lost on the way nobody knows whether it did, so the
// caller has to decide what to do again.
func (s *Store) write(ctx context.Context, doing string, build func(*call)) error {
	return s.run(ctx, doing, build, func(t *trouble) bool { return t.undone() })
}

// read makes a call that changes nothing, which may be made again as often as one likes.
func (s *Store) read(ctx context.Context, doing string, build func(*call)) error {
	return s.run(ctx, doing, build, func(t *trouble) bool { return t.undone() || t.lost })
}

func (s *Store) run(ctx context.Context, doing string, build func(*call), again func(*trouble) bool) error {
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for try := 0; ; try++ {
		trouble := s.once(bounded, build)
		if trouble == nil {
			return nil
		}
		if try == retries || !again(trouble) || !pause(bounded, try) {
			return failed(ctx, doing, trouble)
		}
	}
}

// once makes the call on one connection. build runs anew for every attempt, because a batch is bound to its connection.
func (s *Store) once(ctx context.Context, build func(*call)) *trouble {
	if s.closed.Load() {
		return &trouble{err: errClosed, away: true}
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		if s.closed.Load() {
			err = errClosed
		}
		return &trouble{err: err, away: true}
	}
	defer conn.Release()
	var c call
	build(&c)
	if err := conn.SendBatch(ctx, &c.batch).Close(); err != nil {
		t := &trouble{err: err, lost: conn.Conn().IsClosed()}
		if t.code() == readOnly { // a former primary; a new connection may find the present one
			_ = conn.Conn().Close(ctx)
		}
		return t
	}
	return nil
}

// pause waits a little before the next attempt, longer each time and never as long as somebody else: those who were in
// each other's way must not meet again. It reports false when ctx has ended.
func pause(ctx context.Context, try int) bool {
	timer := time.NewTimer(rand.N(5 * time.Millisecond << try)) // 5, 10, 20, 40 ms at most
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errClosed is the cause of the outage that every call meets after Close.
var errClosed = errors.New("store is closed")
