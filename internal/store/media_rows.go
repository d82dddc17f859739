package store

import (
	"database/sql"
	"time"

	"github.com/livepipe/livepipe/messages"
)

// MediaColumns are the columns of a decision about an upload, in the order of MediaValues and ScanMedia.
const MediaColumns = `id, org, livechat, chat_id, state, reason, etag, has_thumbnail, decided_us,
	file_name, file_content_type, file_size, file_extension`

// MediaValues are the values of the MediaColumns.
func MediaValues(m Media) []any {
	return []any{
		m.File.ID, m.Chat.Org, m.Chat.LiveChat, m.Chat.ChatID,
		string(m.State), m.Reason, m.ETag, m.HasThumbnail, m.DecidedAt.UnixMicro(),
		m.File.Name, m.File.ContentType, m.File.Size, m.File.Extension,
	}
}

// ScanMedia reads the MediaColumns of one row.
func ScanMedia(scan func(dest ...any) error) (Media, error) {
	var chat messages.Chat
	var n nullMedia
	err := scan(&n.file.id, &chat.Org, &chat.LiveChat, &chat.ChatID,
		&n.state, &n.reason, &n.etag, &n.hasThumbnail, &n.decidedUS,
		&n.file.name, &n.file.contentType, &n.file.size, &n.file.extension)
	if err != nil {
		return Media{}, err
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

func (n nullMedia) media(chat messages.Chat) *Media {
	if !n.state.Valid {
		return nil
	}
	return &Media{
		Chat:         chat,
		File:         *n.file.file(),
		State:        MediaState(n.state.String),
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
