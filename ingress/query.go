package ingress

import (
	"net/url"

	"github.com/livepipe/livepipe/channels"
)

// parseQuery reads the query and refuses parameters of ours that occur twice: two readers could take two values.
// Others are ignored.
func parseQuery(raw string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, refuseField(codeInvalidQuery, "", "The query is not well-formed.")
	}
	for _, name := range [...]string{"action", "chat_id", "limit", "cursor"} {
		if len(query[name]) > 1 {
			return nil, refuseField(codeInvalidQuery, name, "The parameter occurs more than once.")
		}
	}
	return query, nil
}

// action finds what is asked for. A path with one action only has no such parameter, and ignores it like any other that
// it does not know.
func (e *endpoint) action(query url.Values) (action, error) {
	if given, ok := query["action"]; ok && len(e.actions) > 1 {
		if a, known := e.actions[given[0]]; known && given[0] != "" {
			return a, nil
		}
		return action{}, refuseField(codeUnknownAction, "action", "")
	}
	if a, ok := e.actions[""]; ok {
		return a, nil
	}
	return action{}, refuseField(channels.CodeMissingField, "action", "The parameter is required.")
}
