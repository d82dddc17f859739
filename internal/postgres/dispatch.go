package postgres

import (
	"context"
	"time"
)

const (
	findDispatch = `SELECT EXISTS (SELECT FROM dispatches WHERE event_id = $1)`
	addDispatch  = `INSERT INTO dispatches (event_id, destination, at_us) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
)

// Dispatched reports whether the dispatch event was delivered to its destination.
func (s *Store) Dispatched(ctx context.Context, eventID string) (delivered bool, err error) {
	err = s.read(ctx, "look up dispatch", func(c *call) { c.each(findDispatch, []any{eventID}, into(&delivered)) })
	return err == nil && delivered, err
}

// MarkDispatched notes that the dispatch event was delivered at the time. The first note stays.
func (s *Store) MarkDispatched(ctx context.Context, eventID, destination string, at time.Time) error {
	return s.write(ctx, "mark dispatched", func(c *call) { c.exec(addDispatch, eventID, destination, at.UnixMicro()) })
}
