package sqlite

import (
	"context"
	"database/sql"

	"github.com/livepipe/livepipe/internal/store"
)

// DecideMedia writes what became of an upload. The first decision stays; a later one changes nothing and returns false.
func (s *Store) DecideMedia(ctx context.Context, m store.Media) (decided bool, err error) {
	const add = `INSERT INTO media (` + store.MediaColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	decided, err = write(ctx, s.writer, func(tx *tx) (bool, error) {
		added, err := tx.exec(add, store.MediaValues(m)...)
		return added == 1, err
	})
	return decided, failed("decide media", err)
}

// Media returns the decision about an upload, or store.ErrUnknownMedia while there is none. The id is the capability to
// read it: 128 random bits.
func (s *Store) Media(ctx context.Context, id string) (store.Media, error) {
	const query = `SELECT ` + store.MediaColumns + ` FROM media WHERE id = ?`
	var m store.Media
	known := false
	err := s.reader.each(ctx, query, []any{id}, func(rows *sql.Rows) (err error) {
		m, err = store.ScanMedia(rows.Scan)
		known = true
		return err
	})
	if err == nil && !known {
		err = store.ErrUnknownMedia
	}
	if err != nil {
		return store.Media{}, failed("read media", err)
	}
	return m, nil
}
