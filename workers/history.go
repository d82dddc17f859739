// Package workers does what the events ask for: one struct for each worker, one method for each event type it takes. A
// handler is idempotent, because every event may come again, and speaks its outcome through the error it returns, as
// package messages says. It may not import router or ingress; its errors and logs hold ids and types, never what a
// person wrote.
package workers

import (
	"context"
	"errors"
	"fmt"

	"github.com/livepipe/livepipe/messages"
)

// HistoryStore keeps conversations.
type HistoryStore interface {
	// SaveMessage stores a message once, with its event ID in the same transaction, and reports whether it was new.
	SaveMessage(ctx context.Context, eventID string, e messages.MessageReceived) (saved bool, err error)
}

// History writes the conversation.
type History struct{ Store HistoryStore }

// Handle stores a message.
func (h *History) Handle(ctx context.Context, env messages.Envelope, e messages.MessageReceived) error {
	if err := storable(e); err != nil {
		return err
	}
	if _, err := h.Store.SaveMessage(ctx, env.ID, e); err != nil { // not new is well: the event came again
		return fmt.Errorf("save message: %w", err)
	}
	return nil
}

// HandleUpload puts an upload into the chat's history as a message of type file. Its id is the media id, its author the
// user whose identifier the upload came through.
func (h *History) HandleUpload(ctx context.Context, env messages.Envelope, e messages.MediaUploaded) error {
	return h.Handle(ctx, env, messages.MessageReceived{Origin: e.Origin, Message: uploadMessage(e)})
}

// uploadMessage is how an upload stands in its conversation.
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
func storable(e messages.MessageReceived) error {
	if e.ChatID == "" || e.Message.ID == "" {
		return messages.Permanent(messages.ReasonUndecodable, errors.New("message without chat or id"))
	}
	if _, err := messages.ParseTime(e.Message.CreatedAt); err != nil {
		return messages.Permanent(messages.ReasonUndecodable, fmt.Errorf("message's created_at: %w", err))
	}
	return nil
}
