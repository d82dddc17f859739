package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
)

// What each kind of event tells a condition, and that an event which tells nothing about something is empty there.
func TestFacts(t *testing.T) {
	text, from := "hello", somewhere()
	message := messages.Message{
		ID: "m1", Type: "message", Text: &text, Author: messages.Author{ID: "v1", Type: "visitor"}, CreatedAt: "2026-01-02T03:04:05Z",
	}
	note := message
	note.Internal = true
	picture := message
	picture.Content = &messages.Content{File: &messages.Attachment{URL: "https://a.example", Filename: "a.png", ContentType: "image/png", Size: 7}}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ada := messages.Person{ID: "ada@example.org", Type: "agent", Name: "Ada"}
	visitor := messages.Person{ID: "v1", Type: "visitor"}
	change := func(e messages.ConversationUpdated) Facts {
		e.Origin = from
		return OfConversation(e)
	}
	written := Facts{
		Message: MessageFacts{ID: "m1", Type: "message", Text: "hello", CreatedAt: at}, Author: PersonFacts{"v1", "visitor"},
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
			with(written, func(f *Facts) { f.Message.Internal = true }),
		},
		"a file that stands with LiveChat": {
			OfMessage(messages.TypeMessageReceived, from, picture), messages.TypeMessageReceived,
			with(written, func(f *Facts) { f.File = FileFacts{Name: "a.png", ContentType: "image/png", Size: 7} }),
		},
		"an edit of a note": {
			OfEdit(messages.MessageUpdated{Origin: from, Message: note}), messages.TypeMessageUpdated,
			with(written, func(f *Facts) { f.Message.Internal, f.Message.Edited = true, true }),
		},
		"a removal": {
			OfDeletion(messages.MessageDeleted{Origin: from, MessageID: "m1"}), messages.TypeMessageDeleted,
			Facts{Message: MessageFacts{ID: "m1", Deleted: true}},
		},
		"somebody comes": {
			change(messages.ConversationUpdated{Change: messages.PersonAdded, ThreadID: "t1", People: []messages.Person{ada}, By: "bob", Reason: "manual"}),
			messages.TypeConversationUpdated,
			Facts{
				ThreadID: "t1", Change: "person_added", Author: PersonFacts{ID: "bob"}, Person: PersonFacts{"ada@example.org", "agent"},
				Reason: "manual",
			},
		},
		"somebody goes": {
			change(messages.ConversationUpdated{Change: messages.PersonRemoved, Removed: ada.ID, By: visitor.ID, People: []messages.Person{visitor, ada}}),
			messages.TypeConversationUpdated,
			Facts{Change: "person_removed", Author: PersonFacts{"v1", "visitor"}, Person: PersonFacts{"ada@example.org", "agent"}},
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
		"an agent is suspended": {
			OfAccount(messages.AccountUpdated{Origin: from, Action: "agent_suspended", Subject: ada.ID, By: "bob"}),
			messages.TypeAccountUpdated,
			Facts{Action: "agent_suspended", Subject: ada.ID, Author: PersonFacts{ID: "bob"}},
		},
		"something unknown": {
			OfUnknown(messages.UnknownReceived{Origin: from, Action: "chat_beamed"}), messages.TypeUnknownReceived, Facts{Action: "chat_beamed"},
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

// The names that stand in files of rules.
func TestConditionsKnowTheFacts(t *testing.T) {
	transfer := OfConversation(messages.ConversationUpdated{
		Origin: somewhere(), Change: messages.ChatTransferred, ThreadID: "t1", Reason: "manual", By: "bob", GroupIDs: []int64{5, 9},
		AgentIDs: []string{"ada"}, People: []messages.Person{{ID: "bob", Type: "agent"}},
	})
	tests := map[string]struct {
		facts Facts
		when  string
	}{
		"a transfer": {transfer, `change == "chat_transferred" and 9 in group_ids and "ada" in agent_ids and reason == "manual" and thread_id == "t1" and author.type == "agent"`},
		"nothing of what it has not": {transfer, `tag + action + subject + person.id + person.type + message.id + message.text + file.name == ""` +
			` and not message.internal and not message.edited and not message.deleted and message.created_at.IsZero()`},
		"a removal": {OfDeletion(messages.MessageDeleted{Origin: somewhere(), MessageID: "m"}), `message.deleted and message.id == "m"`},
		"an edit":   {OfEdit(messages.MessageUpdated{Origin: somewhere()}), `message.edited and type == "livechat.message.updated.v1"`},
		"a note":    {wrote("x", func(m *messages.Message) { m.Internal = true }), `message.internal`},
		"an account": {
			OfAccount(messages.AccountUpdated{Action: "tag_created", Subject: "vip"}), `action startsWith "tag_" and subject == "vip"`,
		},
		"who came": {
			OfConversation(messages.ConversationUpdated{Change: messages.PersonAdded, People: []messages.Person{{ID: "b", Type: "bot"}}}),
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
