// Package conformance holds the suites that every store must pass. A suite is a function that the technology's own test
// calls, so that SQLite and PostgreSQL are held to the same promises, word for word.
package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// S is everything that the store suite calls. Consumers declare their own small parts of it.
type S interface {
	SaveMessage(ctx context.Context, eventID string, e messages.MessageReceived) (saved bool, err error)
	SaveReceipt(ctx context.Context, eventID string, e messages.DeliveryUpdated) (state messages.Status, changed bool, err error)
	Page(ctx context.Context, q store.Query) (store.Page, error)
	Seen(ctx context.Context, chat messages.Chat, messageID string) (chatKnown, messageKnown bool, err error)
	Receipt(ctx context.Context, chat messages.Chat, messageID string) (store.Receipt, error)
	Visitor(ctx context.Context, of messages.Tenant, visitorID string) (messages.Visitor, error)

	SaveEdit(ctx context.Context, eventID string, e messages.MessageUpdated) (changed bool, err error)
	SaveDeletion(ctx context.Context, eventID string, e messages.MessageDeleted) (changed bool, err error)
	SaveSeen(ctx context.Context, eventID string, e messages.MessagesSeen) (changed bool, err error)
	SaveConversation(ctx context.Context, eventID string, e messages.ConversationUpdated) (saved bool, err error)
	Conversation(ctx context.Context, chat messages.Chat) (store.Conversation, error)
	Differs(ctx context.Context, e messages.MessageReceived) (bool, error)
	PersonType(ctx context.Context, chat messages.Chat, personID string) (kind string, known bool, err error)
	IsNote(ctx context.Context, chat messages.Chat, messageID string) (note, known bool, err error)
	DeleteOlder(ctx context.Context, of messages.Tenant, before time.Time, limit int) (store.Deleted, error)

	DecideMedia(ctx context.Context, m store.Media) (decided bool, err error)
	Media(ctx context.Context, id string) (store.Media, error)

	Dispatched(ctx context.Context, eventID string) (bool, error)
	MarkDispatched(ctx context.Context, eventID, destination string, at time.Time) error

	SaveAccount(ctx context.Context, a store.Account) error
	RemoveAccount(ctx context.Context, of messages.Tenant) error
	RemoveCredential(ctx context.Context, of messages.Tenant, id string) error
	LearnOrganization(ctx context.Context, of messages.Tenant, organizationID string) (holds string, err error)
	Account(ctx context.Context, of messages.Tenant) (store.Account, error)
	Accounts(ctx context.Context) ([]store.Account, error)
	AccountsOf(ctx context.Context, organizationID string) ([]store.Account, error)
	AnyAccountEver(ctx context.Context) (bool, error)

	Health(ctx context.Context) error
	Close() error
}

// Store runs the suite. open gives an empty, migrated store and closes it when the test ends.
func Store(t *testing.T, open func(t *testing.T) S) { run(t, open, 1, 1) }

// RemoteStore is Store for a server, where each write is a round trip and a flush of its own: of the 40,320 orders of the
// statuses it tries every 29th, and every 7th of the orders of what happens to a message. Strides are prime, so that the
// orders left are not all alike.
func RemoteStore(t *testing.T, open func(t *testing.T) S) { run(t, open, 29, 7) }

