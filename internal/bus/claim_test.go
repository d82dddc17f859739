package bus_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/messages"
)

// blobs is a blob store in memory that counts and fails.
type blobs struct {
	stored map[string][]byte
	asked  []string // keys of Get
	down   error
}

func (b *blobs) Put(_ context.Context, key string, body []byte) error {
	if b.down != nil {
		return b.down
	}
	if b.stored == nil {
		b.stored = make(map[string][]byte)
	}
	b.stored[key] = bytes.Clone(body)
	return nil
}

func (b *blobs) Get(_ context.Context, key string) ([]byte, error) {
	b.asked = append(b.asked, key)
	return b.stored[key], b.down
}

// largeEvent is one of our own events, around 300 KiB.
func largeEvent(t *testing.T) *message.Message {
	t.Helper()
	text := strings.Repeat("größe ", 50_000)
	env, err := messages.Seal(messages.MessageReceived{
		Origin: messages.Origin{
			Channel: "livechat",
			Chat:    messages.Chat{Tenant: messages.Tenant{Org: "org123", LiveChat: "lc-789"}, ChatID: "chat_abc123"},
		},
		Message: messages.Message{
			ID: "msg_001", Type: messages.MessageText, Text: &text,
			Author: messages.Author{ID: "visitor_xyz", Type: "visitor"}, CreatedAt: "2024-01-15T10:30:00Z",
		},
	}, time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := bus.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func packLarge(t *testing.T, claims bus.Claims, msg *message.Message) *message.Message {
	t.Helper()
	wire, err := bus.PackLarge(t.Context(), claims, msg, bus.SQS())
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

func receive(t *testing.T, claims bus.Claims, wire *message.Message) *message.Message {
	t.Helper()
	msg, err := bus.Redeem(t.Context(), claims, bus.Unpack(wire))
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// F10: one event over the broker's limit.
func TestF10LargeEventTravelsAsAClaim(t *testing.T) {
	claims, msg := &blobs{}, largeEvent(t)
	wire := packLarge(t, claims, msg)
	if size := bus.Size(wire); size > 2<<10 {
		t.Errorf("%d bytes still go over the wire", size)
	}
	sent, err := messages.ParseEnvelope(wire.Payload)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := messages.ParseEnvelope(msg.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(claims.stored[sent.DataRef], whole.Data) {
		t.Errorf("under %s stands no data of the event", sent.DataRef)
	}
	sent.DataRef, sent.DataDigest, sent.Data = "", "", whole.Data
	if a, b := mustBytes(t, sent), mustBytes(t, whole); a != b {
		t.Error("the envelope that travels says something else than the event")
	}
	mustEqual(t, msg, receive(t, claims, wire))
}

func mustBytes(t *testing.T, env messages.Envelope) string {
	t.Helper()
	b, err := env.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWhateverIsLargeComesBackByteForByte(t *testing.T) {
	event, big := string(largeEvent(t).Payload), strings.Repeat("x", bus.ClaimAbove)
	for name, msg := range map[string]*message.Message{
		"bytes of no format":        newMessage("a", nil, strings.Repeat("\xff\x00", bus.ClaimAbove)),
		"text":                      newMessage("a", message.Metadata{"k": "v"}, big),
		"JSON of others":            newMessage("a", nil, `{"a":"`+big+`"}`),
		"our event, spaced":         newMessage("a", nil, strings.Replace(event, `,"id"`, `, "id"`, 1)),
		"our event and a new field": newMessage("a", nil, strings.Replace(event, `,"id"`, `,"newer":1,"id"`, 1)),
		"our event, reordered":      newMessage("a", nil, `{"data":"`+big+`","specversion":"1.0","id":"1","source":"/s","type":"t"}`),
		"data and dataref":          newMessage("a", nil, strings.Replace(event, `,"data"`, `,"dataref":"https://example.com/","data"`, 1)),
		"a type of ours":            newMessage("a", nil, `{"specversion":"1.0","id":"1","source":"/s","type":"livepipe.claim.v1","data":"`+big+`"}`),
		"base64 makes it large":     newMessage("a", nil, strings.Repeat("\xff", bus.ClaimAbove*4/5)),
		"odd metadata":              newMessage("\xff", manyKeys(20), big),
		"our event, odd metadata":   newMessage("a", manyKeys(20), event),
	} {
		t.Run(name, func(t *testing.T) {
			claims := &blobs{}
			wire := packLarge(t, claims, msg)
			if bus.Size(wire) > bus.ClaimAbove || len(claims.stored) != 1 {
				t.Errorf("%d bytes go over the wire, %d blobs", bus.Size(wire), len(claims.stored))
			}
			mustFit(t, "SQS", wire)
			mustEqual(t, msg, receive(t, claims, wire))
		})
	}
}

func TestClaimsBeginAboveTheLimit(t *testing.T) {
	const limit = 200 << 10
	attributes := len("_watermill_message_uuid"+"String"+"a") + len("k"+"String"+"value")
	for over, want := range map[int]int{0: 0, 1: 1} {
		claims := &blobs{}
		msg := newMessage("a", message.Metadata{"k": "value"}, strings.Repeat("x", limit-attributes+over))
		packLarge(t, claims, msg)
		if len(claims.stored) != want {
			t.Errorf("%d bytes over the limit: %d blobs, want %d", over, len(claims.stored), want)
		}
	}
}

// A caller that publishes again after an error leaves nothing behind.
func TestRetryWritesTheSameClaim(t *testing.T) {
	claims := &blobs{}
	first, second := packLarge(t, claims, largeEvent(t)), packLarge(t, claims, largeEvent(t))
	mustEqual(t, first, second)
	if len(claims.stored) != 1 {
		t.Errorf("blobs %v", slices.Collect(maps.Keys(claims.stored)))
	}
}

func TestClaimsOutageIsUnavailable(t *testing.T) {
	claims := &blobs{}
	wire := packLarge(t, claims, largeEvent(t))
	claims.down = errors.New("no route to host")
	if _, err := bus.PackLarge(t.Context(), claims, largeEvent(t), bus.SQS()); !messages.IsUnavailable(err) {
		t.Errorf("put: %v", err)
	}
	if _, err := bus.Redeem(t.Context(), claims, wire); !messages.IsUnavailable(err) {
		t.Errorf("get: %v", err)
	}
}

// The blob store's own refusal, such as a blob that is too large to be a claim, is no outage: that would be for ever.
func TestClaimThatTheStoreRefusesIsNotRedeemed(t *testing.T) {
	claims := &blobs{}
	wire := packLarge(t, claims, largeEvent(t))
	claims.down = messages.Permanent(messages.ReasonUndecodable, errors.New("too large"))
	mustEqual(t, wire, receive(t, claims, wire))
}

func TestTooLargeIsRefused(t *testing.T) {
	huge := newMessage("a", nil, strings.Repeat("x", bus.MaxClaim+1))
	_, err := bus.PackLarge(t.Context(), &blobs{}, huge, bus.SQS())
	mustBePermanent(t, err, messages.ReasonRefused)
	_, err = bus.PackLarge(t.Context(), nil, largeEvent(t), bus.SQS())
	mustBePermanent(t, err, messages.ReasonRefused)
}

func mustBePermanent(t *testing.T, err error, reason string) {
	t.Helper()
	var final *messages.PermanentError
	if !errors.As(err, &final) || final.Reason != reason {
		t.Errorf("got %v, want it final: %s", err, reason)
	}
}

// The dead letter says why, and a redrive after the blob was restored works.
func TestExpiredClaimIsADeadLetterThatSaysSo(t *testing.T) {
	claims, event := &blobs{}, largeEvent(t)
	wire := packLarge(t, claims, event)
	stored := claims.stored
	claims.stored = nil
	msg := receive(t, claims, wire)
	_, err := bus.Unmarshal(msg)
	mustBePermanent(t, err, messages.ReasonExpired)
	claims.stored = stored
	mustEqual(t, event, receive(t, claims, packLarge(t, claims, msg)))
}

func TestS17SwappedBlobIsNotBelieved(t *testing.T) {
	for name, other := range map[string][]byte{
		"another": []byte(`{"text":"forged"}`), "empty": {}, "huge": make([]byte, bus.MaxClaim+1),
	} {
		claims := &blobs{}
		wire := packLarge(t, claims, largeEvent(t))
		for key := range claims.stored {
			claims.stored[key] = other
		}
		msg := receive(t, claims, wire)
		mustEqual(t, wire, msg)
		if _, err := bus.Unmarshal(msg); err == nil {
			t.Errorf("%s: handled", name)
		}
	}
}

// S17: a hostile message names blobs that are none of its business.
func TestS17ForgedClaimReadsNothing(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	for _, forged := range []struct{ ref, digest string }{
		{"media/released/media_aaaaaaaaaaaaaaaaaaaaaaaaaa", "sha-256:" + digest},
		{"claims/../media/" + digest, "sha-256:../media/" + digest},
		{"claims/" + digest + "/../../media/x", "sha-256:" + digest + "/../../media/x"},
		{"claims/" + digest[:62] + "..", "sha-256:" + digest[:62] + ".."},
		{"claims/" + digest[:62] + "%2e", "sha-256:" + digest[:62] + "%2e"},
		{"claims/" + strings.ToUpper(digest), "sha-256:" + strings.ToUpper(digest)},
		{"claims/" + digest, "sha-256:" + strings.Repeat("cd", 32)},
		{"claims/" + digest, ""},
		{"claims/", "sha-256:"},
		{"/claims/" + digest, "sha-256:" + digest},
		{"https://169.254.169.254/claims/" + digest, "sha-256:" + digest},
		{"file:///etc/passwd", ""},
	} {
		env, err := messages.ParseEnvelope(largeEvent(t).Payload)
		if err != nil {
			t.Fatal(err)
		}
		env.Data, env.DataRef, env.DataDigest = nil, forged.ref, forged.digest
		claims := &blobs{}
		msg := receive(t, claims, newMessage("evt_x", nil, mustBytes(t, env)))
		_, err = bus.Unmarshal(msg)
		mustBePermanent(t, err, messages.ReasonUndecodable)
		if len(claims.asked) > 0 {
			t.Errorf("%s: the store was asked for %q", forged.ref, claims.asked)
		}
	}
}

// Data that is there is used; nobody needs to look elsewhere, and nobody does.
func TestEventWithItsDataNeedsNoClaim(t *testing.T) {
	claims, digest := &blobs{}, strings.Repeat("ab", 32)
	body := strings.Replace(string(largeEvent(t).Payload), `,"data"`,
		`,"dataref":"claims/`+digest+`","datadigest":"sha-256:`+digest+`","data"`, 1)
	msg := receive(t, claims, newMessage("a", nil, body))
	if _, err := bus.Unmarshal(msg); err != nil || len(claims.asked) > 0 {
		t.Errorf("got %v after asking for %q", err, claims.asked)
	}
}

// F21, for dead letters: nine attributes do not fit on SQS, and a dead letter of a large event is large itself.
func TestDeadLetterOfALargeEvent(t *testing.T) {
	claims, msg := &blobs{}, largeEvent(t)
	for _, k := range []string{bus.DeadReason, bus.DeadWorker, bus.DeadEventID, bus.DeadAttempts, bus.DeadFailedAt} {
		msg.Metadata.Set(k, "word")
	}
	msg.Metadata.Set(bus.DeadDetail, "rule “größe” failed")
	wire := packLarge(t, claims, msg)
	mustFit(t, "SQS", wire)
	mustEqual(t, msg, receive(t, claims, wire))
}

func FuzzClaim(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2024-01-15T10:30:00Z","partitionkey":"l","data":{"a":1}}`))
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"livepipe.claim.v1","data":1}`))
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","dataref":"claims/x","data":null}`))
	f.Add([]byte("\xff"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		body, stored, err := bus.Split(payload)
		if err != nil {
			t.Fatal(err)
		}
		again, err := bus.Join(body, stored)
		if err != nil || !bytes.Equal(again, payload) {
			t.Errorf("%q came back as %q, %v", payload, again, err)
		}
	})
}

// Whatever a hostile sender makes of an envelope, reading it asks for claims of ours or for nothing.
func FuzzRedeem(f *testing.F) {
	digest := strings.Repeat("ab", 32)
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","dataref":"claims/` + digest + `","datadigest":"sha-256:` + digest + `"}`))
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","dataref":"claims/../x"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		claims := &blobs{}
		msg := newMessage("a", nil, string(payload))
		got, err := bus.Redeem(t.Context(), claims, msg)
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, msg, got)
		for _, key := range claims.asked {
			if digest, ok := strings.CutPrefix(key, "claims/"); !ok || len(digest) != 64 || strings.Trim(digest, "0123456789abcdef") != "" {
				t.Errorf("asked for %q", key)
			}
		}
	})
}
