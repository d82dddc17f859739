package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
)

// What a condition sees of each kind of event, and that what an event does not have is empty there.
func TestFacts(t *testing.T) {
	text, from := "hello", somewhere()
	message := messages.Message{
		ID: "m1", Type: "message", Text: &text, Author: messages.Author{ID: "v1", Type: "visitor"}, CreatedAt: "2026-01-02T03:04:05Z",
	}
	note := message
	note.Internal = true
	guessed := message
	guessed.AuthorGuessed = true
	picture := message
	picture.Content = &messages.Content{File: &messages.Attachment{URL: "https://a.example", Filename: "a.png", ContentType: "image/png", Size: 7}}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ada := messages.Person{ID: "ada@example.org", Type: "agent", Name: "Ada"}
	visitor := messages.Person{ID: "v1", Type: "visitor"}
	change := func(e messages.ConversationUpdated) Facts {
		e.Origin = from
		return OfConversation(e, false)
	}
	written := Facts{
		Message: MessageFacts{ID: "m1", Type: "message", Text: "hello", CreatedAt: at}, Author: AuthorFacts{ID: "v1", Type: "visitor"},
	}
	with := func(f Facts, change func(*Facts)) Facts {
		change(&f)
		return f
	}
	tests := map[string]struct {
		got  Facts
		kind messages.Type
		want Facts
	}{
		"a message": {OfMessage(messages.TypeMessageReceived, from, message), messages.TypeMessageReceived, written},
		"a note among agents": {
			OfMessage(messages.TypeMessageReceived, from, note), messages.TypeMessageReceived,
			with(written, func(f *Facts) { f.Internal, f.Message.Internal = true, true }),
		},
		"a message whose author was guessed": {
			OfMessage(messages.TypeMessageReceived, from, guessed), messages.TypeMessageReceived,
			with(written, func(f *Facts) { f.Author.Guessed = true }),
		},
		"a file that stands with LiveChat": {
			OfMessage(messages.TypeMessageReceived, from, picture), messages.TypeMessageReceived,
			with(written, func(f *Facts) { f.File = FileFacts{Name: "a.png", ContentType: "image/png", Size: 7} }),
		},
		"an edit of a note": {
			OfEdit(messages.MessageUpdated{Origin: from, Message: note}), messages.TypeMessageUpdated,
			with(written, func(f *Facts) { f.Internal, f.Message.Internal, f.Message.Edited = true, true, true }),
		},
		"a removal": {
			OfDeletion(messages.MessageDeleted{Origin: from, MessageID: "m1"}, false), messages.TypeMessageDeleted,
			Facts{Message: MessageFacts{ID: "m1", Deleted: true}},
		},
		"the removal of a note": {
			OfDeletion(messages.MessageDeleted{Origin: from, MessageID: "m1"}, true), messages.TypeMessageDeleted,
			Facts{Internal: true, Message: MessageFacts{ID: "m1", Internal: true, Deleted: true}},
		},
		"somebody comes": {
			change(messages.ConversationUpdated{Change: messages.PersonAdded, ThreadID: "t1", People: []messages.Person{ada}, By: "bob", Reason: "manual"}),
			messages.TypeConversationUpdated,
			Facts{
				ThreadID: "t1", Change: "person_added", Author: AuthorFacts{ID: "bob"}, Person: PersonFacts{"ada@example.org", "agent"},
				Reason: "manual",
			},
		},
		"somebody goes": {
			change(messages.ConversationUpdated{Change: messages.PersonRemoved, Removed: ada.ID, By: visitor.ID, People: []messages.Person{visitor, ada}}),
			messages.TypeConversationUpdated,
			Facts{Change: "person_removed", Author: AuthorFacts{ID: "v1", Type: "visitor"}, Person: PersonFacts{"ada@example.org", "agent"}},
		},
		"a chat opens: nobody came or went": {
			change(messages.ConversationUpdated{Change: messages.ChatOpened, ThreadID: "t1", People: []messages.Person{visitor, ada}, GroupIDs: []int64{0}}),
			messages.TypeConversationUpdated,
			Facts{Change: "chat_opened", ThreadID: "t1", GroupIDs: []int{0}},
		},
		"a transfer": {
			change(messages.ConversationUpdated{Change: messages.ChatTransferred, GroupIDs: []int64{5}, AgentIDs: []string{ada.ID}}),
			messages.TypeConversationUpdated,
			Facts{Change: "chat_transferred", GroupIDs: []int{5}, AgentIDs: []string{ada.ID}},
		},
		"a tag": {
			change(messages.ConversationUpdated{Change: messages.ThreadTagged, Tag: "vip"}),
			messages.TypeConversationUpdated,
			Facts{Change: "thread_tagged", Tag: "vip"},
		},
		"properties of a message": {
			change(messages.ConversationUpdated{Change: messages.MessagePropertiesUpdated, MessageID: "m1"}),
			messages.TypeConversationUpdated,
			Facts{Change: "message_properties_updated", Message: MessageFacts{ID: "m1"}},
		},
		"properties of what may be a note": {
			OfConversation(messages.ConversationUpdated{Origin: from, Change: messages.MessagePropertiesUpdated, MessageID: "m1"}, true),
			messages.TypeConversationUpdated,
			Facts{Internal: true, Change: "message_properties_updated", Message: MessageFacts{ID: "m1", Internal: true}},
		},
		"a summary, which is for agents": {
			change(messages.ConversationUpdated{Change: messages.ThreadSummarySet, ThreadID: "t1"}),
			messages.TypeConversationUpdated,
			Facts{Internal: true, Change: "thread_summary_set", ThreadID: "t1"},
		},
		"an agent is suspended": {
			OfAccount(messages.AccountUpdated{Origin: from, Action: "agent_suspended", Subject: ada.ID, By: "bob"}),
			messages.TypeAccountUpdated,
			Facts{Action: "agent_suspended", Subject: ada.ID, Author: AuthorFacts{ID: "bob"}},
		},
		"something unknown": {
			OfUnknown(messages.UnknownReceived{Origin: from, Action: "chat_beamed"}), messages.TypeUnknownReceived, Facts{Action: "chat_beamed"},
		},
		"something unknown that may be a note": {
			OfUnknown(messages.UnknownReceived{Origin: from, Action: "chat_beamed", Internal: true}), messages.TypeUnknownReceived,
			Facts{Action: "chat_beamed", Internal: true},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := tt.want
			want.Type, want.Channel, want.Org, want.LiveChat, want.User, want.ChatID = string(tt.kind), "livechat", "o", "l", "u", "c"
			if diff := cmp.Diff(want, tt.got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The names that files of rules use.
func TestConditionsKnowTheFacts(t *testing.T) {
	transfer := OfConversation(messages.ConversationUpdated{
		Origin: somewhere(), Change: messages.ChatTransferred, ThreadID: "t1", Reason: "manual", By: "bob", GroupIDs: []int64{5, 9},
		AgentIDs: []string{"ada"}, People: []messages.Person{{ID: "bob", Type: "agent"}},
	}, false)
	tests := map[string]struct {
		facts Facts
		when  string
	}{
		"a transfer": {transfer, `change == "chat_transferred" and 9 in group_ids and "ada" in agent_ids and reason == "manual" and thread_id == "t1" and author.type == "agent"`},
		"nothing of what it has not": {transfer, `tag + action + subject + person.id + person.type + message.id + message.text + file.name == ""` +
			` and not internal and not author.guessed and not message.internal and not message.edited and not message.deleted and message.created_at.IsZero()`},
		"a removal": {OfDeletion(messages.MessageDeleted{Origin: somewhere(), MessageID: "m"}, false), `message.deleted and message.id == "m"`},
		"an edit":   {OfEdit(messages.MessageUpdated{Origin: somewhere()}), `message.edited and type == "livechat.message.updated.v1"`},
		"a note":    {wrote("x", func(m *messages.Message) { m.Internal = true }), `internal and message.internal`},
		"a guess":   {wrote("x", func(m *messages.Message) { m.AuthorGuessed = true }), `author.guessed and author.type == "visitor"`},
		"an account": {
			OfAccount(messages.AccountUpdated{Action: "tag_created", Subject: "vip"}), `action startsWith "tag_" and subject == "vip"`,
		},
		"who came": {
			OfConversation(messages.ConversationUpdated{Change: messages.PersonAdded, People: []messages.Person{{ID: "b", Type: "bot"}}}, false),
			`change == "person_added" and person.type == "bot"`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			when, err := compile(tt.when)
			if err != nil {
				t.Fatal(err)
			}
			if yes, err := when.holds(tt.facts); !yes || err != nil {
				t.Errorf("%s is %t, %v", tt.when, yes, err)
			}
		})
	}
}
