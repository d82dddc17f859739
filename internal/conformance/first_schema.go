package conformance

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// FirstSchema are the statements that fill a store of the first schema (migration 00001) as that version did: two messages
// of chat1, one of them an upload, a receipt, an account and its token. They are the same for every store but for how a
// BLOB and a boolean are written.
func FirstSchema(blob func(hex string) string, yes string) []string {
	const at = 1705314600_000_000 // 2024-01-15T10:30:00Z in Unix microseconds
	message := func(id, kind, text, file string, us int64) string {
		return fmt.Sprintf(`INSERT INTO messages
			(chat, message_id, event_id, channel, user_id, type, text, author_id, author_type, created_at, created_us, file_id, file_name, file_content_type, file_size, file_extension)
			SELECT id, '%s', 'evt_%s', 'livechat', 'user1', '%s', %s, 'visitor1', 'visitor', '2024-01-15T10:30:00Z', %d, %s FROM chats`,
			id, id, kind, text, us, file)
	}
	return []string{
		`INSERT INTO chats (org, livechat, chat_id, messages, first_seen_us) VALUES ('org1', 'lc1', 'chat1', 2, 1)`,
		message("msg1", "text", "'text of msg1'", "NULL, NULL, NULL, NULL, NULL", at),
		message("msg2", "file", "NULL", "'media_1', 'a.png', 'image/png', 1234, '.png'", at+1),
		fmt.Sprintf(`INSERT INTO chat_days (chat, day, messages) SELECT id, %d, 2 FROM chats`, store.DayOf(at)),
		`INSERT INTO receipts (chat, message_id, status, event_id) SELECT id, 'msg1', 'delivered', 'evt_r' FROM chats`,
		fmt.Sprintf(`INSERT INTO media (id, org, livechat, chat_id, state, reason, etag, has_thumbnail, decided_us, file_name, file_content_type, file_size, file_extension)
			VALUES ('media_1', 'org1', 'lc1', 'chat1', 'released', '', 'e', %s, 1, 'a.png', 'image/png', 1234, '.png')`, yes),
		`INSERT INTO accounts (org, livechat, created_us) VALUES ('org1', 'lc1', 1)`,
		`INSERT INTO account_tokens (org, livechat, sha256, added_us) VALUES ('org1', 'lc1', ` + blob(fmt.Sprintf("%064x", 0xabc)) + `, 2)`,
	}
}

// HoldFirstSchema is what a store that FirstSchema has filled returns after its migration, and can do from then on.
func HoldFirstSchema(t *testing.T, s S) {
	page := mustPage(t, s, store.Query{Chat: chat1, Limit: 10, From: january(2024, 15), To: january(2024, 16)})
	one, two := received(chat1, "msg1", wroteAt).Message, received(chat1, "msg2", wroteAt).Message
	two.Type, two.Text = messages.MessageFile, nil
	two.File = &messages.File{ID: "media_1", Name: "a.png", ContentType: "image/png", Size: 1234, Extension: ".png"}
	media := store.Media{Chat: chat1, File: *two.File, State: store.MediaReleased, ETag: "e", HasThumbnail: true, DecidedAt: time.UnixMicro(1).UTC()}
	want := store.Page{Total: 2, Entries: []store.Entry{{Message: one, Status: messages.Delivered}, {Message: two, Media: &media}}}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Error(diff)
	}
	account, err := s.Account(t.Context(), chat1.Tenant)
	if err != nil || len(account.Credentials) != 1 || account.Credentials[0].Kind != store.BearerToken ||
		account.Credentials[0].SHA256 != [32]byte{30: 0x0a, 31: 0xbc} {
		t.Errorf("account %+v, %v, want its token as a credential", account, err)
	}
	if saved, err := saveAny(t, s, received(chat1, "msg1", wroteAt)); saved || err != nil {
		t.Errorf("a message from before: %v, %v, want false", saved, err)
	}
	mustChange(t, s, edited(chat1, "msg1", "a", "2024-01-15T10:40:00Z"))
	mustChange(t, s, deleted(chat1, "msg2", "2024-01-15T10:40:00Z"))
	entries := mustPage(t, s, store.Query{Chat: chat1, Limit: 10}).Entries
	if len(entries) != 2 || entries[0].EditedAt == "" || entries[1].DeletedAt == "" {
		t.Errorf("after an edit and a deletion: %+v", entries)
	}
	if d, err := s.DeleteOlder(t.Context(), chat1.Tenant, january(2024, 16), 10); d.Messages != 2 || err != nil {
		t.Errorf("DeleteOlder = %+v, %v, want both", d, err)
	}
	if _, err := s.Page(t.Context(), store.Query{Chat: chat1, Limit: 1}); !errors.Is(err, store.ErrUnknownChat) {
		t.Errorf("Page = %v, want ErrUnknownChat", err)
	}
}
