// Package channels is the neutral contract between a provider of conversations and the ingress: which paths it has and
// how its words become our messages. Each provider is one directory below this one. It may import only messages.
package channels

import (
	"net/url"
	"time"

	"github.com/livepipe/livepipe/messages"
)

// Channel is one provider.
type Channel struct {
	// Name is part of every event's origin, such as "livechat".
	Name string
	// Identify reads the {identifier} of a path, already percent-decoded once by the router. The error is an *Invalid.
	Identify func(segment string) (Identity, error)
	// Endpoints are the paths, each answering POST and OPTIONS.
	Endpoints []Endpoint
}

// Identity is whose traffic a path carries.
type Identity struct {
	messages.Tenant
	User string
}

// Endpoint is one path. It ends with "/:identifier"; the identifier is all the rest of the path, because standard
// base64 may hold a slash.
type Endpoint struct {
	Path string
	// Actions are keyed by the value of the query parameter "action"; "" is the default.
	Actions map[string]Action
}

// Action is what one request on an endpoint does: Decode for what is received, or one of ingress's own services.
type Action struct {
	Service Service
	Decode  func(Request) (Received, error)
}

// Service is a kind of action.
type Service int

// The services.
const (
	Receive       Service = iota // decode the body to events and publish them
	FetchMessages                // answer from history
	UploadMedia                  // take a file
)

// Request is what a channel decodes. The body belongs to ingress again when Decode returns: keep copies only.
type Request struct {
	Identity   Identity
	Query      url.Values
	Body       []byte
	ReceivedAt time.Time
}

// Received is a decoded request: the events to publish, and the answer once every one of them is durable.
type Received struct {
	Events []messages.Event
	// Ignored says that the provider told us something that we have no word for: answered, counted, published nowhere.
	Ignored bool
	// Reply makes the JSON answer. queuedAt is when the broker confirmed.
	Reply func(queuedAt time.Time) any
}
