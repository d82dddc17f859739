package test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// held is one credential of a client, which may have an end.
type held struct {
	value string
	until atomic.Pointer[time.Time] // in whole seconds, cut off
}

// ended is when nobody may doubt any more that the credential has ended.
func (h *held) ended() (time.Time, bool) {
	until := h.until.Load()
	if until == nil {
		return time.Time{}, false
	}
	return until.Add(time.Second), true
}

// rotating is a credential of one kind under load: the one in use, and the one before it.
type rotating struct {
	of       client
	kind     string // as livepipe account rotate calls it
	now, old atomic.Pointer[held]

	good, refused, bad, accepted, waited atomic.Int64
}

var webhookIDs atomic.Int64

// ask makes a request with a credential of the kind.
func (r *rotating) ask(http *http.Client, url string, value string) (int, error) {
	id := fmt.Sprint("r", webhookIDs.Add(1))
	body := said(id, `"t"`)
	var headers []string
	path := "/livechat/" + r.of.identifier()
	switch r.kind {
	case "token":
		headers = []string{"Authorization", "Bearer " + value}
	case "secret":
		path, body = "/webhooks/livechat", fmt.Sprintf(`{"webhook_id":"w","secret_key":%q,"action":"incoming_event","organization_id":%q,`+
			`"payload":{"chat_id":"rotated","thread_id":"T","event":{"id":%q,"type":"message","text":"t","author_id":"a@example.com","created_at":"2026-03-02T09:15:04.120301Z"}}}`,
			value, r.of.organization, id)
	case "signing":
		headers = signed(id, value, body, time.Now())
	}
	status, _, err := try(http, url+path, body, headers...)
	return status, err
}

// signed are the headers of Standard Webhooks.
func signed(id, secret, body string, at time.Time) []string {
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil
	}
	signature, err := signer.Sign(id, at, []byte(body))
	if err != nil {
		return nil
	}
	return []string{"webhook-id", id, "webhook-timestamp", fmt.Sprint(at.Unix()), "webhook-signature", signature}
}

// use sends with the credential in use: every refusal of one that has not ended is a fault.
func (r *rotating) use(http *http.Client, url string, from *atomic.Pointer[held]) {
	h := from.Load()
	if h == nil {
		return
	}
	began := time.Now()
	status, err := r.ask(http, url, h.value)
	end, ends := h.ended()
	switch {
	case ends && began.After(end):
		if r.bad.Add(1); err == nil && status == 200 {
			r.accepted.Add(1)
		}
	case ends && time.Now().After(end.Add(-time.Second)): // it ended meanwhile
	default:
		if r.good.Add(1); err != nil || status != 200 {
			r.refused.Add(1)
		}
	}
}

var countsUntil = regexp.MustCompile(`still counts until (\S+)\.`)

// rotate puts a new credential in place, as an operator does: rotate, see that the new one counts, change over.
func (r *rotating) rotate(t *testing.T, at *site, load *http.Client, overlap time.Duration) {
	t.Helper()
	args := []string{"account", "rotate", "--org=" + r.of.org, "--livechat=lc-789", "--kind=" + r.kind, "--overlap=" + overlap.String()}
	next := &held{value: "secret_key-" + rand.Text()}
	if r.kind == "secret" {
		args = append(args, "--secret-key-file="+writeFile(t, "secret", next.value))
	}
	out, errs, code := command(t, at.env, args...)
	ends := countsUntil.FindStringSubmatch(errs)
	if code != 0 || ends == nil {
		t.Errorf("rotate: exit %d %s", code, errs)
		return
	}
	if r.kind != "secret" {
		next.value = strings.TrimSpace(out)
	}
	until, err := time.Parse(time.RFC3339, ends[1])
	if err != nil {
		t.Errorf("rotate: %v", err)
		return
	}
	old := r.now.Load()
	old.until.Store(&until)
	eventually(t, "the new credential counts", func() bool {
		status, err := r.ask(load, at.ingress.URL, next.value)
		if err != nil || status != http.StatusOK {
			r.waited.Add(1)
			return false
		}
		return true
	})
	r.now.Store(next)
	r.old.Store(old)
	refusedBefore := r.bad.Load()
	eventually(t, "the old credential is tried after its end", func() bool { return r.bad.Load() >= refusedBefore+20 })
}

// strangers are requests that nobody may make, whatever rotates.
func strangers(t *testing.T, ours, theirs map[string]*rotating) []func(client *http.Client, url string) (int, error) {
	t.Helper()
	with := func(r *rotating, value func() string) func(*http.Client, string) (int, error) {
		return func(client *http.Client, url string) (int, error) { return r.ask(client, url, value()) }
	}
	always := func(value string) func() string { return func() string { return value } }
	live := func(r *rotating) func() string { return func() string { return r.now.Load().value } }
	wrong := "whsec_" + base64.StdEncoding.EncodeToString([]byte(rand.Text()+rand.Text()))
	return []func(*http.Client, string) (int, error){
		with(ours["token"], always("lp_"+rand.Text())),
		with(ours["token"], always("")),
		with(ours["token"], live(theirs["token"])),
		with(ours["secret"], always("wrong")),
		with(ours["secret"], live(theirs["secret"])),
		with(ours["signing"], always(wrong)),
		with(ours["signing"], live(theirs["signing"])),
		func(client *http.Client, url string) (int, error) { // their organization with our secret on our path
			body := fmt.Sprintf(`{"webhook_id":"w","secret_key":%q,"action":"chat_deactivated","organization_id":%q,"payload":{"chat_id":"c","thread_id":"t"}}`,
				ours["secret"].now.Load().value, theirs["secret"].of.organization)
			status, _, err := try(client, url+"/webhooks/livechat/"+ours["secret"].of.identifier(), body)
			return status, err
		},
		func(client *http.Client, url string) (int, error) { // signed too long ago
			id, body := fmt.Sprint("s", webhookIDs.Add(1)), said("s", `"t"`)
			headers := signed(id, ours["signing"].now.Load().value, body, time.Now().Add(-6*time.Minute))
			status, _, err := try(client, url+"/livechat/"+ours["signing"].of.identifier(), body, headers...)
			return status, err
		},
	}
}

