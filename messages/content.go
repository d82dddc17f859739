package messages

import "github.com/go-json-experiment/json/jsontext"

// Content is what a message of some type has beside its text. The JSON names are those of fetch_messages, which gives
// them next to "text"; they are LiveChat's own wherever it has one (Text platform, "Events").
type Content struct {
	// Of any type: the thread that the message stands in, the id that its sender gave it, and the app that sent it. By the
	// last two an app knows its own messages when they come back to it.
	ThreadID       string `json:"thread_id,omitzero"`
	CustomID       string `json:"custom_id,omitzero"`
	SourceClientID string `json:"source_client_id,omitzero"`

	File     *Attachment `json:"file,omitzero"`     // type file
	Postback *Postback   `json:"postback,omitzero"` // a press of a rich message's button

	FormID   string  `json:"form_id,omitzero"` // types form and filled_form
	FormType string  `json:"form_type,omitzero"`
	Fields   []Field `json:"fields,omitzero"`

	TemplateID string    `json:"template_id,omitzero"` // type rich_message
	Elements   []Element `json:"elements,omitzero"`

	SystemType string         `json:"system_message_type,omitzero"` // type system_message
	TextVars   jsontext.Value `json:"text_vars,omitzero"`           // an object

	Source  string `json:"source,omitzero"` // type system
	Subtype string `json:"subtype,omitzero"`
	Version string `json:"version,omitzero"`
	Details string `json:"details,omitzero"` // a text that holds JSON

	Custom jsontext.Value `json:"content,omitzero"` // type custom: any object
}

// Attachment is a file that the provider keeps. Size is in bytes, Width and Height in pixels; 0 is unknown.
type Attachment struct {
	URL             string `json:"url"`
	Filename        string `json:"filename"`
	ContentType     string `json:"content_type"`
	Size            int64  `json:"size,omitzero"`
	ThumbnailURL    string `json:"thumbnail_url,omitzero"`
	Thumbnail2xURL  string `json:"thumbnail2x_url,omitzero"`
	Width           int64  `json:"width,omitzero"`
	Height          int64  `json:"height,omitzero"`
	AlternativeText string `json:"alternative_text,omitzero"`
}

// Postback says which button of which rich message was pressed.
type Postback struct {
	ID          string         `json:"id"`
	MessageID   string         `json:"message_id,omitzero"` // of the rich message
	ThreadID    string         `json:"thread_id,omitzero"`
	Toggled     *bool          `json:"toggled,omitzero"`
	ButtonType  string         `json:"button_type,omitzero"`
	ButtonValue string         `json:"button_value,omitzero"`
	Ecommerce   jsontext.Value `json:"ecommerce,omitzero"`
}

// Field is one line of a form. What was chosen or written is Answer (a string or an object) or Answers.
type Field struct {
	Type     string         `json:"type,omitzero"`
	ID       string         `json:"id,omitzero"`
	Label    string         `json:"label,omitzero"`
	Required bool           `json:"required,omitzero"`
	Options  jsontext.Value `json:"options,omitzero"`
	Answer   jsontext.Value `json:"answer,omitzero"`
	Answers  jsontext.Value `json:"answers,omitzero"`
}

// Element is one card of a rich message.
type Element struct {
	Title     string         `json:"title,omitzero"`
	Subtitle  string         `json:"subtitle,omitzero"`
	Image     jsontext.Value `json:"image,omitzero"`
	Buttons   jsontext.Value `json:"buttons,omitzero"`
	Ecommerce jsontext.Value `json:"ecommerce,omitzero"`
}
