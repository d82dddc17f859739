package ingress

import (
	"bytes"
	"net/http"
	"sync"

	"github.com/go-json-experiment/json"
)

// The values of Content-Type, as header values that every response shares: nobody writes to them.
var (
	jsonType    = []string{"application/json"}
	problemType = []string{"application/problem+json"}
)

// buffers hold bodies while they are read or written.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// release gives a buffer back. One that a large body has grown is left to the collector, so that a burst of 1 MiB bodies
// does not stay in memory.
func release(b *bytes.Buffer) {
	if b.Cap() <= 64<<10 {
		b.Reset()
		buffers.Put(b)
	}
}

// writeJSON answers with v and a line break, for those who read it in a terminal. An error of the connection is not ours
// to handle: the caller has gone.
func writeJSON(w http.ResponseWriter, status int, contentType []string, v any) {
	b := buffers.Get().(*bytes.Buffer)
	defer release(b)
	if err := json.MarshalWrite(b, v); err != nil {
		panic(err) // our own types, from strings that were valid when they came in: a fault in this program
	}
	b.WriteByte('\n')
	w.Header()["Content-Type"] = contentType
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
