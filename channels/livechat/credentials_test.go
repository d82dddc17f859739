package livechat_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/channels/livechat"
)

// TestCredentials holds what a body that nobody has checked yet is believed to say about its sender.
func TestCredentials(t *testing.T) {
	type c = channels.Credentials
	says := func(secret, organization, webhook string) c {
		return c{Secret: secret, Organization: organization, Webhook: webhook}
	}
	long := strings.Repeat("x", 1025)
	tests := map[string]struct {
		body string
		want channels.Credentials
	}{
		"3.4 and later":              {`{"webhook_id":"w","secret_key":"s","action":"a","organization_id":"o","payload":{}}`, says("s", "o", "w")},
		"3.3":                        {`{"webhook_id":"w","secret_key":"s","license_id":1234567,"payload":{}}`, c{Secret: "s", Organization: "1234567", Former: true, Webhook: "w"}},
		"version 2":                  {`{"event_type":"x","token":"t","license_id":"1234567"}`, c{Organization: "1234567", Former: true, Unsigned: true}},
		"after the payload":          {`{"payload":{"secret_key":"inner","x":[{}]},"webhook_id":"w","secret_key":"s","organization_id":"o"}`, says("s", "o", "w")},
		"only inside":                {`{"payload":{"webhook_id":"w","secret_key":"s","organization_id":"o"}}`, c{}},
		"nothing":                    {`{}`, c{}},
		"empty":                      {``, c{}},
		"an array":                   {`[{"secret_key":"s"}]`, c{}},
		"other types":                {`{"webhook_id":1,"secret_key":{"a":"s"},"organization_id":["o"]}`, says("", "", "1")},
		"null":                       {`{"webhook_id":null,"secret_key":null,"organization_id":null}`, c{}},
		"escaped":                    {`{"secret\u005fkey":"\u0073"}`, says("s", "", "")},
		"the first of duplicates":    {`{"secret_key":"s","secret_key":"t","webhook_id":"w","webhook_id":"x","organization_id":"o","license_id":1}`, says("s", "o", "w")},
		"an organisation's licence":  {`{"organization_id":"o","license_id":1}`, says("", "o", "")},
		"a licence's organisation":   {`{"license_id":1,"organization_id":"o"}`, says("", "o", "")},
		"app lifecycle":              {`{"applicationID":"a","event":"application_installed"}`, c{Unsigned: true}},
		"app lifecycle, a secret":    {`{"applicationID":"a","secret_key":"s"}`, says("s", "", "")},
		"found before a fault":       {`{"webhook_id":"w","secret_key":"s","organization_id":"o",`, says("s", "o", "w")},
		"cut inside":                 {`{"webhook_id":"w","secret_key":"s`, says("", "", "w")},
		"a fault before":             {`{"x":tru,"secret_key":"s"}`, c{}},
		"secret too long":            {`{"secret_key":"` + long + `","webhook_id":"w"}`, says("", "", "w")},
		"secret as long as it may":   {`{"secret_key":"` + long[1:] + `"}`, says(long[1:], "", "")},
		"ids too long":               {`{"organization_id":"` + long[:257] + `","webhook_id":"` + long[:257] + `"}`, c{}},
		"NUL in ids":                 {`{"organization_id":"o\u0000","webhook_id":"\u0000"}`, c{}},
		"lone surrogate":             {`{"secret_key":"\ud800","organization_id":"o\ud800"}`, says("\ufffd", "o\ufffd", "")},
		"licence as a fraction":      {`{"license_id":12.5}`, c{Former: true}},
		"licence, negative":          {`{"license_id":-1}`, c{Former: true}},
		"licence of many digits":     {`{"license_id":` + strings.Repeat("9", 257) + `}`, c{Former: true}},
		"100,000 levels on the way":  {`{"x":` + strings.Repeat("[", 100_000) + `,"secret_key":"s"}`, c{}},
		"another case is another":    {`{"SECRET_KEY":"s"}`, c{}},
		"our own body has no secret": {spec(t, "webhook.request"), c{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, livechat.Channel().Credentials([]byte(test.body))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryBodyOfTheCorpusSaysWhoSentIt holds both names of the account, across versions.
func TestEveryBodyOfTheCorpusSaysWhoSentIt(t *testing.T) {
	index := readCorpus(t)
	for _, o := range index.Bodies {
		want := channels.Credentials{Secret: index.SecretKey, Organization: index.OrganizationID, Webhook: index.WebhookID}
		switch version, _, _ := strings.Cut(o.Body, "/"); version {
		case "v3.3", "older":
			want.Organization, want.Former = index.LicenseID, true
		case "v2":
			want = channels.Credentials{Organization: index.LicenseID, Former: true, Unsigned: true}
		case "lifecycle": // says organizationID, and has no secret to go with it
			want = channels.Credentials{Unsigned: true}
		}
		if got := livechat.Channel().Credentials(readFile(t, o.Body)); got != want {
			t.Errorf("%s: %+v", o.Body, got)
		}
	}
}

// BenchmarkCredentials prints what the look costs before a body is checked: LiveChat's own order of members, with no
// payload and with a megabyte of it, and the worst that a body of a megabyte can do.
func BenchmarkCredentials(b *testing.B) {
	head := `{"webhook_id":"w","secret_key":"s","action":"a","organization_id":"o","payload":`
	payload := `[` + strings.Repeat(`{"a":"b"},`, 1<<20/10) + `0]`
	for name, body := range map[string]string{
		"no payload": head + `{}}`, "1 MiB": head + payload + `}`, "1 MiB first": `{"payload":` + payload + `,` + head[1:] + `0}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			read, body := livechat.Channel().Credentials, []byte(body)
			for b.Loop() {
				read(body)
			}
		})
	}
}
