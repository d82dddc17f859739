package postgres

import (
	"context"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// SaveConversation keeps a change of a conversation, once for each event and its former one, and the people that it tells
// about: who is told last counts, whatever the order. A chat that was opened is known from then on. Names and e-mails of visitors are told as
// by messages. A time that is not RFC 3339 is Permanent("undecodable").
func (s *Store) SaveConversation(ctx context.Context, eventID string, e messages.ConversationUpdated) (saved bool, err error) {
	row, err := store.NewChangeRow(eventID, e)
	if err != nil {
		return false, undecodable("save conversation", err)
	}
	chat := row.Chat
	ids, types, names, emails := []string{}, []string{}, []string{}, []string{}
	for _, p := range row.People {
		ids, types, names, emails = append(ids, p.ID), append(types, p.Type), append(names, p.Name), append(emails, p.Email)
	}
	args := []any{
		chat.Org, chat.LiveChat, chat.ChatID, row.EventID, row.Body, row.AtUS, row.Opened,
		ids, types, names, emails, messages.AuthorVisitor,
		row.FormerID,
	}
	var noted int64
	err = s.write(ctx, "save conversation", func(c *call) {
		c.lockChat(chat)
		c.count(&noted, saveChange, args...)
	})
	return err == nil && noted == 1, err
}

// SaveSeen notes up to when a person has seen a chat, also before there are any messages. It never moves back, and
// reports whether it rose. A time that is not RFC 3339 is Permanent("undecodable").
func (s *Store) SaveSeen(ctx context.Context, _ string, e messages.MessagesSeen) (changed bool, err error) {
	upTo, err := store.SeenUpTo(e)
	if err != nil {
		return false, undecodable("save seen", err)
	}
	var raised int64
	err = s.write(ctx, "save seen", func(c *call) {
		c.addChat(e.Chat)
		c.count(&raised, raiseSeen, e.Org, e.LiveChat, e.ChatID, e.By, e.UpTo, upTo)
	})
	return err == nil && raised == 1, err
}

// PersonType returns what one of a chat's people is, as was told last; false when nobody has told of them.
func (s *Store) PersonType(ctx context.Context, chat messages.Chat, personID string) (kind string, known bool, err error) {
	err = s.read(ctx, "look up person", func(c *call) {
		kind, known = "", false
		c.each(findPerson, []any{chat.Org, chat.LiveChat, chat.ChatID, personID}, func(scan func(...any) error) error {
			known = true
			return scan(&kind)
		})
	})
	if err != nil {
		return "", false, err
	}
	return kind, known, nil
}

// Conversation returns what is known about a chat beside its messages, as of one moment, or store.ErrUnknownChat.
func (s *Store) Conversation(ctx context.Context, chat messages.Chat) (store.Conversation, error) {
	var told store.Conversation
	var found bool
	args := []any{chat.Org, chat.LiveChat, chat.ChatID}
	err := s.read(ctx, "read conversation", func(c *call) {
		told, found = store.Conversation{}, false
		c.moment()
		c.each(findKnownChat, args, into(&found))
		c.each(readPeople, args, func(scan func(...any) error) error { return store.ScanPerson(scan, &told) })
		c.each(readChanges, args, func(scan func(...any) error) error { return store.ScanChange(scan, chat, &told) })
		c.ended()
	})
	return known(told, found, "read conversation", err, store.ErrUnknownChat)
}

const (
	// saveChange changes nothing unless the event is new. Of what is told at one moment the event with the greater id stays.
	// People come ordered by id, so that two calls about the same visitors lock them in one order.
	saveChange = `
		WITH fresh AS (
			INSERT INTO conversation_changes (chat, event_id, body)
			SELECT id, $4::text, $5::text FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3
				AND NOT EXISTS (SELECT FROM conversation_changes WHERE event_id = $13 OFFSET 0)
			ON CONFLICT DO NOTHING
			RETURNING chat
		), people AS (
			INSERT INTO chat_people AS p (chat, person_id, type, name, email, told_us, told_event)
			SELECT fresh.chat, t.id, t.type, t.name, t.email, $6::bigint, $4
			FROM fresh, unnest($8::text[], $9::text[], $10::text[], $11::text[]) AS t (id, type, name, email)
			ON CONFLICT (chat, person_id) DO UPDATE SET
				type = excluded.type, name = excluded.name, email = excluded.email,
				told_us = excluded.told_us, told_event = excluded.told_event
			WHERE (p.told_us, p.told_event) < (excluded.told_us, excluded.told_event)
		), told AS (
			INSERT INTO visitors AS v (org, livechat, visitor_id, name, name_us, email, email_us)
			SELECT $1, $2, t.id,
				nullif(t.name, ''), CASE WHEN t.name <> '' THEN $6::bigint END,
				nullif(t.email, ''), CASE WHEN t.email <> '' THEN $6::bigint END
			FROM fresh, unnest($8::text[], $9::text[], $10::text[], $11::text[]) AS t (id, type, name, email)
			WHERE t.type = $12::text` + newestVisitor + `
		)
		UPDATE chats SET opened = opened OR $7::boolean, changed_us = greatest(changed_us, $6::bigint),
			oldest_us = CASE WHEN messages = 0 THEN greatest(changed_us, $6::bigint) ELSE oldest_us END
		FROM fresh WHERE id = fresh.chat`

	raiseSeen = `
		INSERT INTO chat_seen AS s (chat, person_id, up_to, up_to_us)
		SELECT id, $4::text, $5::text, $6::bigint FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3
		ON CONFLICT (chat, person_id) DO UPDATE SET up_to = excluded.up_to, up_to_us = excluded.up_to_us
		WHERE s.up_to_us < excluded.up_to_us`

	findKnownChat = `SELECT true FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3 AND (messages > 0 OR opened)`

	ofChat      = ` WHERE chat = (SELECT id FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3)`
	findPerson  = `SELECT type FROM chat_people` + ofChat + ` AND person_id = $4`
	readPeople  = `SELECT ` + store.PersonColumns + ` FROM chat_people` + ofChat
	readChanges = `SELECT body FROM conversation_changes` + ofChat + ` ORDER BY arrival`
)
