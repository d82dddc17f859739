package store

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/livepipe/livepipe/messages"
)

// ChangeRow is a change of a conversation as it is stored. It shares nothing with the event.
type ChangeRow struct {
	Chat     messages.Chat
	EventID  string
	FormerID string // messages.FormerID of the change
	AtUS     int64  // when it happened, in Unix microseconds
	Opened   bool
	People   []messages.Person // by id, each once and none without an id
	Body     string            // JSON of the event without its origin and its people
}

// NewChangeRow takes an event apart. A time that is not RFC 3339, and details that are no JSON, are errors.
func NewChangeRow(eventID string, e messages.ConversationUpdated) (ChangeRow, error) {
	at, err := messages.ParseTime(e.At)
	if err != nil {
		return ChangeRow{}, fmt.Errorf("at: %w", err)
	}
	row := ChangeRow{
		Chat: e.Chat, EventID: eventID, FormerID: messages.FormerID(e), AtUS: at.UnixMicro(),
		Opened: e.Change == messages.ChatOpened, People: eachOnce(e.People),
	}
	e.Origin, e.People = messages.Origin{}, nil
	body, err := json.Marshal(e, json.Deterministic(true))
	if err != nil {
		return ChangeRow{}, errors.New("encode change: it holds what is no JSON") // the error itself may quote it
	}
	row.Body = string(body)
	return row, nil
}

// eachOnce orders people by id, so that whoever writes several takes locks in one order. If a person occurs twice, the
// last one wins.
func eachOnce(people []messages.Person) []messages.Person {
	last := map[string]messages.Person{}
	for _, p := range people {
		if p.ID != "" {
			last[p.ID] = p
		}
	}
	var out []messages.Person
	for _, p := range last {
		out = append(out, p)
	}
	slices.SortFunc(out, byID)
	return out
}

func byID(a, b messages.Person) int { return cmp.Compare(a.ID, b.ID) }

// PersonColumns are the columns that ScanPerson reads.
const PersonColumns = `person_id, type, name, email`

// ScanPerson adds one row of PersonColumns to a conversation, at its place.
func ScanPerson(scan func(dest ...any) error, to *Conversation) error {
	var p messages.Person
	if err := scan(&p.ID, &p.Type, &p.Name, &p.Email); err != nil {
		return err
	}
	at, _ := slices.BinarySearchFunc(to.People, p, byID)
	to.People = slices.Insert(to.People, at, p)
	return nil
}

// ScanChange adds one row with the body of a change to the conversation of a chat.
func ScanChange(scan func(dest ...any) error, chat messages.Chat, to *Conversation) error {
	var body string
	if err := scan(&body); err != nil {
		return err
	}
	var e messages.ConversationUpdated
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		return errors.New("read change: it is not what was written")
	}
	e.Chat = chat
	to.Changes = append(to.Changes, e)
	return nil
}

// nullText is a text that may be NULL, comparable with the values of a row.
type nullText struct{ sql.NullString }

func (n nullText) value() any {
	if !n.Valid {
		return nil
	}
	return n.String
}
