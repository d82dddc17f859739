package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

var errNotBuilt = errors.New("not built yet")

// SaveEdit gives a message its new content. See conformance.
func (s *Store) SaveEdit(ctx context.Context, eventID string, e messages.MessageUpdated) (changed bool, err error) {
	return false, errNotBuilt
}

// SaveDeletion takes the content of a message away, also of one that comes later.
func (s *Store) SaveDeletion(ctx context.Context, eventID string, e messages.MessageDeleted) (changed bool, err error) {
	return false, errNotBuilt
}

// SaveConversation keeps a change of a conversation and the people that it tells about.
func (s *Store) SaveConversation(ctx context.Context, eventID string, e messages.ConversationUpdated) (saved bool, err error) {
	return false, errNotBuilt
}

// SaveSeen notes up to when a person has seen a chat. It never moves back.
func (s *Store) SaveSeen(ctx context.Context, eventID string, e messages.MessagesSeen) (changed bool, err error) {
	return false, errNotBuilt
}

// Differs reports whether the stored message with e's chat and id was written with other words than e's.
func (s *Store) Differs(ctx context.Context, e messages.MessageReceived) (bool, error) {
	return false, errNotBuilt
}

// Conversation returns what is known about a chat beside its messages.
func (s *Store) Conversation(ctx context.Context, chat messages.Chat) (store.Conversation, error) {
	return store.Conversation{}, errNotBuilt
}

// DeleteOlder deletes up to limit messages of a tenant that were written before a moment, and says how many.
func (s *Store) DeleteOlder(ctx context.Context, of messages.Tenant, before time.Time, limit int) (deleted int, err error) {
	return 0, errNotBuilt
}
