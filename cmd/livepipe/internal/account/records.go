package account

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/messages"
)

// accountRecord is one account of an import file.
type accountRecord struct {
	Org            string         `json:"org"`
	LiveChat       string         `json:"livechat"`
	OrganizationID string         `json:"organization_id"`
	Tokens         []recordToken  `json:"tokens"`
	SecretKeys     []recordSecret `json:"secret_keys"`
	SigningSecrets []recordSecret `json:"signing_secrets"`
	Limits         limitFlags     `json:"limits"`

	line        int // where it begins
	credentials []recordCredential
}

type recordToken struct {
	Name   string `json:"name"`
	Token  string `json:"token"`
	SHA256 string `json:"sha256"` // in place of the token, hexadecimal
}

type recordSecret struct {
	Name      string `json:"name"`
	WebhookID string `json:"webhook_id"` // of secret_keys only
	Secret    string `json:"secret"`
}

// recordCredential is a credential of a record and where it stands in it.
type recordCredential struct {
	newCredential
	field string // such as tokens[0]
}

func (r *accountRecord) tenant() messages.Tenant {
	return messages.Tenant{Org: r.Org, LiveChat: r.LiveChat}
}

// faults collects everything that is wrong with a file. A fault names line and field, and quotes nothing of the value.
type faults []string

func (f *faults) add(line int, field, says string) {
	if field != "" {
		field += " "
	}
	*f = append(*f, fmt.Sprintf("line %d: %s%s", line, field, says))
}

// readRecords reads JSON values one after the other, or one array of them, and checks each by itself and that no two are
// the same account.
func readRecords(text []byte) ([]*accountRecord, faults) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // some editors' mark of UTF-8
	var (
		records []*accountRecord
		found   faults
	)
	lines := lineCounter{text: text}
	seen := map[messages.Tenant]int{}
	err := eachValue(text, func(value []byte, offset int64) {
		line := lines.at(offset)
		r := &accountRecord{}
		if err := json.Unmarshal(value, r, json.RejectUnknownMembers(true)); err != nil {
			found.add(line, "", shapeFault(err))
			return
		}
		r.line = line
		r.check(&found)
		if first, twice := seen[r.tenant()]; twice {
			found.add(line, "", fmt.Sprintf("is the account of line %d again: write it once", first))
			return
		}
		seen[r.tenant()] = line
		records = append(records, r)
	})
	if err != nil {
		found.syntax(&lines, err)
	}
	return records, found
}

// eachValue calls each for every value of the array, or of the text when there is no array, and where it begins.
func eachValue(text []byte, each func(value []byte, offset int64)) error {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	depth := 0
	if d.PeekKind() == '[' {
		depth = 1
		if _, err := d.ReadToken(); err != nil {
			return brokenAt{d.InputOffset(), err}
		}
	}
	for depth == 0 || d.PeekKind() != ']' {
		value, err := d.ReadValue()
		if depth == 0 && errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return brokenAt{d.InputOffset(), err}
		}
		each(value, d.InputOffset()-int64(len(value)))
	}
	if _, err := d.ReadToken(); err != nil {
		return brokenAt{d.InputOffset(), err}
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return brokenAt{d.InputOffset(), errAfterArray}
	}
	return nil
}

var errAfterArray = errors.New("stands after the array: write one array, or one object after the other")

// brokenAt is where a file cannot be read on.
type brokenAt struct {
	offset int64
	err    error
}

func (b brokenAt) Error() string { return b.err.Error() }
func (b brokenAt) Unwrap() error { return b.err }

// syntax adds what makes the rest of the file unreadable.
func (f *faults) syntax(lines *lineCounter, err error) {
	var (
		at        int64
		broken    brokenAt
		syntactic *jsontext.SyntacticError
	)
	if errors.As(err, &syntactic) {
		at = syntactic.ByteOffset
	} else if errors.As(err, &broken) {
		at = broken.offset
	}
	says := "is no JSON from here on"
	switch {
	case errors.Is(err, errAfterArray):
		says = errAfterArray.Error()
	case errors.Is(err, jsontext.ErrDuplicateName):
		says = "the same field stands twice in one object"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		says = "the file ends in the middle"
	}
	f.add(lines.at(at), "", says)
}

// shapeFault says which field of a record has the wrong type or no meaning. encoding errors may quote values.
func shapeFault(err error) string {
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return "is no account"
	}
	field := fieldPath(semantic.JSONPointer)
	if errors.Is(semantic.Err, json.ErrUnknownName) {
		return field + " is no field of an account"
	}
	want := map[reflect.Kind]string{
		reflect.String: "text", reflect.Slice: "a list", reflect.Struct: "an object",
		reflect.Float64: "a number", reflect.Int64: "a whole number", reflect.Int: "a whole number",
	}
	if t := semantic.GoType; t != nil && want[t.Kind()] != "" {
		return field + " must be " + want[t.Kind()]
	}
	return field + " has the wrong type"
}

// fieldPath writes a JSON pointer as tokens[0].name. Names come from the file, so they are cut.
func fieldPath(p jsontext.Pointer) string {
	const longest = 40
	var path string
	for name := range p.Tokens() {
		if len(name) > longest {
			name = name[:longest] + "..."
		}
		switch {
		case name[:min(1, len(name))] >= "0" && name[:min(1, len(name))] <= "9":
			path += "[" + name + "]"
		case path == "":
			path = Shown(name)
		default:
			path += "." + Shown(name)
		}
	}
	if path == "" {
		return "the record"
	}
	return path
}

// lineCounter turns ascending offsets into line numbers without counting the same lines again.
type lineCounter struct {
	text []byte
	seen int64
	line int
}

func (l *lineCounter) at(offset int64) int {
	offset = max(l.seen, min(offset, int64(len(l.text))))
	l.line += bytes.Count(l.text[l.seen:offset], []byte("\n"))
	l.seen = offset
	return l.line + 1
}
