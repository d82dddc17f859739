package livechat

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/channels"
)

// What a tolerant decoder may do to a body of LiveChat's, as counted in channels.Received.Repaired.
const (
	repairReplaced  = "replaced"  // texts with a NUL, a lone surrogate or broken UTF-8, now U+FFFD: PostgreSQL takes none of them
	repairDuplicate = "duplicate" // members that a later one of the same name took the place of
	repairDropped   = "dropped"   // parts that nobody could keep, such as a message without an id inside a chat
	repairUnread    = "unread"    // members of another type than LiveChat documents, and times that are none
	repairPrivate   = "private"   // members of details that no event holds
)

// tolerate reads what other JSON writers than LiveChat's are refused for.
var tolerate = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// repair makes JSON text into JSON text that every reader takes for the same: no NUL, no lone surrogate, no name twice in
// one object (the last one wins, whole: nothing of the earlier one is left). What needs no repair comes back as it is.
func repair(body []byte) (jsontext.Value, map[string]int, error) {
	if jsontext.Value(body).IsValid() && !bytes.Contains(body, []byte(`\u0000`)) {
		return body, nil, nil
	}
	tree, repaired, err := parse(body)
	if err != nil {
		return nil, nil, err
	}
	return tree.appendTo(make([]byte, 0, len(body))), repaired, nil
}

// node is a JSON value: raw for what holds no other values, else items, with names when it is an object.
type node struct {
	kind  jsontext.Kind
	raw   jsontext.Value
	names []string
	items []node
}

// parser counts what it repairs.
type parser struct {
	*jsontext.Decoder
	repaired map[string]int
}

// parse reads one JSON value and repairs it. The error is an *Invalid.
func parse(body []byte) (node, map[string]int, error) {
	p := parser{jsontext.NewDecoder(bytes.NewBuffer(body), tolerate), map[string]int{}}
	tree, err := p.node()
	if err != nil {
		return node{}, nil, notJSON()
	}
	if _, end := p.ReadToken(); !errors.Is(end, io.EOF) { // something follows
		return node{}, nil, notJSON()
	}
	if len(p.repaired) == 0 {
		p.repaired = nil
	}
	return tree, p.repaired, nil
}

func notJSON() error {
	return &channels.Invalid{Code: channels.CodeInvalidJSON, Detail: "The body is not well-formed JSON in UTF-8."}
}

func (p parser) node() (node, error) {
	n := node{kind: p.PeekKind()}
	switch n.kind {
	case '{':
		return p.object()
	case '[':
		if _, err := p.ReadToken(); err != nil {
			return n, err
		}
		for p.PeekKind() != ']' {
			item, err := p.node()
			if err != nil {
				return n, err
			}
			n.items = append(n.items, item)
		}
		_, err := p.ReadToken()
		return n, err
	case '"':
		s, err := p.text()
		if err == nil {
			n.raw, err = jsontext.AppendQuote(nil, s)
		}
		return n, err
	default: // null, a boolean, a number, or nothing that JSON knows
		raw, err := p.ReadValue()
		n.raw = raw.Clone()
		return n, err
	}
}

func (p parser) object() (node, error) {
	n := node{kind: '{'}
	if _, err := p.ReadToken(); err != nil {
		return n, err
	}
	places := map[string]int{}
	for p.PeekKind() != '}' {
		name, err := p.text()
		if err != nil {
			return n, err
		}
		value, err := p.node()
		if err != nil {
			return n, err
		}
		if at, twice := places[name]; twice {
			p.repaired[repairDuplicate]++
			n.items[at] = value
			continue
		}
		places[name] = len(n.items)
		n.names, n.items = append(n.names, name), append(n.items, value)
	}
	_, err := p.ReadToken()
	return n, err
}

// text reads a string. It counts once, however much of it was replaced.
func (p parser) text() (string, error) {
	raw, err := p.ReadValue()
	if err != nil {
		return "", err
	}
	if raw.Kind() != '"' {
		return "", jsontext.ErrNonStringName
	}
	// AppendUnquote puts U+FFFD for what is not UTF-8 and says so with an error; the grammar was checked by ReadValue.
	s, invalid := jsontext.AppendUnquote(nil, raw)
	if invalid != nil || bytes.IndexByte(s, 0) >= 0 {
		p.repaired[repairReplaced]++
	}
	return strings.ReplaceAll(string(s), "\x00", "\uFFFD"), nil
}

// appendTo writes the value without white space.
func (n node) appendTo(b []byte) []byte {
	switch n.kind {
	case '{':
		b = append(b, '{')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b, _ = jsontext.AppendQuote(b, n.names[i]) // valid UTF-8 by now
			b = item.appendTo(append(b, ':'))
		}
		return append(b, '}')
	case '[':
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.appendTo(b)
		}
		return append(b, ']')
	default:
		return append(b, n.raw...)
	}
}
