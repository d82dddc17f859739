package livechat

import (
	"time"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/messages"
)

// chat is LiveChat's data structure "Chat" as webhooks and get_chat give it: with one thread.
type chat struct {
	ID     string `json:"id"`
	Users  []user `json:"users"`
	Access access `json:"access"`
	Thread thread `json:"thread"`
}

type thread struct {
	ID        string  `json:"id"`
	CreatedAt string  `json:"created_at"`
	Events    []event `json:"events"` // absent when access is restricted
	Access    access  `json:"access"`
}

type access struct {
	GroupIDs []int64 `json:"group_ids"` // 0 is everyone
}

// user is an agent or a customer.
type user struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	SeenUpTo string `json:"events_seen_up_to"` // in 1970 who has never looked
}

// ChatEvents turns a chat with one thread, as incoming_chat and the Web API's get_chat give it, into the events that
// incoming_chat would have made: the chat's opening first, then what its thread holds, in order, and at last who has seen
// what. What LiveChat posted before has the same ids here. ReceivedAt stands in for times that the chat does not tell. The error is an
// *channels.Invalid: no JSON, or no id that could be kept.
func ChatEvents(id channels.Identity, chat []byte, receivedAt time.Time) ([]messages.Event, error) {
	clean, _, err := repair(chat)
	if err != nil {
		return nil, err
	}
	r := reading{identity: id, raw: clean, receivedAt: receivedAt}
	if _, err := readLeniently(clean, &r.Chat); err != nil {
		return nil, notJSON()
	}
	events := r.incomingChat()
	if len(events) == 0 {
		return nil, &channels.Invalid{Code: channels.CodeInvalidField, Field: "id", Detail: "The chat has no usable id."}
	}
	return events, nil
}

// incomingChat tells of a new thread: who and what was there when it began, and what they had seen.
func (r *reading) incomingChat() []messages.Event {
	c := &r.Chat
	if !validID(c.ID) || !optionalIDs(c.Thread.ID) {
		return nil
	}
	groups := c.Access.GroupIDs
	if groups == nil {
		groups = c.Thread.Access.GroupIDs
	}
	opened := messages.ConversationUpdated{
		Origin: origin(r.identity, c.ID), Change: messages.ChatOpened, At: r.at(c.Thread.CreatedAt),
		ThreadID: c.Thread.ID, People: r.people(c.Users), GroupIDs: groups,
	}
	if c.Thread.ID == "" {
		opened.Revision = r.revision()
	}
	events := []messages.Event{opened}
	visitor := visitorOf(opened.People)
	for i := range c.Thread.Events {
		if e, ok := r.threadEvent(c.ID, c.Thread.ID, &c.Thread.Events[i], opened.People, visitor); ok {
			events = append(events, e)
		} else {
			r.note(repairDropped, 1)
		}
	}
	return append(events, r.watermarks(c)...)
}

// watermarks tell what each of the chat's people has seen.
func (r *reading) watermarks(c *chat) []messages.Event {
	var events []messages.Event
	for _, u := range c.Users {
		if !validID(u.ID) || u.SeenUpTo == "" {
			continue
		}
		if !isTime(u.SeenUpTo) {
			r.note(repairUnread, 1)
			continue
		}
		if at, _ := messages.ParseTime(u.SeenUpTo); at.UTC().Year() > neverSeen {
			events = append(events, messages.MessagesSeen{Origin: origin(r.identity, c.ID), By: u.ID, UpTo: u.SeenUpTo})
		}
	}
	return events
}

// neverSeen is the year of which LiveChat writes some moment for whoever has seen nothing.
const neverSeen = 1970

func (r *reading) threadEvent(chatID, threadID string, e *event, people []messages.Person, visitor *messages.Visitor) (messages.Event, bool) {
	if !validID(e.ID) {
		return nil, false
	}
	if e.Deleted {
		return r.removed(chatID, e, people), true
	}
	m, _, ok := r.message(e, threadID, people)
	return messages.MessageReceived{Origin: origin(r.identity, chatID), Message: m, Visitor: visitor}, ok
}

// people leaves out whom no key could hold.
func (r *reading) people(users []user) []messages.Person {
	var people []messages.Person
	for _, u := range users {
		if p, ok := person(u); ok {
			people = append(people, p)
		} else {
			r.note(repairDropped, 1)
		}
	}
	return people
}

func person(u user) (messages.Person, bool) {
	p := messages.Person{ID: u.ID, Type: cut(u.Type, maxWord), Name: cut(u.Name, maxName), Email: cut(u.Email, maxName)}
	switch u.Type {
	case "customer":
		p.Type = messages.AuthorVisitor
	case "agent": // bots too, and only their ids tell
		p.Type = messages.AuthorAgent
		if isBotID(u.ID) {
			p.Type = messages.AuthorBot
		}
	case "":
		p.Type = typeOfID(u.ID)
	}
	return p, validID(u.ID)
}

func visitorOf(people []messages.Person) *messages.Visitor {
	for _, p := range people {
		if p.Type == messages.AuthorVisitor {
			return &messages.Visitor{ID: p.ID, Name: p.Name, Email: p.Email}
		}
	}
	return nil
}
