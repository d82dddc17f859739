package postgres

import (
	"context"

	"github.com/livepipe/livepipe/internal/store"
)

const (
	addMedia = `INSERT INTO media (` + store.MediaColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`
	findMedia = `SELECT ` + store.MediaColumns + ` FROM media WHERE id = $1`
)

// DecideMedia writes what became of an upload. The first decision stays; a later one changes nothing and returns false.
func (s *Store) DecideMedia(ctx context.Context, m store.Media) (decided bool, err error) {
	var added int64
	err = s.write(ctx, "decide media", func(c *call) { c.count(&added, addMedia, store.MediaValues(m)...) })
	return err == nil && added == 1, err
}

// Media returns the decision about an upload, or store.ErrUnknownMedia while there is none. The id is the capability to
// read it: 128 random bits.
func (s *Store) Media(ctx context.Context, id string) (store.Media, error) {
	var m store.Media
	decided := false
	err := s.read(ctx, "read media", func(c *call) {
		c.each(findMedia, []any{id}, func(scan func(...any) error) (err error) {
			m, err = store.ScanMedia(scan)
			decided = true
			return err
		})
	})
	return known(m, decided, "read media", err, store.ErrUnknownMedia)
}
