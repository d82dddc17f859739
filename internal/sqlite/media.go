package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// DecideMedia writes what became of an upload. The first decision stays; a later one changes nothing and returns false.
func (s *Store) DecideMedia(ctx context.Context, m store.Media) (decided bool, err error) {
	const add = `
		INSERT INTO media (id, org, livechat, chat_id, state, reason, etag, has_thumbnail, decided_us,
			file_name, file_content_type, file_size, file_extension)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`
	decided, err = write(ctx, s.writer, func(tx *tx) (bool, error) {
		added, err := tx.exec(add, m.File.ID, m.Chat.Org, m.Chat.LiveChat, m.Chat.ChatID,
			string(m.State), m.Reason, m.ETag, m.HasThumbnail, m.DecidedAt.UnixMicro(),
			m.File.Name, m.File.ContentType, m.File.Size, m.File.Extension)
		return added == 1, err
	})
	return decided, failed("decide media", err)
}

// Media returns the decision about an upload, or store.ErrUnknownMedia while there is none. The id is the capability to
// read it: 128 random bits.
func (s *Store) Media(ctx context.Context, id string) (store.Media, error) {
	const query = `
		SELECT org, livechat, chat_id, id, state, reason, etag, has_thumbnail, decided_us,
			file_name, file_content_type, file_size, file_extension
		FROM media WHERE id = ?`
	var chat messages.Chat
	var n nullMedia
	ok, err := s.reader.scan(ctx, query, []any{id}, &chat.Org, &chat.LiveChat, &chat.ChatID, &n.file.id,
		&n.state, &n.reason, &n.etag, &n.hasThumbnail, &n.decidedUS,
		&n.file.name, &n.file.contentType, &n.file.size, &n.file.extension)
	if err == nil && !ok {
		err = store.ErrUnknownMedia
	}
	if err != nil {
		return store.Media{}, failed("read media", err)
	}
	return *n.media(chat), nil
}

// nullMedia and nullFile are the columns as a join gives them: all NULL where there is no row.
type nullMedia struct {
	state, reason, etag sql.NullString
	hasThumbnail        sql.NullBool
	decidedUS           sql.NullInt64
	file                nullFile
}

type nullFile struct {
	id, name, contentType, extension sql.NullString
	size                             sql.NullInt64
}

func (n nullMedia) media(chat messages.Chat) *store.Media {
	if !n.state.Valid {
		return nil
	}
	return &store.Media{
		Chat:         chat,
		File:         *n.file.file(),
		State:        store.MediaState(n.state.String),
		Reason:       n.reason.String,
		ETag:         n.etag.String,
		HasThumbnail: n.hasThumbnail.Bool,
		DecidedAt:    time.UnixMicro(n.decidedUS.Int64).UTC(),
	}
}

func (n nullFile) file() *messages.File {
	if !n.id.Valid {
		return nil
	}
	return &messages.File{
		ID:          n.id.String,
		Name:        n.name.String,
		ContentType: n.contentType.String,
		Size:        n.size.Int64,
		Extension:   n.extension.String,
	}
}
