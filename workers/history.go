// Package workers does what the events ask for: one struct for each worker, one method for each event type it takes. A
// handler is idempotent, because every event may come again, and speaks its outcome through the error it returns, as
// package messages says. It may not import router or ingress; its errors and logs hold ids and types, never what a
// person wrote.
package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/messages"
)

// HistoryStore keeps conversations: messages as they were first written, and what happens to them and around them.
type HistoryStore interface {
	// SaveMessage stores a message once, with its event ID in the same transaction, and reports whether it was new.
	SaveMessage(ctx context.Context, eventID string, e messages.MessageReceived) (saved bool, err error)
	// Differs reports whether the stored message with e's chat and id was written with other words than e's. Edits of the
	// stored one do not count.
	Differs(ctx context.Context, e messages.MessageReceived) (bool, error)
	// SaveEdit gives a message its new content, unless a newer edit or a removal came first, and stores the whole message
	// when it is not known yet.
	SaveEdit(ctx context.Context, eventID string, e messages.MessageUpdated) (changed bool, err error)
	// SaveDeletion takes the content of a message away, also of one that comes later.
	SaveDeletion(ctx context.Context, eventID string, e messages.MessageDeleted) (changed bool, err error)
	// SaveConversation keeps a change of a conversation once, and the people that it names.
	SaveConversation(ctx context.Context, eventID string, e messages.ConversationUpdated) (saved bool, err error)
}

// History writes the conversation.
type History struct {
	store     HistoryStore
	log       *slog.Logger
	conflicts prometheus.Counter
}

// NewHistory makes a history worker that logs which messages came again with other words. The count of them is
// registered once in reg; nil keeps it to itself.
func NewHistory(s HistoryStore, log *slog.Logger, reg prometheus.Registerer) (*History, error) {
	h := &History{store: s, log: log, conflicts: prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "livepipe", Subsystem: "history", Name: "conflicts_total",
		Help: "Messages that came again with other words; the first ones stay.",
	})}
	if reg == nil {
		return h, nil
	}
	if err := reg.Register(h.conflicts); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return h, nil
}

// Handle stores a message. One that came again changes nothing.
func (h *History) Handle(ctx context.Context, env messages.Envelope, e messages.MessageReceived) error {
	if err := storable(e.Chat, e.Message); err != nil {
		return err
	}
	saved, err := h.store.SaveMessage(ctx, env.ID, e)
	if err != nil {
		return fmt.Errorf("save message: %w", err)
	}
	if saved {
		return nil
	}
	return h.compare(ctx, env, e)
}

// compare logs when a message came again with other words: somebody has changed it on the way, or gives one id to two
// messages.
func (h *History) compare(ctx context.Context, env messages.Envelope, e messages.MessageReceived) error {
	differs, err := h.store.Differs(ctx, e)
	if err != nil {
		return fmt.Errorf("compare message: %w", err)
	}
	if !differs {
		return nil
	}
	h.conflicts.Inc()
	h.log.LogAttrs(ctx, slog.LevelWarn, "a message came again with other words; the first one stays",
		slog.String("event_id", env.ID),
		slog.String("channel", e.Channel),
		slog.String("org", e.Org),
		slog.String("livechat", e.LiveChat),
		slog.String("chat_id", e.ChatID),
		slog.String("message_id", e.Message.ID),
	)
	return nil
}

// HandleEdit stores the new content of a message.
func (h *History) HandleEdit(ctx context.Context, env messages.Envelope, e messages.MessageUpdated) error {
	if err := errors.Join(storable(e.Chat, e.Message), timely("edited_at", e.EditedAt)); err != nil {
		return err
	}
	if _, err := h.store.SaveEdit(ctx, env.ID, e); err != nil {
		return fmt.Errorf("save edit: %w", err)
	}
	return nil
}

// HandleDeletion removes a message, also one that is still to come.
func (h *History) HandleDeletion(ctx context.Context, env messages.Envelope, e messages.MessageDeleted) error {
	problems := []error{named("deletion", e.ChatID, e.MessageID), timely("deleted_at", e.DeletedAt)}
	if e.Place != nil {
		problems = append(problems, timely("place.created_at", e.Place.CreatedAt))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if _, err := h.store.SaveDeletion(ctx, env.ID, e); err != nil {
		return fmt.Errorf("save deletion: %w", err)
	}
	return nil
}

// HandleConversation stores what happened to a conversation and the people in it.
func (h *History) HandleConversation(ctx context.Context, env messages.Envelope, e messages.ConversationUpdated) error {
	problems := []error{named("change", e.ChatID, string(e.Change)), timely("at", e.At)}
	for _, p := range e.People {
		problems = append(problems, named("person", p.ID))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if _, err := h.store.SaveConversation(ctx, env.ID, e); err != nil {
		return fmt.Errorf("save conversation: %w", err)
	}
	return nil
}

// HandleUpload puts an upload into the chat's history as a message of type file. Its id is the media id, its author the
// user whose identifier the upload came through.
func (h *History) HandleUpload(ctx context.Context, env messages.Envelope, e messages.MediaUploaded) error {
	return h.Handle(ctx, env, messages.MessageReceived{Origin: e.Origin, Message: uploadMessage(e)})
}

// uploadMessage is the message of an upload in its conversation.
func uploadMessage(e messages.MediaUploaded) messages.Message {
	file := e.File
	return messages.Message{
		ID:        file.ID,
		Type:      messages.MessageFile,
		File:      &file,
		Author:    messages.Author{ID: e.User, Type: "user"},
		CreatedAt: e.UploadedAt,
	}
}

// storable refuses what no store could ever keep, so that it is set aside at once and not tried twelve times.
func storable(chat messages.Chat, m messages.Message) error {
	return errors.Join(named("message", chat.ChatID, m.ID), timely("created_at", m.CreatedAt))
}

// named refuses something of which an id is missing.
func named(what string, ids ...string) error {
	if slices.Contains(ids, "") {
		return messages.Permanent(messages.ReasonUndecodable, fmt.Errorf("%s without an id", what))
	}
	return nil
}

// timely refuses a time that is none.
func timely(field, text string) error {
	if _, err := messages.ParseTime(text); err != nil {
		return messages.Permanent(messages.ReasonUndecodable, fmt.Errorf("%s: %w", field, err))
	}
	return nil
}
