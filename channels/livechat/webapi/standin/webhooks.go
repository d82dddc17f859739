package standin

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	sources    = []string{"my_client", "other_clients", "system"}
	additional = []string{"chat_properties", "chat_presence_user_ids"}
	// actions are those of the table "Triggering actions".
	actions = []string{
		"incoming_chat", "chat_deactivated", "chat_access_updated", "chat_transferred", "user_added_to_chat",
		"user_removed_from_chat", "incoming_event", "event_deleted", "event_updated", "incoming_rich_message_postback",
		"chat_properties_updated", "chat_properties_deleted", "thread_properties_updated", "thread_properties_deleted",
		"event_properties_updated", "event_properties_deleted", "thread_tagged", "thread_untagged", "routing_status_set",
		"customer_session_fields_updated", "events_marked_as_seen", "group_created", "group_updated", "group_deleted",
		"agent_created", "agent_updated", "agent_deleted", "agent_suspended", "agent_unsuspended", "agent_approved",
		"bot_created", "bot_updated", "bot_deleted", "auto_accesses_updated", "tag_created", "tag_deleted", "tag_updated",
		"thread_summary_set",
	}
)

type owned struct {
	ID            string `json:"id"`
	OwnerClientID string `json:"owner_client_id"`
}

func (s *Server) owner(body []byte) (string, *problem) {
	var in struct {
		OwnerClientID string `json:"owner_client_id"`
	}
	if p := read(body, &in); p != nil {
		return "", p
	}
	if in.OwnerClientID == "" {
		return "", refuse("validation", "`owner_client_id` is required")
	}
	return in.OwnerClientID, nil
}

func (s *Server) listWebhooks(body []byte) (any, *problem) {
	owner, p := s.owner(body)
	if p != nil {
		return nil, p
	}
	all := []map[string]any{}
	for _, w := range s.hooks {
		if w.OwnerClientID == owner {
			all = append(all, map[string]any{
				"id": w.ID, "url": w.URL, "description": w.Description, "action": w.Action,
				"filters": map[string]any{"source_type": w.SourceType}, "owner_client_id": w.OwnerClientID, "type": w.Type,
			})
		}
	}
	return all, nil
}

func (s *Server) registerWebhook(body []byte) (any, *problem) {
	var in struct {
		Action         string   `json:"action"`
		SecretKey      string   `json:"secret_key"`
		URL            string   `json:"url"`
		AdditionalData []string `json:"additional_data"`
		Description    string   `json:"description"`
		Filters        struct {
			AuthorType   string         `json:"author_type"`
			OnlyMyChats  bool           `json:"only_my_chats"`
			ChatPresence jsontext.Value `json:"chat_presence"`
			SourceType   []string       `json:"source_type"`
		} `json:"filters"`
		OwnerClientID string `json:"owner_client_id"`
		Type          string `json:"type"`
	}
	if p := read(body, &in); p != nil {
		return nil, p
	}
	same := 0
	for _, w := range s.hooks {
		if w.OwnerClientID == in.OwnerClientID && w.Action == in.Action {
			same++
		}
	}
	switch {
	case in.SecretKey == "" || in.URL == "" || in.OwnerClientID == "":
		return nil, refuse("validation", "`secret_key`, `url` and `owner_client_id` are required")
	case len(in.URL) > 500:
		return nil, refuse("validation", "`url` is too long")
	case in.Type != "license" && in.Type != "bot":
		return nil, refuse("validation", "`type` must be one of: bot, license")
	case !slices.Contains(actions, in.Action):
		return nil, refuse("validation", "`action` is not known")
	case !all(in.Filters.SourceType, sources) || !all(in.AdditionalData, additional):
		return nil, refuse("validation", "`filters.source_type` or `additional_data` is not known")
	case in.Filters.AuthorType != "" && in.Action != "incoming_event" && in.Action != "event_updated":
		return nil, refuse("validation", "`filters.author_type` is not allowed")
	case len(in.AdditionalData) > 0 && in.Action == "agent_deleted":
		return nil, refuse("validation", "`additional_data` is not allowed")
	case same >= 3:
		return nil, refuse("limit_reached", "Limit reached")
	}
	s.made++
	w := Webhook{
		ID: fmt.Sprintf("webhook%04d", s.made), OwnerClientID: in.OwnerClientID, Action: in.Action, URL: in.URL,
		Description: in.Description, Type: in.Type, Secret: in.SecretKey, SourceType: in.Filters.SourceType, AdditionalData: in.AdditionalData,
	}
	s.hooks = append(s.hooks, w)
	return map[string]string{"id": w.ID}, nil
}

func all(given, allowed []string) bool {
	return !slices.ContainsFunc(given, func(s string) bool { return !slices.Contains(allowed, s) })
}

func (s *Server) unregisterWebhook(body []byte) (any, *problem) {
	var in owned
	if p := read(body, &in); p != nil {
		return nil, p
	}
	i := slices.IndexFunc(s.hooks, func(w Webhook) bool { return w.ID == in.ID && w.OwnerClientID == in.OwnerClientID })
	if i < 0 {
		return nil, refuse("not_found", "Webhook not found")
	}
	s.hooks = slices.Delete(s.hooks, i, i+1)
	return nil, nil
}

func (s *Server) webhooksState(body []byte) (any, *problem) {
	if _, p := s.owner(body); p != nil {
		return nil, p
	}
	return map[string]bool{"license_webhooks_enabled": s.enabled}, nil
}

func (s *Server) enableWebhooks(body []byte) (any, *problem) {
	if _, p := s.owner(body); p != nil {
		return nil, p
	}
	s.enabled = true
	return nil, nil
}
