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
	// Credentials reads what a body says about its sender; nil where the provider's bodies say nothing. The body is not
	// checked yet: what is not there, or not readable, is empty.
	Credentials func(body []byte) Credentials
}

// Credentials are what a provider puts into a body in place of a header. Secret must reach no log, error or event.
type Credentials struct {
	Secret       string
	Organization string // the provider's own id of the sender's account
	// Former says that Organization is an id that the provider has replaced by another since. It finds an account, but says
	// nothing against one that is known by the new id.
	Former  bool
	Webhook string // the provider's id of the registration
	// Unsigned says that the provider never puts a secret into bodies of this shape. They have no effect, so they are
	// answered and counted, whoever sent them.
	Unsigned bool
}

// Identity is whose traffic a path carries.
type Identity struct {
	messages.Tenant
	User string
}

// Endpoint is one path. When it ends with "/:identifier", the identifier is all the rest of the path, because standard
// base64 may hold a slash. A path without one is for senders who say who they are in the body: the tenant is the account
// whose organization and registration the Credentials name, and whose secret they hold.
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
	// Ignored names, with a word of a closed set, what the provider told us that has no effect here: answered, counted,
	// published nowhere. Empty when nothing was ignored.
	Ignored string
	// Action is the provider's own word for what was ignored, where it is one of those that the channel knows: a closed set
	// too. Empty for every other word.
	Action string
	// Unknown is what was ignored, for processes whose routing rules ask for it; nil when there is nothing to tell.
	Unknown messages.Event
	// Repaired counts, by a word of a closed set, what a tolerant decoder changed in the body.
	Repaired map[string]int
	// Reply makes the JSON answer. queuedAt is when the broker confirmed.
	Reply func(queuedAt time.Time) any
}
