package livechat

import "github.com/go-json-experiment/json/jsontext"

// event is LiveChat's data structure "Event", all types in one.
type event struct {
	ID         string          `json:"id"`
	CustomID   string          `json:"custom_id"`
	Type       string          `json:"type"`
	AuthorID   jsontext.Value  `json:"author_id"` // a text; absent is not empty, as an update may not tell it
	CreatedAt  string          `json:"created_at"`
	Visibility jsontext.Value  `json:"visibility"` // "all" or "agents"
	Recipients jsontext.Value  `json:"recipients"` // what visibility was called before 3.4
	Deleted    bool            `json:"deleted"`
	Text       *string         `json:"text"`
	Properties eventProperties `json:"properties"`

	Postback postback `json:"postback"` // of a message that a button wrote

	Name            string `json:"name"` // file
	URL             string `json:"url"`
	ContentType     string `json:"content_type"`
	ThumbnailURL    string `json:"thumbnail_url"`
	Thumbnail2xURL  string `json:"thumbnail2x_url"`
	Size            int64  `json:"size"`
	Width           int64  `json:"width"`
	Height          int64  `json:"height"`
	AlternativeText string `json:"alternative_text"`

	FormID   string      `json:"form_id"` // form, filled_form
	FormType string      `json:"form_type"`
	Fields   []formField `json:"fields"`

	TemplateID string    `json:"template_id"` // rich_message
	Elements   []element `json:"elements"`

	SystemMessageType string         `json:"system_message_type"` // system_message
	TextVars          jsontext.Value `json:"text_vars"`

	Source  string         `json:"source"` // system
	Subtype string         `json:"subtype"`
	Version string         `json:"version"`
	Details jsontext.Value `json:"details"` // a text that holds JSON

	Content jsontext.Value `json:"content"` // custom
}

// eventProperties are those of LiveChat's own namespaces that tell where a message came from.
type eventProperties struct {
	Source eventSource `json:"source"`
}

type eventSource struct {
	ClientID string `json:"client_id"` // of the app
}

type postback struct {
	ID          string         `json:"id"`
	ThreadID    string         `json:"thread_id"`
	EventID     string         `json:"event_id"`
	Toggled     *bool          `json:"toggled"`
	Type        string         `json:"type"`
	Value       string         `json:"value"`
	ButtonType  string         `json:"button_type"` // what type and value are called in a webhook of its own
	ButtonValue string         `json:"button_value"`
	Ecommerce   jsontext.Value `json:"ecommerce"`
}

type formField struct {
	Type     string         `json:"type"`
	ID       string         `json:"id"`
	Label    string         `json:"label"`
	Required bool           `json:"required"`
	Options  jsontext.Value `json:"options"`
	Answer   jsontext.Value `json:"answer"` // a text, or an object
	Answers  jsontext.Value `json:"answers"`
	Value    jsontext.Value `json:"value"` // what the answer was called once
}

type element struct {
	Title     string         `json:"title"`
	Subtitle  string         `json:"subtitle"`
	Image     jsontext.Value `json:"image"`
	Buttons   jsontext.Value `json:"buttons"`
	Ecommerce jsontext.Value `json:"ecommerce"`
}
