package livechat

import (
	"encoding/hex"
	"strings"

	"github.com/livepipe/livepipe/messages"
)

// message is the event as a message of ours; false when it lacks what no message can be without. The people are those
// of the chat as far as they are known.
func (r *reading) message(e *event, people []messages.Person) (messages.Message, bool) {
	m := messages.Message{
		ID: e.ID, Type: e.Type, Text: e.Text, CreatedAt: r.at(e.CreatedAt),
		Internal: e.Visibility == "agents" || e.Visibility == "" && e.Recipients == "agents",
	}
	m.Author, m.AuthorGuessed = author(e.AuthorID, people)
	ok := validID(e.ID) && optionalIDs(e.AuthorID) && e.Type != "" && len(e.Type) <= maxWord && printable(e.Type)
	if e.Type == "message" {
		m.Type = messages.MessageText
		if m.Text == nil {
			m.Text = new(string) // readers of a text message find a text
		}
	}
	m.Content = r.content(e)
	return m, ok
}

// content is what the event's type has beside its text; nil when that is nothing.
func (r *reading) content(e *event) *messages.Content {
	switch e.Type {
	case "message":
		if e.Postback.ID == "" {
			return nil
		}
		return &messages.Content{Postback: r.pressed(&e.Postback, e.Postback.EventID)}
	case "file":
		return &messages.Content{File: &messages.Attachment{
			URL: e.URL, Filename: e.Name, ContentType: e.ContentType, Size: e.Size, ThumbnailURL: e.ThumbnailURL,
			Thumbnail2xURL: e.Thumbnail2xURL, Width: e.Width, Height: e.Height, AlternativeText: e.AlternativeText,
		}}
	case "rich_message":
		return &messages.Content{TemplateID: e.TemplateID, Elements: r.elements(e.Elements)}
	case "form", "filled_form":
		return &messages.Content{FormID: e.FormID, FormType: e.FormType, Fields: r.fields(e.Fields)}
	case "system_message":
		return &messages.Content{SystemType: e.SystemMessageType, TextVars: r.object(e.TextVars)}
	case "system":
		return &messages.Content{Source: e.Source, Subtype: e.Subtype, Version: e.Version, Details: e.Details}
	}
	if custom := r.object(e.Content); custom != nil {
		return &messages.Content{Custom: custom}
	}
	return nil
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
