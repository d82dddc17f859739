package ingress

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// The codes of refusals, beside those of channels.Invalid. They are part of the HTTP contract.
const (
	codeInvalidQuery     = "invalid_query"
	codeInvalidMultipart = "invalid_multipart"
	codeUnknownAction    = "unknown_action"
	codeIncompleteBody   = "incomplete_body"
	codeUnauthorized     = "unauthorized"
	codeForeignHost      = "host_not_allowed"
	codeForeignOrigin    = "origin_not_allowed"
	codeNotFound         = "not_found"
	codeChatNotFound     = "chat_not_found"
	codeMediaNotFound    = "media_not_found"
	codeMethod           = "method_not_allowed"
	codeBodyTimeout      = "body_timeout"
	codeKeyReused        = "idempotency_key_reused"
	codeWebhookIDReused  = "webhook_id_reused"
	codeMediaRejected    = "media_rejected"
	codeTooLarge         = "payload_too_large"
	codeContentType      = "unsupported_content_type"
	codeContentEncoding  = "unsupported_content_encoding"
	codeMediaType        = "unsupported_media_type"
	codeTooManyRequests  = "too_many_requests"
	codeInternal         = "internal_error"
	codeUnavailable      = "unavailable"
	codeNotPublished     = "not_published"
	codeChatNotReady     = "chat_not_ready"
	codeMediaNotReady    = "media_not_ready"
)

// row is what a code means in HTTP.
type row struct {
	status int
	retry  int // seconds for Retry-After; 0 means no such header
	detail string
}

// table is the only place where an error becomes a status.
var table = map[string]row{
	channels.CodeInvalidIdentifier: {400, 0, "The identifier in the path is not valid."},
	channels.CodeInvalidJSON:       {400, 0, "The body is not valid JSON."},
	channels.CodeMissingField:      {400, 0, "A required field is missing."},
	channels.CodeInvalidField:      {400, 0, "A field has a value that is not allowed."},
	channels.CodeFieldTooLong:      {400, 0, "A field is too long."},
	codeInvalidQuery:               {400, 0, "A query parameter is not valid."},
	codeInvalidMultipart:           {400, 0, "The body is not valid multipart/form-data."},
	codeUnknownAction:              {400, 0, "The action is not one of this path's."},
	codeIncompleteBody:             {400, 0, "The body ended too early."},
	codeUnauthorized:               {401, 0, "The credentials are missing or not valid for this identifier."},
	codeForeignHost:                {403, 0, "Without accounts, only requests for this machine's own names are answered."},
	codeForeignOrigin:              {403, 0, "The page's origin may not call."},
	codeNotFound:                   {404, 0, "There is nothing at this path."},
	codeChatNotFound:               {404, 0, "The chat is not known."},
	codeMediaNotFound:              {404, 0, "The file is not known."},
	codeMethod:                     {405, 0, "The method is not one of this path's; see the Allow header."},
	codeBodyTimeout:                {408, 0, "The body took too long."},
	codeKeyReused:                  {409, 0, "The Idempotency-Key was used for another file before."},
	codeWebhookIDReused:            {409, 0, "The webhook-id was used for another body before."},
	codeMediaRejected:              {410, 0, "The file was not safe to serve and is gone."},
	codeTooLarge:                   {413, 0, "The body is larger than allowed."},
	codeContentType:                {415, 0, "The Content-Type is not the one that this action takes."},
	codeContentEncoding:            {415, 0, "Encoded bodies are not taken; send the body as it is."},
	codeMediaType:                  {415, 0, "Files of this type are not taken."},
	codeTooManyRequests:            {429, 1, "Too many requests from this address."},
	codeInternal:                   {500, 0, "Something failed here; the request id is in the log."},
	codeUnavailable:                {503, 2, "Something that the answer needs is not available now."},
	codeNotPublished:               {503, 2, "The message could not be made durable; send it again."},
	codeChatNotReady:               {503, 1, "The chat was accepted and is not readable yet."},
	codeMediaNotReady:              {503, 1, "The file was received and is still being made safe."},
}

// refusal is an answer other than the one that was asked for.
type refusal struct {
	code   string
	field  string
	detail string        // empty: the table's
	retry  time.Duration // when to come again; 0: the table's
	cause  error         // for the log of a 5xx; never told
}

// Error implements error.
func (r *refusal) Error() string { return r.code }

// Unwrap gives the cause.
func (r *refusal) Unwrap() error { return r.cause }

func refuse(code string) error { return &refusal{code: code} }

func refuseField(code, field, detail string) error {
	return &refusal{code: code, field: field, detail: detail}
}

// problem is an RFC 9457 problem. Its type is always about:blank, so the title is the phrase of the status; what went
// wrong is told apart by the code.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	Field     string `json:"field,omitzero"`
	RequestID string `json:"request_id,omitzero"`
}

// classify finds the refusal in an error; what nobody expected is internal.
func classify(err error) *refusal {
	var known *refusal
	var invalid *channels.Invalid
	var routing *echo.HTTPError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &invalid):
		code := invalid.Code
		if _, ok := table[code]; !ok {
			code = channels.CodeInvalidField
		}
		return &refusal{code: code, field: invalid.Field, detail: invalid.Detail}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{code: codeBodyTimeout}
	case errors.Is(err, store.ErrUnknownChat):
		return &refusal{code: codeChatNotFound}
	case messages.IsUnavailable(err), errors.Is(err, context.DeadlineExceeded):
		return &refusal{code: codeUnavailable, cause: err}
	case errors.Is(err, context.Canceled): // the caller has gone: nobody reads the answer
		return &refusal{code: codeUnavailable}
	case errors.As(err, &routing) && routing.Code == http.StatusMethodNotAllowed:
		return &refusal{code: codeMethod}
	case errors.As(err, &routing) && routing.Code < http.StatusInternalServerError:
		return &refusal{code: codeNotFound}
	}
	return &refusal{code: codeInternal, cause: err}
}

// answer writes the problem of an error, logs what is our fault, and returns the status.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, err error) int {
	refused := classify(err)
	means := table[refused.code]
	p := problem{
		Type: "about:blank", Title: http.StatusText(means.status), Status: means.status,
		Detail: means.detail, Code: refused.code, Field: refused.field,
	}
	if refused.detail != "" {
		p.Detail = refused.detail
	}
	if means.status == http.StatusInternalServerError {
		p.RequestID = newRequestID()
	}
	if refused.cause != nil {
		level := slog.LevelWarn // an outage, which its own part tells about too
		if means.status == http.StatusInternalServerError {
			level = slog.LevelError
		}
		s.log.LogAttrs(r.Context(), level, "request failed",
			slog.String("code", refused.code), slog.String("request_id", p.RequestID), slog.Any("error", refused.cause))
	}
	h := w.Header()
	if refused.retry > 0 {
		means.retry = int(math.Ceil(refused.retry.Seconds()))
	}
	if means.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(means.retry))
	}
	if means.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, means.status, problemType, &p)
	return means.status
}

// newRequestID makes an id that ties an answer to a line of the log.
func newRequestID() string {
	var b [8]byte
	rand.Read(b[:])
	return "req_" + hex.EncodeToString(b[:])
}
