package livechat

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/channels"
)

// shape is whose words a body uses. Nothing in a body names its version.
type shape int

const (
	shapeOurs      shape = iota // our contract's, or nothing that we know
	shapeV3                     // webhook_id, action and payload
	shapeLifecycle              // applicationID; these have an "event" too, which is our contract's word
	shapeV2                     // event_type, token and license_id
)

// sniff looks at the names of a body's own members.
func sniff(body []byte) shape {
	d := jsontext.NewDecoder(bytes.NewBuffer(body), tolerate)
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return shapeOurs
	}
	has := map[string]bool{}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return shapeOurs
		}
		switch name := t.String(); name {
		case "webhook_id", "action", "payload", "applicationID", "event_type", "token", "license_id":
			has[name] = true
		}
		if d.SkipValue() != nil {
			return shapeOurs
		}
	}
	switch {
	case has["webhook_id"] && has["action"] && has["payload"]:
		return shapeV3
	case has["applicationID"]:
		return shapeLifecycle
	case has["event_type"] && has["token"] && has["license_id"]:
		return shapeV2
	}
	return shapeOurs
}

// sniffed decodes LiveChat's own bodies, and leaves all others to the strict decoder of our contract.
func sniffed(answer answer, ours func(channels.Request) (channels.Received, error)) func(channels.Request) (channels.Received, error) {
	return func(r channels.Request) (channels.Received, error) {
		switch sniff(r.Body) {
		case shapeV3:
			return decodeWebhookV3(r, answer)
		case shapeLifecycle:
			return ignoreBody(r, ignoredLifecycle, "event")
		case shapeV2:
			return ignoreBody(r, ignoredV2, "event_type")
		}
		return ours(r)
	}
}

// ignoreBody answers a body that tells us nothing.
func ignoreBody(r channels.Request, word, key string) (channels.Received, error) {
	body, repaired, err := repair(r.Body)
	if err != nil {
		return channels.Received{}, err
	}
	return ignored(word, unknown(r, wordOf(body, key), body), repaired), nil
}

// refuseShape is for the path without an identifier: our contract's bodies do not say whose they are.
func refuseShape(r channels.Request) (channels.Received, error) {
	var object map[string]jsontext.Value
	if err := channels.DecodeStrict(r.Body, &object); err != nil {
		return channels.Received{}, err
	}
	return channels.Received{}, &channels.Invalid{
		Code: channels.CodeMissingField, Field: "webhook_id",
		Detail: "The body must be a webhook of LiveChat's, with webhook_id, action and payload.",
	}
}
