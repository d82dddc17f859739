package livechat

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"golang.org/x/sync/errgroup"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/channels/livechat/webapi"
	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

const (
	// A thread that began earlier may go on after the moment asked for, and LiveChat does not say which of its times the
	// filter compares. Idle threads close after 30 minutes unless somebody has changed that.
	earlier = 24 * time.Hour
	// chatsAtOnce share fsyncs and round trips; the events of one chat go out in order.
	chatsAtOnce = 16
	// batchSize bounds what waits for one confirmation.
	batchSize = 100
	// batchTime is for one batch; ingress has 3 s because LiveChat waits, nobody waits here.
	batchTime = 30 * time.Second
	// lineEvery keeps the progress readable.
	lineEvery = 5 * time.Second
)

// backfill walks through chats and publishes what history misses.
type backfill struct {
	api     *webapi.Client
	history chatHistory
	bus     message.Publisher // nil: count only
	whose   channels.Identity
	oldest  time.Time // messages before it are not kept; zero: all are

	progress io.Writer
	lastLine time.Time

	mu         sync.Mutex
	chats      map[string]bool
	watermarks map[messages.MessagesSeen]bool // handed on
	counts
}

// chat does all threads of one chat.
func (b *backfill) chat(ctx context.Context, id string) error {
	newest, err := b.api.Chat(ctx, id)
	if err != nil {
		return err
	}
	for threads, err := range b.api.Threads(ctx, newest) {
		if err != nil {
			return err
		}
		if err := b.page(ctx, threads); err != nil {
			return err
		}
	}
	return nil
}

// since does the archive first, then what still goes on: so the threads of a chat come in order.
func (b *backfill) since(ctx context.Context, moment time.Time) error {
	recent := func(t webapi.Thread) bool { return t.LastEvent.IsZero() || !t.LastEvent.Before(moment) }
	for threads, err := range b.api.Archives(ctx, moment.Add(-earlier)) {
		if err != nil {
			return err
		}
		if err := b.page(ctx, slices.DeleteFunc(threads, func(t webapi.Thread) bool { return !recent(t) })); err != nil {
			return err
		}
	}
	for ids, err := range b.api.ActiveChats(ctx) {
		if err != nil {
			return err
		}
		for _, id := range ids {
			thread, err := b.api.Chat(ctx, id)
			if err != nil {
				return err
			}
			if !recent(thread) {
				continue
			}
			if err := b.page(ctx, []webapi.Thread{thread}); err != nil {
				return err
			}
		}
	}
	return nil
}

// page does many threads: different chats side by side, the threads of one in turn.
func (b *backfill) page(ctx context.Context, threads []webapi.Thread) error {
	byChat := make(map[string][]webapi.Thread)
	var order []string
	for _, t := range threads {
		if byChat[t.ChatID] == nil {
			order = append(order, t.ChatID)
		}
		byChat[t.ChatID] = append(byChat[t.ChatID], t)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(chatsAtOnce)
	for _, id := range order {
		group.Go(func() error {
			for _, t := range byChat[id] {
				if err := b.thread(ctx, t); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	if time.Since(b.lastLine) >= lineEvery {
		fmt.Fprintln(b.progress, b.summary(b.bus == nil))
		b.lastLine = time.Now()
	}
	return err
}

// thread publishes what history misses of one thread, in order.
func (b *backfill) thread(ctx context.Context, t webapi.Thread) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	events, err := livechat.ChatEvents(b.whose, t.JSON, time.Now())
	if err != nil { // one odd thread does not stop the others
		b.add(t.ChatID, counts{threads: 1, unreadable: 1})
		fmt.Fprintf(b.progress, "thread %q of chat %q cannot be read: %v\n", t.ThreadID, t.ChatID, err)
		return nil
	}
	wanted, c, err := b.missing(ctx, messages.Chat{Tenant: b.whose.Tenant, ChatID: t.ChatID}, events)
	if err != nil {
		return err
	}
	if err := b.publish(ctx, wanted); err != nil {
		return err
	}
	c.threads = 1
	if t.Closed {
		c.closed = 1
	}
	b.add(t.ChatID, c)
	return nil
}

// publish returns once the broker has every event on disk. An interrupt does not cut a batch in two.
func (b *backfill) publish(ctx context.Context, events []messages.Event) error {
	for len(events) > 0 && b.bus != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n := 1
		for n < len(events) && n < batchSize && events[n].Type() == events[0].Type() {
			n++
		}
		if err := b.batch(ctx, events[:n]); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// batch publishes events of one type.
func (b *backfill) batch(ctx context.Context, events []messages.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTime)
	defer cancel()
	msgs := make([]*message.Message, len(events))
	for i, event := range events {
		env, err := messages.Seal(event, time.Now(), "")
		if err != nil {
			return err
		}
		if msgs[i], err = bus.Marshal(env); err != nil {
			return fmt.Errorf("make message: %w", err)
		}
		msgs[i].SetContext(ctx)
	}
	topic := events[0].Type().Topic()
	if err := b.bus.Publish(topic, msgs...); err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}
