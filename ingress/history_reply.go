package ingress

import (
	"cmp"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// historyReply answers a fetch. The order of the fields is the contract's.
type historyReply struct {
	ChatID     string           `json:"chat_id"`
	Messages   []historyMessage `json:"messages"`
	Total      int64            `json:"total"`
	HasMore    bool             `json:"hasMore"`
	NextCursor string           `json:"next_cursor,omitzero"`
}

// historyMessage is one entry of a chat: first what the contract names, then what else there is to tell, in this order
// and only where there is something.
//
//	delivery_status      any type       a word of messages.Statuses
//	file                 file           historyFile
//	fields               form,          what a form asks, and filled_form: what was answered; see messages.Field
//	form_id, form_type   filled_form
//	template_id          rich_message   cards, sticker, quick_replies, ecommerce or a later word of LiveChat's
//	elements             rich_message   its cards; see messages.Element
//	postback             postback, or   which button of which rich message was pressed; see messages.Postback
//	                     text
//	system_message_type  system_message a word such as routing.assigned
//	text_vars            system_message an object
//	source, subtype,     system         words
//	version
//	details              system         a string that holds JSON
//	content              custom         any object
//	thread_id            any type       the thread that it stands in
//	custom_id            any type       what its sender calls it
//	source_client_id     any type       the app that sent it
//	internal             any type       true: a note among agents, never for the visitor's side
//	edited_at            any type       RFC 3339, of the newest edit; what is told is the message after it
//	deleted_at           any type       RFC 3339; the message was removed: only id, type, author, created_at,
//	                                    delivery_status and internal are told beside it
type historyMessage struct {
	ID             string             `json:"id"`
	Type           string             `json:"type"`
	Text           *string            `json:"text,omitzero"`
	Author         messages.Author    `json:"author"`
	CreatedAt      string             `json:"created_at"`
	DeliveryStatus messages.Status    `json:"delivery_status,omitzero"`
	File           *historyFile       `json:"file,omitzero"`
	Fields         []messages.Field   `json:"fields,omitzero"`
	FormID         string             `json:"form_id,omitzero"`
	FormType       string             `json:"form_type,omitzero"`
	TemplateID     string             `json:"template_id,omitzero"`
	Elements       []messages.Element `json:"elements,omitzero"`
	Postback       *messages.Postback `json:"postback,omitzero"`
	SystemType     string             `json:"system_message_type,omitzero"`
	TextVars       jsontext.Value     `json:"text_vars,omitzero"`
	Source         string             `json:"source,omitzero"`
	Subtype        string             `json:"subtype,omitzero"`
	Version        string             `json:"version,omitzero"`
	Details        string             `json:"details,omitzero"`
	Custom         jsontext.Value     `json:"content,omitzero"`
	ThreadID       string             `json:"thread_id,omitzero"`
	CustomID       string             `json:"custom_id,omitzero"`
	SourceClientID string             `json:"source_client_id,omitzero"`
	Internal       bool               `json:"internal,omitzero"`
	EditedAt       string             `json:"edited_at,omitzero"`
	DeletedAt      string             `json:"deleted_at,omitzero"`
}

// historyFile is the file of a "file" message. An upload of ours has an id and a size, always; a file that stands with
// LiveChat has no id, and the rest where LiveChat told it. Sizes are in bytes, width and height in pixels.
type historyFile struct {
	ID              string `json:"id,omitzero"`
	URL             string `json:"url"`
	Filename        string `json:"filename"`
	ContentType     string `json:"content_type"`
	Size            int64  `json:"size,omitzero"` // an upload is never empty
	ThumbnailURL    string `json:"thumbnail_url,omitzero"`
	Thumbnail2xURL  string `json:"thumbnail2x_url,omitzero"`
	Width           int64  `json:"width,omitzero"`
	Height          int64  `json:"height,omitzero"`
	AlternativeText string `json:"alternative_text,omitzero"`
}

// historyMessage shows one entry. A removed message keeps its place; its content is never shown, whatever the store still
// holds.
func (e *endpoint) historyMessage(entry store.Entry) historyMessage {
	m := historyMessage{
		ID: entry.ID, Type: entry.Type, Author: entry.Author, CreatedAt: entry.CreatedAt,
		DeliveryStatus: entry.Status, Internal: entry.Internal, DeletedAt: entry.DeletedAt,
	}
	if entry.DeletedAt != "" {
		return m
	}
	m.Text, m.File, m.EditedAt = entry.Text, e.historyFile(entry), entry.EditedAt
	if c := entry.Content; c != nil {
		m.File = cmp.Or(m.File, attachment(c.File))
		m.Fields, m.FormID, m.FormType = c.Fields, c.FormID, c.FormType
		m.TemplateID, m.Elements, m.Postback = c.TemplateID, c.Elements, c.Postback
		m.SystemType, m.TextVars = c.SystemType, c.TextVars
		m.Source, m.Subtype, m.Version, m.Details = c.Source, c.Subtype, c.Version, c.Details
		m.Custom = c.Custom
		m.ThreadID, m.CustomID, m.SourceClientID = c.ThreadID, c.CustomID, c.SourceClientID
	}
	return m
}

// historyFile describes what a reader can get of an upload: the cleaned file once there is one, until then what was
// received.
func (e *endpoint) historyFile(entry store.Entry) *historyFile {
	if entry.File == nil {
		return nil
	}
	file, thumbnail := *entry.File, ""
	if m := entry.Media; m != nil && m.State == store.MediaReleased {
		file = m.File
		if m.HasThumbnail {
			thumbnail = e.config.MediaURL + "/" + file.ID + thumbnailSuffix
		}
	}
	return &historyFile{
		ID: file.ID, URL: e.mediaURL(file), Filename: file.Name, ContentType: file.ContentType, Size: file.Size,
		ThumbnailURL: thumbnail,
	}
}

// attachment describes a file that stands with the provider.
func attachment(a *messages.Attachment) *historyFile {
	if a == nil {
		return nil
	}
	return &historyFile{
		URL: a.URL, Filename: a.Filename, ContentType: a.ContentType, Size: a.Size,
		ThumbnailURL: a.ThumbnailURL, Thumbnail2xURL: a.Thumbnail2xURL,
		Width: a.Width, Height: a.Height, AlternativeText: a.AlternativeText,
	}
}
