package test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
)

// contract holds the answers of every livepipe that the tests talk to against docs/openapi.yaml: path, status, content
// type, body and headers. A header or a field that the document does not name is a fault too.
type contract struct {
	mu       sync.Mutex
	document validator.Validator
	checked  int
	broken   []string
}

// described is the one contract of this test binary, parsed once.
var described = sync.OnceValues(func() (*contract, error) {
	text, err := os.ReadFile("../docs/openapi.yaml")
	if err != nil {
		return nil, err
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, fmt.Errorf("read docs/openapi.yaml: %w", err)
	}
	// What every answer has is not part of the contract of one.
	v, faults := validator.NewValidator(document, config.WithStrictMode(),
		config.WithStrictIgnoredHeaders("content-type", "content-length", "transfer-encoding", "connection", "date"),
		config.WithStrictIgnorePaths(asSent...))
	return &contract{document: v}, errors.Join(faults...)
})

// asSent are the fields of a history that tell what LiveChat sent, whatever that is: the document's schema Anything.
var asSent = []string{
	"$.body.messages[*].fields[*].options**", "$.body.messages[*].fields[*].answer**",
	"$.body.messages[*].elements[*].image**", "$.body.messages[*].elements[*].buttons**", "$.body.messages[*].elements[*].ecommerce**",
	"$.body.messages[*].postback.ecommerce**", "$.body.messages[*].text_vars**", "$.body.messages[*].content**",
}

// runDescribed runs the tests with every answer to http.DefaultClient held against the contract. What a test did not
// look at, because it expected a failure, is reported at the end.
func runDescribed(m *testing.M) int {
	c, err := described()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	http.DefaultClient.Transport = c
	code := m.Run()
	fmt.Printf("%d answers held against docs/openapi.yaml, %d not as described\n", c.checked, len(c.broken))
	for _, fault := range c.broken {
		fmt.Println(fault)
		code = 1
	}
	return code
}

