package livechat

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds what is handed on as it was sent. An event puts it into an envelope and a dispatch puts that into
// another, ten levels in all; readers stop at 10,000 levels, PostgreSQL's jsonb and other languages' readers long before.
// LiveChat's own deepest, a condition of an automatic access, has seven.
const maxDepth = 100

// private are members that no event ever holds: credentials, and where a person is (IP address, place, pages).
var private = []string{"webhook_id", "visit", "last_visit", "customer_visit"}

func isPrivate(name string) bool {
	name = strings.ToLower(name)
	return slices.Contains(private, name) ||
		strings.Contains(name, "secret") || strings.Contains(name, "token") || strings.Contains(name, "password")
}

// secretless is the value without private members, however deep they are, and how many those were; nil when nobody could
// keep it.
func secretless(v jsontext.Value) (kept jsontext.Value, private int) {
	if !keepable(v) {
		return nil, 0
	}
	tree, _, err := parse(v)
	if err != nil {
		return nil, 0
	}
	public, private := tree.withoutPrivate()
	return public.appendTo(nil), private
}

func (n node) withoutPrivate() (kept node, private int) {
	kept = node{kind: n.kind, raw: n.raw}
	for i, item := range n.items {
		if n.kind == '{' {
			if isPrivate(n.names[i]) {
				private++
				continue
			}
			kept.names = append(kept.names, n.names[i])
		}
		item, inside := item.withoutPrivate()
		kept.items, private = append(kept.items, item), private+inside
	}
	return kept, private
}

// keepable reports whether every reader of an event can take the value: it says something, is not too deep, and its
// numbers are numbers for all of them (1e400 is JSON, and infinite elsewhere).
func keepable(v jsontext.Value) bool {
	if v.Kind() == 0 || v.Kind() == 'n' {
		return false
	}
	d := jsontext.NewDecoder(strings.NewReader(string(v)), tolerate)
	for {
		token, err := d.ReadToken()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if d.StackDepth() > maxDepth {
			return false
		}
		if token.Kind() == '0' {
			if _, err := strconv.ParseFloat(token.String(), 64); err != nil {
				return false
			}
		}
	}
}
