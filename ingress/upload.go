package ingress

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/internal/media"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// uploadReply answers an upload with what was received. What is served later may be smaller, without its metadata.
type uploadReply struct {
	Status string      `json:"status"`
	Media  historyFile `json:"media"`
}

// upload takes a file into the blob store and announces it.
func (e *endpoint) upload(q *request) error {
	chat, err := chatOf(q)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(q.r)
	if err != nil {
		return err
	}
	boundary, err := boundaryOf(q.r)
	if err != nil {
		return err
	}
	limit := e.uploadLimit(q)
	if q.r.ContentLength > limit+maxForm {
		q.w.Header().Set("Connection", "close") // rather than read what we refuse
		return refuse(codeTooLarge)
	}
	if err := e.awaitChat(q.r.Context(), chat); err != nil {
		return err
	}
	setReadDeadline(q.w.Writer, uploadTimeout)
	form, err := receiveForm(q.r.Body, boundary, e.config.uploadDir(), limit)
	if err != nil {
		return err
	}
	defer form.close()
	event, err := e.describe(q, chat, form)
	if err != nil {
		return err
	}
	return e.keep(q, event, key, form)
}

// describe looks at the bytes and makes the event of the upload.
func (e *endpoint) describe(q *request, chat messages.Chat, f *form) (messages.MediaUploaded, error) {
	kind, err := media.Detect(f.file)
	var refused *media.Refused
	if errors.As(err, &refused) {
		return messages.MediaUploaded{}, refuseField(codeMediaType, "file", "The file was found to be "+refused.Found+", which is not taken.")
	}
	if err != nil {
		return messages.MediaUploaded{}, fmt.Errorf("look at upload: %w", err)
	}
	return messages.MediaUploaded{
		Origin: messages.Origin{Channel: e.channel.Name, Chat: chat, User: q.identity.User},
		File: messages.File{
			ID: messages.NewMediaID(), Name: displayName(f.filename, kind.Extension),
			ContentType: kind.ContentType, Size: f.size, Extension: kind.Extension,
		},
		Digest:     f.digest(),
		UploadedAt: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
	}, nil
}

// keep makes the file durable, then its event, then answers. Died in between, a retry with the same key does the rest.
func (e *endpoint) keep(q *request, event messages.MediaUploaded, key string, f *form) error {
	// A caller who hangs up now must not leave half of it: the store's own bounds end what takes too long.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.r.Context()), uploadTimeout)
	defer cancel()
	event, err := e.firstOf(ctx, event, key)
	if err != nil {
		return err
	}
	if _, err := e.uploads.Media(ctx, event.File.ID); errors.Is(err, store.ErrUnknownMedia) {
		if err := e.blobs.Put(ctx, messages.PendingKey(event.File.ID), f.file, event.File.ContentType); err != nil {
			return fmt.Errorf("keep upload: %w", err)
		}
		confirmed, err := e.bus.publish(ctx, []messages.Event{event}, traceParent(q.r))
		if err != nil {
			return err
		}
		e.accepted.add(event.Chat, event.File.ID, confirmed)
	} else if err != nil { // else it was decided about before: everything has happened already
		return fmt.Errorf("look up upload: %w", err)
	}
	file := event.File
	writeJSON(q.w, http.StatusOK, jsonType, &uploadReply{"uploaded", historyFile{
		ID: file.ID, URL: e.mediaURL(file), Filename: file.Name, ContentType: file.ContentType, Size: file.Size,
	}})
	return nil
}

// firstOf makes a retry the same upload: the first event under an Idempotency-Key of the chat stands for all of them.
func (e *endpoint) firstOf(ctx context.Context, event messages.MediaUploaded, key string) (messages.MediaUploaded, error) {
	if key == "" {
		return event, nil
	}
	record, err := json.Marshal(event)
	if err != nil {
		return event, fmt.Errorf("encode record of upload: %w", err)
	}
	earlier, created, err := e.blobs.PutNew(ctx, "idempotency/"+event.Origin.Lane("idempotency-key", key), record)
	if err != nil {
		return event, fmt.Errorf("record upload: %w", err)
	}
	if created {
		return event, nil
	}
	var first messages.MediaUploaded
	if err := json.Unmarshal(earlier, &first); err != nil {
		return event, fmt.Errorf("decode record of upload: %w", err)
	}
	if first.Digest != event.Digest {
		return event, refuseField(codeKeyReused, "Idempotency-Key", "")
	}
	return first, nil
}

// idempotencyKey reads the header, which is opaque to us.
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || values[0] == "" || len(values[0]) > 255 || !printable(values[0]) {
		return "", refuseField(channels.CodeInvalidField, "Idempotency-Key", "The header must be one value of 1 to 255 characters.")
	}
	return values[0], nil
}
