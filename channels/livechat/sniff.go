package livechat

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/channels"
)

// shape is whose words a body uses. Nothing in a body names its version.
type shape int

const (
	shapeOurs      shape = iota // our contract's, or nothing that we know
	shapeV3                     // action, with secret_key, or with webhook_id and payload
	shapeLifecycle              // applicationID; these have an "event" too, which is our contract's word
	shapeV2                     // event_type, token and license_id
)

// sniffers are used again, because every body is sniffed: a new one is seven allocations.
var (
	sniffers = sync.Pool{New: func() any { return new(jsontext.Decoder) }}
	nothing  = bytes.NewReader(nil) // what an idle one has instead of somebody's body
)

// sniff looks at the names of a body's own members.
func sniff(body []byte) shape {
	d := sniffers.Get().(*jsontext.Decoder)
	defer func() {
		d.Reset(nothing)
		sniffers.Put(d)
	}()
	d.Reset(bytes.NewBuffer(body), tolerate)
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return shapeOurs
	}
	var has members
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return shapeOurs
		}
		has |= memberOf(t.String())
		if d.SkipValue() != nil {
			return shapeOurs
		}
	}
	switch {
	case has.all(hasWebhookID | hasAction | hasPayload), has.all(hasSecretKey|hasAction) && !has.any(hasEventType|hasEvent):
		return shapeV3
	case has.all(hasApplicationID):
		return shapeLifecycle
	case has.all(hasEventType | hasToken | hasLicenseID):
		return shapeV2
	}
	return shapeOurs
}

// members is a set of the names that tell a shape.
type members uint16

const (
	hasWebhookID members = 1 << iota
	hasAction
	hasPayload
	hasApplicationID
	hasEventType
	hasToken
	hasLicenseID
	hasSecretKey
	hasEvent
)

func (m members) all(of members) bool { return m&of == of }
func (m members) any(of members) bool { return m&of != 0 }

func memberOf(name string) members {
	switch name {
	case "webhook_id":
		return hasWebhookID
	case "action":
		return hasAction
	case "payload":
		return hasPayload
	case "applicationID":
		return hasApplicationID
	case "event_type":
		return hasEventType
	case "token":
		return hasToken
	case "license_id":
		return hasLicenseID
	case "secret_key":
		return hasSecretKey
	case "event":
		return hasEvent
	}
	return 0
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
	read := reading{identity: r.Identity, receivedAt: r.ReceivedAt, repaired: repaired}
	return read.ignored(word, wordOf(body, key), body), nil
}

// refuseShape is for the path without an identifier: our contract's bodies do not say whose they are.
func refuseShape(r channels.Request) (channels.Received, error) {
	var object map[string]jsontext.Value
	if err := channels.DecodeStrict(r.Body, &object); err != nil {
		return channels.Received{}, err
	}
	return channels.Received{}, &channels.Invalid{
		Code: channels.CodeMissingField, Field: "webhook_id",
		Detail: "The body must be a webhook of LiveChat's, with webhook_id, secret_key, action and payload.",
	}
}
