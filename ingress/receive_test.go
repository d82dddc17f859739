package ingress_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/ingress"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// TestWhatHasNoEffect holds that what the provider tells beside messages is answered and counted by its word, and
// published where somebody asks for it.
func TestWhatHasNoEffect(t *testing.T) {
	for _, asked := range []bool{false, true} {
		w := newOwlWorld(t, func(w *world) { w.config.PublishUnknown = asked })
		wants(t, "hoot", w.post(owlPath, says(owlBody{Does: "hoot"}), withToken("token")...), "200")
		if n := w.counter(t, "livepipe_ingress_repaired_bodies_total", "feather"); n != 1 {
			t.Errorf("%v bodies with a feather", n)
		}
		if values := labels(t, w); !slices.Contains(values, "hoot") || slices.Contains(values, "beak") {
			t.Errorf("labels %q", values)
		}
		events := w.bus.events()
		if asked != (len(events) == 1 && events[0].Type == messages.TypeUnknownReceived) || len(events) > 1 {
			t.Errorf("asked for: %v, published %d", asked, len(events))
		}
	}
}

// TestBodiesThatNeverHaveASecret holds that what its provider sends without a secret, and what has no effect, is answered
// and counted whoever sent it, and reaches nobody: also where the account is unknown and while the store is down.
func TestBodiesThatNeverHaveASecret(t *testing.T) {
	w := newOwlWorld(t, func(w *world) { w.config.PublishUnknown = true })
	hoot := says(owlBody{Does: "hoot", Mute: true})
	strangers := owlPathOf(messages.Tenant{Org: "org123", LiveChat: "nobody"})
	wants(t, "known account", w.post(owlPath, hoot), "200")
	wants(t, "unknown account", w.post(strangers, hoot), "200")
	wants(t, "no identifier", w.post(owlsPath, hoot), "200")
	wants(t, "another method", w.serve(request("PUT", owlPath, hoot)), "401 unauthorized")
	wants(t, "an effect", w.post(owlPath, says(owlBody{Mute: true})), "401 unauthorized")
	wants(t, "history", w.post(owlPath+"?action=look&chat_id=chat_abc123", hoot), "401 unauthorized")
	wants(t, "a wrong token", w.post(owlPath, hoot, withToken("wrong")...), "401 unauthorized")
	if n := len(w.bus.events()); n != 0 {
		t.Errorf("%d events reached the bus", n)
	}
	wants(t, "a good token", w.post(owlPath, hoot, withToken("token")...), "200")
	if n := len(w.bus.events()); n != 1 {
		t.Errorf("%d events of the account itself", n)
	}
	w.store.down(messages.Unavailable(errDown))
	wants(t, "store is down", w.post(strangers, hoot), "200")
}

// TestAChatWithoutMessagesCanBeRead holds that who opens a chat finds it at once, however long its worker takes.
func TestAChatWithoutMessagesCanBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwlWorld(t)
		w.bus.publish = func(string, []*message.Message) error {
			time.AfterFunc(time.Second, func() {
				w.store.mu.Lock()
				defer w.store.mu.Unlock()
				w.store.chats[messages.Chat{Tenant: tenant, ChatID: "chat_abc123"}] = []store.Entry{}
			})
			return nil
		}
		const look = owlPath + "?action=look&chat_id=chat_abc123"
		wants(t, "before", w.post(look, "", withToken("token")...), "404 chat_not_found")
		wants(t, "open", w.post(owlPath, says(owlBody{Does: string(messages.ChatOpened)}), withToken("token")...), "200")
		wants(t, "at once", w.post(look, "", withToken("token")...), "200")
		start := time.Now()
		wants(t, "again", w.post(look, "", withToken("token")...), "200")
		if took := time.Since(start); took > 0 {
			t.Errorf("waited %s for a chat that is there", took)
		}
	})
}

// TestAChangeAloneMakesNoChatReadable holds that a chat of which only a change is known is not found, like any other that
// nobody has opened or written in, and that a reader is not told to wait for it.
func TestAChangeAloneMakesNoChatReadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, change := range []messages.Change{
			messages.ChatClosed, messages.ChatTransferred, messages.ChatAccessUpdated, messages.PersonAdded, messages.PersonRemoved,
			messages.ThreadTagged, messages.ThreadUntagged, messages.ThreadSummarySet, messages.ChatPropertiesUpdated,
			messages.ChatPropertiesDeleted, messages.ThreadPropertiesUpdated, messages.ThreadPropertiesDeleted,
			messages.MessagePropertiesUpdated, messages.MessagePropertiesDeleted, messages.SessionFieldsUpdated,
		} {
			w := newOwlWorld(t) // its store keeps no changes, as stores keep none that make a chat readable
			wants(t, string(change), w.post(owlPath, says(owlBody{Does: string(change)}), withToken("token")...), "200")
			start := time.Now()
			got := w.post(owlPath+"?action=look&chat_id=chat_abc123", "", withToken("token")...)
			wants(t, string(change), got, "404 chat_not_found")
			if took := time.Since(start); took != 250*time.Millisecond {
				t.Errorf("%s: waited %s", change, took)
			}
		}
	})
}

// TestPathsThatNobodyCouldUse holds that a channel's mistakes are told at the start.
func TestPathsThatNobodyCouldUse(t *testing.T) {
	for _, path := range []string{"", "owls", "/owls:identifier", "/owls/:name", "/owls/*", "/owls/:identifier/more", "/nobody"} {
		w := newWorld(t)
		channel := owl()
		if path == "/nobody" { // its bodies say nothing
			channel = pigeon()
		}
		channel.Endpoints = []channels.Endpoint{{Path: path}}
		w.deps.Channels, w.deps.Registerer = []channels.Channel{channel}, prometheus.NewRegistry()
		if _, err := ingress.New(w.config, w.deps); err == nil {
			t.Errorf("%q is taken", path)
		}
	}
}
