package ingress

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// History answers what was said.
type History interface {
	// Page returns one page of a chat, or store.ErrUnknownChat.
	Page(ctx context.Context, q store.Query) (store.Page, error)
	// Seen reports whether any message of the chat is stored, and whether this one is.
	Seen(ctx context.Context, chat messages.Chat, messageID string) (chatKnown, messageKnown bool, err error)
}

const (
	// maxAccepted bounds the memory of what was accepted: 16,384 chats of 5 ids of at most 256 bytes, about 200 bytes in
	// practice, are 4 MiB and never more than 24.
	maxAccepted = 1 << 14
	// acceptedFor is how long an accepted message may take to be stored and still be waited for.
	acceptedFor = 10 * time.Minute
	// waitAccepted is how long a reader waits for what this process has accepted itself.
	waitAccepted = 2 * time.Second
	// waitUnknown is how long a reader waits for a chat that another process may just have accepted.
	waitUnknown = 250 * time.Millisecond
)

// accepted remembers the last message of each chat that this process has answered 200 for, until it was seen stored.
type accepted struct {
	chats *lru.Cache[messages.Chat, receipt]
}

type receipt struct {
	messageID string // empty: the chat itself is waited for
	at        time.Time
}

func newAccepted() (*accepted, error) {
	chats, err := lru.New[messages.Chat, receipt](maxAccepted)
	return &accepted{chats}, err
}

// note remembers the events of a request. Only what makes a chat readable counts: to wait for a chat of which no more is
// known than that it was tagged or closed would be to wait for what never comes.
func (a *accepted) note(events []messages.Event, at time.Time) {
	for _, event := range events {
		switch told := event.(type) {
		case messages.MessageReceived:
			if told.Revision != "" { // it may be the retry of one that is stored under another id
				a.addChat(told.Chat, at)
				break
			}
			a.add(told.Chat, told.Message.ID, at)
		case messages.ConversationUpdated:
			if told.Change == messages.ChatOpened {
				a.addChat(told.Chat, at)
			}
		}
	}
}

func (a *accepted) add(chat messages.Chat, messageID string, at time.Time) {
	a.chats.Add(chat, receipt{messageID, at})
}

// addChat notes a chat that was opened, unless a message of it is noted already.
func (a *accepted) addChat(chat messages.Chat, at time.Time) {
	if _, ours := a.last(chat); !ours {
		a.add(chat, "", at)
	}
}

// last returns the message to wait for, if there is one.
func (a *accepted) last(chat messages.Chat) (receipt, bool) {
	r, ok := a.chats.Get(chat)
	if !ok || time.Since(r.at) > acceptedFor {
		return receipt{}, false
	}
	return r, true
}

// stored forgets a message that a reader has seen, unless a newer one came in between. The two steps are not atomic: a
// message lost in between makes one reader not wait, no more.
func (a *accepted) stored(chat messages.Chat, seen receipt) {
	if now, ok := a.chats.Peek(chat); ok && now == seen {
		a.chats.Remove(chat)
	}
}

// awaitChat waits until a chat can be read with all that this process has accepted for it. It gives up after a bound:
// then a chat with at least some messages is read as it is, one that was accepted here is not ready, any other is not
// found.
func (s *Server) awaitChat(ctx context.Context, chat messages.Chat) error {
	last, ours := s.accepted.last(chat)
	bound := waitUnknown
	if ours {
		bound = waitAccepted
	}
	var chatKnown, messageKnown bool
	err := poll(ctx, bound, func() (done bool, err error) {
		chatKnown, messageKnown, err = s.history.Seen(ctx, chat, last.messageID)
		messageKnown = messageKnown || chatKnown && ours && last.messageID == ""
		return messageKnown || chatKnown && !ours, err
	})
	switch {
	case err != nil:
		return err
	case messageKnown:
		s.accepted.stored(chat, last)
		return nil
	case chatKnown:
		return nil
	case ours:
		return refuse(codeChatNotReady)
	}
	return refuse(codeChatNotFound)
}

// poll asks until the answer is yes or the time is up, with pauses that grow from 5 ms, about what a message takes to be
// stored, to 100 ms: at most some 25 questions in 2 s.
func poll(ctx context.Context, bound time.Duration, ask func() (bool, error)) error {
	deadline := time.Now().Add(bound)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		if done, err := ask(); done || err != nil {
			return err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil
		}
		if err := sleep(ctx, min(pause, left)); err != nil {
			return err
		}
	}
}

// sleep ends early, with an error, when the caller has gone.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
