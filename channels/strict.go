package channels

import (
	"bytes"
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// DecodeStrict reads a body that is exactly one JSON object in UTF-8. Duplicate names, invalid UTF-8, lone surrogates, a
// byte-order mark, anything after the object and more than 10,000 levels (the library's own bound) are refused; unknown
// names are ignored. The error is an *Invalid that names the field as a path, such as "message.id".
func DecodeStrict(body []byte, into any) error {
	// A struct would take null for an object without members.
	if start := bytes.TrimLeft(body, " \t\r\n"); len(start) == 0 || start[0] != '{' {
		return &Invalid{Code: CodeInvalidJSON, Detail: "The body must be one JSON object in UTF-8."}
	}
	if err := json.Unmarshal(body, into); err != nil {
		return explain(err)
	}
	return nil
}

// explain keeps the place of a JSON error and drops its text, which may quote what somebody wrote.
func explain(err error) *Invalid {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return &Invalid{Code: CodeInvalidJSON, Field: place(err), Detail: "A name occurs twice in one object."}
	}
	var meaning *json.SemanticError
	if errors.As(err, &meaning) {
		return &Invalid{Code: CodeInvalidField, Field: place(err), Detail: "The field has the wrong JSON type."}
	}
	return &Invalid{Code: CodeInvalidJSON, Field: place(err), Detail: "The body is not well-formed JSON in UTF-8."}
}

// place names where decoding stopped, when every part of the path looks like a name of ours: other names are the
// sender's own text.
func place(err error) string {
	var path string
	var meaning *json.SemanticError
	var grammar *jsontext.SyntacticError
	switch {
	case errors.As(err, &meaning):
		path = string(meaning.JSONPointer)
	case errors.As(err, &grammar):
		path = string(grammar.JSONPointer)
	}
	path = strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", ".")
	if len(path) > 64 || strings.Trim(path, "abcdefghijklmnopqrstuvwxyz0123456789_.") != "" {
		return ""
	}
	return path
}
