package sqlite

import (
	"context"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const (
	addVisitor = `INSERT INTO visitors (org, livechat, visitor_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`

	// For each field the newest message that fills it wins, and of equally new ones the greater text: messages in any
	// order end in the same row.
	setVisitorName = `
		UPDATE visitors SET name = ?4, name_us = ?5 WHERE org = ?1 AND livechat = ?2 AND visitor_id = ?3
			AND (name_us IS NULL OR (name_us, name) < (?5, ?4))`
	setVisitorEmail = `
		UPDATE visitors SET email = ?4, email_us = ?5 WHERE org = ?1 AND livechat = ?2 AND visitor_id = ?3
			AND (email_us IS NULL OR (email_us, email) < (?5, ?4))`
)

func (t *tx) saveVisitor(of messages.Tenant, v messages.Visitor, createdUS int64) error {
	if _, err := t.exec(addVisitor, of.Org, of.LiveChat, v.ID); err != nil {
		return err
	}
	if v.Name != "" {
		if _, err := t.exec(setVisitorName, of.Org, of.LiveChat, v.ID, v.Name, createdUS); err != nil {
			return err
		}
	}
	if v.Email != "" {
		if _, err := t.exec(setVisitorEmail, of.Org, of.LiveChat, v.ID, v.Email, createdUS); err != nil {
			return err
		}
	}
	return nil
}

// Visitor returns what the tenant's messages say about a visitor, or store.ErrUnknownVisitor.
func (s *Store) Visitor(ctx context.Context, of messages.Tenant, visitorID string) (messages.Visitor, error) {
	const query = `SELECT coalesce(name, ''), coalesce(email, '') FROM visitors
		WHERE org = ? AND livechat = ? AND visitor_id = ?`
	v := messages.Visitor{ID: visitorID}
	ok, err := s.reader.scan(ctx, query, []any{of.Org, of.LiveChat, visitorID}, &v.Name, &v.Email)
	if err == nil && !ok {
		err = store.ErrUnknownVisitor
	}
	if err != nil {
		return messages.Visitor{}, failed("read visitor", err)
	}
	return v, nil
}
