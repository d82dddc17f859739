package livechat

import (
	"encoding/hex"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/messages"
)

// told says which of the members that not every event tells an event has told.
type told struct{ author, visibility bool }

// message is the event as a message of ours, in the thread and with the people as far as they are known; false when it
// lacks what no message can be without.
func (r *reading) message(e *event, threadID string, people []messages.Person) (messages.Message, told, bool) {
	m := messages.Message{ID: e.ID, Type: e.Type, Text: e.Text, CreatedAt: r.at(e.CreatedAt)}
	var tells told
	m.Internal, tells.visibility = r.internal(e)
	authorID, named := textOf(e.AuthorID)
	if !named {
		r.unread(e.AuthorID)
	}
	m.Author, m.AuthorGuessed = author(authorID, people)
	tells.author = named || e.Type == "system_message" || e.Type == "system" // these have none
	ok := validID(e.ID) && optionalIDs(authorID) && e.Type != "" && len(e.Type) <= maxWord && printable(e.Type)
	if e.Type == "message" {
		m.Type = messages.MessageText
		if m.Text == nil {
			m.Text = new(string) // readers of a text message find a text
		}
	}
	m.Content = r.content(e, threadID)
	return m, tells, ok
}

// internal reports whether the event is a note among agents, and whether it tells that. Only "all" is for everyone:
// whatever else stands there may be a word of LiveChat's for fewer people.
func (r *reading) internal(e *event) (internal, told bool) {
	for _, v := range []jsontext.Value{e.Visibility, e.Recipients} {
		if len(v) == 0 {
			continue
		}
		word, text := textOf(v)
		if !text {
			r.unread(v)
		}
		told, internal = true, internal || !strings.EqualFold(word, "all")
	}
	return internal, told
}

// content is what the event has beside its text; nil when that is nothing.
func (r *reading) content(e *event, threadID string) *messages.Content {
	c := messages.Content{
		ThreadID: threadID, CustomID: r.name(e.CustomID), SourceClientID: r.name(e.Properties.Source.ClientID),
	}
	switch e.Type {
	case "message":
		if e.Postback.ID != "" {
			c.Postback = r.pressed(&e.Postback, e.Postback.EventID)
		}
	case "file":
		c.File = &messages.Attachment{
			URL: e.URL, Filename: e.Name, ContentType: e.ContentType, Size: e.Size, ThumbnailURL: e.ThumbnailURL,
			Thumbnail2xURL: e.Thumbnail2xURL, Width: e.Width, Height: e.Height, AlternativeText: e.AlternativeText,
		}
	case "rich_message":
		c.TemplateID, c.Elements = e.TemplateID, r.elements(e.Elements)
	case "form", "filled_form":
		c.FormID, c.FormType, c.Fields = e.FormID, e.FormType, r.fields(e.Fields)
	case "system_message":
		c.SystemType, c.TextVars = e.SystemMessageType, r.object(e.TextVars)
	case "system":
		c.Source, c.Subtype, c.Version, c.Details = e.Source, e.Subtype, e.Version, r.text(e.Details)
	default:
		c.Custom = r.object(e.Content)
	}
	if reflect.ValueOf(c).IsZero() {
		return nil
	}
	return &c
}

// text is what is documented as a text that holds JSON; an object there is that JSON.
func (r *reading) text(v jsontext.Value) string {
	if text, ok := textOf(v); ok {
		return text
	}
	return string(r.object(v))
}

// name is an id of somebody else's that no key is made of.
func (r *reading) name(id string) string {
	if !optionalIDs(id) {
		r.note(repairDropped, 1)
		return ""
	}
	return id
}

func (r *reading) pressed(p *postback, messageID string) *messages.Postback {
	pressed := &messages.Postback{
		ID: p.ID, MessageID: messageID, ThreadID: p.ThreadID, Toggled: p.Toggled,
		ButtonType: p.ButtonType, ButtonValue: p.ButtonValue, Ecommerce: r.kept(p.Ecommerce),
	}
	if pressed.ButtonType == "" {
		pressed.ButtonType, pressed.ButtonValue = p.Type, p.Value
	}
	return pressed
}

func (r *reading) fields(sent []formField) []messages.Field {
	var fields []messages.Field
	for _, f := range sent {
		answer := r.kept(f.Answer)
		if answer == nil {
			answer = r.kept(f.Value)
		}
		fields = append(fields, messages.Field{
			Type: f.Type, ID: f.ID, Label: f.Label, Required: f.Required,
			Options: r.kept(f.Options), Answer: answer, Answers: r.kept(f.Answers),
		})
	}
	return fields
}

func (r *reading) elements(sent []element) []messages.Element {
	var elements []messages.Element
	for _, e := range sent {
		elements = append(elements, messages.Element{
			Title: e.Title, Subtitle: e.Subtitle,
			Image: r.kept(e.Image), Buttons: r.kept(e.Buttons), Ecommerce: r.kept(e.Ecommerce),
		})
	}
	return elements
}

// author says who wrote, and whether only the shape of the id told the type.
func author(id string, people []messages.Person) (messages.Author, bool) {
	for _, p := range people {
		if p.ID == id {
			return messages.Author{ID: id, Type: p.Type}, false
		}
	}
	return messages.Author{ID: id, Type: typeOfID(id)}, id != ""
}

// typeOfID tells an author's type by the id: agents have e-mail addresses, bots 32 hexadecimal digits, customers UUIDs,
// and LiveChat's own messages no author at all. Whoever is none of these is not ours to trust: a customer.
func typeOfID(id string) string {
	switch {
	case id == "":
		return messages.AuthorSystem
	case strings.Contains(id, "@"):
		return messages.AuthorAgent
	case isBotID(id):
		return messages.AuthorBot
	}
	return messages.AuthorVisitor
}

func isBotID(id string) bool {
	_, err := hex.DecodeString(id)
	return err == nil && len(id) == 32
}
