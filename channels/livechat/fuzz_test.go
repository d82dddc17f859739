package livechat_test

import (
	"errors"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/messages"
)

// fuzzBody holds what every decoder promises: no panic; an error that is an *Invalid; or events that can be sealed,
// opened again and answered.
func fuzzBody(f *testing.F, path, action, example string) {
	f.Add(spec(f, example))
	for _, seed := range []string{``, `{}`, `null`, `{"event_type":"x"}`, `{"event":"incoming_message","event":1}`, `{"status":"read"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := receive(path, action, body)
		if err != nil {
			var invalid *channels.Invalid
			if !errors.As(err, &invalid) || invalid.Code == "" || invalid.Detail == "" {
				t.Fatalf("error %v", err)
			}
			return
		}
		if (got.Ignored != "") != (len(got.Events) == 0) {
			t.Errorf("ignored %v with %d events", got.Ignored, len(got.Events))
		}
		for _, event := range got.Events {
			_, account := event.(messages.AccountUpdated)
			if event.From().ChatID == "" && !account || len(event.From().ChatID) > 256 {
				t.Errorf("chat id %q", event.From().ChatID)
			}
			if _, err := messages.Seal(event, time.Unix(0, 0), ""); err != nil {
				t.Error(err)
			}
		}
		if _, err := json.Marshal(got.Reply(time.Unix(0, 0))); err != nil {
			t.Error(err)
		}
	})
}

func FuzzWebhookBody(f *testing.F)  { fuzzBody(f, webhook, "", "webhook.request") }
func FuzzMessageBody(f *testing.F)  { fuzzBody(f, livePath, "", "message.request") }
func FuzzDeliveryBody(f *testing.F) { fuzzBody(f, livePath, "delivery_status", "delivery.request") }
