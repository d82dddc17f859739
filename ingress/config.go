package ingress

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/livepipe/livepipe/internal/blobs"
)

// Access says who may call.
type Access string

// The ways of access.
const (
	AccessAuto     Access = "auto"     // open on a loopback address until the first account was ever made
	AccessAccounts Access = "accounts" // only tenants that have an account, with one of its credentials
	AccessOpen     Access = "open"     // everybody who reaches the address, except pages of foreign origins
)

// Config is what an operator may choose.
type Config struct {
	Access Access
	// Loopback says that the address that ingress listens on is reached from this machine only.
	Loopback bool
	// Hosts are the names, without port, that open mode answers to besides localhost and loopback addresses.
	Hosts []string
	// Origins may call from browsers: such as "https://app.example.com", or "*" for all.
	Origins []string
	// TrustedProxies may say in X-Forwarded-For whom they speak for.
	TrustedProxies []netip.Prefix
	// MediaURL is where the files of uploads are reached, without a slash at the end: this ingress, or a CDN before it.
	MediaURL string
	// MediaRedirect sends readers of a file to S3 by a signed URL that is valid so long, in whole seconds from 1 s to 7
	// days, instead of serving its bytes. 0 serves them. The blob store must be able to sign.
	MediaRedirect time.Duration
	// UploadDir holds uploads while they are received. Empty means the system's directory for temporary files.
	UploadDir string
	// BodyLimit bounds a JSON body, UploadLimit the file of an upload, in bytes.
	BodyLimit, UploadLimit int64
	// AddressRate is how many requests a second one address may send, AddressBurst how many at once.
	AddressRate  float64
	AddressBurst int
	// PublishTimeout is how long the broker may take to make the events of one request durable.
	PublishTimeout time.Duration
	// PublishUnknown publishes what the provider sends and livepipe has no word for, too.
	PublishUnknown bool
}

// What bounds a connection.
const (
	// readHeaderTimeout bounds the head of a request: a few KiB that an honest client sends at once.
	readHeaderTimeout = 5 * time.Second
	// idleTimeout closes kept connections: longer than the 60 s after which common proxies close theirs, so that the
	// proxy closes first and no request is lost in between.
	idleTimeout = 75 * time.Second
	// maxHeaderBytes is room for the largest head that is used: an identifier of 1 KiB, a token, a proxy's additions.
	maxHeaderBytes = 32 << 10
)

// Time that a body may take.
const (
	// jsonTimeout is LiveChat's own patience: nobody waits for the answer after 10 s. Every body but an upload's has it,
	// whoever reads it.
	jsonTimeout = 10 * time.Second
	// uploadTimeout lets 10 MiB through at 1 Mbit/s, which takes 84 s, with some room.
	uploadTimeout = 2 * time.Minute
	// writeTimeout ends the answer to a caller who does not read it. It counts from the head of the request: an upload may
	// take its time to arrive and as long to be stored, and what remains is for the answer.
	writeTimeout = 2*uploadTimeout + time.Minute
)

// DefaultConfig is what holds when nobody chose.
func DefaultConfig() Config {
	return Config{
		Access:         AccessAuto,
		Origins:        []string{"https://app.example.com"},
		MediaURL:       "http://127.0.0.1:8080/media",
		BodyLimit:      1 << 20,  // a text of 32 KiB escaped six-fold is 192 KiB; the rest is room for what providers add
		UploadLimit:    10 << 20, // LiveChat's own limit
		AddressRate:    1000,     // all of LiveChat may come from a handful of addresses
		AddressBurst:   4000,
		PublishTimeout: 3 * time.Second, // LiveChat waits 10 s: 3 s leave it time for a retry elsewhere
	}
}

// Validate joins all that is wrong with the configuration.
func (c Config) Validate() error {
	var faults []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	refuse(c.Access != AccessAuto && c.Access != AccessAccounts && c.Access != AccessOpen,
		"access %q is not auto, accounts or open", c.Access)
	for _, origin := range c.Origins {
		u, err := url.Parse(origin)
		refuse(origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || origin != u.Scheme+"://"+u.Host),
			"origin %q is not scheme://host[:port] or *", origin)
	}
	u, err := url.Parse(c.MediaURL)
	refuse(err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "", "media URL %q is not an http(s) URL", c.MediaURL)
	refuse(c.MediaRedirect != 0 && (c.MediaRedirect < time.Second || c.MediaRedirect > blobs.MaxSigned || c.MediaRedirect%time.Second != 0),
		"media redirect %s is not 0 or whole seconds from 1s to %s", c.MediaRedirect, blobs.MaxSigned)
	refuse(c.BodyLimit <= 0 || c.UploadLimit <= 0, "body limit and upload limit must be positive")
	refuse(c.AddressRate <= 0 || c.AddressBurst <= 0, "address rate and burst must be positive")
	refuse(c.PublishTimeout <= 0, "publish timeout must be positive")
	return errors.Join(faults...)
}

func (c Config) uploadDir() string {
	if c.UploadDir == "" {
		return os.TempDir()
	}
	return c.UploadDir
}
