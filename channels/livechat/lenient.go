package livechat

import (
	"errors"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// readLeniently fills what has the type that LiveChat documents and leaves the rest empty: one odd member must not lose
// a message. What an event cannot be without is looked for afterwards.
var readLeniently = json.WithUnmarshalers(json.JoinUnmarshalers(
	json.UnmarshalFromFunc(readString),
	only[*string]('"'),
	only[bool]('t', 'f'),
	only[*bool]('t', 'f'),
	json.UnmarshalFromFunc(readInteger),
	json.UnmarshalFromFunc(readIntegers),
	only[[]string]('['),
	only[webhook]('{'),
	only[requester]('{'),
	only[payload]('{'),
	only[chat]('{'),
	only[thread]('{'),
	only[access]('{'),
	only[[]user]('['),
	only[user]('{'),
	only[[]event]('['),
	only[event]('{'),
	only[postback]('{'),
	only[[]formField]('['),
	only[formField]('{'),
	only[[]element]('['),
	only[element]('{'),
	only[transfer]('{'),
	only[activeChat]('{'),
	only[summary]('{'),
	only[subject]('{'),
))

// only lets the default way decode a T from JSON of these kinds, and skips all else.
func only[T any](kinds ...jsontext.Kind) *json.Unmarshalers {
	return json.UnmarshalFromFunc(func(d *jsontext.Decoder, _ *T) error {
		if slices.Contains(kinds, d.PeekKind()) {
			return errors.ErrUnsupported // by this function: the default goes on
		}
		return d.SkipValue()
	})
}

// readString takes a number as its text: the documentation's samples have ids and versions both ways.
func readString(d *jsontext.Decoder, s *string) error {
	if d.PeekKind() == '"' {
		return errors.ErrUnsupported
	}
	raw, err := d.ReadValue()
	if err == nil && raw.Kind() == '0' {
		*s = string(raw)
	}
	return err
}

// readInteger takes 12; of 12.5, 1e400 and "12" it makes 0.
func readInteger(d *jsontext.Decoder, n *int64) error {
	raw, err := d.ReadValue()
	if err == nil {
		*n, _ = integer(raw)
	}
	return err
}

// readIntegers leaves out what is no integer: a group 0, which is everyone, must not come of it.
func readIntegers(d *jsontext.Decoder, list *[]int64) error {
	raw, err := d.ReadValue()
	if err != nil || raw.Kind() != '[' {
		return err
	}
	var items []jsontext.Value
	if err := json.Unmarshal(raw, &items); err != nil {
		return err
	}
	for _, item := range items {
		if n, ok := integer(item); ok {
			*list = append(*list, n)
		}
	}
	return nil
}

func integer(raw jsontext.Value) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return 0, false
	}
	return n, true
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
