// Package webapi calls LiveChat's Web APIs, version 3.6: the webhooks of the Configuration API and the chats of the
// Agent Chat API (https://platform.text.com/docs). It knows requests and pages; what a chat means is known to the package
// above it.
package webapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	version = "v3.6"
	// The server gives up after 15 s (request_timeout); the rest is for the way there and back.
	callTimeout = 30 * time.Second
	// A page has 25 threads at most (see pageSize). An event has up to 16 KB of text, so this is some 80 long ones in each.
	maxAnswer = 32 << 20
)

// Config is how to reach the API.
type Config struct {
	BaseURL string // such as https://api.livechatinc.com
	// Token is an OAuth access token ("dal:..."), a personal access token as "ACCOUNT_ID:TOKEN", the base64 of that, or a
	// whole value of the Authorization header.
	Token     string
	UserAgent string
	Pace      Pace // zero: DefaultPace
	// Waiting, when set, is called for every pause before a call is tried again.
	Waiting func(cause error, pause time.Duration)
}

// Pace bounds how a call is tried again that LiveChat was too busy for: the first pause, the longest one, and the time
// for all of them. Pauses double and are jittered by half. LiveChat documents no numbers.
type Pace struct{ First, Longest, Total time.Duration }

// DefaultPace waits up to five minutes for one call.
func DefaultPace() Pace {
	return Pace{First: time.Second, Longest: 30 * time.Second, Total: 5 * time.Minute}
}

// Client calls the API, one call at a time.
type Client struct {
	config        Config
	http          *http.Client
	authorization string
	region        string   // data centre, for X-Region; empty: LiveChat's default
	hidden        []string // what no error may show
	reached       bool     // whether the server has ever answered
}

// New checks the configuration. Its error never shows the token.
func New(c Config) (*Client, error) {
	c.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || base.User != nil {
		return nil, errors.New("the address of LiveChat's API is not a URL with a host and without credentials")
	}
	if base.Scheme != "https" && (base.Scheme != "http" || !loopback(base.Hostname())) {
		return nil, errors.New("the address of LiveChat's API must begin with https://: the token travels there")
	}
	if c.Pace == (Pace{}) {
		c.Pace = DefaultPace()
	}
	a, err := authorize(c.Token)
	if err != nil {
		return nil, err
	}
	return &Client{
		config:        c,
		authorization: a.header, region: a.region, hidden: a.secrets,
		http: &http.Client{
			Timeout: callTimeout,
			// The API redirects nobody; a redirect would carry the token elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call is for methods that may be repeated: it tries until there is an answer, the refusal is final, or the time is up.
func (c *Client) call(ctx context.Context, api, method string, in, out any) error {
	_, err := retry(ctx, c, func() (struct{}, error) { return struct{}{}, c.once(ctx, api, method, in, out) })
	return err
}

// retry repeats what LiveChat was too busy for, or what got lost on the way.
func retry[T any](ctx context.Context, c *Client, try func() (T, error)) (T, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval, pauses.Multiplier = c.config.Pace.First, c.config.Pace.Longest, 2
	return backoff.Retry(ctx, func() (T, error) {
		got, err := try()
		var refused *Error
		switch {
		case err == nil:
		case ctx.Err() != nil, !c.passing(err):
			err = backoff.Permanent(err)
		case errors.As(err, &refused) && refused.retryAfter > 0:
			err = &patient{err, refused.retryAfter}
		}
		return got, err
	},
		backoff.WithBackOff(pauses),
		backoff.WithMaxElapsedTime(c.config.Pace.Total),
		backoff.WithNotify(func(err error, pause time.Duration) {
			if c.config.Waiting != nil {
				c.config.Waiting(err, pause)
			}
		}))
}

// passing reports whether the same call may succeed later. An address that never answered is most likely wrong.
func (c *Client) passing(err error) bool {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.passing()
	}
	var lost *lostError
	return errors.As(err, &lost) && c.reached
}

// once makes one call. in is encoded as the body; out gets the answer, nil for none.
func (c *Client) once(ctx context.Context, api, method string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode %s: %w", method, err)
	}
	answer, err := c.send(ctx, api, method, body)
	var refused *Error
	if errors.As(err, &refused) && refused.Type == misdirected && refused.Region != "" && refused.Region != c.region {
		c.region = refused.Region // for every later call too
		answer, err = c.send(ctx, api, method, body)
	}
	if err != nil || out == nil {
		return err
	}
	// Tolerant: what people wrote may hold anything, and the decoder of chats repairs it.
	err = json.Unmarshal(answer, out, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if err != nil {
		return fmt.Errorf("read answer of %s: it is not what LiveChat documents for %s", method, version)
	}
	return nil
}

// send posts a body and gives that of a 200.
func (c *Client) send(ctx context.Context, api, method string, body []byte) ([]byte, error) {
	address := c.config.BaseURL + "/" + version + "/" + api + "/action/" + method
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request of %s: %w", method, err)
	}
	req.Header.Set("Authorization", c.authorization)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", c.config.UserAgent)
	if c.region != "" {
		req.Header.Set("X-Region", c.region)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &lostError{method, c.config.BaseURL, err}
	}
	defer resp.Body.Close()
	c.reached = true
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, &lostError{method, c.config.BaseURL, err}
	}
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("read answer of %s: it is larger than %d bytes", method, maxAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.refusal(method, resp, answer)
	}
	return answer, nil
}

// retryAfter reads the header as seconds (RFC 9110, section 10.2.3); LiveChat documents none, a proxy may send it.
func retryAfter(h http.Header, longest time.Duration) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longest)
}