func run(t *testing.T, open func(t *testing.T) S, statusStride, changeStride int) {
	statusOrders := func(t *testing.T, s S) { receiptOrders(t, s, statusStride) }
	changeOrders := func(t *testing.T, s S) { changesInAnyOrder(t, s, changeStride) }
	for _, promise := range []struct {
		name string
		test func(t *testing.T, s S)
	}{
		{"a message comes back as it was sent", messageComesBack},
		{"one event eleven times at once is one message", messageOnce},
		{"a message is unique within its chat whatever its event", messageUniqueInChat},
		{"a created_at that is no time is permanent", messageWithoutTime},
		{"many messages of one chat at once are all counted", chatTogether},
		{"every string comes back and is its own name", stringsComeBack},
		{"texts of every size come back", textsOfEverySize},
		{"messages in any order tell the same visitor", visitorInAnyOrder},
		{"tenants never see each other", tenantsApart},
		{"seen tells chat from message", seenChatAndMessage},

		{"all orders of the eight statuses end in one state", statusOrders},
		{"of equal reports at once one changes the state", reportsTogether},
		{"a receipt may come before its message", receiptFirst},
		{"a receipt never crosses tenants", receiptTenants},
		{"the first error and the first times stay", receiptFirstWins},
		{"an unknown status is permanent", receiptUnknownStatus},

		{"what happens to a message ends in one state in any order", changeOrders},
		{"of edits at once the newest stays and the message is counted once", editsTogether},
		{"a deletion may come before its message", deletionFirst},
		{"what an edit or a deletion does not tell is as the others told it, in any order", untoldInAnyOrder},
		{"pages and totals stay as they are under edits and deletions", changesKeepPlaces},
		{"content of every type comes back and is edited", contentComesBack},
		{"an edit leaves an upload and a deletion takes it", uploadChanges},
		{"a copy with other words differs", differs},
		{"a watermark reads what others wrote", watermarkReads},
		{"a guessed author is whom the chat's people tell", guessedAuthors},
		{"what is told last about a person stays", peopleToldLast},
		{"a person is known by what was told last", personKnown},
		{"a note is known by its newest content and after its removal", noteKnown},
		{"people and notes never cross tenants", lookupsApart},
		{"an opened chat is known before its first message", openedChat},
		{"changes of a conversation come back in order and once", changesComeBack},
		{"changes never cross tenants", changesApart},
		{"a change at a time that is none is permanent", changesWithoutTime},
		{"a change that is sent again over the edge of a window is one change, made again later it is another", retryOverEdge},
		{"a former event of another chat is none", formerApart},

		{"retention deletes exactly what is older", retentionExact},
		{"retention leaves nothing of a message and forgets empty chats", retentionForgets},
		{"retention tells exactly the uploads that it deleted", retentionFiles},
		{"retention beside writers keeps counters exact", retentionTogether},

		{"three pages walk back to the start", pageWalk},
		{"pages and totals agree with a naive model", pageModel},
		{"ties are ordered by arrival", pageTies},
		{"a walk is not disturbed by what comes", walkTogether},
		{"windows at the ends of time", pageFarDates},
		{"odd queries are safe", pageOddQueries},

		{"the first media decision stays", mediaFirstDecision},
		{"media is joined to the message of its own chat only", mediaJoin},
		{"a dispatch is marked once", dispatchOnce},
		{"accounts come and go", accounts},
		{"an account was ever made", accountEver},
		{"an account comes back as it was saved", accountComesBack},
		{"saving an account again changes times and limits alone", accountSavedAgain},
		{"accounts saved at once are one with all credentials", accountsSavedTogether},
		{"credentials of two tenants are apart", credentialsApart},
		{"an organization is learned once", organizationLearnedOnce},
		{"an organization finds its accounts alone", accountsOfOrganization},

		{"an ended context passes through", contextPasses},
		{"a closed store is an outage", closedIsOutage},
	} {
		t.Run(promise.name, func(t *testing.T) { promise.test(t, open(t)) })
	}
}

// chat1 is the usual chat of the suite; others differ from it in one name.
var chat1 = messages.Chat{Tenant: messages.Tenant{Org: "org1", LiveChat: "lc1"}, ChatID: "chat1"}

func received(chat messages.Chat, id, createdAt string) messages.MessageReceived {
	text := "text of " + id
	return messages.MessageReceived{
		Origin: messages.Origin{Channel: "livechat", Chat: chat, User: "user1"},
		Message: messages.Message{
			ID: id, Type: messages.MessageText, Text: &text,
			Author: messages.Author{ID: "visitor1", Type: "visitor"}, CreatedAt: createdAt,
		},
	}
}

func updated(chat messages.Chat, id string, status messages.Status) messages.DeliveryUpdated {
	return messages.DeliveryUpdated{
		Origin:    messages.Origin{Channel: "livechat", Chat: chat, User: "user1"},
		MessageID: id, Status: status,
	}
}

func eventID(e messages.Event) string { return messages.EventID(e.From(), e.Type(), e.Key()...) }

func mustSave(t *testing.T, s S, e messages.MessageReceived) {
	t.Helper()
	if saved, err := s.SaveMessage(t.Context(), eventID(e), e); err != nil || !saved {
		t.Fatalf("SaveMessage(%s) = %v, %v, want true", e.Message.ID, saved, err)
	}
}

func mustPage(t *testing.T, s S, q store.Query) store.Page {
	t.Helper()
	page, err := s.Page(t.Context(), q)
	if err != nil {
		t.Fatalf("Page: %v", err)
	}
	return page
}

func ids(entries []store.Entry) []string {
	out := []string{}
	for _, e := range entries {
		out = append(out, e.ID)
	}
	return out
}
