package livechat

import "github.com/livepipe/livepipe/messages"

// effect turns what was read into events; none when an id is missing that the effect cannot be without.
type effect func(*reading) []messages.Event

// effects are all actions of versions 3.0 to 3.7: the present name first, then the older ones and the slips of the
// documentation that mean the same.
var effects = map[string]effect{
	"incoming_chat":        (*reading).incomingChat,
	"incoming_chat_thread": (*reading).incomingChat,

	"incoming_event":                 (*reading).incomingEvent,
	"event_updated":                  (*reading).eventUpdated,
	"event_deleted":                  (*reading).eventDeleted,
	"incoming_rich_message_postback": (*reading).postbackPressed,
	"events_marked_as_seen":          (*reading).seen,
	"last_seen_timestamp_updated":    (*reading).seen,

	"chat_deactivated":       (*reading).closed,
	"thread_closed":          (*reading).closed,
	"chat_transferred":       (*reading).transferred,
	"chat_access_updated":    (*reading).accessUpdated,
	"chat_access_granted":    (*reading).accessGranted,
	"access_granted":         (*reading).accessGranted,
	"chat_access_revoked":    (*reading).accessRevoked,
	"access_revoked":         (*reading).accessRevoked,
	"user_added_to_chat":     (*reading).personAdded,
	"chat_user_added":        (*reading).personAdded,
	"user_removed_from_chat": (*reading).personRemoved,
	"chat_user_removed":      (*reading).personRemoved,

	"thread_tagged":        tagged(messages.ThreadTagged),
	"chat_thread_tagged":   tagged(messages.ThreadTagged),
	"thread_untagged":      tagged(messages.ThreadUntagged),
	"chat_thread_untagged": tagged(messages.ThreadUntagged),
	"thread_summary_set":   (*reading).summarized,

	"chat_properties_updated":        properties(messages.ChatPropertiesUpdated),
	"chat_properties_deleted":        properties(messages.ChatPropertiesDeleted),
	"thread_properties_updated":      properties(messages.ThreadPropertiesUpdated),
	"chat_thread_properties_updated": properties(messages.ThreadPropertiesUpdated),
	"thread_properties_deleted":      properties(messages.ThreadPropertiesDeleted),
	"chat_thread_properties_deleted": properties(messages.ThreadPropertiesDeleted),
	"event_properties_updated":       messageProperties(messages.MessagePropertiesUpdated),
	"event_properties_deleted":       messageProperties(messages.MessagePropertiesDeleted),

	"customer_session_fields_updated": (*reading).sessionFields,

	"routing_status_set":    account("routing_status_set"),
	"agent_status_changed":  account("routing_status_set"),
	"incoming_customer":     account("incoming_customer"),
	"customer_created":      account("incoming_customer"),
	"agent_created":         account("agent_created"),
	"agent_approved":        account("agent_approved"),
	"agent_updated":         account("agent_updated"),
	"agent_suspended":       account("agent_suspended"),
	"agent_unsuspended":     account("agent_unsuspended"),
	"agent_deleted":         account("agent_deleted"),
	"auto_accesses_updated": account("auto_accesses_updated"),
	"auto_access_added":     account("auto_access_added"),
	"auto_access_updated":   account("auto_access_updated"),
	"auto_access_deleted":   account("auto_access_deleted"),
	"bot_created":           account("bot_created"),
	"bot_updated":           account("bot_updated"),
	"bot_deleted":           account("bot_deleted"),
	"group_created":         account("group_created"),
	"group_updated":         account("group_updated"),
	"group_deleted":         account("group_deleted"),
	"tag_created":           account("tag_created"),
	"tag_updated":           account("tag_updated"),
	"tag_deleted":           account("tag_deleted"),
	"delete_tag":            account("tag_deleted"),
}
