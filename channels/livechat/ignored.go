package livechat

// The words of version 2 and of the app lifecycle that are documented.
var (
	v2Events = map[string]bool{
		"chat_started": true, "chat_ended": true, "chat_changed": true,
		"visitor_queued": true, "ticket_created": true, "canned_response_changed": true,
	}
	lifecycleEvents = map[string]bool{"application_installed": true, "application_uninstalled": true, "payment_activated": true}
)

// countedAs is LiveChat's word for what was ignored, where it is one that LiveChat is known to use in bodies of that kind;
// else empty. So it comes from a closed set, whatever a body says.
func countedAs(kind, word string) string {
	var known bool
	switch kind {
	case ignoredMalformed:
		_, known = effects[word]
	case ignoredV2:
		known = v2Events[word]
	case ignoredLifecycle:
		known = lifecycleEvents[word]
	}
	if !known {
		return ""
	}
	return word
}
