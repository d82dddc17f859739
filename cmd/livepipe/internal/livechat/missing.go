package livechat

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// chatHistory is what is known already.
type chatHistory interface {
	Seen(ctx context.Context, chat messages.Chat, messageID string) (chatKnown, messageKnown bool, err error)
	Conversation(ctx context.Context, chat messages.Chat) (store.Conversation, error)
}

// missing leaves out what history has. Removals and watermarks are always handed on, the latter once in a run: what they do
// is done once.
func (b *backfill) missing(ctx context.Context, chat messages.Chat, events []messages.Event) (wanted []messages.Event, c counts, err error) {
	about, err := b.history.Conversation(ctx, chat)
	if err != nil && !errors.Is(err, store.ErrUnknownChat) {
		return nil, c, fmt.Errorf("look up chat: %w", err)
	}
	for _, event := range events {
		there := false
		switch e := event.(type) {
		case messages.MessageReceived:
			c.messages++
			if b.tooOld(e.Message.CreatedAt) {
				c.old++
				there = true
				break
			}
			if _, there, err = b.history.Seen(ctx, chat, e.Message.ID); err != nil {
				return nil, c, fmt.Errorf("look up message: %w", err)
			}
			if !there {
				c.published++
			}
		case messages.MessageDeleted:
			there = e.Place != nil && b.tooOld(e.Place.CreatedAt)
		case messages.MessagesSeen: // every thread of a chat tells them anew, and nobody misses those that change nothing
			if b.first(e) {
				wanted = append(wanted, e)
			}
			continue
		case messages.ConversationUpdated:
			there = b.tooOld(e.At) || slices.ContainsFunc(about.Changes, func(known messages.ConversationUpdated) bool {
				return known.Change == e.Change && known.ThreadID == e.ThreadID && known.Revision == e.Revision
			})
		}
		if there {
			continue
		}
		if event.Type() != messages.TypeMessageReceived {
			c.others++
		}
		wanted = append(wanted, event)
	}
	return wanted, c, nil
}

// first reports whether a watermark was not handed on before.
func (b *backfill) first(e messages.MessagesSeen) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watermarks == nil {
		b.watermarks = make(map[messages.MessagesSeen]bool)
	}
	was := b.watermarks[e]
	b.watermarks[e] = true
	return !was
}

// tooOld reports whether retention would delete what was written then, or has.
func (b *backfill) tooOld(written string) bool {
	at, err := messages.ParseTime(written)
	return err == nil && at.Before(b.oldest)
}

// counts are of threads and of events.
type counts struct {
	threads, closed, unreadable int
	messages, published, others int
	old                         int // messages that the account no longer keeps
}

func (b *backfill) add(chatID string, c counts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.chats == nil {
		b.chats = make(map[string]bool)
	}
	b.chats[chatID] = true
	b.threads += c.threads
	b.closed += c.closed
	b.unreadable += c.unreadable
	b.messages += c.messages
	b.published += c.published
	b.others += c.others
	b.old += c.old
}

// summary is one line of counts.
func (b *backfill) summary(dry bool) string {
	verb := "published"
	if dry {
		verb = "missing"
	}
	line := fmt.Sprintf("%d chats, %d threads, %d messages: %d %s, %d already there; %d other events %s",
		len(b.chats), b.threads, b.messages, b.published, verb, b.messages-b.published-b.old, b.others, verb)
	if b.old > 0 {
		line += fmt.Sprintf("; %d messages older than the account keeps", b.old)
	}
	return line
}

// unread is the error about what could not be read, if anything.
func (b *backfill) unread() error {
	var errs []error
	if b.unreadable > 0 {
		errs = append(errs, fmt.Errorf("%d threads could not be read", b.unreadable))
	}
	if b.closed > 0 {
		errs = append(errs, fmt.Errorf("%d threads are closed to the token's owner: give the token chats--all:ro, or take the token of somebody in their groups", b.closed))
	}
	return errors.Join(errs...)
}
