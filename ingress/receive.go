package ingress

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/messages"
)

// endpoint is one path of a channel.
type endpoint struct {
	*Server
	channel channels.Channel
	prefix  string
	actions map[string]action
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
	body     []byte // empty for an upload, which is streamed
}

func newEndpoint(s *Server, channel channels.Channel, e channels.Endpoint, prefix string) *endpoint {
	actions := make(map[string]action, len(e.Actions))
	for word, a := range e.Actions {
		name := word
		if word == "" {
			name = actionReceive
		}
		actions[word] = action{a, name}
	}
	return &endpoint{Server: s, channel: channel, prefix: prefix, actions: actions}
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
	if err := e.admit(&q); err != nil {
		return a.name, err
	}
	if wrong != nil {
		return a.name, wrong
	}
	return a.name, e.perform(&q, a)
}

// admit finds out whose request it is and whether it may be made.
func (e *endpoint) admit(q *request) error {
	identity, err := e.channel.Identify(strings.TrimPrefix(q.r.URL.Path, e.prefix))
	if err != nil {
		return err
	}
	q.identity = identity
	if err := e.access.check(q.r, identity.Tenant); err != nil {
		return err
	}
	if q.r.Method != http.MethodPost {
		q.w.Header()["Allow"] = allowMethods
		return refuse(codeMethod)
	}
	return nil
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
	if got.Ignored != "" {
		e.metrics.ignored.WithLabelValues(e.prefix + ":identifier").Inc()
	}
	confirmed, err := e.bus.publish(q.r.Context(), got.Events, traceParent(q.r))
	if err != nil {
		return err
	}
	for _, event := range got.Events {
		if m, ok := event.(messages.MessageReceived); ok {
			e.accepted.add(m.Chat, m.Message.ID, confirmed)
		}
	}
	writeJSON(q.w, http.StatusOK, jsonType, got.Reply(confirmed))
	return nil
}
