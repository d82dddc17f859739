package sqlite

import (
	"context"
	"time"
)

// Dispatched reports whether the dispatch event was delivered to its destination.
func (s *Store) Dispatched(ctx context.Context, eventID string) (bool, error) {
	var one int
	ok, err := s.reader.scan(ctx, `SELECT 1 FROM dispatches WHERE event_id = ?`, []any{eventID}, &one)
	return ok, failed("look up dispatch", err)
}

// MarkDispatched notes that the dispatch event was delivered at the time. The first note stays.
func (s *Store) MarkDispatched(ctx context.Context, eventID, destination string, at time.Time) error {
	const add = `INSERT INTO dispatches (event_id, destination, at_us) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
	err := s.writer.do(ctx, func(tx *tx) error {
		_, err := tx.exec(add, eventID, destination, at.UnixMicro())
		return err
	})
	return failed("mark dispatched", err)
}
