package webapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-json-experiment/json"
)

// The types of errors that are acted upon (Agent Chat API and Configuration API, "Errors").
const (
	misdirected     = "misdirected_request"
	tooManyRequests = "too_many_requests"
	notFound        = "not_found"
)

// Error is a refusal by LiveChat.
type Error struct {
	Method  string // of the API, such as "register_webhook"
	Status  int    // of HTTP; LiveChat does not document which
	Type    string // LiveChat's word; empty when the answer was not LiveChat's
	Message string // LiveChat's, printable, without token or secret
	Region  string // with misdirected_request: the right one

	retryAfter time.Duration
}

// advice says what to do about a type of error.
var advice = map[string]string{
	"authentication":        "the token is wrong, expired or revoked: make a new one in the Developer Console",
	"authorization":         "the token lacks a scope, or the client id belongs to another organisation: webhooks need webhooks.configuration:rw and webhooks.state:rw, chats need chats--all:ro",
	"missing_access":        "the token's owner cannot see this chat: give the token chats--all:ro",
	"license_expired":       "the LiveChat subscription has ended",
	"license_not_found":     "the token belongs to no LiveChat licence",
	"wrong_product_version": "this LiveChat plan has no Web API of this kind",
	"unsupported_version":   "LiveChat no longer answers version " + version + ": use a newer livepipe",
	"limit_reached":         "LiveChat takes 3 webhooks for each action and client id: see livepipe livechat list, and unregister what is not needed",
	misdirected:             "the data is in another region, and LiveChat did not say a usable one",
	notFound:                "there is nothing with this id in the token's organisation",
	tooManyRequests:         "LiveChat asks to slow down; run the command again later",
	"request_timeout":       "LiveChat was too slow; run the command again",
	"service_unavailable":   "LiveChat is not available; run the command again",
	"internal":              "LiveChat failed; run the command again",
}

// Error says in one line who refused what, and what to do.
func (e *Error) Error() string {
	said := e.Type
	if said == "" {
		said = fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Message != "" {
		said += " (" + e.Message + ")"
	}
	if what := advice[e.Type]; what != "" {
		said += ": " + what
	}
	return "LiveChat refused " + e.Method + ": " + said
}

// passing reports whether the same call may be answered later.
func (e *Error) passing() bool {
	switch e.Type {
	case tooManyRequests, "request_timeout", "service_unavailable", "internal":
		return true
	case "":
		return e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError
	}
	return false
}

// undone reports whether the call had no effect for certain.
func (e *Error) undone() bool { return e.Type == tooManyRequests || !e.passing() }

// lostError says that there was no whole answer: what was asked may be done or not.
type lostError struct {
	method string
	server string
	cause  error
}

func (e *lostError) Error() string {
	cause := e.cause
	var address *url.Error
	if errors.As(cause, &address) {
		cause = address.Err // without the address, which the message has already
	}
	return fmt.Sprintf("no answer from %s to %s: %v", e.server, e.method, cause)
}

func (e *lostError) Unwrap() error { return e.cause }

// uncertainError says that a call that is not repeatable may have had its effect.
type uncertainError struct{ error }

func (e uncertainError) Unwrap() error { return e.error }

// Undone reports whether the call that failed with err had no effect for certain: LiveChat refused it.
func Undone(err error) bool {
	var uncertain uncertainError
	var refused *Error
	return !errors.As(err, &uncertain) && errors.As(err, &refused) && refused.undone()
}

// patient is an error with the server's own wish for the pause.
type patient struct {
	error
	pause time.Duration
}

func (e *patient) Unwrap() []error {
	return []error{e.error, &backoff.RetryAfterError{Duration: e.pause}}
}

// refusal reads an error answer: {"error":{"type":...,"message":...,"data":{"region":...}}}.
func (c *Client) refusal(method string, resp *http.Response, answer []byte) *Error {
	var body struct {
		Error struct {
			Type    string `json:"type"`
			Message string `json:"message"`
			Data    struct {
				Region string `json:"region"`
			} `json:"data"`
		} `json:"error"`
	}
	e := &Error{Method: method, Status: resp.StatusCode, retryAfter: retryAfter(resp.Header, c.config.Pace.Longest)}
	if json.Unmarshal(answer, &body) != nil {
		return e
	}
	e.Message = c.printable(body.Error.Message)
	if word.MatchString(body.Error.Type) {
		e.Type = body.Error.Type
	}
	if region.MatchString(body.Error.Data.Region) {
		e.Region = body.Error.Data.Region
	}
	return e
}

var (
	word   = regexp.MustCompile(`^[a-z_]{1,64}$`)
	region = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
)

// printable makes LiveChat's words fit for a terminal: 200 characters at most, none that controls, no secret of ours.
func (c *Client) printable(s string) string {
	for _, secret := range c.hidden {
		s = strings.ReplaceAll(s, secret, "(hidden)")
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > 200 {
		s = string(runes[:200]) + "..."
	}
	return s
}
