package test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// largeMessages holds F10 from end to end: ten texts of the largest size, each character escaped sixfold on the wire,
// sent at once in ten conversations. Two of them together would not fit into one call to SNS.
func largeMessages(t *testing.T, s stack) {
	at := s.open(t, nil, "history")
	text := strings.Repeat(`\u0001`, 32<<10)
	var sent sync.WaitGroup
	for i := range 10 {
		sent.Go(func() {
			body := fmt.Sprintf(`{"event":"incoming_message","chat_id":"large_%d","message":{"id":"msg_1","type":"text","text":"%s","author":{"id":"v","type":"visitor"},"created_at":"2024-01-15T10:32:00Z"}}`, i, text)
			for { // a busy broker is answered 503, and then the sender comes again
				status, answer, err := try(http.DefaultClient, at.ingress.URL+"/livechat/"+identifier, body)
				if err == nil && status == http.StatusServiceUnavailable {
					continue
				}
				if err != nil || status != http.StatusOK {
					t.Errorf("message %d: %d %.200s %v", i, status, answer, err)
				}
				return
			}
		})
	}
	sent.Wait()
	for i := range 10 {
		var answer string
		eventually(t, "the message stands in history", func() bool {
			var status int
			status, answer = post(t, fmt.Sprintf("%s/livechat/%s?action=fetch_messages&chat_id=large_%d", at.ingress.URL, identifier, i), "")
			return status == http.StatusOK
		})
		if strings.Count(answer, `\u0001`) != 32<<10 {
			t.Errorf("the text of message %d is not what was sent", i)
		}
	}
}
