package settings

import "testing"

// S14: whatever somebody writes into a setting, rightly or not, its secrets are not shown.
func TestHide(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"LIVEPIPE_ADDR", "127.0.0.1:8080", "127.0.0.1:8080"},
		{"LIVEPIPE_ADDR", "[::1]:8080", "[::1]:8080"},
		{"LIVEPIPE_BUS", "embedded", "embedded"},
		{"LIVEPIPE_STORE", "", ""},
		{"LIVEPIPE_STORE", "sqlite:./data/livepipe.db", "sqlite:./data/livepipe.db"},
		{"LIVEPIPE_BLOBS", "file:///srv/live%20pipe/blobs", "file:///srv/live%20pipe/blobs"},
		{"LIVEPIPE_BLOBS", "s3://bucket/prefix?region=eu-west-1", "s3://bucket/prefix?region=eu-west-1"},
		{"LIVEPIPE_CORS_ORIGINS", "https://a.example.com,https://b.example.com:444", "https://a.example.com,https://b.example.com:444"},
		{"LIVEPIPE_TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8", "10.0.0.0/8,fd00::/8"},
		{"LIVEPIPE_NATS_TOKEN", "X", "(hidden)"},
		{"LIVEPIPE_SOME_SECRET", "X", "(hidden)"},

		{"LIVEPIPE_STORE", "postgres://u:X@h/db", "postgres://hidden@h/db"},
		{"LIVEPIPE_STORE", "postgres://u:X@h:5432,h2:5432/db?sslmode=require", "postgres://hidden@h:5432,h2:5432/db?sslmode=require"},
		{"LIVEPIPE_STORE", "postgres://h/db?user=u&password=X", "postgres://h/db?user=hidden&password=hidden"},
		{"LIVEPIPE_STORE", "postgres://h/db?sslmode=disable;password=X", "postgres://h/db?sslmode=hidden"},
		{"LIVEPIPE_STORE", "postgres://u:SEK%RET@h/db", "(hidden)"},
		{"LIVEPIPE_STORE", "postgres://u:SEK#RET@h/db", "(hidden)"},
		{"LIVEPIPE_STORE", "postgres://u:SEK/RET@h/db", "(hidden)"},
		{"LIVEPIPE_STORE", "postgres://u:SEK?RET@h/db", "(hidden)"},
		{"LIVEPIPE_STORE", "postgres://u:12#RET@h/db", "(hidden)"},
		{"LIVEPIPE_STORE", "postgres://u:12/RET@h/db", "(hidden)"},
		{"LIVEPIPE_STORE", "postgres://u:12?RET@h/db", "(hidden)"},
		{"LIVEPIPE_STORE", "postgres://a@u:12/RET@h/db", "(hidden)"},
		{"LIVEPIPE_STORE", "postgres://u:12,RET@h/db", "(hidden)"},
		{"LIVEPIPE_STORE", "postgres://h/db#X", "(hidden)"},
		{"LIVEPIPE_STORE", "postgres://h/db?X", "(hidden)"},
		{"LIVEPIPE_STORE", "host=h user=u password=X", "(hidden)"},
		{"LIVEPIPE_STORE", "u:X@h/db", "(hidden)"},
		{"LIVEPIPE_STORE", "sqlite:./data/livepipe.db?_key=X", "sqlite:./data/livepipe.db?_key=hidden"},
		{"LIVEPIPE_BUS", "nats://u:X@h:4222", "nats://hidden@h:4222"},
		{"LIVEPIPE_BUS", "nats://X@h:4222", "nats://hidden@h:4222"},
		{"LIVEPIPE_BUS", "nats://a@h,nats://u:X@h", "nats://hidden@h,nats://hidden@h"},
		{"LIVEPIPE_BUS", "nats://h, nats://u:X@h", "(hidden)"},
		{"LIVEPIPE_BUS", "nats://u:X", "(hidden)"},
	} {
		if got := Hide(tt.name, tt.value); got != tt.want {
			t.Errorf("%s=%s is shown as %s, want %s", tt.name, tt.value, got, tt.want)
		}
	}
}
