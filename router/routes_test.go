package router

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ExamplePrint() {
	_ = Print(os.Stdout, Table())
	// Output:
	// WORKER    EVENT                             TOPIC                             WHAT THE WORKER DOES
	// history   livechat.message.received.v1      livechat-message-received-v1      writes the conversation
	// history   livechat.media.uploaded.v1        livechat-media-uploaded-v1        writes the conversation
	// history   livechat.message.updated.v1       livechat-message-updated-v1       writes the conversation
	// history   livechat.message.deleted.v1       livechat-message-deleted-v1       writes the conversation
	// history   livechat.conversation.updated.v1  livechat-conversation-updated-v1  writes the conversation
	// delivery  livechat.delivery.updated.v1      livechat-delivery-updated-v1      keeps how far messages have got
	// delivery  livechat.messages.seen.v1         livechat-messages-seen-v1         keeps how far messages have got
	// routing   livechat.message.received.v1      livechat-message-received-v1      chooses destinations by the rules
	// routing   livechat.media.uploaded.v1        livechat-media-uploaded-v1        chooses destinations by the rules
	// routing   livechat.message.updated.v1       livechat-message-updated-v1       chooses destinations by the rules
	// routing   livechat.message.deleted.v1       livechat-message-deleted-v1       chooses destinations by the rules
	// routing   livechat.conversation.updated.v1  livechat-conversation-updated-v1  chooses destinations by the rules
	// routing   livechat.account.updated.v1       livechat-account-updated-v1       chooses destinations by the rules
	// routing   livechat.unknown.v1               livechat-unknown-v1               chooses destinations by the rules
	// dispatch  livechat.dispatch.requested.v1    livechat-dispatch-requested-v1    delivers to one destination
	// media     livechat.media.uploaded.v1        livechat-media-uploaded-v1        makes an upload safe and useful
}

func TestSelect(t *testing.T) {
	tests := map[string]struct {
		names []string
		want  []string
		fails string
	}{
		"all":        {nil, []string{"history", "delivery", "routing", "dispatch", "media"}, ""},
		"some":       {[]string{"media", " history"}, []string{"history", "media"}, ""},
		"twice":      {[]string{"media", "media"}, []string{"media"}, ""},
		"unknown":    {[]string{"media", "histroy"}, nil, `unknown worker "histroy": known are history, delivery, routing, dispatch, media`},
		"no name":    {[]string{""}, nil, `unknown worker ""`},
		"wrong case": {[]string{"Media"}, nil, `unknown worker "Media"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			picked, err := Select(tt.names...)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Fatalf("error %v, want %q", err, tt.fails)
				}
				return
			}
			var got []string
			for _, b := range picked {
				got = append(got, b.Worker)
			}
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}
