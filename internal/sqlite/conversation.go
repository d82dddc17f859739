package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const (
	addChange = `
		INSERT INTO conversation_changes (chat, event_id, body) SELECT ?1, ?2, ?3
		WHERE NOT EXISTS (SELECT 1 FROM conversation_changes WHERE event_id = ?4)
		ON CONFLICT DO NOTHING`

	// What is told last stays, and of what is told at one moment the event with the greater id.
	tellPerson = `
		INSERT INTO chat_people (chat, person_id, type, name, email, told_us, told_event) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (chat, person_id) DO UPDATE SET
			type = excluded.type, name = excluded.name, email = excluded.email,
			told_us = excluded.told_us, told_event = excluded.told_event
		WHERE (told_us, told_event) < (excluded.told_us, excluded.told_event)`

	noteChange = `
		UPDATE chats SET opened = opened OR ?2, changed_us = coalesce(max(changed_us, ?3), ?3),
			oldest_us = CASE WHEN messages = 0 THEN coalesce(max(changed_us, ?3), ?3) ELSE oldest_us END
		WHERE id = ?1`

	raiseSeen = `
		INSERT INTO chat_seen (chat, person_id, up_to, up_to_us) VALUES (?, ?, ?, ?)
		ON CONFLICT (chat, person_id) DO UPDATE SET up_to = excluded.up_to, up_to_us = excluded.up_to_us
		WHERE up_to_us < excluded.up_to_us`

	findPerson = `
		SELECT type FROM chat_people
		WHERE chat = (SELECT id FROM chats WHERE org = ? AND livechat = ? AND chat_id = ?) AND person_id = ?`

	readPeople  = `SELECT ` + store.PersonColumns + ` FROM chat_people WHERE chat = ?`
	readChanges = `SELECT body FROM conversation_changes WHERE chat = ? ORDER BY arrival`
)

// SaveConversation keeps a change of a conversation, once for each event and its former one, and the people that it tells
// about: who is told last counts, whatever the order. A chat that was opened is known from then on. Names and e-mails of visitors are told as
// by messages. A time that is not RFC 3339 is Permanent("undecodable").
func (s *Store) SaveConversation(ctx context.Context, eventID string, e messages.ConversationUpdated) (saved bool, err error) {
	row, err := store.NewChangeRow(eventID, e)
	if err != nil {
		return false, undecodable("save conversation", err)
	}
	saved, err = write(ctx, s.writer, func(tx *tx) (bool, error) { return tx.saveChange(row) })
	return saved, failed("save conversation", err)
}

func (t *tx) saveChange(row store.ChangeRow) (saved bool, err error) {
	chat, err := t.chatNumber(row.Chat, time.Now())
	if err != nil {
		return false, fmt.Errorf("find chat: %w", err)
	}
	fresh, err := t.exec(addChange, chat, row.EventID, row.Body, row.FormerID)
	if err != nil || fresh == 0 {
		return false, err
	}
	for _, p := range row.People {
		if _, err := t.exec(tellPerson, chat, p.ID, p.Type, p.Name, p.Email, row.AtUS, row.EventID); err != nil {
			return false, fmt.Errorf("save person: %w", err)
		}
		if p.Type != messages.AuthorVisitor {
			continue
		}
		if err := t.saveVisitor(row.Chat.Tenant, messages.Visitor{ID: p.ID, Name: p.Name, Email: p.Email}, row.AtUS); err != nil {
			return false, fmt.Errorf("save visitor: %w", err)
		}
	}
	if _, err := t.exec(noteChange, chat, row.Opened, row.AtUS); err != nil {
		return false, fmt.Errorf("note change: %w", err)
	}
	return true, nil
}

// SaveSeen notes up to when a person has seen a chat, also before there are any messages. It never moves back, and
// reports whether it rose. A time that is not RFC 3339 is Permanent("undecodable").
func (s *Store) SaveSeen(ctx context.Context, _ string, e messages.MessagesSeen) (changed bool, err error) {
	upTo, err := store.SeenUpTo(e)
	if err != nil {
		return false, undecodable("save seen", err)
	}
	changed, err = write(ctx, s.writer, func(tx *tx) (bool, error) {
		chat, err := tx.chatNumber(e.Chat, time.Now())
		if err != nil {
			return false, fmt.Errorf("find chat: %w", err)
		}
		raised, err := tx.exec(raiseSeen, chat, e.By, e.UpTo, upTo)
		return raised == 1, err
	})
	return changed, failed("save seen", err)
}

// PersonType returns what one of a chat's people is, as was told last; false when nobody has told of them.
func (s *Store) PersonType(ctx context.Context, chat messages.Chat, personID string) (kind string, known bool, err error) {
	known, err = s.reader.scan(ctx, findPerson, []any{chat.Org, chat.LiveChat, chat.ChatID, personID}, &kind)
	return kind, known, failed("look up person", err)
}

// Conversation returns what is known about a chat beside its messages, as of one moment, or store.ErrUnknownChat.
func (s *Store) Conversation(ctx context.Context, chat messages.Chat) (store.Conversation, error) {
	var c store.Conversation
	err := s.reader.view(ctx, func(v view) error {
		var number, all int64
		known, err := v.scan(findKnownChat, []any{chat.Org, chat.LiveChat, chat.ChatID}, &number, &all)
		if err == nil && !known {
			err = store.ErrUnknownChat
		}
		if err != nil {
			return err
		}
		err = v.each(readPeople, []any{number}, func(rows *sql.Rows) error { return store.ScanPerson(rows.Scan, &c) })
		if err != nil {
			return fmt.Errorf("read people: %w", err)
		}
		err = v.each(readChanges, []any{number}, func(rows *sql.Rows) error { return store.ScanChange(rows.Scan, chat, &c) })
		if err != nil {
			return fmt.Errorf("read changes: %w", err)
		}
		return nil
	})
	if err != nil {
		return store.Conversation{}, failed("read conversation", err)
	}
	return c, nil
}