// RoundTrip implements http.RoundTripper: an answer that is not described is no answer.
func (c *contract) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.Header.Get("Content-Type") == "application/json" || resp.StatusCode >= http.StatusBadRequest {
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		resp.Body = http.NoBody
		if len(body) > 0 {
			resp.Body = io.NopCloser(bytes.NewReader(body))
		}
	}
	if err := c.check(r, resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// template finds the path of the document. The validator cannot: an identifier may hold slashes.
var template = regexp.MustCompile(`^/(?:webhooks/livechat/?|livechat/|media/)`)

// place is a request as the document sees it, or nil for a path that it does not have.
func place(r *http.Request) *http.Request {
	path := r.URL.Path
	switch prefix := template.FindString(path); {
	case prefix == "", prefix == "/webhooks/livechat" && path != prefix:
		return nil
	case path == "/webhooks/livechat":
	case prefix == "/media/":
		file, thumbnail := strings.CutSuffix(strings.TrimPrefix(path, prefix), "/thumbnail")
		if file == "" || strings.Contains(file, "/") {
			return nil
		}
		if path = "/media/file"; thumbnail {
			path += "/thumbnail"
		}
	default:
		path = prefix + "identifier"
	}
	known := map[string]bool{http.MethodPost: true, http.MethodOptions: true}
	method := http.MethodPost // describes the 405 of every other method
	if strings.HasPrefix(path, "/media/") {
		known = map[string]bool{http.MethodGet: true, http.MethodHead: true, http.MethodOptions: true}
		method = http.MethodGet
	}
	switch {
	case known[r.Method]:
		method = r.Method
	case r.Method == http.MethodHead: // has no body to compare
		return nil
	}
	at := r.Clone(r.Context())
	at.Method, at.URL.Path, at.URL.RawPath = method, path, ""
	return at
}

// check reports how an answer differs from the document. The HTTP library's own refusals come before any path is known.
func (c *contract) check(r *http.Request, resp *http.Response) error {
	library := resp.StatusCode >= http.StatusBadRequest && resp.Header.Get("Vary") == ""
	at := place(r)
	if at == nil || library {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked++
	ok, faults := c.document.ValidateHttpResponse(at, resp)
	if ok {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d is not as docs/openapi.yaml says:", r.Method, at.URL.Path, resp.StatusCode)
	for _, fault := range faults {
		fmt.Fprintf(&b, " %s: %s", fault.Message, fault.Reason)
		for _, detail := range fault.SchemaValidationErrors {
			fmt.Fprintf(&b, "; %s at %s", detail.Reason, detail.FieldPath)
		}
	}
	c.broken = append(c.broken, b.String())
	return errors.New(b.String())
}

// checkRaw holds the answer to a request that was written byte for byte. What is no request has no path.
func (c *contract) checkRaw(method, rest string, got reply) error {
	target, _, _ := strings.Cut(rest, " ")
	r, err := http.NewRequest(method, target, http.NoBody)
	if err != nil || !strings.HasPrefix(target, "/") {
		return nil
	}
	body := io.ReadCloser(http.NoBody)
	if got.body != "" {
		body = io.NopCloser(strings.NewReader(got.body))
	}
	return c.check(r, &http.Response{StatusCode: got.status, Header: got.header, Body: body})
}

// TestContractCatches holds that the check can fail: each of these answers differs from the document in one thing.
func TestContractCatches(t *testing.T) {
	shared, err := described()
	if err != nil {
		t.Fatal(err)
	}
	const problem = "application/problem+json"
	refused := `{"type":"about:blank","title":"Bad Request","status":400,"detail":"No.","code":"invalid_json"}`
	for name, test := range map[string]struct {
		method, path string
		status       int
		content      string
		body         string
		headers      []string
		good         bool
	}{
		"as described":   {"POST", "/livechat/x", 200, "application/json", `{"status":"ignored"}`, nil, true},
		"a refusal":      {"POST", "/livechat/x/y", 400, problem, refused, nil, true},
		"another method": {"PUT", "/livechat/x", 405, problem, strings.NewReplacer("400", "405", "invalid_json", "method_not_allowed").Replace(refused), []string{"Allow", "POST, OPTIONS"}, true},
		"other status":   {"POST", "/livechat/x", 418, problem, refused, nil, false},
		"other code":     {"POST", "/livechat/x", 400, problem, strings.Replace(refused, "invalid_json", "chat_not_found", 1), nil, false},
		"other type":     {"POST", "/livechat/x", 400, "application/json", refused, nil, false},
		"no body":        {"POST", "/livechat/x", 200, "application/json", ``, nil, false},
		"missing field":  {"POST", "/livechat/x", 200, "application/json", `{"status":"acknowledged","messageId":"m"}`, nil, false},
		"more fields":    {"POST", "/livechat/x", 200, "application/json", `{"status":"ignored","why":"x"}`, nil, false},
		"more headers":   {"POST", "/livechat/x", 200, "application/json", `{"status":"ignored"}`, []string{"X-Powered-By", "livepipe"}, false},
		"missing header": {"PUT", "/livechat/x", 405, problem, strings.Replace(refused, "invalid_json", "method_not_allowed", 1), nil, false},
		"other Vary":     {"POST", "/livechat/x", 200, "application/json", `{"status":"ignored"}`, []string{"Vary", "*"}, false},
		"file to be cached": {
			"GET", "/media/media_x.png", 404, problem, strings.NewReplacer("400", "404", "invalid_json", "media_not_found").Replace(refused),
			[]string{"Cache-Control", "public"},
			false,
		},
	} {
		c := &contract{document: shared.document}
		got := reply{test.status, http.Header{"Vary": {"Origin"}, "Content-Type": {test.content}}, test.body}
		for i := 0; i+1 < len(test.headers); i += 2 {
			got.header.Set(test.headers[i], test.headers[i+1])
		}
		shared.mu.Lock()
		err := c.checkRaw(test.method, test.path+" HTTP/1.1", got)
		shared.mu.Unlock()
		if (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
