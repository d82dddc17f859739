package messages_test

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/messages"
)

// conversationGoldens are the wire forms of what happens to conversations and accounts beside new messages of text.
func conversationGoldens() map[string]messages.Event {
	account := origin()
	account.ChatID = ""
	toggled := true
	edited := received().Message
	edited.Text = text("Hello again")
	return map[string]messages.Event{
		"message-received-content": messages.MessageReceived{Origin: origin(), Message: everyContent()},
		"message-received-postback": messages.MessageReceived{Origin: origin(), Message: messages.Message{
			ID: "postback_aaaaaaaaaaaaaaaaaaaaaaaaaa", Type: messages.MessagePostback,
			Content: &messages.Content{Postback: &messages.Postback{
				ID: "action_yes", MessageID: "msg_001", ThreadID: "thread_1", Toggled: &toggled,
				ButtonType: "url", ButtonValue: "https://example.com", Ecommerce: jsontext.Value(`{"product_id":"12345"}`),
			}},
			Author: messages.Author{ID: "visitor_xyz", Type: messages.AuthorVisitor}, AuthorGuessed: true,
			CreatedAt: "2024-01-15T10:30:00.123000Z",
		}, Revision: "aaaaaaaaaaaaaaaaaaaaaaaaaa.18947940"},
		"message-updated": messages.MessageUpdated{
			Origin: origin(), Message: edited, EditedAt: "2024-01-15T10:31:00.000000Z", Revision: "aaaaaaaaaaaaaaaaaaaaaaaaaa.18947940",
		},
		"message-updated-silent": messages.MessageUpdated{
			Origin: origin(), KeepsAuthor: true, KeepsVisibility: true,
			Message:  messages.Message{ID: "msg_001", Type: messages.MessageText, Text: text("Hello again"), Internal: true, CreatedAt: "2024-01-15T10:30:00Z"},
			EditedAt: "2024-01-15T10:31:00.000000Z", Revision: "aaaaaaaaaaaaaaaaaaaaaaaaaa",
		},
		"message-received-own": messages.MessageReceived{Origin: origin(), Message: messages.Message{
			ID: "msg_001", Type: messages.MessageText, Text: text("Hello"), CreatedAt: "2024-01-15T10:30:00Z",
			Content: &messages.Content{ThreadID: "thread_1", CustomID: "crm-42", SourceClientID: "c6e4f62e2a2dab12531235b12c5a2a6b"},
			Author:  messages.Author{ID: "agent@example.com", Type: messages.AuthorAgent},
		}},
		"message-deleted-place": messages.MessageDeleted{
			Origin: origin(), MessageID: "msg_001", DeletedAt: "2024-01-15T10:32:00.000000Z",
			Place: &messages.Place{
				Type: messages.MessageText, Author: &messages.Author{ID: "agent@example.com", Type: messages.AuthorAgent}, AuthorGuessed: true,
				Internal: &toggled, CreatedAt: "2024-01-15T10:30:00Z",
			},
		},
		"message-deleted": messages.MessageDeleted{
			Origin: origin(), MessageID: "msg_001", DeletedAt: "2024-01-15T10:32:00.000000Z",
		},
		"messages-seen": messages.MessagesSeen{Origin: origin(), By: "agent@example.com", UpTo: "2024-01-15T10:32:00.000000Z"},
		"conversation-updated": messages.ConversationUpdated{
			Origin: origin(), Change: messages.ChatOpened, At: "2024-01-15T10:29:00.000000Z", ThreadID: "thread_1",
			People: []messages.Person{
				{ID: "visitor_xyz", Type: messages.AuthorVisitor, Name: "John Doe", Email: "john@example.com"},
				{ID: "0123456789abcdef0123456789abcdef", Type: messages.AuthorBot},
			},
			GroupIDs: []int64{0, 7},
		},
		"conversation-updated-transferred": messages.ConversationUpdated{
			Origin: origin(), Change: messages.ChatTransferred, At: "2024-01-15T10:29:00.000000Z", ThreadID: "thread_1",
			MessageID: "msg_001", Removed: "old@example.com", By: "agent@example.com", Reason: "manual",
			GroupIDs: []int64{19}, AgentIDs: []string{"other@example.com"}, Tag: "orders",
			Details: jsontext.Value(`{"position":42}`), Revision: "aaaaaaaaaaaaaaaaaaaaaaaaaa.18947940",
		},
		"account-updated": messages.AccountUpdated{
			Origin: account, Action: "group_created", Subject: "42", By: "owner@example.com",
			Details: jsontext.Value(`{"id":42,"name":"sales"}`), Revision: "aaaaaaaaaaaaaaaaaaaaaaaaaa.18947940",
		},
		"unknown-received": messages.UnknownReceived{
			Origin: account, Action: "chat_teleported", Details: jsontext.Value(`{"to":"the moon"}`),
			Revision: "aaaaaaaaaaaaaaaaaaaaaaaaaa.18947940",
		},
		"unknown-received-internal": messages.UnknownReceived{
			Origin: account, Action: "event_beamed", Details: jsontext.Value(`{"event_id":"msg_001"}`), Internal: true,
			Revision: "aaaaaaaaaaaaaaaaaaaaaaaaaa",
		},
	}
}

