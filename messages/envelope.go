package messages

import (
	"fmt"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Envelope is a CloudEvents 1.0 event in the JSON format (structured mode): the body of every message on every bus.
// The extensions follow the CloudEvents registry: partitionkey, distributed tracing (traceparent) and claim check
// (dataref, with the digest of what it points to).
type Envelope struct {
	SpecVersion     string         `json:"specversion"`
	ID              string         `json:"id"`
	Source          string         `json:"source"`
	Type            Type           `json:"type"`
	Subject         string         `json:"subject,omitzero"`
	Time            time.Time      `json:"time"`
	DataContentType string         `json:"datacontenttype,omitzero"`
	PartitionKey    string         `json:"partitionkey"`
	TraceParent     string         `json:"traceparent,omitzero"`
	DataRef         string         `json:"dataref,omitzero"`
	DataDigest      string         `json:"datadigest,omitzero"`
	Data            jsontext.Value `json:"data,omitzero"`
}

// Seal puts an event into its envelope. The time is when livepipe took the event on, in UTC with milliseconds.
func Seal(e Event, at time.Time, traceParent string) (Envelope, error) {
	data, err := json.Marshal(e, json.Deterministic(true)) // maps too: the wire form is pinned
	if err != nil {
		return Envelope{}, fmt.Errorf("encode %s: %w", e.Type(), err)
	}
	o := e.From()
	return Envelope{
		SpecVersion:     "1.0",
		ID:              EventID(o, e.Type(), e.Key()...),
		Source:          "/" + o.Channel + "/" + url.PathEscape(o.Org) + "/" + url.PathEscape(o.LiveChat),
		Type:            e.Type(),
		Subject:         o.ChatID,
		Time:            at.UTC().Truncate(time.Millisecond),
		DataContentType: "application/json",
		PartitionKey:    e.Lane(),
		TraceParent:     traceParent,
		Data:            data,
	}, nil
}

// Holding is the envelope with e in it, for whoever has learned more about the event that it holds. Everything else stays,
// the id first of all.
func (env Envelope) Holding(e Event) (Envelope, error) {
	data, err := json.Marshal(e, json.Deterministic(true))
	if err != nil {
		return Envelope{}, fmt.Errorf("encode %s: %w", e.Type(), err)
	}
	env.Data = data
	return env, nil
}

// Open takes the typed event out of an envelope. Any error is Permanent("undecodable"): no retry changes the bytes.
func Open[T Event](env Envelope) (T, error) {
	var e T
	if want := e.Type(); env.Type != want {
		return e, undecodable("open %s: envelope holds another type", want)
	}
	if err := json.Unmarshal(env.Data, &e); err != nil {
		return e, undecodable("decode %s: %s", e.Type(), where(err))
	}
	if o := e.From(); o.Channel == "" || o.Org == "" || o.LiveChat == "" {
		return e, undecodable("decode %s: no tenant", e.Type())
	}
	return e, nil
}

// ParseEnvelope reads the body of a bus message. Unknown attributes are ignored, so that old readers read new writers.
// Any error is Permanent("undecodable").
func ParseEnvelope(body []byte) (Envelope, error) {
	var env Envelope
	if err := json.Unmarshal(body, &env); err != nil {
		return Envelope{}, undecodable("decode envelope: %s", where(err))
	}
	if env.SpecVersion != "1.0" || env.ID == "" || env.Type == "" || env.Source == "" {
		return Envelope{}, undecodable("decode envelope: not a CloudEvents 1.0 event")
	}
	return env, nil
}

// Bytes is the envelope's wire form.
func (env Envelope) Bytes() ([]byte, error) {
	b, err := json.Marshal(env)
	if err != nil {
		return nil, fmt.Errorf("encode envelope: %w", err)
	}
	return b, nil
}
