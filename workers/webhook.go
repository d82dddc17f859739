package workers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/livepipe/livepipe/internal/rules"
	"github.com/livepipe/livepipe/messages"
)

const (
	// maxAnswer is how much of an answer is read, only so that the connection can be used again.
	maxAnswer = 16 << 10
	// maxRetryAfter bounds what a destination can ask for: an hour loses nothing and is not forgotten.
	maxRetryAfter = time.Hour
)

// newTransport makes a transport for few hosts with many requests each.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxIdleConnsPerHost:    32, // as many as deliveries under way
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}
}

// post delivers the original event within the destination's own clock.
func (d *Dispatch) post(ctx context.Context, to rules.Destination, dispatchID string, event messages.Envelope) error {
	body, err := event.Bytes()
	if err != nil {
		return messages.Permanent(messages.ReasonUndecodable, fmt.Errorf("dispatch event: %w", err))
	}
	clock := d.cooldowns[to.Name]
	turn, wait := clock.enter(d.now())
	if turn == nil {
		return messages.Postpone(wait, told(to, "cools down"))
	}
	defer turn.leave() // a panic must not keep the turn

	answered, err := d.call(ctx, to, dispatchID, body)
	switch {
	case err != nil && ctx.Err() != nil: // the process stops, or the time went elsewhere: nothing is known about to
		return fmt.Errorf("post event: %w", ctx.Err())
	case err != nil:
		return messages.Postpone(turn.unreachable(d.now()), told(to, unreachable(err)))
	}
	return d.take(turn, to, answered)
}

// answer is what counts of a response.
type answer struct {
	status     int
	retryAfter time.Duration // zero: the destination did not say
}

// call makes one request. Its error never leaves this file, because it holds the URL.
func (d *Dispatch) call(ctx context.Context, to rules.Destination, dispatchID string, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, to.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL.String(), bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	at := d.now()
	signature, err := to.Signer.Sign(dispatchID, at, body)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/cloudevents+json")
	req.Header.Set("User-Agent", "livepipe")
	req.Header.Set(standardwebhooks.HeaderWebhookID, dispatchID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	if parent := traceParent(ctx); parent != "" {
		req.Header.Set("Traceparent", parent)
	}
	res, err := d.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // the status has said everything
	return answer{status: res.StatusCode, retryAfter: retryAfter(res.Header.Get("Retry-After"), at)}, nil
}

// take turns an answer into an outcome.
func (d *Dispatch) take(turn *turn, to rules.Destination, a answer) error {
	says := told(to, "answered "+strconv.Itoa(a.status))
	switch {
	case a.status >= 200 && a.status < 300:
		turn.well()
		return nil
	case a.status == http.StatusTooManyRequests && a.retryAfter > 0:
		return messages.Postpone(turn.hold(d.now(), a.retryAfter), says)
	case a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly, a.status == http.StatusTooManyRequests,
		a.status >= 500:
		turn.busy(d.now())
		if a.retryAfter > 0 {
			turn.hold(d.now(), a.retryAfter)
		}
		return says
	default: // redirects too: whoever moves has to tell us the new URL
		turn.well() // it answers, and the next event may please it
		return messages.Permanent(messages.ReasonRefused, says)
	}
}

// retryAfter reads the header of RFC 9110, section 10.2.3: seconds or a date.
func retryAfter(header string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.Atoi(header); err == nil {
		wait = time.Duration(min(seconds, int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// saying is an error about a destination that holds nothing a person wrote and nothing of a URL, so it may be logged.
type saying struct{ text string }

func told(to rules.Destination, what string) error {
	return &saying{text: "destination " + to.Name + " " + what}
}

// Error implements error.
func (s *saying) Error() string { return s.text }

// LogValue implements slog.LogValuer.
func (s *saying) LogValue() slog.Value { return slog.StringValue(s.text) }

// unreachable says in our words why there was no answer.
func unreachable(err error) string {
	var dns *net.DNSError
	var errno syscall.Errno
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return "did not answer in time"
	case errors.As(err, &dns):
		return "has no known address"
	case errors.As(err, &errno):
		return "is not reachable: " + errno.Error()
	default:
		return "broke off"
	}
}
