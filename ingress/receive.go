package ingress

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/livepipe/livepipe/channels"
)

// endpoint is one path of a channel.
type endpoint struct {
	*Server
	channel    channels.Channel
	path       string
	prefix     string // of the path, before the identifier
	identified bool   // the path has an identifier
	actions    map[string]action
}

// action is a channel's action with its name in metrics.
type action struct {
	channels.Action
	name string
}

// request is one request on its way through the checks.
type request struct {
	w        *echo.Response
	r        *http.Request
	query    url.Values
	identity channels.Identity
	account  *account // nil where everybody may call
	unsigned bool     // a body that has no effect, and no secret by its provider's design
	body     []byte   // empty for an upload, which is streamed
}

func newEndpoint(s *Server, channel channels.Channel, e channels.Endpoint) (*endpoint, error) {
	actions := make(map[string]action, len(e.Actions))
	for word, a := range e.Actions {
		name := word
		if word == "" {
			name = actionReceive
		}
		actions[word] = action{a, name}
	}
	prefix, identified := strings.CutSuffix(e.Path, ":identifier")
	switch {
	case !strings.HasPrefix(prefix, "/") || identified && !strings.HasSuffix(prefix, "/") || strings.ContainsAny(prefix, ":*"):
		return nil, fmt.Errorf("route channel %s: path %s is neither fixed nor ends with /:identifier", channel.Name, e.Path)
	case !identified && channel.Credentials == nil:
		return nil, fmt.Errorf("route channel %s: path %s has no identifier and its bodies name no account", channel.Name, e.Path)
	}
	return &endpoint{Server: s, channel: channel, path: e.Path, prefix: prefix, identified: identified, actions: actions}, nil
}

// serve checks a request in the order of the contract, each check before the work that the next one costs: address,
// size, identifier, credentials, method, action, type.
func (e *endpoint) serve(c echo.Context) (string, error) {
	q := request{w: c.Response(), r: c.Request()}
	e.cors.mark(q.w.Header(), q.r.Header)
	if err := e.limits.allow(q.r); err != nil {
		return actionUnknown, err
	}
	var wrong error // with the query; told only to who may call
	var a action
	if q.query, wrong = parseQuery(q.r.URL.RawQuery); wrong == nil {
		a, wrong = e.action(q.query)
	}
	if wrong != nil {
		a.name = actionUnknown
	}
	if a.Service != channels.UploadMedia {
		body, err := readBody(q.w.Writer, q.r, e.config.BodyLimit)
		if err != nil {
			return a.name, err
		}
		defer release(body)
		q.body = body.Bytes()
	}
	if err := e.admit(&q, a.Service); err != nil {
		return a.name, err
	}
	if wrong != nil {
		return a.name, wrong
	}
	return a.name, e.perform(&q, a)
}

func (e *endpoint) perform(q *request, a action) error {
	if a.Service != channels.UploadMedia {
		empty := len(bytes.TrimSpace(q.body)) == 0
		if err := wantJSON(q.r, empty && a.Service == channels.FetchMessages); err != nil {
			return err
		}
	}
	switch a.Service {
	case channels.FetchMessages:
		return e.fetch(q)
	case channels.UploadMedia:
		return e.upload(q)
	default:
		return e.receive(q, a.Decode)
	}
}

// receive is the way of every message: decode, publish, answer.
func (e *endpoint) receive(q *request, decode func(channels.Request) (channels.Received, error)) error {
	got, err := decode(channels.Request{Identity: q.identity, Query: q.query, Body: q.body, ReceivedAt: time.Now()})
	if err != nil {
		return err
	}
	if q.unsigned && (got.Ignored == "" || len(got.Events) > 0) {
		return refuse(codeUnauthorized) // it is not what its channel took it for
	}
	e.metrics.told(e.path, got)
	if e.config.PublishUnknown && got.Unknown != nil && !q.unsigned {
		got.Events = append(got.Events, got.Unknown)
	}
	confirmed, err := e.bus.publish(q.r.Context(), got.Events, traceParent(q.r))
	if err != nil {
		return err
	}
	e.accepted.note(got.Events, confirmed)
	writeJSON(q.w, http.StatusOK, jsonType, got.Reply(confirmed))
	return nil
}
