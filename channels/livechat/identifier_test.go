package livechat_test

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/messages"
)

func identity(org, user, chat string) channels.Identity {
	return channels.Identity{Tenant: messages.Tenant{Org: org, LiveChat: chat}, User: user}
}

func TestParseIdentifierAcceptsEverySpelling(t *testing.T) {
	slashes := identity("o?>", "u\u00ff?", "l~~")
	raw := "o?>:u\u00ff?:l~~"
	tests := map[string]struct {
		segment string
		want    channels.Identity
	}{
		"the spec's":          {"b3JnMTIzOnVzZXI0NTY6bGMtNzg5", identity("org123", "user456", "lc-789")},
		"standard, padded":    {base64.StdEncoding.EncodeToString([]byte(raw)), slashes},
		"standard, bare":      {base64.RawStdEncoding.EncodeToString([]byte(raw)), slashes},
		"URL-safe, padded":    {base64.URLEncoding.EncodeToString([]byte(raw)), slashes},
		"URL-safe, bare":      {base64.RawURLEncoding.EncodeToString([]byte(raw)), slashes},
		"spaces and unicode":  {encode("my org:ü:聊天"), identity("my org", "ü", "聊天")},
		"the longest":         {encode(longest + ":" + longest + ":" + longest), identity(longest, longest, longest)},
		"one character parts": {encode("a:b:c"), identity("a", "b", "c")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := livechat.ParseIdentifier(test.segment)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

var longest = strings.Repeat("x", 256)

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestParseIdentifierRefusesWhatIsNotCanonical(t *testing.T) {
	tests := map[string]string{
		"empty":                         "",
		"not base64":                    "b3JnMTIz!nVzZXI0NTY6bGMtNzg5",
		"percent-encoded twice":         "b3JnMTIzOnVzZXI0NTY6bGMtNzg%35",
		"both alphabets":                "bz8+OnXDvz86b-_+",
		"trailing bits are not zero":    "YTpiOmN=",
		"trailing bits, bare":           "YTpiOmNk" + "ZR",
		"too much padding":              "YTpiOmM==",
		"padding that is not needed":    "b3JnMTIzOnVzZXI0NTY6bGMtNzg5=",
		"padding inside":                "YTp=iOmM=",
		"one character too many":        "b3JnMTIzOnVzZXI0NTY6bGMtNzg5A",
		"line feed":                     "YTpi\nOmM=",
		"carriage return":               "YTpiOmM=\r",
		"space":                         "YTpi OmM=",
		"NUL inside":                    encode("a\x00:b:c"),
		"line feed inside":              encode("a:b\n:c"),
		"control character inside":      encode("a:b:c\x7f"),
		"C1 control character inside":   encode("a:b:c\u0085"),
		"two parts":                     encode("a:b"),
		"four parts":                    encode("a:b:c:d"),
		"first part empty":              encode(":b:c"),
		"second part empty":             encode("a::c"),
		"third part empty":              encode("a:b:"),
		"not UTF-8":                     encode("a:b:\xff"),
		"UTF-8 of a surrogate":          encode("a:b:\xed\xa0\x80"),
		"a part of 257 bytes":           encode(longest + "x:b:c"),
		"4 KB long":                     strings.Repeat("YTpi", 1024),
		"the text itself, not encoded":  "org123:user456:lc-789",
		"a path that goes on after it":  "b3JnMTIzOnVzZXI0NTY6bGMtNzg5/x",
		"standard base64, NUL behind":   "YTpiOmM=\x00",
		"urlsafe with a space for plus": "bz8 OnXDvz86bH5-",
	}
	for name, segment := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := livechat.ParseIdentifier(segment)
			var invalid *channels.Invalid
			if !errors.As(err, &invalid) || invalid.Code != channels.CodeInvalidIdentifier || invalid.Field != "identifier" {
				t.Fatalf("got %v, %v", got, err)
			}
			if !cmp.Equal(got, channels.Identity{}) {
				t.Errorf("got %v beside an error", got)
			}
		})
	}
}

// FuzzParseIdentifier holds that whatever is accepted is one of the four spellings of exactly one identity.
func FuzzParseIdentifier(f *testing.F) {
	for _, seed := range []string{"b3JnMTIzOnVzZXI0NTY6bGMtNzg5", "YTpiOmM=", "YTpiOmM", "bz8-OnXDvz86bH5-", "bz8+OnXDvz86bH5+", "YTpiOmN="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, segment string) {
		got, err := livechat.ParseIdentifier(segment)
		if err != nil {
			return
		}
		raw := []byte(got.Org + ":" + got.User + ":" + got.LiveChat)
		spellings := []string{
			base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
			base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		}
		canonical := false
		for _, s := range spellings {
			canonical = canonical || s == segment
			again, err := livechat.ParseIdentifier(s)
			if err != nil || again != got {
				t.Errorf("%q means %v, its spelling %q means %v, %v", segment, got, s, again, err)
			}
		}
		if !canonical {
			t.Errorf("%q was accepted and is no spelling of %v", segment, got)
		}
	})
}

// TestValidPartIsTheRuleOfIdentifiers: an account can have a name if and only if an identifier can.
func TestValidPartIsTheRuleOfIdentifiers(t *testing.T) {
	valid := []string{"org123", "my org", "\u804a\u5929", "a\ufffd", longest}
	for i, part := range append(valid, "", longest+"x", "a:b", "a\x00", "a\n", "a\u0085", "a\xff") {
		want := i < len(valid)
		_, err := livechat.ParseIdentifier(encode("org:user:" + part))
		if got := livechat.ValidPart(part); got != want || (err == nil) != want {
			t.Errorf("%.10q: valid %v, as a part of an identifier: %v, want %v", part, got, err, want)
		}
	}
}

func TestWebhookPathIsRead(t *testing.T) {
	for _, of := range []channels.Identity{identity("org123", "user456", "lc-789"), identity("o?>", "u\u00ff?", "l~~"), identity(longest, longest, longest)} {
		path := livechat.WebhookPath(of)
		segment, ok := strings.CutPrefix(path, "/webhooks/livechat/")
		got, err := livechat.ParseIdentifier(segment)
		if !ok || err != nil || got != of || url.PathEscape(segment) != segment {
			t.Errorf("%s leads to %+v, %v, want %+v", path, got, err, of)
		}
	}
}
