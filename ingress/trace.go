package ingress

import (
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"
)

// traceParent takes over the caller's trace (W3C Trace Context, section 3.2) or starts one. Trace ids only have to be
// unique, so they need no cryptographic source.
func traceParent(r *http.Request) string {
	if given := r.Header.Get("Traceparent"); given != "" && validTraceParent(given) {
		return given
	}
	var ids [24]byte // a trace id of 16 bytes and a span id of 8
	for i := range ids {
		ids[i] = byte(rand.Uint32())
	}
	ids[0] |= 1 // all zeros is not an id
	ids[16] |= 1
	var b [55]byte
	copy(b[:], "00-")
	hex.Encode(b[3:35], ids[:16])
	b[35] = '-'
	hex.Encode(b[36:52], ids[16:])
	copy(b[52:], "-00") // not sampled: nobody records it yet
	return string(b[:])
}

// validTraceParent takes version 00 only: what a later version adds is not ours to pass on.
func validTraceParent(s string) bool {
	if len(s) != 55 || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return false
	}
	trace, span, flags := s[3:35], s[36:52], s[53:]
	return isLowerHex(trace) && isLowerHex(span) && isLowerHex(flags) &&
		strings.Trim(trace, "0") != "" && strings.Trim(span, "0") != ""
}

func isLowerHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
