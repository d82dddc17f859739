package livechat

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// lenient fills what has the type that LiveChat documents, leaves the rest empty and counts it: one odd member must not
// lose a message. What an event cannot be without is looked for afterwards.
type lenient struct {
	options json.Options
	unread  int
}

// lenients are used again, because they know by heart which types they have a word in.
var lenients = sync.Pool{New: func() any {
	l := &lenient{}
	l.options = json.WithUnmarshalers(json.JoinUnmarshalers(
		json.UnmarshalFromFunc(l.readString),
		only[*string](l, '"'),
		only[bool](l, 't', 'f'),
		only[*bool](l, 't', 'f'),
		json.UnmarshalFromFunc(l.readInteger),
		json.UnmarshalFromFunc(l.readIntegers),
		only[[]string](l, '['),
		only[webhook](l, '{'),
		only[requester](l, '{'),
		only[payload](l, '{'),
		only[chat](l, '{'),
		only[thread](l, '{'),
		only[access](l, '{'),
		only[[]user](l, '['),
		only[user](l, '{'),
		only[[]event](l, '['),
		only[event](l, '{'),
		only[eventProperties](l, '{'),
		only[eventSource](l, '{'),
		only[postback](l, '{'),
		only[[]formField](l, '['),
		only[formField](l, '{'),
		only[[]element](l, '['),
		only[element](l, '{'),
		only[transfer](l, '{'),
		only[activeChat](l, '{'),
		only[summary](l, '{'),
		only[subject](l, '{'),
	))
	return l
}}

// readLeniently fails for what is no JSON only. It tells how many members it could not read.
func readLeniently(v jsontext.Value, into any) (unread int, err error) {
	l := lenients.Get().(*lenient)
	defer lenients.Put(l)
	l.unread = 0
	err = json.Unmarshal(v, into, l.options)
	return l.unread, err
}

// only lets the default way decode a T from JSON of these kinds, and skips all else.
func only[T any](l *lenient, kinds ...jsontext.Kind) *json.Unmarshalers {
	return json.UnmarshalFromFunc(func(d *jsontext.Decoder, _ *T) error {
		if slices.Contains(kinds, d.PeekKind()) {
			return errors.ErrUnsupported // by this function: the default goes on
		}
		return l.skip(d)
	})
}

// skip leaves a member out. Null is no type: whoever writes it says that there is nothing.
func (l *lenient) skip(d *jsontext.Decoder) error {
	if d.PeekKind() != 'n' {
		l.unread++
	}
	return d.SkipValue()
}

// readString takes a number as its text: the documentation's samples have ids and versions both ways.
func (l *lenient) readString(d *jsontext.Decoder, s *string) error {
	switch d.PeekKind() {
	case '"':
		return errors.ErrUnsupported
	case '0':
		raw, err := d.ReadValue()
		*s = string(raw)
		return err
	}
	return l.skip(d)
}

// readInteger takes 12; of 12.5, 1e400 and "12" it makes 0.
func (l *lenient) readInteger(d *jsontext.Decoder, n *int64) error {
	if d.PeekKind() != '0' {
		return l.skip(d)
	}
	raw, err := d.ReadValue()
	if err == nil {
		*n = l.integer(raw)
	}
	return err
}

// readIntegers leaves out what is no integer: a group 0, which is everyone, must not come of it.
func (l *lenient) readIntegers(d *jsontext.Decoder, list *[]int64) error {
	if d.PeekKind() != '[' {
		return l.skip(d)
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	var items []jsontext.Value
	if err := json.Unmarshal(raw, &items); err != nil {
		return err
	}
	for _, item := range items {
		before := l.unread
		if n := l.integer(item); l.unread == before {
			*list = append(*list, n)
		}
	}
	return nil
}

// integer counts what is none, and makes 0 of it.
func (l *lenient) integer(raw jsontext.Value) int64 {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		l.unread++
		return 0
	}
	return n
}

// textOf is a member that was sent as a text, or as a number for one; false for everything else.
func textOf(v jsontext.Value) (string, bool) {
	switch v.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote(nil, v)
		return string(text), err == nil
	case '0':
		return string(v), true
	}
	return "", false
}

// validID reports whether a key may hold the id.
func validID(id string) bool { return id != "" && len(id) <= maxID && printable(id) }

// cut keeps at most bound bytes, whole characters only.
func cut(s string, bound int) string {
	if len(s) <= bound {
		return s
	}
	for bound > 0 && !utf8.RuneStart(s[bound]) {
		bound--
	}
	return s[:bound]
}
