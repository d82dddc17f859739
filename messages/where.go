package messages

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// undecodable says why a body is no event, in our own words and those of where.
func undecodable(format string, args ...any) error {
	return PermanentBecause(ReasonUndecodable, fmt.Sprintf(format, args...))
}

// where names the place of a JSON error without its text, which may quote what somebody wrote.
func where(err error) string {
	var sem *json.SemanticError
	if errors.As(err, &sem) {
		return fmt.Sprintf("wrong type at %q", sem.JSONPointer)
	}
	var syn *jsontext.SyntacticError
	if errors.As(err, &syn) {
		return fmt.Sprintf("not JSON at byte %d", syn.ByteOffset)
	}
	return "not JSON"
}
