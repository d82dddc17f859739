package main

import (
	"context"
	"errors"
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
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

type livechatBackfillCmd struct {
	tenantFlags
	Chat   string `placeholder:"ID" help:"All threads of this chat."`
	Since  string `placeholder:"TIME" help:"All threads with an event since then: RFC 3339, such as 2026-03-02T09:00:00Z, or a duration back from now, such as 24h."`
	DryRun bool   `help:"Count what is missing, and publish nothing."`
	livechatAPI
	processConfig
	natsClient
}

// Help teaches.
func (livechatBackfillCmd) Help() string {
	return `LiveChat tries a webhook for about a minute and then drops it. This reads the chats themselves and publishes the messages
that history does not have, as the webhooks would have: run it after an outage, and once for the past of a new account.
It may be stopped and run again at any time. The token needs the scope chats--all:ro.

  livepipe livechat backfill --org=org123 --livechat=lc-789 --since=24h --dry-run
  livepipe livechat backfill --org=org123 --livechat=lc-789 --chat=PJ0MRSHTDG`
}

// Run reads from LiveChat and publishes what is missing. It may be stopped, and run again, at any time.
func (c *livechatBackfillCmd) Run(ctx context.Context, std streams) error {
	tenant, err := c.tenant()
	if err != nil {
		return err
	}
	if (c.Chat == "") == (c.Since == "") {
		return errors.New("say which: --chat or --since")
	}
	since, err := parseSince(c.Since, time.Now())
	if err != nil {
		return err
	}
	api, err := c.client(std)
	if err != nil {
		return err
	}
	defer api.Close()
	return c.withStore(ctx, func(db openStore) error {
		if err := c.plausible(ctx, db); err != nil {
			return err
		}
		return c.withPublisher(ctx, std, func(p message.Publisher) error {
			b := &backfill{api: api, history: db, bus: p, whose: channels.Identity{Tenant: tenant}, progress: std.err, lastLine: time.Now()}
			var err error
			if c.Chat != "" {
				err = b.chat(ctx, c.Chat)
			} else {
				err = b.since(ctx, since)
			}
			fmt.Fprintln(std.out, b.summary(c.DryRun))
			if ctx.Err() != nil {
				return errors.New("stopped: run it again, and it publishes what is missing then")
			}
			return errors.Join(err, b.unread())
		})
	})
}

// parseSince reads a moment, or how long ago it was.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	at, err := messages.ParseTime(s)
	if err != nil {
		return time.Time{}, errors.New("--since must be RFC 3339, such as 2026-03-02T09:00:00Z, or a duration such as 24h")
	}
	return at, nil
}

// plausible refuses a tenant that is most likely a slip: there are accounts, and none is its.
func (f tenantFlags) plausible(ctx context.Context, db openStore) error {
	_, err := f.account(ctx, db)
	if err == nil {
		return nil
	}
	if ever, e := db.AnyAccountEver(ctx); e == nil && !ever {
		return nil
	}
	return err
}

// withPublisher opens the bus for one use. A dry run needs none.
func (c *livechatBackfillCmd) withPublisher(ctx context.Context, std streams, use func(message.Publisher) error) (err error) {
	if c.DryRun {
		return use(nil)
	}
	settings := busSettings{busConfig: c.busConfig, storeConfig: c.storeConfig, natsConfig: natsConfig{natsClient: c.natsClient}}
	if c.Bus == amazonBus {
		files, err := c.openBlobs(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, files.Close()) }()
		settings.claims = files.Claims()
	}
	b, err := attach(ctx, settings, quiet(std))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	return use(b.Publisher)
}

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

// chatHistory is what is known already.
type chatHistory interface {
	Seen(ctx context.Context, chat messages.Chat, messageID string) (chatKnown, messageKnown bool, err error)
	Conversation(ctx context.Context, chat messages.Chat) (store.Conversation, error)
}

// backfill walks through chats and publishes what history misses.
type backfill struct {
	api     *webapi.Client
	history chatHistory
	bus     message.Publisher // nil: count only
	whose   channels.Identity

	progress io.Writer
	lastLine time.Time

	mu    sync.Mutex
	chats map[string]bool
	counts
}

// counts are of threads and of events.
type counts struct {
	threads, closed, unreadable int
	messages, published, others int
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
}

// missing leaves out what history has. Removals are always handed on: what they do is done once.
func (b *backfill) missing(ctx context.Context, chat messages.Chat, events []messages.Event) (wanted []messages.Event, c counts, err error) {
	about, err := b.history.Conversation(ctx, chat)
	if err != nil {
		return nil, c, fmt.Errorf("look up chat: %w", err)
	}
	for _, event := range events {
		there := false
		switch e := event.(type) {
		case messages.MessageReceived:
			c.messages++
			if _, there, err = b.history.Seen(ctx, chat, e.Message.ID); err != nil {
				return nil, c, fmt.Errorf("look up message: %w", err)
			}
			if !there {
				c.published++
			}
		case messages.ConversationUpdated:
			there = slices.ContainsFunc(about.Changes, func(known messages.ConversationUpdated) bool {
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

// summary is one line of counts.
func (b *backfill) summary(dry bool) string {
	verb := "published"
	if dry {
		verb = "missing"
	}
	return fmt.Sprintf("%d chats, %d threads, %d messages: %d %s, %d already there; %d other events %s",
		len(b.chats), b.threads, b.messages, b.counts.published, verb, b.messages-b.counts.published, b.others, verb)
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
