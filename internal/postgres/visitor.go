package postgres

import (
	"context"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

const findVisitor = `
	SELECT coalesce(name, ''), coalesce(email, '') FROM visitors WHERE org = $1 AND livechat = $2 AND visitor_id = $3`

// Visitor returns what the tenant's messages say about a visitor, or store.ErrUnknownVisitor.
func (s *Store) Visitor(ctx context.Context, of messages.Tenant, visitorID string) (messages.Visitor, error) {
	var v messages.Visitor
	err := s.read(ctx, "read visitor", func(c *call) {
		c.each(findVisitor, []any{of.Org, of.LiveChat, visitorID}, func(scan func(...any) error) error {
			v.ID = visitorID
			return scan(&v.Name, &v.Email)
		})
	})
	return known(v, v.ID != "", "read visitor", err, store.ErrUnknownVisitor)
}
