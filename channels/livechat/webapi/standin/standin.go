// Package standin answers like LiveChat's Web APIs, as far as webapi calls them, for tests: it follows the documented
// contract of version 3.6 and is stricter than it where a caller could go wrong unnoticed.
package standin

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Server is LiveChat, with one organisation.
type Server struct {
	URL string

	mu      sync.Mutex
	http    *httptest.Server
	header  string // the Authorization that is let in
	scopes  map[string]bool
	region  string // where the data is; empty: any X-Region is fine
	enabled bool
	hooks   []Webhook
	chats   []Chat
	pages   map[string]cursor
	made    int
	faults  map[string][]Fault
	calls   []string
}

// Webhook is a registration as LiveChat keeps it. Secret is never answered.
type Webhook struct {
	ID             string
	OwnerClientID  string
	Action         string
	URL            string
	Description    string
	Type           string
	Secret         string
	SourceType     []string
	AdditionalData []string
}

// Chat is a conversation with all of its threads, oldest first.
type Chat struct {
	ID      string
	Users   []map[string]any
	Threads []Thread
}

// Thread holds events as LiveChat writes them.
type Thread struct {
	ID        string
	Active    bool
	Closed    string // why the token's owner is not told the events; empty: he is
	CreatedAt time.Time
	Events    []map[string]any
}

// Fault is what happens to one call instead of, or after, what was asked. The zero value lets one call pass.
type Fault struct {
	Status     int
	Type       string // of the error; empty: not LiveChat's words
	Message    string
	RetryAfter string
	Done       bool // the call has its effect first
	HangUp     bool // no answer at all
}

// Scopes are all that the methods want.
var allScopes = []string{"webhooks.configuration:rw", "webhooks.state:rw", "chats--all:ro"}

// Start runs a server that lets one Authorization header in. Close it.
func Start(authorization string) *Server {
	s := &Server{header: authorization, scopes: map[string]bool{}, pages: map[string]cursor{}, faults: map[string][]Fault{}}
	for _, scope := range allScopes {
		s.scopes[scope] = true
	}
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	return s
}

// Close ends the server.
func (s *Server) Close() { s.http.Close() }

// Set changes the server under its lock.
func (s *Server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// Revoke takes a scope from the token.
func (s *Server) Revoke(scope string) { s.set(func() { s.scopes[scope] = false }) }

// Move puts the data into a region: calls to another one are misdirected.
func (s *Server) Move(region string) { s.set(func() { s.region = region }) }

// Break lets the next calls of a method go wrong, in turn.
func (s *Server) Break(method string, faults ...Fault) {
	s.set(func() { s.faults[method] = append(s.faults[method], faults...) })
}

// Add puts chats there.
func (s *Server) Add(chats ...Chat) { s.set(func() { s.chats = append(s.chats, chats...) }) }

// Register makes webhooks that somebody else made.
func (s *Server) Register(hooks ...Webhook) { s.set(func() { s.hooks = append(s.hooks, hooks...) }) }

// Webhooks are the registrations.
func (s *Server) Webhooks() (all []Webhook) {
	s.set(func() { all = append(all, s.hooks...) })
	return all
}

// Enabled reports whether the licence webhooks are on.
func (s *Server) Enabled() (on bool) {
	s.set(func() { on = s.enabled })
	return on
}

// Calls are the methods called so far.
func (s *Server) Calls() (all []string) {
	s.set(func() { all = append(all, s.calls...) })
	return all
}

// problem is an error answer.
type problem struct {
	status  int
	kind    string
	message string
	data    map[string]any
}

func refuse(kind, message string) *problem {
	return &problem{status: http.StatusBadRequest, kind: kind, message: message}
}

// method is one of the API's: what it wants and does. run answers nil for no payload.
type method struct {
	scope string
	run   func(*Server, []byte) (any, *problem)
}

var methods = map[string]method{
	"configuration/action/list_webhooks":              {"webhooks.configuration:rw", (*Server).listWebhooks},
	"configuration/action/register_webhook":           {"webhooks.configuration:rw", (*Server).registerWebhook},
	"configuration/action/unregister_webhook":         {"webhooks.configuration:rw", (*Server).unregisterWebhook},
	"configuration/action/get_license_webhooks_state": {"webhooks.state:rw", (*Server).webhooksState},
	"configuration/action/enable_license_webhooks":    {"webhooks.state:rw", (*Server).enableWebhooks},
	"agent/action/get_chat":                           {"chats--all:ro", (*Server).getChat},
	"agent/action/list_threads":                       {"chats--all:ro", (*Server).listThreads},
	"agent/action/list_archives":                      {"chats--all:ro", (*Server).listArchives},
	"agent/action/list_chats":                         {"chats--all:ro", (*Server).listChats},
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v3.6/")
	m, ok := methods[path]
	if !ok || path == r.URL.Path || r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	s.calls = append(s.calls, name)
	fault, broken := s.fault(name)
	if broken && !fault.Done {
		fail(w, fault)
		return
	}
	answer, wrong := s.handle(m, r.Header, body)
	switch {
	case broken:
		fail(w, fault)
	case wrong != nil:
		writeProblem(w, *wrong)
	default:
		write(w, http.StatusOK, answer)
	}
}

// handle makes the checks that every method has.
func (s *Server) handle(m method, h http.Header, body []byte) (any, *problem) {
	switch {
	case h.Get("Authorization") != s.header:
		return nil, &problem{status: http.StatusUnauthorized, kind: "authentication", message: "Authentication error"}
	case s.region != "" && h.Get("X-Region") != s.region:
		return nil, &problem{status: http.StatusBadRequest, kind: "misdirected_request", message: "Wrong region", data: map[string]any{"region": s.region}}
	case !s.scopes[m.scope]:
		return nil, &problem{status: http.StatusForbidden, kind: "authorization", message: "Insufficient scopes: " + m.scope}
	case h.Get("Content-Type") != "application/json":
		return nil, refuse("validation", "Content-Type must be application/json")
	}
	return m.run(s, body)
}

func (s *Server) fault(name string) (Fault, bool) {
	waiting := s.faults[name]
	if len(waiting) == 0 {
		return Fault{}, false
	}
	s.faults[name] = waiting[1:]
	return waiting[0], waiting[0] != Fault{}
}

func fail(w http.ResponseWriter, f Fault) {
	if f.HangUp {
		panic(http.ErrAbortHandler)
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Type == "" {
		http.Error(w, "<html>not LiveChat</html>", f.Status)
		return
	}
	writeProblem(w, problem{status: f.Status, kind: f.Type, message: f.Message})
}

func writeProblem(w http.ResponseWriter, p problem) {
	e := map[string]any{"type": p.kind, "message": p.message}
	if p.data != nil {
		e["data"] = p.data
	}
	write(w, p.status, map[string]any{"error": e})
}

func write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if answer == nil { // "No response payload"
		return
	}
	// The client reads until the end; there is nobody to tell about an error.
	_ = json.MarshalWrite(w, answer)
}

// read decodes a body and refuses what the method does not know.
func read(body []byte, into any) *problem {
	if len(bytes.TrimSpace(body)) == 0 {
		return refuse("validation", "Wrong format of request")
	}
	if err := json.Unmarshal(body, into, json.RejectUnknownMembers(true), jsontext.AllowDuplicateNames(false)); err != nil {
		return refuse("validation", "Wrong format of request")
	}
	return nil
}