// everyContent is no message of any one type: it fills each field once.
func everyContent() messages.Message {
	return messages.Message{
		ID: "msg_003", Type: "rich_message", Internal: true,
		Content: &messages.Content{
			File: &messages.Attachment{
				URL: "https://example.com/a.png", Filename: "a.png", ContentType: "image/png", Size: 1234,
				ThumbnailURL: "https://example.com/t.png", Thumbnail2xURL: "https://example.com/t2.png",
				Width: 640, Height: 480, AlternativeText: "A picture",
			},
			FormID: "1473433500211", FormType: "prechat",
			Fields: []messages.Field{{
				Type: "radio", ID: "1", Label: "Purpose", Required: true, Options: jsontext.Value(`[{"id":"0"}]`),
				Answer: jsontext.Value(`{"id":"0"}`), Answers: jsontext.Value(`[]`),
			}},
			TemplateID: "cards",
			Elements: []messages.Element{{
				Title: "Title", Subtitle: "Subtitle", Image: jsontext.Value(`{"url":"https://example.com/a.png"}`),
				Buttons: jsontext.Value(`[{"text":"yes"}]`), Ecommerce: jsontext.Value(`{}`),
			}},
			SystemType: "routing.assigned", TextVars: jsontext.Value(`{"agent":"Ines"}`),
			Source: "cdp", Subtype: "store_order_was_created", Version: "1", Details: `{"order":{}}`,
			Custom: jsontext.Value(`{"nested":"json"}`),
		},
		Author:    messages.Author{ID: "agent@example.com", Type: messages.AuthorAgent},
		CreatedAt: "2024-01-15T10:30:00.120301Z",
	}
}

// TestChangesAreKeptApart holds which changes of one chat are one event and which are two.
func TestChangesAreKeptApart(t *testing.T) {
	opened := messages.ConversationUpdated{Origin: origin(), Change: messages.ChatOpened, ThreadID: "thread_1"}
	tests := map[string]struct {
		other messages.Event
		same  bool
	}{
		"told again with more people": {messages.ConversationUpdated{
			Origin: origin(), Change: messages.ChatOpened, ThreadID: "thread_1", People: []messages.Person{{ID: "x"}},
		}, true},
		"the next thread": {messages.ConversationUpdated{Origin: origin(), Change: messages.ChatOpened, ThreadID: "thread_2"}, false},
		"another change":  {messages.ConversationUpdated{Origin: origin(), Change: messages.ChatClosed, ThreadID: "thread_1"}, false},
		"another revision": {messages.ConversationUpdated{
			Origin: origin(), Change: messages.ChatOpened, ThreadID: "thread_1", Revision: "r",
		}, false},
	}
	id := func(e messages.Event) string { return messages.EventID(e.From(), e.Type(), e.Key()...) }
	for name, test := range tests {
		if got := id(opened) == id(test.other); got != test.same {
			t.Errorf("%s: one event: %v", name, got)
		}
	}
}
