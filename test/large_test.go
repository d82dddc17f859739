package test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// largeMessages holds F10 from end to end: ten texts of the largest size, each character escaped sixfold on the wire,
// sent at once. Two of them together would not fit into one call to SNS.
func largeMessages(t *testing.T, s stack) {
	at := s.open(t, nil, "history")
	text := strings.Repeat(`\u0001`, 32<<10)
	var sent sync.WaitGroup
	for i := range 10 {
		sent.Go(func() {
			body := fmt.Sprintf(`{"event":"incoming_message","chat_id":"large","message":{"id":"msg_%d","type":"text","text":"%s","author":{"id":"v","type":"visitor"},"created_at":"2024-01-15T10:32:00Z"}}`, i, text)
			if status, answer, err := try(http.DefaultClient, at.ingress.URL+"/livechat/"+identifier, body); err != nil || status != 200 {
				t.Errorf("message %d: %d %.200s %v", i, status, answer, err)
			}
		})
	}
	sent.Wait()
	eventually(t, "all ten stand in history", func() bool { return len(history(t, at.ingress.URL, "large")) == 10 })
	_, answer := post(t, at.ingress.URL+"/livechat/"+identifier+"?action=fetch_messages&chat_id=large&limit=1", "")
	if strings.Count(answer, `\u0001`) != 32<<10 {
		t.Error("the text is not what was sent")
	}
}