// TestRotationUnderLoad: the tokens, LiveChat secrets and signing secrets of two organisations rotate while both are
// under load and strangers try what they can. No good request is refused and no bad one accepted.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	const rounds, overlap = 2, 12 * time.Second
	at := stacks[0].open(t, []string{"LIVEPIPE_ADDRESS_RATE=0"})
	all := map[string]map[string]*rotating{}
	for _, org := range []string{"ours", "theirs"} {
		c := newClient(org)
		c.licensed, c.signing = nil, "whsec_"+base64.StdEncoding.EncodeToString([]byte(rand.Text()+rand.Text()))
		at.addClients(c)
		all[org] = map[string]*rotating{}
		for kind, value := range map[string]string{"token": c.token, "secret": c.secret, "signing": c.signing} {
			r := &rotating{of: c, kind: kind}
			r.now.Store(&held{value: value})
			all[org][kind] = r
		}
	}
	load := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: limit}
	defer load.CloseIdleConnections()
	url, stop := at.ingress.URL, make(chan struct{})
	var running, rotations sync.WaitGroup
	loop := func(do func()) {
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					do()
				}
			}
		})
	}
	var bad, accepted atomic.Int64
	for org, other := range map[string]string{"ours": "theirs", "theirs": "ours"} {
		tries, next := strangers(t, all[org], all[other]), 0
		loop(func() {
			status, err := tries[next%len(tries)](load, url)
			next++
			if bad.Add(1); err != nil || status != 401 && status != 429 {
				accepted.Add(1)
			}
		})
		for _, r := range all[org] {
			loop(func() { r.use(load, url, &r.now) })
			loop(func() { r.use(load, url, &r.old) })
			rotations.Go(func() {
				for range rounds {
					r.rotate(t, at, load, overlap)
				}
			})
		}
	}
	rotations.Wait()
	close(stop)
	running.Wait()
	var good, refused, waited int64
	for _, kinds := range all {
		for kind, r := range kinds {
			good, refused, waited = good+r.good.Load(), refused+r.refused.Load(), waited+r.waited.Load()
			bad.Add(r.bad.Load())
			accepted.Add(r.accepted.Load())
			if r.good.Load() == 0 || r.bad.Load() == 0 {
				t.Errorf("%s: %d good and %d ended requests: nothing was shown", kind, r.good.Load(), r.bad.Load())
			}
		}
	}
	t.Logf("%d rotations; good requests refused: %d of %d; bad requests accepted: %d of %d; tries before a new credential counted: %d",
		2*3*rounds, refused, good, accepted.Load(), bad.Load(), waited)
	if refused != 0 || accepted.Load() != 0 {
		t.Error("a good request was refused or a bad one accepted")
	}
	_, _, metrics := get(t, at.ingress.Admin+"/metrics")
	for _, kind := range []string{"token", "secret", "signing"} {
		if !regexp.MustCompile(`livepipe_ingress_rotated_credentials_used_total\{kind="` + kind + `"\} [1-9]`).MatchString(metrics) {
			t.Errorf("the use of rotated credentials of kind %s is not counted", kind)
		}
	}
}

// TestRemovalActsEverywhere: what is removed ends in every process within 30 seconds, also where it is in constant use
// and nobody shows anything wrong.
func TestRemovalActsEverywhere(t *testing.T) {
	t.Parallel()
	at := stacks[1].open(t, nil, "history")
	second := start(t, at.env, "ingress")
	c := newClient("removed")
	at.addClients(c)
	use := func(url string) int {
		status, _ := post(t, url+"/livechat/"+c.identifier(), said("m", `"t"`), "Authorization", "Bearer "+c.token)
		return status
	}
	urls := []string{at.ingress.URL, second.URL}
	for _, url := range urls {
		if status := use(url); status != http.StatusOK {
			t.Fatalf("before the removal: %d", status)
		}
	}
	removed := time.Now()
	if _, errs, code := command(t, at.env, "account", "remove", "--org="+c.org, "--livechat=lc-789"); code != 0 {
		t.Fatal(errs)
	}
	for _, url := range urls {
		eventually(t, "the removed account's token is refused", func() bool { return use(url) == http.StatusUnauthorized })
		took := time.Since(removed)
		t.Logf("refused after %s", took.Round(time.Millisecond))
		if took > 30*time.Second {
			t.Errorf("a removed token counted for %s", took)
		}
	}
}
