package webapi

// Action is something that a webhook can be registered for (Configuration API v3.6, "Triggering actions").
type Action struct {
	Name string
	// Chat says that it is about one conversation, which livepipe then keeps.
	Chat bool
}

// Actions are all of them.
func Actions() []Action {
	var all []Action
	for _, name := range []string{
		"incoming_chat", "incoming_event", "event_updated", "event_deleted", "incoming_rich_message_postback",
		"events_marked_as_seen", "chat_deactivated", "chat_transferred", "chat_access_updated",
		"user_added_to_chat", "user_removed_from_chat", "thread_tagged", "thread_untagged", "thread_summary_set",
		"chat_properties_updated", "chat_properties_deleted", "thread_properties_updated", "thread_properties_deleted",
		"event_properties_updated", "event_properties_deleted", "customer_session_fields_updated",
	} {
		all = append(all, Action{name, true})
	}
	for _, name := range []string{
		"routing_status_set",
		"agent_created", "agent_approved", "agent_updated", "agent_suspended", "agent_unsuspended", "agent_deleted",
		"auto_accesses_updated", "bot_created", "bot_updated", "bot_deleted",
		"group_created", "group_updated", "group_deleted", "tag_created", "tag_updated", "tag_deleted",
	} {
		all = append(all, Action{name, false})
	}
	return all
}
