package rules

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/livepipe/livepipe/internal/loopback"
)

// The built-in destinations, and the types of those in a file.
const (
	Log     = "log"     // a log line with ids and the type, never what somebody wrote
	Drop    = "drop"    // nowhere
	Webhook = "webhook" // an HTTP POST, signed per Standard Webhooks
)

// Destination is one place that events can go to.
type Destination struct {
	Name    string
	Type    string // Log, Drop or Webhook
	URL     *url.URL
	Signer  *standardwebhooks.Webhook // holds the secret; it has no printable form
	Timeout time.Duration             // of one delivery
	// Internal asks for notes among agents too. The default is no: who is behind a destination may show the visitor
	// whatever it gets.
	Internal bool
}

// String names the destination and nothing of its URL, which may hold credentials.
func (d Destination) String() string { return d.Name + " (" + d.Type + ")" }

// GoString keeps %#v from printing the secret.
func (d Destination) GoString() string { return d.String() }

const (
	defaultTimeout = 10 * time.Second
	// A handler may run for 30 s; what is left of them is for the store before and after the call.
	maxTimeout = 25 * time.Second
)

func builtin() map[string]Destination {
	return map[string]Destination{Log: {Name: Log, Type: Log}, Drop: {Name: Drop, Type: Drop}}
}

// destinationSpec is a destination as it is written.
type destinationSpec struct {
	Type       string        `yaml:"type"`
	URL        string        `yaml:"url"`
	SecretEnv  string        `yaml:"secret_env"`
	SecretFile string        `yaml:"secret_file"`
	Timeout    time.Duration `yaml:"timeout"`
	Insecure   bool          `yaml:"insecure"`
	Internal   bool          `yaml:"internal"`
}

// destinationName keeps names fit for events, logs and metrics.
var destinationName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// build checks one destination and returns every problem with it.
func (spec destinationSpec) build(name, dir string, env func(string) string) (Destination, []error) {
	d := Destination{Name: name, Type: spec.Type, Timeout: spec.Timeout, Internal: spec.Internal}
	var problems []error
	if name == Log || name == Drop {
		problems = append(problems, fmt.Errorf("%q is built in: choose another name", name))
	} else if !destinationName.MatchString(name) {
		problems = append(problems, errors.New("a name has 1 to 63 of a-z, 0-9, _ and -, and starts with a letter or digit"))
	}
	switch spec.Type {
	case Log:
		if spec != (destinationSpec{Type: Log, Internal: spec.Internal}) {
			problems = append(problems, errors.New("type log takes no other setting than internal: remove them"))
		}
	case Drop:
		if spec != (destinationSpec{Type: Drop}) {
			problems = append(problems, errors.New("type drop takes no other setting: remove them"))
		}
	case Webhook:
		var err error
		if d.URL, err = spec.target(); err != nil {
			problems = append(problems, err)
		}
		if d.Signer, err = spec.signer(dir, env); err != nil {
			problems = append(problems, err)
		}
		if d.Timeout == 0 {
			d.Timeout = defaultTimeout
		}
		if d.Timeout < 0 || d.Timeout > maxTimeout {
			problems = append(problems, fmt.Errorf("timeout has to be more than 0 and at most %s", maxTimeout))
		}
	default:
		problems = append(problems, fmt.Errorf("unknown type %q: write webhook, log or drop", spec.Type))
	}
	return d, problems
}

// target checks the URL. Errors never show it: it may hold credentials.
func (spec destinationSpec) target() (*url.URL, error) {
	u, err := url.Parse(spec.URL)
	switch {
	case spec.URL == "":
		return nil, errors.New("url is missing: write where to post to")
	case err != nil, u.Host == "", u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("url is not an absolute https URL")
	case u.Scheme == "http" && !loopback.Is(u.Hostname()) && !spec.Insecure:
		return nil, errors.New("url is http, so that anybody on the way can read it: use https, or set insecure: true")
	}
	u.Fragment = ""
	return u, nil
}

// signer reads the secret. Standard Webhooks asks for 24 to 64 random bytes, base64, after "whsec_".
func (spec destinationSpec) signer(dir string, env func(string) string) (*standardwebhooks.Webhook, error) {
	secret, from, err := spec.secret(dir, env)
	if err != nil {
		return nil, err
	}
	encoded, prefixed := strings.CutPrefix(secret, "whsec_")
	// 24 bytes are 32 characters of base64, 64 bytes are 88.
	if !prefixed || len(encoded) < 32 || len(encoded) > 88 {
		return nil, fmt.Errorf("the secret in %s has not the form whsec_ and the base64 of 24 to 64 random bytes", from)
	}
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil { // its text could quote the secret
		return nil, fmt.Errorf("the secret in %s is not base64 after whsec_", from)
	}
	return signer, nil
}

func (spec destinationSpec) secret(dir string, env func(string) string) (secret, from string, err error) {
	switch {
	case (spec.SecretEnv == "") == (spec.SecretFile == ""):
		return "", "", errors.New("set secret_env or secret_file, one of them")
	case spec.SecretEnv != "":
		if secret = env(spec.SecretEnv); secret == "" {
			return "", "", fmt.Errorf("the environment variable %s is not set: put the secret there", spec.SecretEnv)
		}
		return secret, spec.SecretEnv, nil
	}
	file := spec.SecretFile
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	bytes, err := os.ReadFile(file)
	if err != nil {
		return "", "", fmt.Errorf("read secret_file: %w", err)
	}
	return strings.TrimSpace(string(bytes)), "secret_file", nil
}
